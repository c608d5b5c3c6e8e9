//! Reading what is to be stored.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::error::{CliError, EXIT_NOT_FOUND};

/// The bytes of a file, or of standard input for `-`; at most `max` of them.
///
/// A file that changes its length while it is read is refused: what would be stored was never a file.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(max + 1).read_to_end(&mut bytes)?;
        return within(bytes, max, path);
    }
    let mut file = File::open(path).map_err(|e| cannot_read(path, &e))?;
    let meta = file.metadata().map_err(|e| cannot_read(path, &e))?;
    if meta.is_dir() {
        return Err(CliError::usage("CLI-IS-FOLDER", format!("{} is a folder: name its files", path.display())));
    }
    if meta.is_file() && meta.len() > max {
        return Err(too_large(path, meta.len(), max));
    }
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
    }
}
