//! Every decoder of untrusted bytes, fed with arbitrary and with damaged valid input: it may refuse, must not panic, and
//! what it accepts must serialize to the same bytes.

#![allow(clippy::unwrap_used)]

use floe_redstuff::{
    Axis, BlobId, BlobMetadata, DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, EncodedBlob, EncodingParams,
    GeneralRecoverySymbol, InconsistencyProof, MetadataError, RecoverySymbol, RecoverySymbolPair, Sliver, SliverIndex,
    SymbolId, VerifiedMetadata, WireError, encode,
};
use proptest::{prelude::*, sample::Index};

const SHARDS: u16 = 7;
const ITEMS_MAX: usize = 50;

fn params() -> EncodingParams {
    EncodingParams::new(SHARDS).unwrap()
}

fn example() -> EncodedBlob {
    encode(params(), b"Every decoder of untrusted bytes is strict.").unwrap()
}

/// Runs all decoders; returns which of them accepted the bytes.
fn decode_everything(bytes: &[u8], metadata: &VerifiedMetadata) -> Vec<bool> {
    let mut accepted = Vec::new();
    let mut check = |again: Option<Vec<u8>>| {
        accepted.push(again.is_some());
        assert!(again.is_none_or(|again| again == bytes));
    };
    let read = BlobMetadata::from_bcs(bytes, params()).ok();
    check(read.as_ref().map(BlobMetadata::to_bcs));
    if let Some(read) = read {
        let _ = read.verify(metadata.blob_id(), params());
    }
    let read = VerifiedMetadata::from_bcs_with_id(bytes, metadata.blob_id(), params());
    check(read.ok().map(|read| read.to_bcs_with_id()));
    for axis in Axis::ALL {
        let read = Sliver::from_bcs(axis, bytes, params()).ok();
        check(read.as_ref().map(Sliver::to_bcs));
        if let Some(read) = read {
            let _ = read.verify(metadata);
        }
    }
    check(Sliver::from_bcs_tagged(bytes, params()).ok().map(|read| read.to_bcs_tagged()));
    check(DecodingSymbol::from_bcs(bytes).ok().map(|read| read.to_bcs()));
    check(EitherDecodingSymbol::from_bcs(bytes).ok().map(|read| read.to_bcs()));
    check(RecoverySymbolPair::from_bcs(bytes).ok().map(|read| read.to_bcs()));
    check(SymbolId::from_bcs(bytes).ok().map(|read| read.to_bcs()));
    let read = RecoverySymbol::from_bcs(bytes).ok();
    check(read.as_ref().map(RecoverySymbol::to_bcs));
    if let Some(read) = read {
        let _ = read.verify(metadata, SliverIndex::new(2), Axis::Primary);
    }
    let read = GeneralRecoverySymbol::from_bcs(bytes).ok();
    check(read.as_ref().map(GeneralRecoverySymbol::to_bcs));
    if let Some(read) = read {
        let _ = read.clone().verify(metadata, read.target_index, Axis::Primary);
    }
    let read = GeneralRecoverySymbol::list_from_bcs(bytes, ITEMS_MAX).ok();
    check(read.map(|read| GeneralRecoverySymbol::list_to_bcs(&read)));
    check(DecodingSymbols::from_bcs(bytes, ITEMS_MAX).ok().map(|read| read.to_bcs()));
    let read = InconsistencyProof::from_bcs(bytes, params()).ok();
    check(read.as_ref().map(InconsistencyProof::to_bcs));
    if let Some(read) = read {
        for axis in Axis::ALL {
            assert!(read.verify(axis, metadata).is_err());
        }
    }
    let read = InconsistencyProof::from_bcs_tagged(bytes, params()).ok();
    check(read.map(|(axis, read)| read.to_bcs_tagged(axis)));
    accepted
}

/// One valid input for each decoder.
fn valid_inputs(encoded: &EncodedBlob) -> Vec<Vec<u8>> {
    let target = SliverIndex::new(2);
    let pair = &encoded.pairs[1];
    let general = |pair: usize| encoded.pairs[pair].secondary.general_recovery_symbol(target).unwrap();
    let recovery = |pair: usize| encoded.pairs[pair].secondary.recovery_symbol(target).unwrap();
    let list: Vec<_> = (0..5).map(general).collect();
    let mut map = DecodingSymbols::default();
    for target in [1, 256, 3] {
        map.0.insert(SliverIndex::new(target), list.iter().map(|general| general.symbol.clone()).collect());
    }
    let both = RecoverySymbolPair { primary: recovery(1), secondary: pair.primary.recovery_symbol(target).unwrap() };
    let proof = InconsistencyProof { target_sliver_index: target, symbols: (0..5).map(recovery).collect() };
    vec![
        encoded.metadata.metadata().to_bcs(),
        encoded.metadata.to_bcs_with_id(),
        pair.primary.to_bcs(),
        pair.secondary.to_bcs_tagged(),
        recovery(1).symbol.to_bcs(),
        general(1).symbol.to_bcs(),
        recovery(1).to_bcs(),
        both.to_bcs(),
        general(1).to_bcs(),
        general(1).id().to_bcs(),
        GeneralRecoverySymbol::list_to_bcs(&list),
        map.to_bcs(),
        proof.to_bcs(),
        proof.to_bcs_tagged(Axis::Primary),
    ]
}

