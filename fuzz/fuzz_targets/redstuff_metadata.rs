#![no_main]

use floe_redstuff::{BlobMetadata, EncodingParams};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (shards, bytes) = input;
    let Ok(params) = EncodingParams::new(shards.into()) else { return };
    if let Ok(metadata) = BlobMetadata::from_bcs(bytes, params) {
        assert_eq!(metadata.to_bcs(), bytes);
        let id = metadata.blob_id();
        if let Ok(verified) = metadata.verify(&id, params) {
            assert_eq!(verified.blob_id(), &id);
        }
    }
});
