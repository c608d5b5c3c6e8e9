//! Where a blob is written to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::CliError;

/// What the command line names.
pub(super) enum Target {
    Stdout,
    /// A device or a pipe, which is written to.
    Stream(File, PathBuf),
    /// A file, to be made or replaced.
    File(PathBuf),
}

impl Target {
    pub(super) fn find(out: Option<&Path>) -> Result<Self, CliError> {
        let Some(out) = out.filter(|out| *out != Path::new("-")) else { return Ok(Self::Stdout) };
        if out.is_dir() {
            return Err(CliError::usage("CLI-IS-FOLDER", format!("{} is a folder: name a file in it", out.display())));
        }
        if fs::metadata(out).is_ok_and(|meta| !meta.is_file()) {
            let file = File::options().write(true).open(out).map_err(|error| cannot_write(out, &error))?;
            return Ok(Self::Stream(file, out.to_owned()));
        }
        Ok(Self::File(out.to_owned()))
    }
}

/// A new file beside the old one, to be renamed: there is the whole blob or what was there before.
pub(super) struct NewFile {
    /// As it was named.
    name: PathBuf,
    /// What is replaced: a link stays a link, what it names is replaced.
    target: PathBuf,
    file: NamedTempFile,
}

impl NewFile {
    /// Finds out before the read what would be in its way.
    pub(super) fn create(name: &Path) -> Result<Self, CliError> {
        let target = fs::canonicalize(name).unwrap_or_else(|_| name.to_owned());
        let folder = folder_of(&target);
        match fs::metadata(folder) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(cannot_write(name, &format_args!("{} is not a folder", folder.display()))),
            Err(error) => return Err(cannot_write(name, &format_args!("folder {}: {error}", folder.display()))),
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".floe-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file: the umask takes its part.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(|error| cannot_write(name, &error))?;
        Ok(Self { name: name.to_owned(), target, file })
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.target)
    }

    /// The file, to be written and read.
    pub(super) fn handle(&self) -> Result<File, CliError> {
        self.file.as_file().try_clone().map_err(|error| cannot_write(&self.name, &error))
    }

    /// Gives the file its name.
    pub(super) fn keep(self) -> Result<(), CliError> {
        let Self { name, target, file } = self;
        let failed = |error: io::Error| cannot_write(&name, &error);
        if let Ok(old) = fs::metadata(&target) {
            file.as_file().set_permissions(old.permissions()).map_err(failed)?;
        }
        file.persist(target).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

pub(super) fn cannot_write(out: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::new("CLI-IO", 1, format!("cannot write {}: {why}", out.display()))
}

fn folder_of(out: &Path) -> &Path {
    out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
