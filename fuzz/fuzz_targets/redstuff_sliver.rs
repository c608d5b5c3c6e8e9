#![no_main]

use std::sync::LazyLock;

use floe_redstuff::{Axis, EncodingParams, Sliver, VerifiedMetadata, compute_metadata};
use libfuzzer_sys::fuzz_target;

const BLOB: &[u8] = b"a blob whose slivers are received";
static METADATA: LazyLock<VerifiedMetadata> = LazyLock::new(|| {
    let params = EncodingParams::new(7).expect("7 shards");
    compute_metadata(params, BLOB).expect("a small blob")
});

fuzz_target!(|input: (bool, &[u8])| {
    let (primary, bytes) = input;
    let axis = if primary { Axis::Primary } else { Axis::Secondary };
    let params = METADATA.params();
    if let Ok(sliver) = Sliver::from_bcs(axis, bytes, params) {
        assert_eq!(sliver.to_bcs(), bytes);
        let _ = sliver.verify(&METADATA);
    }
    if let Ok(sliver) = Sliver::from_bcs_tagged(bytes, params) {
        assert_eq!(sliver.to_bcs_tagged(), bytes);
        let _ = sliver.verify(&METADATA);
    }
});
