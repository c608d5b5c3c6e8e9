use super::*;
use floe_redstuff::{EncodingParams, compute_metadata};

fn metadata(tag: u8) -> VerifiedMetadata {
    compute_metadata(EncodingParams::new(4).expect("valid"), &[tag; 3]).expect("small")
}

fn limits() -> PendingLimits {
    PendingLimits { metadata_max: 2, slivers_max: 3, bytes_max: 100, sliver_bytes_max: 40, lifetime_ms: 1000 }
}

fn place(pair: u16) -> (PairIndex, Axis) {
    (PairIndex::new(pair), Axis::Primary)
}

fn bytes(length: usize) -> Bytes {
    Bytes::from(vec![1; length])
}

#[test]
fn every_ceiling_holds() {
    let now = Instant::now();
    let mut cache = PendingCache::new(limits());
    let one = metadata(1);
    let blob = *one.blob_id();
    assert_eq!(cache.insert_sliver(&blob, place(0), bytes(1), now), Err(Refused::NoMetadata));
    assert_eq!(cache.insert_metadata(one.clone(), 10, now), Ok(true));
    assert_eq!(cache.insert_metadata(one, 10, now), Ok(false));
    assert_eq!(cache.insert_metadata(metadata(2), 10, now), Ok(true));
    assert_eq!(cache.insert_metadata(metadata(3), 10, now), Err(Refused::Saturated));
    assert_eq!(cache.insert_sliver(&blob, place(0), bytes(41), now), Err(Refused::SliverTooLarge));
    assert_eq!(cache.insert_sliver(&blob, place(0), bytes(40), now), Ok(true));
    assert_eq!(cache.insert_sliver(&blob, place(0), bytes(40), now), Ok(false));
    assert_eq!(cache.insert_sliver(&blob, place(1), bytes(40), now), Ok(true));
    assert_eq!(cache.insert_sliver(&blob, place(2), bytes(1), now), Err(Refused::Saturated), "bytes");
    assert_eq!(cache.insert_sliver(&blob, place(2), bytes(0), now), Ok(true));
    assert_eq!(cache.insert_sliver(&blob, place(3), bytes(0), now), Err(Refused::Saturated), "count");
}

#[test]
fn old_entries_make_room() {
    let start = Instant::now();
    let mut cache = PendingCache::new(limits());
    for tag in [1, 2] {
        cache.insert_metadata(metadata(tag), 50, start).expect("room");
    }
    assert_eq!(cache.insert_metadata(metadata(3), 50, start), Err(Refused::Saturated));
    let later = start + Duration::from_secs(1);
    assert_eq!(cache.insert_metadata(metadata(3), 50, later), Ok(true));
    assert!(cache.get(metadata(1).blob_id()).is_none());
}

#[test]
fn what_was_added_during_a_flush_stays() {
    let now = Instant::now();
    let mut cache = PendingCache::new(limits());
    let one = metadata(1);
    let blob = *one.blob_id();
    cache.insert_metadata(one, 10, now).expect("room");
    cache.insert_sliver(&blob, place(0), bytes(5), now).expect("room");
    let stored = cache.get(&blob).expect("buffered").clone();
    cache.insert_sliver(&blob, place(1), bytes(5), now).expect("room");
    cache.remove_stored(&blob, &stored);
    assert!(cache.has_sliver(&blob, PairIndex::new(1), Axis::Primary));
    let stored = cache.get(&blob).expect("buffered").clone();
    cache.remove_stored(&blob, &stored);
    assert!(cache.get(&blob).is_none());
    assert_eq!((cache.slivers, cache.bytes), (0, 0));
}