#[test]
fn valid_inputs_are_accepted_but_not_with_a_byte_more_or_less() {
    let encoded = example();
    for bytes in valid_inputs(&encoded) {
        let accepted = decode_everything(&bytes, &encoded.metadata);
        assert!(accepted.contains(&true));
        for changed in [&[&bytes[..], &[0]].concat()[..], &bytes[..bytes.len() - 1]] {
            let both = decode_everything(changed, &encoded.metadata).into_iter().zip(&accepted);
            assert!(both.into_iter().all(|(changed, original)| !(changed && *original)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_everything(&bytes, &example().metadata);
    }

    /// Small numbers reach deeper than random bytes: counts, tags and indices are mostly small.
    #[test]
    fn small_bytes(bytes in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200)) {
        decode_everything(&bytes, &example().metadata);
    }

    #[test]
    fn damaged_valid_bytes(which: Index, damage in proptest::collection::vec(any::<(Index, u8, u8)>(), 1..4)) {
        let encoded = example();
        let mut inputs = valid_inputs(&encoded);
        let bytes = &mut inputs[which.index(14)];
        for (at, kind, value) in damage {
            let at = at.index(bytes.len().max(1));
            match kind % 4 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), value),
                2 if at < bytes.len() => { bytes.remove(at); }
                _ => if let Some(byte) = bytes.get_mut(at) { *byte ^= value },
            }
        }
        decode_everything(bytes, &encoded.metadata);
    }
}

/// A length of four gigabytes in a few bytes is refused by comparing it, not by trying to allocate it.
#[test]
fn lengths_are_bounded_before_allocation() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let params = EncodingParams::new(1000).unwrap();
    let max = usize::try_from(params.max_sliver_size()).unwrap();
    let got = usize::try_from(u32::MAX).unwrap();
    let error = Sliver::from_bcs(Axis::Primary, &huge, params).unwrap_err();
    assert_eq!(error, WireError::TooLong { what: "sliver data", got, max }.into());
    let symbol = [&[1, 0][..], &huge].concat();
    assert!(matches!(RecoverySymbol::from_bcs(&symbol), Err(WireError::TooLong { .. })));
    assert!(matches!(InconsistencyProof::from_bcs(&symbol, params), Err(floe_redstuff::ProofError::Malformed(_))));
    assert!(matches!(GeneralRecoverySymbol::list_from_bcs(&huge, 1000), Err(WireError::TooLong { .. })));
    // 1000 symbols are allowed, but cannot be in the one byte that follows.
    let short = [0xe8, 0x07, 0];
    assert_eq!(GeneralRecoverySymbol::list_from_bcs(&short, 1000), Err(WireError::Short { needed: 7000, left: 1 }));
}

#[test]
fn metadata_of_other_shapes_is_refused() {
    let encoded = example();
    let bytes = encoded.metadata.metadata().to_bcs();
    let refused = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        BlobMetadata::from_bcs(&bytes, params()).unwrap_err()
    };
    let variant = |what, got| MetadataError::Malformed(WireError::Variant { what, got });
    assert_eq!(refused(0, 1), variant("metadata version", 1));
    assert_eq!(refused(1, 0), variant("encoding type", 0));
    assert_eq!(refused(1, 2), variant("encoding type", 2));
    assert_eq!(refused(11, 2), variant("Merkle node", 2));
    let count = WireError::WrongLength { what: "metadata hashes", got: 6, expected: 7 };
    assert_eq!(refused(10, 6), count.into());

    let id = *encoded.metadata.blob_id();
    let mut short = encoded.metadata.metadata().clone();
    short.hashes.pop();
    assert_eq!(short.verify(&id, params()), Err(MetadataError::HashCount { got: 6, expected: 7 }));
    let mut large = encoded.metadata.metadata().clone();
    large.unencoded_length = params().max_blob_size() + 1;
    let own_id = large.blob_id();
    assert!(matches!(large.verify(&own_id, params()), Err(MetadataError::TooLarge(_))));
    let mut empty = encoded.metadata.metadata().clone();
    empty.hashes[3].secondary = floe_redstuff::merkle::Node::Empty;
    let own_id = empty.blob_id();
    assert!(matches!(empty.verify(&own_id, params()), Err(MetadataError::EmptyHash { .. })));
    let other = BlobId::from_bytes([1; 32]);
    let with_id = encoded.metadata.to_bcs_with_id();
    let error = VerifiedMetadata::from_bcs_with_id(&with_id, &other, params()).unwrap_err();
    assert_eq!(error, MetadataError::BlobId { got: id, expected: other });
}
