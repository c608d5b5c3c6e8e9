//! Keys of the event-derived state in the store. Numbers are big-endian so that ranges come in order.

use floe_chain::EventCursor;
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::BlobId;

/// Position after the last applied event.
pub(crate) const CURSOR: &[u8] = b"e/cursor";
/// Current epoch and its start.
pub(crate) const EPOCH: &[u8] = b"e/epoch";
/// Last epoch whose ended blobs have been deleted.
pub(crate) const SWEPT: &[u8] = b"e/swept";
/// First block whose events can still be undone.
pub(crate) const UNDO_FLOOR: &[u8] = b"e/undo-floor";
/// The committee as last read from the chain.
pub(crate) const COMMITTEE: &[u8] = b"c/committee";

/// What is known of a blob: `b/` and the id.
pub(crate) const BLOB_PREFIX: &[u8] = b"b/";
/// Registrations that are kept one by one: `d/`, the id, the object.
pub(crate) const SINGLE_PREFIX: &[u8] = b"d/";
/// Ends of pools: `p/` and the pool's number.
pub(crate) const POOL_PREFIX: &[u8] = b"p/";
/// Index by end epoch: `x/`, the epoch, the id.
pub(crate) const EXPIRY_PREFIX: &[u8] = b"x/";
/// Undo journal: `u/`, block, log index.
pub(crate) const UNDO_PREFIX: &[u8] = b"u/";
/// Certified blobs of which slivers were missing: `m/` and the id.
pub(crate) const MISSING_PREFIX: &[u8] = b"m/";

fn key(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn blob(id: &BlobId) -> Vec<u8> {
    key(BLOB_PREFIX, &[id.as_ref()])
}

pub(crate) fn missing(id: &BlobId) -> Vec<u8> {
    key(MISSING_PREFIX, &[id.as_ref()])
}

pub(crate) fn single(id: &BlobId, object: &ObjectId) -> Vec<u8> {
    key(SINGLE_PREFIX, &[id.as_ref(), object.as_ref()])
}

pub(crate) fn singles_of(id: &BlobId) -> Vec<u8> {
    key(SINGLE_PREFIX, &[id.as_ref()])
}

pub(crate) fn pool(id: u64) -> Vec<u8> {
    key(POOL_PREFIX, &[&id.to_be_bytes()])
}

pub(crate) fn expiry(end: Epoch, id: &BlobId) -> Vec<u8> {
    key(EXPIRY_PREFIX, &[&end.0.to_be_bytes(), id.as_ref()])
}

pub(crate) fn expiry_of(end: Epoch) -> Vec<u8> {
    key(EXPIRY_PREFIX, &[&end.0.to_be_bytes()])
}

pub(crate) fn undo(cursor: &EventCursor) -> Vec<u8> {
    key(UNDO_PREFIX, &[&cursor.block.to_be_bytes(), &cursor.log_index.to_be_bytes()])
}

/// Block and log index of an undo key.
pub(crate) fn undo_position(key: &[u8]) -> Option<(u64, u64)> {
    let rest = key.strip_prefix(UNDO_PREFIX)?;
    let (block, index) = rest.split_first_chunk::<8>()?;
    let index: [u8; 8] = index.try_into().ok()?;
    Some((u64::from_be_bytes(*block), u64::from_be_bytes(index)))
}

/// The blob id at the end of a `b/`, `x/` or `m/` key.
pub(crate) fn blob_of(key: &[u8]) -> Option<BlobId> {
    key.last_chunk::<32>().map(|id| BlobId::from_bytes(*id))
}

/// The object at the end of a `d/` key.
pub(crate) fn object_of(key: &[u8]) -> Option<ObjectId> {
    key.last_chunk::<32>().map(|id| ObjectId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_what_they_were_made_of() {
        let id = BlobId::from_bytes([7; 32]);
        assert_eq!(blob_of(&blob(&id)), Some(id));
        assert_eq!(blob_of(&expiry(Epoch(258), &id)), Some(id));
        assert!(expiry(Epoch(258), &id).starts_with(&expiry_of(Epoch(258))));
        assert!(single(&id, &ObjectId::from_number(3)).starts_with(&singles_of(&id)));
        assert_eq!(object_of(&single(&id, &ObjectId::from_number(3))), Some(ObjectId::from_number(3)));
        let cursor = EventCursor { block: 300, log_index: 2, block_hash: [0; 32] };
        assert_eq!(undo_position(&undo(&cursor)), Some((300, 2)));
        assert_eq!(undo_position(b"u/short"), None);
    }
}
