//! Reading what is to be stored.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use floe_client::{FileSource, Progress, SourceChanged, WatchedSource};
use floe_redstuff::{
    BlobSource, EncodingParams, MEMORY_CEILING_BYTES, SourceError, VerifiedMetadata, compute_metadata_from,
};

use crate::{
    args::MemoryArgs,
    error::{CliError, EXIT_NOT_FOUND},
    progress::Bar,
};

/// Where what cannot be read twice is copied to.
pub(crate) struct Spool(PathBuf);

impl Spool {
    /// A folder, or the system's for temporary files.
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self(dir.unwrap_or_else(std::env::temp_dir))
    }

    /// Copies at most `max` bytes to a file that vanishes with this process.
    fn copy(&self, from: &mut dyn Read, path: &Path, max: u64) -> Result<FileSource, CliError> {
        let mut file = tempfile::tempfile_in(&self.0).map_err(|e| self.failed(path, &e))?;
        let length = io::copy(&mut from.take(max.saturating_add(1)), &mut file).map_err(|e| self.failed(path, &e))?;
        match length > max {
            true => Err(too_large(path, length, max)),
            false => FileSource::new(file).map_err(|e| self.failed(path, &e)),
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> CliError {
        let message = format!("copying {} to a file in {}: {error}", path.display(), self.0.display());
        let advice = "Name a folder with enough room by --spool-dir or TMPDIR.";
        CliError { advice: Some(advice), ..CliError::new("CLI-SPOOL", 1, message) }
    }
}

/// A file that can be read at any position: the one that was named, or an unnamed copy of what cannot be read twice, such
/// as standard input for `-`. It has at most `max` bytes.
pub(crate) fn open(path: &Path, max: u64, spool: &Spool) -> Result<FileSource, CliError> {
    if path == Path::new("-") {
        return spool.copy(&mut io::stdin().lock(), path, max);
    }
    let (mut file, meta) = open_file(path, max)?;
    match meta.is_file() {
        true => FileSource::new(file).map_err(|e| cannot_read(path, &e)),
        false => spool.copy(&mut file, path, max),
    }
}

/// The metadata of a file's blob, in bounded memory whatever its size.
pub(crate) fn metadata(
    path: &Path,
    params: EncodingParams,
    memory: &MemoryArgs,
    bar: Option<Arc<Bar>>,
) -> Result<VerifiedMetadata, CliError> {
    let source = open(path, params.max_blob_size(), &Spool::new(memory.spool_dir.clone()))?;
    let ceiling =
        memory.memory.map_or(MEMORY_CEILING_BYTES, |ceiling| usize::try_from(ceiling.0).unwrap_or(usize::MAX));
    let result = match &bar {
        None => compute_metadata_from(params, &source, ceiling),
        Some(bar) => {
            bar.phase("encode", Some(source.length()));
            let result = compute_metadata_from(params, &WatchedSource::new(&source, bar.clone()), ceiling);
            bar.finish();
            result
        }
    };
    result.map_err(|error| match error {
        SourceError::TooLarge(error) => CliError::usage("CLI-ENCODE", error.to_string()),
        SourceError::Read(error) => cannot_read(path, &error),
    })
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

fn too_large(path: &Path, size: u64, max: u64) -> CliError {
    CliError::usage(
        "CLIENT-BLOB-TOO-LARGE",
        format!("{} has at least {size} bytes; a blob of this network has at most {max}: split it", path.display()),
    )
}

/// A file that changed is named as that: what was read of it was never a file.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> CliError {
    if let Some(change) = SourceChanged::in_error(error) {
        return changed(path, change);
    }
    let (code, exit) = match error.kind() {
        io::ErrorKind::NotFound => ("CLI-NO-FILE", EXIT_NOT_FOUND),
        _ => ("CLI-IO", 1),
    };
    CliError::new(code, exit, format!("{}: {error}", path.display()))
}

pub(crate) fn changed(path: &Path, SourceChanged { before, now }: SourceChanged) -> CliError {
    let message = format!("{} changed while it was read: it had {before} bytes, now it has {now}", path.display());
    CliError {
        advice: Some("Store it again when nobody writes to it."),
        ..CliError::new("CLI-FILE-CHANGED", 1, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_absent_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [1, 2, 3]).unwrap();
        let open = |path: &Path, max| open(path, max, &Spool::new(None)).map(|source| source.length());
        let failure = |path: &Path, max| open(path, max).map_err(|e| (e.code, e.exit)).unwrap_err();
        assert_eq!(open(&path, 3).unwrap(), 3);
        assert_eq!(failure(&path, 2), ("CLIENT-BLOB-TOO-LARGE".into(), 2));
        assert!(open(&path, 2).unwrap_err().message.contains("at most 2"));
        assert_eq!(failure(&dir.path().join("b"), 3), ("CLI-NO-FILE".into(), EXIT_NOT_FOUND));
        assert_eq!(failure(dir.path(), 3), ("CLI-IS-FOLDER".into(), 2));
    }

    #[test]
    fn a_pipe_is_spooled_and_a_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let spool = Spool::new(Some(dir.path().to_owned()));
        let spooled = spool.copy(&mut [1, 2, 3].as_slice(), &path, 3).unwrap();
        let mut bytes = [0; 2];
        spooled.read_at(1, &mut bytes).unwrap();
        assert_eq!((spooled.length(), bytes), (3, [2, 3]));
        spooled.unchanged().unwrap();
        let error = spool.copy(&mut [1, 2, 3].as_slice(), &path, 2).unwrap_err();
        assert_eq!(error.code, "CLIENT-BLOB-TOO-LARGE");
        let nowhere = Spool::new(Some(path.clone()));
        let error = nowhere.copy(&mut [1].as_slice(), &path, 2).unwrap_err();
        assert!(error.code == "CLI-SPOOL" && error.message.contains(path.to_str().unwrap()), "{error:?}");

        let params = EncodingParams::new(10).unwrap();
        std::fs::write(&path, [7; 5000]).unwrap();
        let got = metadata(&path, params, &MemoryArgs::default(), None).unwrap();
        assert_eq!(got, floe_redstuff::compute_metadata(params, &[7; 5000]).unwrap());
        let source = FileSource::open(&path).unwrap();
        std::fs::write(&path, [7; 4999]).unwrap();
        let error = cannot_read(&path, &source.unchanged().unwrap_err());
        assert!(error.code == "CLI-FILE-CHANGED" && error.message.contains("4999"), "{error:?}");
    }
}
