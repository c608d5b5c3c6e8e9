use bytes::Bytes;
use floe_redstuff::{BlobMetadata, EncodingType, Sliver, SliverIndex, SliverPairHashes, merkle::Node};
use proptest::prelude::*;

use super::*;
use crate::limits;

fn params() -> EncodingParams {
    EncodingParams::new(4).unwrap()
}

fn metadata(params: EncodingParams, unencoded_length: u64) -> BlobMetadata {
    let hashes = SliverPairHashes { primary: Node::Digest([0xaa; 32]), secondary: Node::Digest([0xbb; 32]) };
    BlobMetadata {
        encoding_type: EncodingType::Rs2,
        unencoded_length,
        hashes: vec![hashes; usize::from(params.n_shards())],
    }
}

/// A sliver of the right shape for a blob of that length; its data say which one it is.
fn sliver(params: EncodingParams, unencoded_length: u64, axis: Axis, pair: PairIndex) -> Sliver {
    let symbol_size = params.symbol_size(unencoded_length).unwrap();
    let mark = u8::try_from(pair.get() % 100).unwrap() * 2 + axis.tag();
    Sliver {
        axis,
        index: pair.sliver(axis, params),
        symbol_size,
        data: vec![mark; params.sliver_bytes(axis, symbol_size)],
    }
}

fn body(params: EncodingParams, unencoded_length: u64, pairs: &[u16]) -> Vec<u8> {
    let metadata = metadata(params, unencoded_length).to_bcs();
    let mut out = header(u16::try_from(pairs.len()).unwrap(), metadata.len()).unwrap().to_vec();
    out.extend(metadata);
    for &pair in pairs {
        let pair = PairIndex::new(pair);
        let primary = sliver(params, unencoded_length, Axis::Primary, pair).to_bcs();
        let secondary = sliver(params, unencoded_length, Axis::Secondary, pair).to_bcs();
        out.extend(primary_prefix(pair, primary.len()).unwrap());
        out.extend(primary);
        out.extend(secondary_prefix(secondary.len()).unwrap());
        out.extend(secondary);
    }
    out
}

/// Reads a whole body handed in by those chunks.
fn read<'a>(params: EncodingParams, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, UploadError> {
    let mut reader = UploadReader::new(params);
    let mut frames = Vec::new();
    for chunk in chunks {
        reader.push(Bytes::copy_from_slice(chunk))?;
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
    }
    reader.finish()?;
    Ok(frames)
}

fn read_whole(body: &[u8]) -> Result<Vec<Frame>, UploadError> {
    read(params(), [body])
}

#[test]
fn layout_is_pinned() {
    // 14 bytes at 4 shards: symbols of 4 bytes, primaries of 3 symbols, secondaries of 2.
    let body = body(params(), 14, &[1]);
    let hashes = format!("01{}01{}", "aa".repeat(32), "bb".repeat(32)).repeat(4);
    let expected = [
        "464c5550 01 00 0100 13010000",
        "00 01 0e00000000000000 04",
        &hashes,
        "0100 11000000 0c 020202020202020202020202 0400 0100",
        "0d000000 08 0303030303030303 0400 0200",
    ];
    assert_eq!(hex::encode(&body), expected.concat().replace(' ', ""));
    let symbol_size = params().symbol_size(14).unwrap();
    assert_eq!(body.len() as u64, body_bytes(params(), symbol_size, 1));
}

#[test]
fn frames_come_in_order() {
    let frames = read_whole(&body(params(), 14, &[0, 3])).unwrap();
    let [Frame::Metadata(first), slivers @ ..] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(*first, metadata(params(), 14));
    let expected = [(0, Axis::Primary), (0, Axis::Secondary), (3, Axis::Primary), (3, Axis::Secondary)];
    assert_eq!(slivers.len(), expected.len());
    for (frame, (pair, axis)) in slivers.iter().zip(expected) {
        let Frame::Sliver(frame) = frame else { panic!("{frame:?}") };
        let pair = PairIndex::new(pair);
        assert_eq!((frame.pair, frame.axis), (pair, axis));
        assert_eq!(frame.decode(params()), Ok(sliver(params(), 14, axis, pair)));
    }
}

#[test]
fn sliver_of_another_pair_is_refused_when_decoded() {
    let mut wrong = sliver(params(), 14, Axis::Secondary, PairIndex::new(1));
    wrong.index = SliverIndex::new(1);
    let frame = SliverFrame { pair: PairIndex::new(1), axis: Axis::Secondary, bytes: wrong.to_bcs().into() };
    let error = frame.decode(params()).unwrap_err();
    assert_eq!(error.to_string(), "bad secondary sliver of pair 1: sliver index 1, expected 2");
    let no_pair = SliverFrame { pair: PairIndex::new(4), ..frame.clone() };
    assert!(no_pair.decode(params()).is_err());
    let garbage = SliverFrame { bytes: vec![0xff; 20].into(), ..frame };
    assert!(garbage.decode(params()).is_err());
}

fn changed(at: usize, bytes: &[u8]) -> Result<Vec<Frame>, UploadError> {
    let mut body = body(params(), 14, &[1, 2]);
    body[at..at + bytes.len()].copy_from_slice(bytes);
    read_whole(&body)
}

