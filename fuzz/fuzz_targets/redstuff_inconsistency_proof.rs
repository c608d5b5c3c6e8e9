#![no_main]

use std::sync::LazyLock;

use floe_redstuff::{Axis, EncodingParams, InconsistencyProof, VerifiedMetadata, compute_metadata};
use libfuzzer_sys::fuzz_target;

const BLOB: &[u8] = b"a blob that was encoded correctly";
static METADATA: LazyLock<VerifiedMetadata> = LazyLock::new(|| {
    let params = EncodingParams::new(4).expect("4 shards");
    compute_metadata(params, BLOB).expect("a small blob")
});

fuzz_target!(|bytes: &[u8]| {
    let params = METADATA.params();
    if let Ok(proof) = InconsistencyProof::from_bcs(bytes, params) {
        assert_eq!(proof.to_bcs(), bytes);
        for axis in Axis::ALL {
            assert!(proof.verify(axis, &METADATA).is_err(), "the blob is consistent");
        }
    }
    if let Ok((axis, proof)) = InconsistencyProof::from_bcs_tagged(bytes, params) {
        assert_eq!(proof.to_bcs_tagged(axis), bytes);
    }
});
