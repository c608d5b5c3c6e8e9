//! Durable slivers of a storage node.

mod commit;
mod disk;
mod error;
mod gc;
mod index;
mod key;
mod limits;
mod options;
mod rebuild;
mod recover;
mod scrub;
mod segment;
mod store;
mod walk;
mod writer;

pub use disk::{Disk, DiskFile, OpenMode, RealDisk, sim};
pub use error::StoreError;
pub use gc::GcReport;
pub use key::{SliverAxis, SliverKey};
pub use options::*;
pub use rebuild::RebuildReport;
pub use scrub::ScrubReport;
pub use store::{ItemKey, Quarantined, Store, Usage};
pub use writer::{Batch, Writer};