#[test]
fn every_field_is_checked() {
    assert!(changed(0, b"FLUP").is_ok());
    assert_eq!(changed(0, b"HTTP"), Err(UploadError::BadMagic { got: *b"HTTP" }));
    assert_eq!(changed(4, &[2]), Err(UploadError::Unsupported { version: 2, flags: 0 }));
    assert_eq!(changed(5, &[1]), Err(UploadError::Unsupported { version: 1, flags: 1 }));
    assert_eq!(changed(6, &[0, 0]), Err(UploadError::PairCount { got: 0, n_shards: 4 }));
    assert_eq!(changed(6, &[5, 0]), Err(UploadError::PairCount { got: 5, n_shards: 4 }));
    assert_eq!(
        changed(8, &u32::MAX.to_le_bytes()),
        Err(UploadError::WrongLength { what: "metadata", got: u32::MAX.into(), expected: 275 })
    );
    assert!(matches!(changed(12, &[1]), Err(UploadError::BadMetadata(_))));
    assert!(matches!(changed(13, &[0]), Err(UploadError::BadMetadata(_))), "retired encoding type");
    assert!(matches!(changed(14, &[0xff; 8]), Err(UploadError::BadMetadata(_))), "longer than a blob can be");
    assert!(matches!(changed(22, &[5]), Err(UploadError::BadMetadata(_))), "hashes for another network");
    let first_pair = 12 + 275;
    let bad_pair = |got| Err(UploadError::BadPair { got, n_shards: 4 });
    assert_eq!(changed(first_pair, &[4, 0]), bad_pair(4));
    assert_eq!(changed(first_pair, &[2, 0]), bad_pair(2), "then 2 again");
    assert_eq!(changed(first_pair, &[3, 0]), bad_pair(2), "then down");
    let wrong = |what, got, expected| Err(UploadError::WrongLength { what, got, expected });
    assert_eq!(changed(first_pair + 2, &[18]), wrong("primary sliver", 18, 17));
    assert_eq!(changed(first_pair + 5, &[0xff]), wrong("primary sliver", 0xff00_0011, 17));
    assert_eq!(changed(first_pair + 6 + 17, &[0]), wrong("secondary sliver", 0, 13));
    // A length in the metadata that makes other slivers of these.
    assert_eq!(changed(14, &[25]), wrong("primary sliver", 17, 23));
}

#[test]
fn body_ends_where_it_must() {
    let body = body(params(), 14, &[1, 2]);
    for length in 0..body.len() {
        let missing_pairs = match length {
            0..12 => 4,
            _ if length < body.len() - 40 => 2,
            _ => 1,
        };
        assert_eq!(read_whole(&body[..length]), Err(UploadError::Truncated { missing_pairs }), "cut to {length}");
    }
    assert_eq!(read_whole(&[&body[..], &[0]].concat()), Err(UploadError::TrailingBytes));
    assert_eq!(read(params(), [&body[..], &[0]]), Err(UploadError::TrailingBytes));
    assert!(read(params(), [&body[..], &[]]).is_ok());
}

#[test]
fn pending_bytes_are_bounded() {
    let mut reader = UploadReader::new(params());
    let chunk = Bytes::from(vec![0; limits::UPLOAD_PENDING_BYTES_MAX]);
    assert_eq!(reader.push(chunk.clone()), Ok(()));
    let got = chunk.len() + 1;
    assert_eq!(reader.push(Bytes::from_static(&[0])), Err(UploadError::TooMuchPending { got, max: chunk.len() }));
}

#[test]
fn limits_cover_the_largest_blob() {
    for n in [4, 10, 100, 1000] {
        let params = EncodingParams::new(n).unwrap();
        let largest = params.symbol_size(params.max_blob_size()).unwrap();
        assert_eq!(limits::upload_body_bytes_max(params, 3), body_bytes(params, largest, 3));
        let sliver = sliver_bcs_bytes(params, Axis::Primary, largest);
        assert!(sliver <= limits::sliver_body_bytes_max(params));
        assert!(u32::try_from(sliver).is_ok());
        let some = self::sliver(params, 300_000, Axis::Primary, PairIndex::new(1));
        assert_eq!(some.bcs_len() as u64, sliver_bcs_bytes(params, Axis::Primary, some.symbol_size));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn chunks_do_not_matter(
        n in 4u16..20,
        length in 0u64..3000,
        chosen in prop::collection::btree_set(0u16..20, 1..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let params = EncodingParams::new(n).unwrap();
        let pairs: Vec<u16> = chosen.into_iter().filter(|&pair| pair < n).collect();
        prop_assume!(!pairs.is_empty());
        let body = body(params, length, &pairs);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let whole = read(params, [&body[..]]).unwrap();
        prop_assert_eq!(whole.len(), 1 + 2 * pairs.len());
        let in_chunks = read(params, cuts.windows(2).map(|cut| &body[cut[0]..cut[1]])).unwrap();
        prop_assert_eq!(&in_chunks, &whole);
        prop_assert_eq!(read(params, body.chunks(1)).unwrap(), whole);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_whole(&bytes).is_err());
        let after_magic = [&b"FLUP\x01\x00"[..], &bytes].concat();
        prop_assert!(read_whole(&after_magic).is_err());
        let good = body(params(), 14, &[1]);
        let after_metadata = [&good[..12 + 275], &bytes].concat();
        if let Ok(frames) = read_whole(&after_metadata) {
            prop_assert_eq!(frames.len(), 3);
        }
    }

    #[test]
    fn any_changed_byte_is_refused_or_inside_a_part(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let good = body(params(), 14, &[1, 2]);
        let mut bad = good.clone();
        let at = at.index(good.len());
        bad[at] ^= flip;
        if let Ok(frames) = read_whole(&bad) {
            prop_assert_eq!(frames.len(), 5);
            prop_assert_ne!(frames, read_whole(&good).unwrap());
        }
    }
}
