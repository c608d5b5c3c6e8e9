use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::buffer::spare_capacity;

use super::{Disk, DiskFile, OpenMode};
use crate::StoreError;

const LOCK_FILE: &str = "LOCK";

/// A folder of the operating system, held by one process at a time.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// An open handle of the folder, for `fsync` of names.
    folder: File,
    /// Locked; the system releases it when the process ends, however it ends.
    lock: File,
}

impl RealDisk {
    /// Creates the folder when it is missing and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process (or another `RealDisk` in this one) holds it; [`StoreError::Io`] otherwise.
    pub fn new(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = root.as_ref().to_path_buf();
        let wrap = |source: io::Error| StoreError::io("open the store folder", source);
        if !root.is_dir() {
            std::fs::create_dir_all(&root).map_err(wrap)?;
            if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent).and_then(|folder| folder.sync_all()).map_err(wrap)?;
            }
        }
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(root.join(LOCK_FILE))
            .map_err(wrap)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: root.display().to_string() }),
            Err(TryLockError::Error(source)) => return Err(wrap(source)),
        }
        let folder = File::open(&root).map_err(wrap)?;
        Ok(Self { root, folder, lock })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for RealDisk {
    fn drop(&mut self) {
        // Closing it would leave it locked while a process that was just begun still has its copy of the handle.
        let _ = self.lock.unlock();
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match mode {
            OpenMode::Existing => {}
            OpenMode::CreateNew => {
                options.create_new(true);
            }
            OpenMode::OpenOrCreate => {
                options.create(true).truncate(false);
            }
        }
        Ok(Arc::new(RealFile(options.open(self.root.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK_FILE
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

#[derive(Debug)]
struct RealFile(File);

#[cfg(target_os = "linux")]
impl RealFile {
    fn advise(&self, offset: u64, len: u64, advice: rustix::fs::Advice) {
        // Without a length it would go on to the end of the file.
        if let Some(len) = std::num::NonZeroU64::new(len) {
            let _ = rustix::fs::fadvise(&self.0, offset, Some(len), advice);
        }
    }
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    /// Into memory that was not zeroed before: for a large record that would take as long as copying it.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.0, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // There may have been room for more.
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    fn begin_writeback(&self, offset: u64, len: u64) {
        use std::os::fd::AsRawFd;
        if let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) {
            // SAFETY: takes numbers alone, and the descriptor is open as long as the file is borrowed.
            // What it says is not needed: it takes no error of an earlier write away from the sync that must report it.
            let _ = unsafe { libc::sync_file_range(self.0.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
        }
    }

    #[cfg(target_os = "linux")]
    fn will_not_need(&self, offset: u64, len: u64) {
        self.advise(offset, len, rustix::fs::Advice::DontNeed);
    }

    #[cfg(target_os = "linux")]
    fn will_need(&self, offset: u64, len: u64) {
        self.advise(offset, len, rustix::fs::Advice::WillNeed);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_free_again_though_a_copy_of_the_handle_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(folder.path()).unwrap();
        // As a process has it that was begun a moment ago.
        let copy = disk.lock.try_clone().unwrap();
        drop(disk);
        RealDisk::new(folder.path()).unwrap();
        drop(copy);
    }

    #[test]
    fn reads_what_was_written_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let file = disk.open("file", OpenMode::CreateNew).unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251).to_le_bytes()[0]).collect();
        file.write_all_at(&bytes, 0).unwrap();
        for (offset, len) in [(0, bytes.len()), (0, 0), (100_000, 0), (99_999, 1), (12_345, 50_000)] {
            assert_eq!(file.read_vec_at(len, offset as u64).unwrap(), bytes[offset..offset + len]);
        }
        for (offset, len) in [(0, bytes.len() + 1), (99_999, 2), (100_000, 1), (200_000, 1)] {
            let error = file.read_vec_at(len, offset).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset} {len}");
        }
    }
}
