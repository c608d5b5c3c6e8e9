//! Slivers that are read piece by piece.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::*;
use floe_store::sim::{Retention, SimDisk};
use floe_store::{Batch, RealDisk, SliverAxis, SliverReader, Store, StoreError};

const SIZE: usize = 1000;

fn stored(store: &Store) -> Vec<u8> {
    let bytes = payload(1, 0, 1, SIZE);
    let key = sliver_key(1, 0, SliverAxis::Primary);
    store.put(Batch::new().sliver(key, bytes.clone()).sliver(sliver_key(1, 1, SliverAxis::Primary), "")).unwrap();
    bytes
}

fn reader(store: &Store) -> Result<Option<SliverReader>, StoreError> {
    store.sliver_reader(&sliver_key(1, 0, SliverAxis::Primary))
}

/// What comes before the end or the error.
fn rest(reader: &mut SliverReader, bytes_max: usize) -> (Vec<u8>, Option<StoreError>) {
    let mut all = Vec::new();
    loop {
        match reader.next(bytes_max) {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= bytes_max.max(1));
                all.extend_from_slice(&piece);
            }
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

#[test]
fn pieces_are_together_the_sliver() {
    let store = open(&SimDisk::new(1), options()).unwrap();
    let bytes = stored(&store);
    for bytes_max in [0, 1, 7, SIZE - 1, SIZE, SIZE + 1, usize::MAX] {
        let mut reader = reader(&store).unwrap().unwrap();
        assert_eq!(reader.length() as usize, SIZE);
        let (read, error) = rest(&mut reader, bytes_max);
        assert!(error.is_none());
        assert_eq!(read, bytes, "{bytes_max}");
        assert!(reader.next(1).unwrap().is_none(), "the end stays the end");
    }
    let mut empty = store.sliver_reader(&sliver_key(1, 1, SliverAxis::Primary)).unwrap().unwrap();
    assert!(empty.next(1).unwrap().is_none());
    assert!(store.sliver_reader(&sliver_key(1, 2, SliverAxis::Primary)).unwrap().is_none());
}

#[test]
fn a_damaged_sliver_never_comes_whole_and_is_set_aside() {
    let disk = SimDisk::new(2);
    let bytes = stored(&open(&disk, options()).unwrap());
    let name = disk.names().into_iter().find(|name| name.starts_with("segment-")).unwrap();
    let begin = disk.read_file(&name).unwrap().windows(SIZE).position(|window| window == bytes).unwrap();
    for at in (begin - 88..begin + SIZE).step_by(13) {
        for already_open in [false, true] {
            let image = disk.crash(Retention::All, 0);
            let store = open(&image, options()).unwrap();
            let mut before = reader(&store).unwrap().unwrap();
            image.rot(&name, |bytes| bytes[at] ^= 0x10);
            let outcome = if already_open {
                let (read, error) = rest(&mut before, 100);
                if at < begin {
                    assert_eq!(read, bytes, "byte {at}: the head was read before");
                    continue;
                }
                assert!(read.len() < SIZE, "byte {at}");
                error
            } else {
                reader(&store).map_or_else(Some, |reader| rest(&mut reader.unwrap(), 100).1)
            };
            assert!(matches!(outcome, Some(StoreError::Corrupt { .. })), "byte {at}: {outcome:?}");
            assert!(reader(&store).unwrap().is_none(), "byte {at}: set aside");
            assert_eq!(store.quarantined().unwrap().len(), 1, "byte {at}");
        }
    }
}

#[test]
fn garbage_collection_does_not_disturb_who_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Arc::new(RealDisk::new(folder.path()).unwrap()), options()).unwrap();
    let bytes = stored(&store);
    let mut moved = reader(&store).unwrap().unwrap();
    let mut deleted = reader(&store).unwrap().unwrap();
    moved.next(100).unwrap().unwrap();
    // Dead bytes beside it, so that its segment is emptied.
    for version in 0..12 {
        store.put(Batch::new().metadata(blob_id(2), payload(2, 0, version, 2000))).unwrap();
    }
    assert!(store.collect_garbage().unwrap().segments_removed > 0);
    let (read, error) = rest(&mut moved, 100);
    assert!(error.is_none());
    assert_eq!(read, bytes[100..]);
    assert!(store.delete_blob(&blob_id(1)).unwrap());
    assert!(reader(&store).unwrap().is_none());
    assert_eq!(rest(&mut deleted, 300).0, bytes);
}
