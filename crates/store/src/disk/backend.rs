//! redb's storage over a [`DiskFile`], with a check of every block that is read twice.
//!
//! redb verifies its own checksums when it repairs at open, but not when it reads a page later. Here every block of
//! 4 KiB is remembered by its checksum from the first read (at open, where redb verifies what it got) or the last
//! write; a later read that differs fails instead of handing rotten bytes to the tree code.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::StorageBackend;

use super::DiskFile;

const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = BLOCK as u64;

/// What the store must know about an index file, beyond redb's own error.
#[derive(Debug, Default)]
pub(crate) struct BackendState {
    /// Set before a database is dropped: nothing may be written (or read) through it any more. The store never closes
    /// an index cleanly: opening it always takes the verifying path, as after a crash.
    /// Every call holds the lock shared: once this is set none is under way.
    retired: RwLock<bool>,
    /// An fsync failed: what is durable is unknown, so the store must stop.
    pub(crate) sync_failed: AtomicBool,
    /// The last failure was a full disk.
    pub(crate) full: AtomicBool,
    /// A block differed from what was read or written before.
    pub(crate) rotten: AtomicBool,
}

impl BackendState {
    /// Waits for calls under way and refuses all later ones.
    pub(crate) fn retire(&self) {
        *self.retired.write() = true;
    }
}

/// Checksums of blocks; `None` until first read or written.
type BlockSums = Vec<Option<u32>>;

#[derive(Debug)]
pub(crate) struct IndexFile {
    file: Arc<dyn DiskFile>,
    state: Arc<BackendState>,
    sums: RwLock<BlockSums>,
}

impl IndexFile {
    pub(crate) fn new(file: Arc<dyn DiskFile>, state: Arc<BackendState>) -> Self {
        Self { file, state, sums: RwLock::new(Vec::new()) }
    }

    /// The right to use the file for the duration of one call.
    fn enter(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let retired = self.state.retired.read();
        if *retired { Err(io::Error::other("the index file was closed")) } else { Ok(retired) }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && super::is_full(error)
        {
            self.state.full.store(true, Ordering::Release);
        }
        result
    }

    /// Reads the whole blocks that cover `offset..offset + len` (the last one may end with the file), and says how many
    /// bytes of them come before `offset`.
    fn read_covering(&self, offset: u64, len: usize) -> io::Result<(usize, Vec<u8>)> {
        let file_len = self.file.len()?;
        let Some(end) = offset.checked_add(len as u64).filter(|end| *end <= file_len) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let start = offset - offset % BLOCK_BYTES;
        let end = end.next_multiple_of(BLOCK_BYTES).min(file_len);
        let size = usize::try_from(end - start).map_err(io::Error::other)?;
        Ok((usize::try_from(offset - start).map_err(io::Error::other)?, self.file.read_vec_at(size, start)?))
    }

    /// Compares blocks with what is remembered; returns those seen for the first time.
    fn compare(&self, sums: &BlockSums, first: u64, bytes: &[u8]) -> io::Result<Vec<(usize, u32)>> {
        let mut new = Vec::new();
        for (block, chunk) in (first..).zip(bytes.chunks(BLOCK)) {
            let block = usize::try_from(block).map_err(io::Error::other)?;
            let sum = crc32c::crc32c(chunk);
            match sums.get(block).copied().flatten() {
                Some(expected) if expected != sum => {
                    self.state.rotten.store(true, Ordering::Release);
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("index block {block} changed on disk: checksum {sum:08x}, expected {expected:08x}"),
                    ));
                }
                Some(_) => {}
                None => new.push((block, sum)),
            }
        }
        Ok(new)
    }
}

fn remember(sums: &mut BlockSums, block: usize, sum: Option<u32>) {
    if block >= sums.len() {
        if sum.is_none() {
            return;
        }
        sums.resize(block + 1, None);
    }
    sums[block] = sum;
}

impl StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        let _open = self.enter()?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let _open = self.enter()?;
        {
            let sums = self.sums.read();
            let (skip, bytes) = self.read_covering(offset, out.len())?;
            if self.compare(&sums, offset / BLOCK_BYTES, &bytes)?.is_empty() {
                out.copy_from_slice(&bytes[skip..skip + out.len()]);
                return Ok(());
            }
        }
        // Some block is read for the first time: keep writers out while it is remembered.
        let mut sums = self.sums.write();
        let (skip, bytes) = self.read_covering(offset, out.len())?;
        for (block, sum) in self.compare(&sums, offset / BLOCK_BYTES, &bytes)? {
            remember(&mut sums, block, Some(sum));
        }
        out.copy_from_slice(&bytes[skip..skip + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _open = self.enter()?;
        let mut sums = self.sums.write();
        let old = self.file.len()?;
        self.note(self.file.set_len(len))?;
        // The block at the old and at the new end changed its size; blocks beyond it are new.
        let first = usize::try_from(old.min(len) / BLOCK_BYTES).map_err(io::Error::other)?;
        sums.truncate(first);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let _open = self.enter()?;
        let result = self.file.sync_data();
        if result.is_err() {
            self.state.sync_failed.store(true, Ordering::Release);
        }
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _open = self.enter()?;
        let mut sums = self.sums.write();
        let end = offset + data.len() as u64;
        let first = offset / BLOCK_BYTES;
        let last = end.div_ceil(BLOCK_BYTES);
        let aligned = offset.is_multiple_of(BLOCK_BYTES) && end.is_multiple_of(BLOCK_BYTES);
        if !aligned {
            // The rest of a block that is written in part must still be what it was.
            let file_len = self.file.len()?;
            if offset < file_len {
                let inside = usize::try_from((file_len - offset).min(data.len() as u64)).map_err(io::Error::other)?;
                let (_, bytes) = self.read_covering(offset, inside)?;
                self.compare(&sums, first, &bytes)?;
            }
        }
        for block in first..last {
            remember(&mut sums, usize::try_from(block).map_err(io::Error::other)?, None);
        }
        self.note(self.file.write_all_at(data, offset))?;
        if aligned {
            for (block, chunk) in (first..).zip(data.chunks(BLOCK)) {
                remember(&mut sums, usize::try_from(block).map_err(io::Error::other)?, Some(crc32c::crc32c(chunk)));
            }
        }
        // A block written in part is remembered again by the next read.
        Ok(())
    }
}
