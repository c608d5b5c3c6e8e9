#![no_main]

use floe_protocol::{
    EncodingParams,
    upload::{Frame, UploadReader},
};
use libfuzzer_sys::fuzz_target;

/// The frames of a body that arrives in chunks of that size.
fn read(params: EncodingParams, bytes: &[u8], chunk: usize) -> Option<Vec<Frame>> {
    let mut reader = UploadReader::new(params);
    let mut frames = Vec::new();
    for chunk in bytes.chunks(chunk) {
        reader.push(chunk.to_vec().into()).ok()?;
        while let Some(frame) = reader.next_frame().ok()? {
            if let Frame::Sliver(sliver) = &frame {
                let _ = sliver.decode(params);
            }
            frames.push(frame);
        }
    }
    reader.finish().ok()?;
    Some(frames)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (shards, chunk, bytes) = input;
    let Ok(params) = EncodingParams::new(shards.into()) else { return };
    let in_chunks = read(params, bytes, usize::from(chunk) + 1);
    assert_eq!(in_chunks, read(params, bytes, bytes.len().max(1)));
});
