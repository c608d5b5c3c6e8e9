//! Index rows and the operations that change them, with the form they have on disk.

use crate::key::{KEY_BYTES, RecordKey};
use crate::segment::{Location, PayloadHash, RecordHeader, read_u32, read_u64, record_disk_len};

/// Bytes of a row of the records table.
pub(crate) const ROW_BYTES: usize = 48;

/// What the index knows of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) at: Location,
    pub(crate) sequence: u64,
    pub(crate) length: u32,
    pub(crate) hash: PayloadHash,
}

impl Row {
    pub(crate) fn of(header: &RecordHeader, at: Location) -> Self {
        Self { at, sequence: header.sequence, length: header.length, hash: header.hash }
    }

    /// Whether the header that lies where the row says is that of its record.
    pub(crate) fn is_of(&self, key: &RecordKey, header: &RecordHeader) -> bool {
        header.key().as_ref() == Some(key) && Self::of(header, self.at) == *self
    }

    pub(crate) fn disk_len(&self) -> u64 {
        record_disk_len(self.length)
    }

    /// The bytes on disk; the checksum covers the key too, so that a row found under another key does not verify.
    pub(crate) fn to_bytes(self, key: &[u8; KEY_BYTES]) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.at.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..44].copy_from_slice(&self.hash);
        let sum = row_sum(key, &bytes[..44]);
        bytes[44..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(key: &[u8; KEY_BYTES], bytes: &[u8; ROW_BYTES]) -> Option<Self> {
        if read_u32(bytes, 44)? != row_sum(key, &bytes[..44]) {
            return None;
        }
        Some(Self {
            at: Location { segment: read_u64(bytes, 0)?, offset: read_u64(bytes, 8)? },
            sequence: read_u64(bytes, 16)?,
            length: read_u32(bytes, 24)?,
            hash: *bytes[28..].first_chunk()?,
        })
    }
}

fn row_sum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// One change of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IndexOp {
    /// A record becomes visible under its key.
    Put { key: RecordKey, row: Row },
    /// A live record was copied: its row follows, if it still points to where the copy was taken.
    Move { key: RecordKey, row: Row, from: Location },
    /// The named versions of a blob's records go.
    Delete { blob: [u8; 32], sequences: Vec<u64> },
    /// A segment without live records goes.
    DropSegment { segment: u64 },
    /// A state entry is set or removed.
    State { key: Vec<u8>, value: Option<Vec<u8>> },
    /// A record that does not verify goes to the quarantine, if its row still names it. Never logged: it would be found again.
    SetAside { key: RecordKey, row: Row, reason: u8 },
    /// A record found while an index is rebuilt: it becomes visible unless a later version is. Never logged.
    Found { key: RecordKey, row: Row },
    /// A record found damaged while an index is rebuilt. Never logged.
    FoundBad { key: RecordKey, row: Row, reason: u8 },
}

impl IndexOp {
    /// Bytes of [`Self::encode`].
    pub(crate) fn encoded_len(&self) -> usize {
        1 + match self {
            Self::Put { .. } => KEY_BYTES + ROW_BYTES,
            Self::Move { .. } => KEY_BYTES + ROW_BYTES + 16,
            Self::Delete { sequences, .. } => 32 + 4 + 8 * sequences.len(),
            Self::DropSegment { .. } => 8,
            Self::State { key, value } => 4 + key.len() + 5 + value.as_ref().map_or(0, Vec::len),
            Self::SetAside { .. } | Self::Found { .. } | Self::FoundBad { .. } => 0,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put { key, row } => {
                out.push(1);
                encode_row(out, key, row);
            }
            Self::Move { key, row, from } => {
                out.push(2);
                encode_row(out, key, row);
                out.extend_from_slice(&from.segment.to_le_bytes());
                out.extend_from_slice(&from.offset.to_le_bytes());
            }
            Self::Delete { blob, sequences } => {
                out.push(3);
                out.extend_from_slice(blob);
                out.extend_from_slice(&length(sequences.len()).to_le_bytes());
                sequences.iter().for_each(|sequence| out.extend_from_slice(&sequence.to_le_bytes()));
            }
            Self::DropSegment { segment } => {
                out.push(4);
                out.extend_from_slice(&segment.to_le_bytes());
            }
            Self::State { key, value } => {
                out.push(5);
                out.extend_from_slice(&length(key.len()).to_le_bytes());
                out.extend_from_slice(key);
                out.push(u8::from(value.is_some()));
                let value = value.as_deref().unwrap_or_default();
                out.extend_from_slice(&length(value.len()).to_le_bytes());
                out.extend_from_slice(value);
            }
            Self::SetAside { .. } | Self::Found { .. } | Self::FoundBad { .. } => {
                unreachable!("an operation that is never logged")
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        Some(match input.byte()? {
            1 => {
                let (key, row) = decode_row(input)?;
                Self::Put { key, row }
            }
            2 => {
                let (key, row) = decode_row(input)?;
                Self::Move { key, row, from: Location { segment: input.u64()?, offset: input.u64()? } }
            }
            3 => {
                let blob = *input.take(32)?.first_chunk()?;
                let count = input.u32()?;
                let bytes = input.take(usize::try_from(count).ok()?.checked_mul(8)?)?;
                let sequences = bytes.chunks_exact(8).map_while(|chunk| read_u64(chunk, 0)).collect();
                Self::Delete { blob, sequences }
            }
            4 => Self::DropSegment { segment: input.u64()? },
            5 => {
                let key = input.bytes()?.to_vec();
                let present = input.byte()? != 0;
                let value = input.bytes()?;
                Self::State { key, value: present.then(|| value.to_vec()) }
            }
            _ => return None,
        })
    }
}

/// The payload of a commit record.
pub(crate) fn encode_ops(ops: &[IndexOp]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + ops.iter().map(IndexOp::encoded_len).sum::<usize>());
    out.extend_from_slice(&length(ops.len()).to_le_bytes());
    ops.iter().for_each(|op| op.encode(&mut out));
    out
}

/// The operations of a commit record; `None` when the bytes are not exactly that.
pub(crate) fn decode_ops(bytes: &[u8]) -> Option<Vec<IndexOp>> {
    let mut input = Input(bytes);
    let count = usize::try_from(input.u32()?).ok()?;
    // Every operation takes at least 9 bytes: a count that cannot be true allocates nothing.
    if count > input.0.len() / 9 {
        return None;
    }
    let mut ops = Vec::with_capacity(count);
    for _ in 0..count {
        ops.push(IndexOp::decode(&mut input)?);
    }
    input.0.is_empty().then_some(ops)
}

/// Lengths are bounded by the limits of a batch long before they reach 32 bits.
fn length(len: usize) -> u32 {
    u32::try_from(len).expect("batch limits keep lengths below 32 bits")
}

fn encode_row(out: &mut Vec<u8>, key: &RecordKey, row: &Row) {
    let key = key.to_bytes();
    out.extend_from_slice(&key);
    out.extend_from_slice(&row.to_bytes(&key));
}

fn decode_row(input: &mut Input<'_>) -> Option<(RecordKey, Row)> {
    let key: &[u8; KEY_BYTES] = input.take(KEY_BYTES)?.first_chunk()?;
    let row = Row::from_bytes(key, input.take(ROW_BYTES)?.first_chunk()?)?;
    Some((RecordKey::from_bytes(key)?, row))
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        read_u32(self.take(4)?, 0)
    }

    fn u64(&mut self) -> Option<u64> {
        read_u64(self.take(8)?, 0)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        self.take(count)
    }
}
