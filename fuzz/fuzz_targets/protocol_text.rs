#![no_main]

use floe_protocol::{
    NodeId, ObjectId,
    api::{NodeStatus, TxDigest, query::PersistenceText},
    bls::{PublicKey, SecretKey, Signature},
};
use libfuzzer_sys::fuzz_target;

/// Accepted text has one form.
fn canonical<T: std::str::FromStr + ToString>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

/// Accepted text may have several forms; the written one is read back.
fn readable<T: std::str::FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value));
    }
}

fuzz_target!(|text: &str| {
    canonical::<PublicKey>(text);
    canonical::<Signature>(text);
    canonical::<TxDigest>(text);
    readable::<NodeId>(text);
    readable::<ObjectId>(text);
    readable::<NodeStatus>(text);
    readable::<PersistenceText>(text);
    if let Ok(key) = SecretKey::from_key_file(text) {
        assert_eq!(*key.to_key_file(), text.trim());
    }
});
