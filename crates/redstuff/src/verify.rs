//! Many slivers of one blob, held against its metadata together.

use rayon::prelude::*;

use crate::{
    Axis, Sliver, SliverError, SliverIndex, SliverView, VerifiedMetadata, VerifiedSliver,
    code::Code,
    expand::{Expander, sliver_root, working_bytes},
    hash::{self, Digest},
};

/// Verifies many slivers of one blob on the current rayon pool; answers in the same order.
///
/// Faster than one by one not only through threads: small symbols of several slivers share a call of the code.
pub fn verify_slivers(metadata: &VerifiedMetadata, slivers: Vec<Sliver>) -> Vec<Result<VerifiedSliver, SliverError>> {
    let results = verify_views(metadata, &slivers.iter().map(Sliver::view).collect::<Vec<_>>());
    let checked = slivers.into_iter().zip(results);
    checked.map(|(sliver, result)| result.map(|()| VerifiedSliver::new(sliver, metadata))).collect()
}

/// The check of [`verify_slivers`] without the proof of it, for slivers whose bytes stay where they are.
pub fn verify_views(metadata: &VerifiedMetadata, slivers: &[SliverView<'_>]) -> Vec<Result<(), SliverError>> {
    let mut results: Vec<Result<(), SliverError>> = slivers.iter().map(|sliver| sliver.check_shape(metadata)).collect();
    for axis in Axis::ALL {
        let sound = |(at, sliver): &(usize, SliverView<'_>)| sliver.axis == axis && results[*at].is_ok();
        let sound: Vec<_> = slivers.iter().copied().enumerate().filter(sound).collect();
        // Rows past the end of a blob are zero, most of a small one: they have one root.
        let (zeros, others): (Vec<_>, Vec<_>) = sound.into_iter().partition(|(_, sliver)| is_zero(sliver.data));
        let distinct: Vec<&[u8]> = others.iter().chain(zeros.first()).map(|(_, sliver)| sliver.data).collect();
        let roots = roots(metadata, axis, &distinct);
        let rooted = others.iter().zip(&roots).chain(zeros.iter().zip(roots.last().into_iter().cycle()));
        for ((at, sliver), root) in rooted {
            results[*at] = sliver.check_root(root, metadata);
        }
    }
    results
}

/// Memory that verifying one sliver of the blob takes beside the sliver, in bytes, short of a few hundred KiB.
#[must_use]
pub fn verification_bytes(metadata: &VerifiedMetadata, axis: Axis) -> usize {
    working_bytes(axis, metadata.params(), metadata.symbol_size().bytes())
}

/// The rows past the end of the blob: they are zero, so nobody has to fetch them. None of them where the metadata commits to
/// something else, as only a faulty writer's does.
pub fn rows_past_end(metadata: &VerifiedMetadata) -> Vec<VerifiedSliver> {
    let (axis, params, symbol_size) = (Axis::Primary, metadata.params(), metadata.symbol_size());
    let held = metadata.primaries_of_range(0, metadata.unencoded_length()).map_or(0, |rows| rows.end);
    let rows = held..params.primary_source_symbols();
    if rows.is_empty() {
        return Vec::new();
    }
    let data = vec![0; metadata.sliver_bytes(axis)];
    let root = sliver_root(axis, params, symbol_size.bytes(), &data);
    let rows = rows.map(|index| Sliver { axis, index: SliverIndex::new(index), symbol_size, data: data.clone() });
    rows.filter(|row| row.check_root(&root, metadata).is_ok()).map(|row| VerifiedSliver::new(row, metadata)).collect()
}

fn is_zero(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}

/// Roots of slivers of one axis and of the right length.
fn roots(metadata: &VerifiedMetadata, axis: Axis, slivers: &[&[u8]]) -> Vec<Digest> {
    let (params, symbol) = (metadata.params(), metadata.symbol_size().bytes());
    let code = Code::of_sliver(axis, params);
    hash::expect_leaves(symbol, slivers.len() * code.total());
    let expander = || Expander::new(axis, params, symbol);
    let batch = code.batch(symbol, slivers.len());
    if slivers.len() <= batch {
        // A few microseconds, of which the thread pool would take a part.
        return expander().roots_of(slivers);
    }
    slivers.par_chunks(batch).map_init(expander, |expander, group| expander.roots_of(group)).flatten_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EncodingParams, encode};

    #[test]
    fn rows_past_the_end_are_those_of_the_encoder() {
        let params = EncodingParams::new(13).unwrap();
        for length in [0, 1, 17, 18, 19, 36, 80, 90, 91] {
            let encoded = encode(params, &vec![1; length]).unwrap();
            let rows = rows_past_end(&encoded.metadata);
            let row_bytes = encoded.metadata.sliver_bytes(Axis::Primary);
            assert_eq!(rows.len(), 5 - length.div_ceil(row_bytes), "{length}");
            for row in rows {
                assert_eq!(row, encoded.pairs[row.index.at()].primary);
            }
        }
    }

    #[test]
    fn a_row_past_the_end_that_is_not_zero_is_left_to_be_fetched() {
        let params = EncodingParams::new(13).unwrap();
        let encoded = encode(params, &[1; 30]).unwrap();
        let mut metadata = encoded.metadata.metadata().clone();
        metadata.hashes[3].primary = metadata.hashes[0].primary;
        let id = metadata.blob_id();
        let rows = rows_past_end(&metadata.verify(&id, params).unwrap());
        let rows: Vec<u16> = rows.iter().map(|row| row.index.get()).collect();
        assert_eq!(rows, [2, 4]);
    }

    #[test]
    fn zero_slivers_share_a_root_and_are_still_told_apart() {
        let params = EncodingParams::new(13).unwrap();
        let encoded = encode(params, &[1; 20]).unwrap();
        let mut slivers: Vec<Sliver> = encoded.pairs.iter().map(|pair| pair.primary.clone().into_inner()).collect();
        assert!(verify_slivers(&encoded.metadata, slivers.clone()).iter().all(Result::is_ok));
        slivers[0].data.fill(0);
        slivers[3].data[0] = 1;
        let results = verify_slivers(&encoded.metadata, slivers);
        let wrong: Vec<usize> = (0..13).filter(|at| results[*at].is_err()).collect();
        assert_eq!(wrong, [0, 3]);
        assert!(verify_views(&encoded.metadata, &[]).is_empty());
    }
}
