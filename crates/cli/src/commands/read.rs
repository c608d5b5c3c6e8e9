//! `floe read`

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::Engine;
use floe_client::{Consistency, ReadOptions};
use serde::Serialize;

use crate::{
    args::{Global, ReadArgs},
    error::CliError,
    network,
    output::{Output, size},
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    blob_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
}

pub(crate) async fn run(global: &Global, args: ReadArgs) -> Result<(), CliError> {
    let id = network::blob_id(&args.blob_id)?;
    let consistency = match (args.strict_consistency_check, args.skip_consistency_check) {
        (true, _) => Consistency::Strict,
        (_, true) => Consistency::Skip,
        _ => Consistency::Default,
    };
    if let Some(out) = &args.out {
        check_target(out)?;
    }
    let (client, _) = network::connect_to_read(global).await?;
    let bar = Bar::new(global);
    let progress = bar.clone().map(|bar| bar as _);
    let blob = client.read(&id, ReadOptions { consistency, progress }).await;
    if let Some(bar) = bar {
        bar.finish();
    }
    let blob = blob?;
    let output = Output::new(global);
    let mut report = Report { out: None, blob_id: id.to_string(), blob: None };
    match args.out.filter(|out| out != Path::new("-")) {
        Some(out) => {
            write_file(&out, &blob)?;
            report.out = Some(out.clone());
            output.result(&report, || format!("Success: {} written to {}", size(blob.len() as u64), out.display()))
        }
        None if global.json => {
            report.blob = Some(base64::engine::general_purpose::STANDARD.encode(&blob));
            output.result(&report, String::new)
        }
        None => {
            let mut out = io::stdout().lock();
            out.write_all(&blob)?;
            Ok(out.flush()?)
        }
    }
}

fn cannot_write(out: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::new("CLI-IO", 1, format!("cannot write {}: {why}", out.display()))
}

/// Finds out before the read what would be in its way after it.
fn check_target(out: &Path) -> Result<(), CliError> {
    if out == Path::new("-") {
        return Ok(());
    }
    if out.is_dir() {
        return Err(CliError::usage("CLI-IS-FOLDER", format!("{} is a folder: name a file in it", out.display())));
    }
    if fs::metadata(out).is_ok_and(|meta| !meta.is_file()) {
        return Ok(());
    }
    let at = folder_of(out);
    match fs::metadata(at) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(cannot_write(out, &format_args!("{} is not a folder", at.display()))),
        Err(error) => Err(cannot_write(out, &format_args!("folder {}: {error}", at.display()))),
    }
}

fn folder_of(out: &Path) -> &Path {
    out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file beside the old one, then a rename: there is the whole blob or what was there before. What is no plain
/// file (a device, a pipe) is written to.
fn write_file(out: &Path, blob: &[u8]) -> Result<(), CliError> {
    // A link stays a link: what it names is replaced.
    let target = fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
    let out = target.as_path();
    let failed = |e: io::Error| cannot_write(out, &e);
    if fs::metadata(out).is_ok_and(|meta| !meta.is_file()) {
        return fs::write(out, blob).map_err(failed);
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".floe-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask takes its part.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder_of(out)).map_err(failed)?;
    file.write_all(blob).map_err(failed)?;
    if let Ok(old) = fs::metadata(out) {
        file.as_file().set_permissions(old.permissions()).map_err(failed)?;
    }
    file.persist(out).map_err(|e| failed(e.error))?;
    Ok(())
}
