//! Durable slivers of a storage node.

mod commit;
mod disk;
mod error;
mod index;
mod key;
mod limits;
mod options;
mod recover;
mod segment;
mod store;
mod writer;

pub use disk::{Disk, DiskFile, OpenMode, RealDisk, sim};
pub use error::StoreError;
pub use key::{SliverAxis, SliverKey};
pub use options::*;
pub use store::{ItemKey, Quarantined, Store, Usage};
pub use writer::{Batch, Writer};
