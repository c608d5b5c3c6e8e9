//! Durable slivers of a storage node: append-only segment files of checksummed records, with a transactional index.
//!
//! ```
//! use std::sync::Arc;
//! use floe_store::{Batch, RealDisk, SliverAxis, SliverKey, Store, StoreOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(Arc::new(RealDisk::new(folder.path())?), StoreOptions::default())?;
//! let blob = [7; 32];
//! let key = SliverKey { blob, pair: 3, axis: SliverAxis::Primary };
//!
//! // Durable and visible as a whole when `put` returns.
//! store.put(Batch::new().metadata(blob, "hashes").sliver(key, "bytes").state("cursor", Some(vec![1])))?;
//!
//! // For more than fits in memory: records go to disk as they come, `commit` makes them durable and visible.
//! let mut writer = store.begin()?;
//! writer.sliver(SliverKey { pair: 4, ..key }, b"more bytes")?;
//! writer.commit()?;
//!
//! assert_eq!(store.sliver(&key)?.as_deref(), Some(b"bytes".as_slice()));
//! assert_eq!(store.slivers_of(&blob)?.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - **Acknowledged is durable.** When [`Store::put`] or [`Writer::commit`] returns `Ok`, the batch survives `kill -9` and a power
//!   cut: the log is synced before the index names anything in it and before the caller is told. What the index has not on disk
//!   yet, the next open takes from the log.
//! - **All or nothing.** A batch (slivers, metadata and state together) becomes visible as a whole or not at all.
//! - **Never wrong bytes.** Every read is verified against checksums in the record and in the index. What does not verify is set
//!   aside, reported, kept on disk, and counts as missing. A [`SliverReader`] keeps the last bytes back until it knows.
//!   [`Store::sliver_part_unverified`] is the one exception, for callers that verify parts by hashes of their own.
//! - **A failed fsync stops the store** ([`Store::is_failed`]); a full disk does not: nothing of the batch is kept and the
//!   next write succeeds when there is space.
//! - **Opening never panics** and needs no repair tool, except when the index itself is lost: then [`Store::open`] says
//!   [`StoreError::IndexLost`] and [`Store::open_or_rebuild`] makes a new one from the segments.
//!
//! # Limits
//! [`RECORD_BYTES_MAX`] for one item, [`BATCH_RECORDS_MAX`] items and [`BATCH_STATE_BYTES_MAX`] of state in one batch,
//! [`STATE_KEY_BYTES_MAX`]; sizes of files and memory in [`StoreOptions`]. A [`Writer`] holds about one write buffer, and some 100
//! bytes for each record; a read holds one record, a [`SliverReader`] a piece of one.
//!
//! # Where to start reading
//! `writer.rs` (appending), `commit.rs` (group commit), `recover.rs` (opening). `segment/` knows the form of records, `index/` the
//! tables and what is in memory before them; `gc.rs`, `scrub.rs` and `rebuild.rs` are what their names say. docs/disk-format.md has every byte and why each point
//! of a crash is safe. The crate knows nothing of HTTP, of the chain, or of the code: ids are plain bytes.
//!
//! All calls block; the store has no threads of its own.

mod commit;
mod disk;
mod error;
mod gc;
mod index;
mod key;
mod limits;
mod options;
mod reader;
mod rebuild;
mod recover;
mod scrub;
mod segment;
mod store;
mod walk;
mod writer;

pub use commit::Announcement;
pub use disk::{Disk, DiskFile, OpenMode, RealDisk, sim};
pub use error::StoreError;
pub use gc::GcReport;
pub use key::{SliverAxis, SliverKey};
pub use options::{
    BATCH_RECORDS_MAX, BATCH_STATE_BYTES_MAX, GROUP_BATCHES_MAX, GROUP_OPERATIONS_MAX, RECORD_BYTES_MAX,
    STATE_KEY_BYTES_MAX, StoreOptions,
};
pub use reader::SliverReader;
pub use rebuild::RebuildReport;
pub use scrub::ScrubReport;
pub use store::{ItemKey, Quarantined, Store, Usage};
pub use writer::{Batch, Writer};
