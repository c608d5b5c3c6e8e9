//! Where a blob comes from when it is not in memory.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use floe_redstuff::BlobSource;

use crate::config::Progress;

/// A source as the client keeps it: files give errors of the system, and most other things can.
pub(crate) type SharedSource = Arc<dyn BlobSource<Error = io::Error> + Send>;

/// A regular file that is a blob. It must not be written to while it is stored; if it is, that is noticed by its length
/// and by its time of modification.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

/// A source is not what it was when it was opened. Comes inside an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file changed while it was read: it had {before} bytes, now it has {now}")]
pub struct SourceChanged {
    /// Length when it was opened, in bytes.
    pub before: u64,
    /// Length when the change was noticed, in bytes.
    pub now: u64,
}

impl SourceChanged {
    /// The change that an error tells of, if it is that.
    pub fn in_error(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl FileSource {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file: what cannot be read twice must be copied first.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// All of an open file, whatever its position.
    ///
    /// # Errors
    /// It is no regular file.
    pub fn new(file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { file, length: meta.len(), modified: meta.modified().ok() })
    }
}

impl BlobSource for FileSource {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // A file that became shorter says so rather than that its end is missing.
        self.file.read_exact_at(buffer, offset).map_err(|error| self.unchanged().err().unwrap_or(error))
    }

    fn unchanged(&self) -> io::Result<()> {
        let meta = self.file.metadata()?;
        if meta.len() == self.length && meta.modified().ok() == self.modified {
            return Ok(());
        }
        Err(io::Error::other(SourceChanged { before: self.length, now: meta.len() }))
    }
}

/// A blob in memory as a source.
pub(crate) struct BytesSource(pub(crate) Bytes);

impl BlobSource for BytesSource {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.as_ref().read_at(offset, buffer).map_err(|never| match never {})
    }
}

/// A source that tells how much of it was read, for work that reads every byte once.
pub struct WatchedSource<'s, S: ?Sized> {
    source: &'s S,
    progress: Arc<dyn Progress>,
    /// Read, but not told yet.
    untold: AtomicU64,
}

impl<'s, S: BlobSource + ?Sized> WatchedSource<'s, S> {
    /// Reads are many and short; this many bytes are told of at once.
    const GRAIN_BYTES: u64 = 4 << 20;

    /// Reads `source` and advances `progress`.
    pub fn new(source: &'s S, progress: Arc<dyn Progress>) -> Self {
        Self { source, progress, untold: AtomicU64::new(0) }
    }
}

impl<S: BlobSource + ?Sized> BlobSource for WatchedSource<'_, S> {
    type Error = S::Error;

    fn length(&self) -> u64 {
        self.source.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), S::Error> {
        self.source.read_at(offset, buffer)?;
        let read = buffer.len() as u64;
        if self.untold.fetch_add(read, Ordering::Relaxed) + read >= Self::GRAIN_BYTES {
            self.progress.advance(self.untold.swap(0, Ordering::Relaxed));
        }
        Ok(())
    }

    fn unchanged(&self) -> Result<(), S::Error> {
        self.source.unchanged()
    }
}

impl<S: ?Sized> Drop for WatchedSource<'_, S> {
    fn drop(&mut self) {
        self.progress.advance(*self.untold.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_noticed() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &[7; 5000]).unwrap();
        let source = FileSource::new(file.try_clone().unwrap()).unwrap();
        source.unchanged().unwrap();
        let mut buffer = [0; 10];
        source.read_at(4990, &mut buffer).unwrap();
        assert_eq!(buffer, [7; 10]);

        file.set_len(4999).unwrap();
        let expected = SourceChanged { before: 5000, now: 4999 };
        for error in [source.unchanged().unwrap_err(), source.read_at(4990, &mut buffer).unwrap_err()] {
            assert_eq!(SourceChanged::in_error(&error), Some(expected));
        }
        assert_eq!(SourceChanged::in_error(&io::ErrorKind::NotFound.into()), None);
    }

    #[test]
    fn a_file_of_the_same_length_with_another_time_has_changed() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3).unwrap();
        let source = FileSource::new(file.try_clone().unwrap()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let error = source.unchanged().unwrap_err();
        assert_eq!(SourceChanged::in_error(&error), Some(SourceChanged { before: 3, now: 3 }));
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        assert_eq!(FileSource::open(Path::new("/")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(FileSource::open(Path::new("/no/such/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
