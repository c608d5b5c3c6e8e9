//! Reading what is to be stored.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
    time::SystemTime,
};

use floe_redstuff::{
    BlobSource, EncodingParams, MEMORY_CEILING_BYTES, SourceError, VerifiedMetadata, compute_metadata_from,
};

use crate::error::{CliError, EXIT_NOT_FOUND};

/// A file that can be read at any position: the one that was named, or an unnamed copy of what cannot be read twice.
pub(crate) struct FileSource {
    file: File,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileSource {
    /// Opens a file, or spools standard input for `-`; likewise whatever is no regular file.
    pub(crate) fn open(path: &Path, max: u64) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Self::spool(&mut io::stdin().lock(), path, max);
        }
        let (mut file, meta) = open_file(path, max)?;
        if !meta.is_file() {
            return Self::spool(&mut file, path, max);
        }
        Ok(Self { file, length: meta.len(), modified: meta.modified().ok() })
    }

    /// Copies at most `max` bytes to a file that vanishes with this process; it lies in `TMPDIR`.
    fn spool(from: &mut dyn Read, path: &Path, max: u64) -> Result<Self, CliError> {
        let mut file = tempfile::tempfile().map_err(|e| cannot_spool(path, &e))?;
        let length = io::copy(&mut from.take(max + 1), &mut file).map_err(|e| cannot_spool(path, &e))?;
        match length > max {
            true => Err(too_large(path, length, max)),
            false => Ok(Self { file, length, modified: None }),
        }
    }

    /// Refuses a file that was written to since it was opened, as far as the file system tells: what was read was
    /// never a file.
    pub(crate) fn unchanged(&self, path: &Path) -> Result<(), CliError> {
        let now = self.file.metadata().map_err(|e| cannot_read(path, &e))?;
        if now.len() == self.length && (self.modified.is_none() || now.modified().ok() == self.modified) {
            return Ok(());
        }
        let message = format!(
            "{} changed while it was read: it had {} bytes, now it has {}",
            path.display(),
            self.length,
            now.len()
        );
        Err(CliError::new("CLI-FILE-CHANGED", 1, message))
    }
}

impl BlobSource for FileSource {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// The metadata of a file's blob, in bounded memory whatever its size.
pub(crate) fn metadata(path: &Path, params: EncodingParams) -> Result<VerifiedMetadata, CliError> {
    let source = FileSource::open(path, params.max_blob_size())?;
    let result = compute_metadata_from(params, &source, MEMORY_CEILING_BYTES);
    // A file that became shorter says so rather than that its end is missing.
    source.unchanged(path)?;
    result.map_err(|error| match error {
        SourceError::TooLarge(error) => CliError::usage("CLI-ENCODE", error.to_string()),
        SourceError::Read(error) => cannot_read(path, &error),
    })
}

/// The bytes of a file, or of standard input for `-`; at most `max` of them.
///
/// A file that changes its length while it is read is refused: what would be stored was never a file.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(max + 1).read_to_end(&mut bytes)?;
        return within(bytes, max, path);
    }
    let (mut file, meta) = open_file(path, max)?;
    let capacity = usize::try_from(meta.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(capacity);
    (&mut file).take(max + 1).read_to_end(&mut bytes).map_err(|e| cannot_read(path, &e))?;
    let read = bytes.len() as u64;
    let after = file.metadata().map_err(|e| cannot_read(path, &e))?.len();
    if meta.is_file() && (read != meta.len() || after != meta.len()) {
        let message = format!(
            "{} changed while it was read: it had {} bytes, {read} were read, now it has {after}; nothing was stored",
            path.display(),
            meta.len()
        );
        return Err(CliError::new("CLI-FILE-CHANGED", 1, message));
    }
    within(bytes, max, path)
}

fn open_file(path: &Path, max: u64) -> Result<(File, Metadata), CliError> {
    let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let meta = file.metadata().map_err(|e| cannot_read(path, &e))?;
    if meta.is_dir() {
        return Err(CliError::usage("CLI-IS-FOLDER", format!("{} is a folder: name its files", path.display())));
    }
    if meta.is_file() && meta.len() > max {
        return Err(too_large(path, meta.len(), max));
    }
    Ok((file, meta))
}

fn within(bytes: Vec<u8>, max: u64, path: &Path) -> Result<Vec<u8>, CliError> {
    match bytes.len() as u64 > max {
        true => Err(too_large(path, bytes.len() as u64, max)),
        false => Ok(bytes),
    }
}

fn too_large(path: &Path, size: u64, max: u64) -> CliError {
    CliError::usage(
        "CLIENT-BLOB-TOO-LARGE",
        format!("{} has at least {size} bytes; a blob of this network has at most {max}: split it", path.display()),
    )
}

fn cannot_spool(path: &Path, error: &io::Error) -> CliError {
    let dir = std::env::temp_dir();
    let message = format!("copying {} to a file in {}: {error}", path.display(), dir.display());
    CliError { advice: Some("Set TMPDIR to a folder with enough room."), ..CliError::new("CLI-SPOOL", 1, message) }
}

fn cannot_read(path: &Path, error: &io::Error) -> CliError {
    let (code, exit) = match error.kind() {
        io::ErrorKind::NotFound => ("CLI-NO-FILE", EXIT_NOT_FOUND),
        _ => ("CLI-IO", 1),
    };
    CliError::new(code, exit, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_absent_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [1, 2, 3]).unwrap();
        assert_eq!(read(&path, 3).unwrap(), [1, 2, 3]);
        let error = read(&path, 2).unwrap_err();
        assert_eq!((error.code.as_str(), error.exit), ("CLIENT-BLOB-TOO-LARGE", 2));
        assert!(error.message.contains("at most 2"));
        assert_eq!(read(&dir.path().join("b"), 3).unwrap_err().exit, EXIT_NOT_FOUND);
        assert_eq!(read(dir.path(), 3).unwrap_err().code, "CLI-IS-FOLDER");
        let open = |path: &Path, max| FileSource::open(path, max).map(|source| source.length).map_err(|e| e.code);
        assert_eq!(open(&path, 3), Ok(3));
        assert_eq!(open(&path, 2).unwrap_err(), "CLIENT-BLOB-TOO-LARGE");
        assert_eq!(open(&dir.path().join("b"), 3).unwrap_err(), "CLI-NO-FILE");
        assert_eq!(open(dir.path(), 3).unwrap_err(), "CLI-IS-FOLDER");
    }

    #[test]
    fn a_pipe_is_spooled_and_a_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let spooled = FileSource::spool(&mut [1, 2, 3].as_slice(), &path, 3).unwrap();
        let mut bytes = [0; 2];
        spooled.read_at(1, &mut bytes).unwrap();
        assert_eq!((spooled.length(), bytes), (3, [2, 3]));
        spooled.unchanged(&path).unwrap();
        let error = FileSource::spool(&mut [1, 2, 3].as_slice(), &path, 2).map(|_| ()).unwrap_err();
        assert_eq!(error.code, "CLIENT-BLOB-TOO-LARGE");

        let params = EncodingParams::new(10).unwrap();
        std::fs::write(&path, [7; 5000]).unwrap();
        assert_eq!(metadata(&path, params).unwrap(), floe_redstuff::compute_metadata(params, &[7; 5000]).unwrap());
        let source = FileSource::open(&path, 5000).unwrap();
        source.unchanged(&path).unwrap();
        std::fs::write(&path, [7; 4999]).unwrap();
        assert_eq!(source.unchanged(&path).unwrap_err().code, "CLI-FILE-CHANGED");
    }
}
