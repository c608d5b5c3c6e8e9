#![no_main]

use floe_protocol::{InvalidBlobId, Message, ProofOfPossession, SignedMessage, StorageConfirmation, SyncShardRequest};
use libfuzzer_sys::fuzz_target;

fn check<T: Message>(bytes: &[u8]) {
    if let Ok(message) = T::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<StorageConfirmation>(bytes);
    check::<InvalidBlobId>(bytes);
    check::<SyncShardRequest>(bytes);
    check::<ProofOfPossession>(bytes);
    if let Ok(signed) = SignedMessage::<SyncShardRequest>::from_bcs(bytes) {
        assert_eq!(signed.to_bcs(), bytes);
    }
});
