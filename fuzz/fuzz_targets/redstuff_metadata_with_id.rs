#![no_main]

use floe_redstuff::{BlobId, BlobMetadata, EncodingParams, VerifiedMetadata};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (shards, bytes) = input;
    let Ok(params) = EncodingParams::new(shards.into()) else { return };
    let Some((id, _)) = bytes.split_first_chunk() else { return };
    let id = BlobId::from_bytes(*id);
    if let Ok(verified) = VerifiedMetadata::from_bcs_with_id(bytes, &id, params) {
        assert_eq!(verified.to_bcs_with_id(), bytes);
    }
    // Hardly any input names its own id, so the accepted path starts from the metadata.
    if let Ok(metadata) = BlobMetadata::from_bcs(bytes, params) {
        let id = metadata.blob_id();
        if let Ok(verified) = metadata.verify(&id, params) {
            let bytes = verified.to_bcs_with_id();
            let again = VerifiedMetadata::from_bcs_with_id(&bytes, &id, params);
            assert_eq!(again.as_ref(), Ok(&verified));
        }
    }
});
