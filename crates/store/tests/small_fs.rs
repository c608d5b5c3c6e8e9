//! A real file system that is really full. Runs where the environment names a small one, as root for example with
//! `unshare -m sh -c 'mount -t tmpfs -o size=8m none /mnt && FLOE_SMALL_FS=/mnt cargo test -p floe-store --test small_fs'`.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::*;
use floe_store::{RealDisk, Store, StoreError, StoreOptions};

#[test]
fn a_full_file_system() {
    let Some(root) = std::env::var_os("FLOE_SMALL_FS").map(PathBuf::from) else { return };
    let ballast = root.join("ballast");
    for spare in (0..40u64).map(|n| n * 16 * 1024) {
        let folder = root.join("store");
        let options = StoreOptions { segment_bytes: 512 * 1024, ..StoreOptions::default() };
        let store = Store::open(Arc::new(RealDisk::new(&folder).unwrap()), options.clone()).unwrap();
        let mut model = Model::default();
        let put = |store: &Store, blob, model: &mut Model| {
            let step = Step::Put { blob, pairs: 2, size: 30_000, version: 1 };
            run(store, &step).map(|()| model.apply(&step))
        };
        put(&store, 1, &mut model).unwrap();
        // Everything but a little goes to the ballast.
        let mut size = 16 << 20;
        while size >= 4096 {
            let old = std::fs::metadata(&ballast).map_or(0, |meta| meta.len());
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
            if std::io::Write::write_all(&mut file, &vec![1; size]).is_err() {
                file.set_len(old).unwrap();
                size /= 2;
            }
        }
        let len = std::fs::metadata(&ballast).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(len.saturating_sub(spare)).unwrap();
        let mut full = 0;
        for blob in 2..30 {
            match put(&store, blob, &mut model) {
                Ok(()) => {}
                Err(StoreError::Full { .. }) => full += 1,
                Err(error) => panic!("{spare} bytes to spare: {error}"),
            }
            assert_eq!(visible(&store).unwrap(), model, "{spare} bytes to spare");
        }
        assert!(full > 0, "{spare} bytes to spare: never full");
        std::fs::remove_file(&ballast).unwrap();
        put(&store, 100, &mut model).unwrap();
        drop(store);
        let store = Store::open(Arc::new(RealDisk::new(&folder).unwrap()), options).unwrap();
        assert_eq!(visible(&store).unwrap(), model, "{spare} bytes to spare, reopened");
        drop(store);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
