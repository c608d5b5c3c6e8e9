//! What a tombstone says: which records of a blob are deleted, up to which version.

use super::record::read_u64;
use crate::index::Row;
use crate::key::{ItemKind, RecordKey};

/// Bytes of one entry: kind, pair index, version.
const ENTRY_BYTES: usize = 11;

/// The payload for the deletion of these rows.
pub(crate) fn encode_tombstone(rows: &[(RecordKey, Row)]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(rows.len() * ENTRY_BYTES);
    for (key, row) in rows {
        payload.push(key.kind as u8);
        payload.extend_from_slice(&key.pair.to_le_bytes());
        payload.extend_from_slice(&row.sequence.to_le_bytes());
    }
    payload
}

/// The entries: this key is deleted in this and every earlier version.
pub(crate) fn decode_tombstone(blob: [u8; 32], payload: &[u8]) -> impl Iterator<Item = (RecordKey, u64)> + '_ {
    payload.chunks_exact(ENTRY_BYTES).filter_map(move |entry| {
        let kind = ItemKind::from_byte(*entry.first()?)?;
        let pair = u16::from_le_bytes(*entry.get(1..)?.first_chunk()?);
        Some((RecordKey { blob, kind, pair }, read_u64(entry, 3)?))
    })
}
