//! The forms on disk, pinned: a change here is a new format version.

use proptest::prelude::*;
use twox_hash::XxHash3_64;

use super::*;
use crate::index::{IndexOp, Row, decode_ops, encode_ops};
use crate::key::{ItemKind, RecordKey};

const AT: Location = Location { segment: 3, offset: 4096 };

fn header() -> RecordHeader {
    RecordHeader {
        kind: RecordKind::Item(ItemKind::Secondary),
        pair: 513,
        blob: [0xab; 32],
        sequence: (5 << 40) | 9,
        batch: (6 << 40) | 1,
        length: 11,
        hash: payload_hash(b"hello floe!"),
    }
}

fn ops() -> Vec<IndexOp> {
    let key = RecordKey { blob: [1; 32], kind: ItemKind::Primary, pair: 258 };
    let row = Row::of(&header(), AT);
    vec![
        IndexOp::Put { key, row },
        IndexOp::Move { key, row, from: Location { segment: 1, offset: 128 } },
        IndexOp::Delete { blob: [2; 32], sequences: vec![7, 1 << 41] },
        IndexOp::DropSegment { segment: 77 },
        IndexOp::State { key: b"cursor".to_vec(), value: Some(b"value".to_vec()) },
        IndexOp::State { key: b"gone".to_vec(), value: None },
    ]
}

#[test]
fn forms_are_pinned() {
    let key = RecordKey { blob: [1; 32], kind: ItemKind::Primary, pair: 258 };
    let info = SegmentInfo { salt: 1, end: 2, live: 3, min_sequence: 4 };
    let forms: [(&str, Vec<u8>, u64); 6] = [
        ("segment header", SegmentHeader { id: 3, salt: 42 }.encode().to_vec(), PIN_SEGMENT),
        ("record header", header().encode(42, AT).to_vec(), PIN_RECORD),
        ("commit payload", encode_ops(&ops()), PIN_COMMIT),
        ("tombstone", encode_tombstone(&[(key, Row::of(&header(), AT))]), PIN_TOMBSTONE),
        ("key", key.to_bytes().to_vec(), PIN_KEY),
        ("segment row", info.to_bytes(9).to_vec(), PIN_SEGMENT_ROW),
    ];
    let got: Vec<_> = forms.iter().map(|(name, bytes, _)| (*name, XxHash3_64::oneshot(bytes))).collect();
    let want: Vec<_> = forms.iter().map(|(name, _, pin)| (*name, *pin)).collect();
    assert_eq!(got, want, "bytes on disk changed");
}

const PIN_SEGMENT: u64 = 0x8a6b_159c_4da1_8066;
const PIN_RECORD: u64 = 0x9095_3dcf_ea19_a636;
const PIN_COMMIT: u64 = 0xb223_0fc2_6956_9279;
const PIN_TOMBSTONE: u64 = 0x8740_e322_1941_e607;
const PIN_KEY: u64 = 0x07f8_0c54_0d0a_e335;
const PIN_SEGMENT_ROW: u64 = 0x53d3_9314_1987_949d;

#[test]
fn a_record_header_verifies_only_where_it_was_written() {
    let bytes = header().encode(42, AT);
    assert_eq!(RecordHeader::decode(&bytes, 42, AT), Some(header()));
    assert_eq!(RecordHeader::decode(&bytes, 43, AT), None, "another salt");
    assert_eq!(RecordHeader::decode(&bytes, 42, Location { offset: 4104, ..AT }), None, "another offset");
    assert_eq!(RecordHeader::decode(&bytes, 42, Location { segment: 4, ..AT }), None, "another segment");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(RecordHeader::decode(&flipped, 42, AT), None, "bit {bit}");
    }
}

#[test]
fn either_copy_of_a_segment_header_is_enough() {
    let good = SegmentHeader { id: 3, salt: 42 };
    let bytes = good.encode();
    for at in 0..bytes.len() {
        let mut damaged = bytes;
        damaged[at] ^= 0xff;
        assert_eq!(SegmentHeader::decode(&damaged, 3), Some(good), "byte {at}");
    }
    assert_eq!(SegmentHeader::decode(&bytes, 4), None, "under another name");
}

#[test]
fn operations_come_back_and_nothing_else_is_accepted() {
    let bytes = encode_ops(&ops());
    assert_eq!(decode_ops(&bytes), Some(ops()));
    for len in 0..bytes.len() {
        assert_eq!(decode_ops(&bytes[..len]), None, "cut to {len}");
    }
    assert_eq!(decode_ops(&[bytes.as_slice(), &[0]].concat()), None, "with a byte behind it");
    assert_eq!(decode_ops(&u32::MAX.to_le_bytes()), None, "a count that cannot be");
}

#[test]
fn segment_names_come_back() {
    assert_eq!(segment_name(0x1f), "segment-000000000000001f.floe");
    assert_eq!(parse_segment_name("segment-000000000000001f.floe"), Some(0x1f));
    for name in ["segment-1f.floe", "segment-000000000000001F.floe", "index.redb", "segment-000000000000001f.floe.bak"]
    {
        assert_eq!(parse_segment_name(name), None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsers_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), salt in any::<u64>()) {
        let _ = decode_ops(&bytes);
        let _ = decode_tombstone([0; 32], &bytes).count();
        if let Some(header) = bytes.first_chunk() {
            let _ = RecordHeader::decode(header, salt, AT);
        }
        if let Some(header) = bytes.first_chunk() {
            let _ = SegmentHeader::decode(header, salt);
        }
    }
}
