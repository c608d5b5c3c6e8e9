//! Bodies of streamed uploads.

use floe_protocol::upload;
use floe_redstuff::{EncodedBlob, PairIndex, Sliver};

/// The upload of these pairs.
pub fn body(blob: &EncodedBlob, pairs: &[PairIndex]) -> Vec<u8> {
    let slivers = pairs.iter().map(|pair| {
        let pair = &blob.pairs[usize::from(pair.get())];
        ((*pair.primary).clone(), (*pair.secondary).clone())
    });
    assemble(&blob.metadata.metadata().to_bcs(), pairs, slivers.collect())
}

/// Any metadata with any slivers, for wrong ones.
pub fn assemble(metadata: &[u8], pairs: &[PairIndex], slivers: Vec<(Sliver, Sliver)>) -> Vec<u8> {
    let count = u16::try_from(pairs.len()).unwrap();
    let mut body = upload::header(count, metadata.len()).unwrap().to_vec();
    body.extend_from_slice(metadata);
    for (pair, (primary, secondary)) in pairs.iter().zip(slivers) {
        let (primary, secondary) = (primary.to_bcs(), secondary.to_bcs());
        body.extend_from_slice(&upload::primary_prefix(*pair, primary.len()).unwrap());
        body.extend_from_slice(&primary);
        body.extend_from_slice(&upload::secondary_prefix(secondary.len()).unwrap());
        body.extend_from_slice(&secondary);
    }
    body
}
