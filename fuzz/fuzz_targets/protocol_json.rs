#![no_main]

use floe_protocol::{
    Certificate,
    api::{BlobStatus, BlobStoreResult, Confirmation, ErrorBody, Health, StoredStatus, Success},
};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

/// What is read is written so that it reads the same.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let json = serde_json::to_vec(&value).expect("shapes have text keys");
        assert_eq!(serde_json::from_slice::<T>(&json).expect("just written"), value);
    }
}

fuzz_target!(|bytes: &[u8]| {
    // Errors carry free-form metadata, whose fractions need not survive a second reading bit by bit.
    let _ = serde_json::from_slice::<ErrorBody>(bytes);
    check::<Success<BlobStatus>>(bytes);
    check::<Success<StoredStatus>>(bytes);
    check::<Success<Confirmation>>(bytes);
    check::<Success<Health>>(bytes);
    check::<BlobStoreResult>(bytes);
    check::<Certificate>(bytes);
});
