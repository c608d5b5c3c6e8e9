//! The one door to the disk: every byte that the store reads or writes passes these two traits.
//!
//! The same store therefore runs on a real folder ([`RealDisk`]) and on a simulated one ([`crate::sim::SimDisk`])
//! that loses, tears and refuses writes. Names are flat: one folder, no subfolders.

mod backend;
mod real;
pub mod sim;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(crate) use backend::{BackendState, IndexFile};
pub use real::RealDisk;

/// How [`Disk::open`] treats a name that exists or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; `NotFound` otherwise.
    Existing,
    /// The file must not exist; `AlreadyExists` otherwise.
    CreateNew,
    /// Opens the file, creating an empty one when there is none.
    OpenOrCreate,
}

/// One folder of files.
///
/// Guarantees that the store relies on, and no others:
/// - A file's content and length survive a crash once [`DiskFile::sync_data`] has returned `Ok` after the write.
///   Before that, any subset of the written 512-byte sectors may survive, and the length may be old or new.
/// - A file's name (created, renamed, removed) survives a crash once [`Disk::sync_dir`] has returned `Ok`. Before that
///   any subset of the changes may survive. A rename replaces its target atomically.
/// - An unlinked file stays readable through handles that are already open.
/// - A full disk is reported as [`io::ErrorKind::StorageFull`] or [`io::ErrorKind::QuotaExceeded`]; part of the write
///   may have happened.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens `name` for reading and writing.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing `to` when it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Every file name in the folder, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals so far durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// One open file. Offsets and lengths are in bytes; there is no cursor.
#[allow(clippy::len_without_is_empty)]
pub trait DiskFile: Send + Sync + Debug + 'static {
    /// Fills `buffer` from `offset`; `UnexpectedEof` when the file is too short.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// The `len` bytes from `offset`; `UnexpectedEof` when the file is too short.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
    /// Writes all of `data` at `offset`, growing the file when needed.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Lets the system begin to write out what was written to these bytes, and does not wait for it: a later
    /// [`sync_data`](Self::sync_data) then has less to wait for. A hint, by which nothing is durable and which cannot fail.
    fn begin_writeback(&self, _offset: u64, _len: u64) {}
    /// Tells the system that these bytes need not stay in memory once they are on the disk. A hint, too.
    fn will_not_need(&self, _offset: u64, _len: u64) {}
    /// Lets the system begin to read these bytes into memory. A hint as well.
    fn will_need(&self, _offset: u64, _len: u64) {}
    /// Makes content and length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length now.
    fn len(&self) -> io::Result<u64>;
}

/// Whether an error says that there is no space left, as opposed to a broken disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
