//! Encoded lengths: the contracts' against the encoder's.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::{SolConstructor, SolError};
use floe_redstuff::EncodingParams;

use super::evm::Evm;
use super::operations::Draw;
use crate::bindings::Blobs;

#[test]
fn the_contracts_know_the_length_of_every_encoded_blob() {
    let mut evm = Evm::new();
    let mut draw = Draw::new(7);
    for shards in [4, 5, 6, 7, 10, 31, 100, 301, 333, 1000, 9_999, 10_000] {
        let some = Address::repeat_byte(1);
        let arguments = Blobs::constructorCall {
            governance_: some,
            nShards_: shards,
            committee_: some,
            treasury_: some,
            availability_: some,
        };
        let code: Bytes = [&Blobs::BYTECODE[..], &arguments.abi_encode()].concat().into();
        let done = evm.transact(some, None, code).unwrap();
        let blobs = done.created.expect("a contract");
        let params = EncodingParams::new(shards).unwrap();
        let max = params.max_blob_size();
        let per_step = u64::from(params.primary_source_symbols()) * u64::from(params.secondary_source_symbols());
        let edges = [0, 1, per_step, per_step + 1, 2 * per_step, 2 * per_step + 1, max - 1, max, max + 1, u64::MAX];
        let any = (0..100).map(|i| draw.below(1 << (1 + i % 45)));
        for size in edges.into_iter().chain(any) {
            let got = evm.call_as(some, blobs, &Blobs::encodedLengthCall { size });
            match params.encoded_length(size) {
                Ok(length) => assert_eq!(got, Ok(length), "{size} bytes on {shards} shards"),
                Err(_) => {
                    let reason = Bytes::from(Blobs::BlobTooLarge { got: size, max }.abi_encode());
                    assert_eq!(got, Err(reason), "{size} bytes on {shards} shards");
                }
            }
        }
    }
}
