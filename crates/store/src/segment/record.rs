//! The form of segment headers and of records (docs/disk-format.md draws both).

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::key::{ItemKind, RecordKey};
use crate::options::RECORD_BYTES_MAX;

/// Bytes of one copy of the segment header; two copies begin every segment.
pub(crate) const SEGMENT_HEADER_COPY: usize = 64;
/// Where the first record of a segment begins.
pub(crate) const SEGMENT_HEADER: u64 = 2 * SEGMENT_HEADER_COPY as u64;
/// Bytes of a record header.
pub(crate) const RECORD_HEADER: usize = 88;
/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGN_BYTES: usize = 8;
pub(crate) const RECORD_ALIGN: u64 = RECORD_ALIGN_BYTES as u64;
pub(crate) const FORMAT_VERSION: u32 = 1;

const SEGMENT_MAGIC: &[u8; 8] = b"FLOESEG1";
const RECORD_MAGIC: &[u8; 4] = b"FREC";
const RECORD_VERSION: u8 = 1;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Item(ItemKind),
    /// Names versions of a blob's records that are deleted. Read only when an index is rebuilt.
    Tombstone,
    /// The index operations of one batch: the batch is whole exactly when this record and all that it names are.
    Commit,
    /// A commit whose batch was given up after it was written.
    Void,
}

impl RecordKind {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Item(kind) => kind as u8,
            Self::Tombstone => 16,
            Self::Commit => 17,
            Self::Void => 18,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            16 => Some(Self::Tombstone),
            17 => Some(Self::Commit),
            18 => Some(Self::Void),
            _ => ItemKind::from_byte(byte).map(Self::Item),
        }
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Location {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A strong enough checksum of a payload: 128 bits of XXH3.
pub(crate) type PayloadHash = [u8; 16];

pub(crate) fn payload_hash(payload: &[u8]) -> PayloadHash {
    XxHash3_128::oneshot(payload).to_le_bytes()
}

/// The header of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: RecordKind,
    pub(crate) pair: u16,
    pub(crate) blob: [u8; 32],
    /// The version: of two records of one key the higher sequence is the later one. A move keeps it.
    pub(crate) sequence: u64,
    /// The batch that wrote this copy.
    pub(crate) batch: u64,
    /// Bytes of payload.
    pub(crate) length: u32,
    pub(crate) hash: PayloadHash,
}

impl RecordHeader {
    pub(crate) fn key(&self) -> Option<RecordKey> {
        match self.kind {
            RecordKind::Item(kind) => Some(RecordKey { blob: self.blob, kind, pair: self.pair }),
            _ => None,
        }
    }

    /// Bytes from this record to the next.
    pub(crate) fn disk_len(&self) -> u64 {
        record_disk_len(self.length)
    }

    /// The bytes on disk, bound to the place where they lie: a header found elsewhere does not verify.
    pub(crate) fn encode(&self, salt: u64, at: Location) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(RECORD_MAGIC);
        bytes[4] = RECORD_VERSION;
        bytes[5] = self.kind.to_byte();
        bytes[6..8].copy_from_slice(&self.pair.to_le_bytes());
        bytes[8..40].copy_from_slice(&self.blob);
        bytes[40..48].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.batch.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.length.to_le_bytes());
        bytes[64..80].copy_from_slice(&self.hash);
        let sum = header_sum(&bytes, salt, at);
        bytes[80..88].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` unless the bytes are a header that was written for exactly this place.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER], salt: u64, at: Location) -> Option<Self> {
        if &bytes[..4] != RECORD_MAGIC || bytes[4] != RECORD_VERSION {
            return None;
        }
        if read_u64(bytes, 80)? != header_sum(bytes, salt, at) {
            return None;
        }
        let length = read_u32(bytes, 56)?;
        if usize::try_from(length).ok()? > RECORD_BYTES_MAX {
            return None;
        }
        Some(Self {
            kind: RecordKind::from_byte(bytes[5])?,
            pair: u16::from_le_bytes([bytes[6], bytes[7]]),
            blob: *bytes[8..].first_chunk()?,
            sequence: read_u64(bytes, 40)?,
            batch: read_u64(bytes, 48)?,
            length,
            hash: *bytes[64..].first_chunk()?,
        })
    }
}

/// Bytes that a record with this payload takes, padding included.
pub(crate) fn record_disk_len(payload: u32) -> u64 {
    (RECORD_HEADER as u64 + u64::from(payload)).next_multiple_of(RECORD_ALIGN)
}

/// The salt keeps bytes inside a payload from posing as a record: whoever chooses payloads does not know it.
fn header_sum(bytes: &[u8; RECORD_HEADER], salt: u64, at: Location) -> u64 {
    let mut covered = [0; 96];
    covered[..80].copy_from_slice(&bytes[..80]);
    covered[80..88].copy_from_slice(&at.segment.to_le_bytes());
    covered[88..96].copy_from_slice(&at.offset.to_le_bytes());
    XxHash3_64::oneshot_with_seed(salt, &covered)
}

/// What begins a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: u64,
    pub(crate) salt: u64,
}

impl SegmentHeader {
    /// Both copies.
    pub(crate) fn encode(&self) -> [u8; 2 * SEGMENT_HEADER_COPY] {
        let mut copy = [0; SEGMENT_HEADER_COPY];
        copy[..8].copy_from_slice(SEGMENT_MAGIC);
        copy[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        copy[16..24].copy_from_slice(&self.id.to_le_bytes());
        copy[24..32].copy_from_slice(&self.salt.to_le_bytes());
        let sum = XxHash3_64::oneshot(&copy[..56]);
        copy[56..].copy_from_slice(&sum.to_le_bytes());
        let mut both = [0; 2 * SEGMENT_HEADER_COPY];
        both[..SEGMENT_HEADER_COPY].copy_from_slice(&copy);
        both[SEGMENT_HEADER_COPY..].copy_from_slice(&copy);
        both
    }

    /// The header from whichever copy is intact and names this segment.
    pub(crate) fn decode(bytes: &[u8; 2 * SEGMENT_HEADER_COPY], id: u64) -> Option<Self> {
        bytes.chunks_exact(SEGMENT_HEADER_COPY).find_map(|copy| {
            let intact = copy.starts_with(SEGMENT_MAGIC)
                && read_u32(copy, 8)? == FORMAT_VERSION
                && read_u64(copy, 16)? == id
                && read_u64(copy, 56)? == XxHash3_64::oneshot(copy.get(..56)?);
            if intact { Some(Self { id, salt: read_u64(copy, 24)? }) } else { None }
        })
    }
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The file name of a segment.
pub(crate) fn segment_name(id: u64) -> String {
    format!("segment-{id:016x}.floe")
}

/// The segment that a file name stands for.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".floe")?;
    if digits.len() != 16 || digits.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
