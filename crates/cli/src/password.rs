//! Passwords and keys that people keep in their heads: read from a file, the environment or the terminal, never from an
//! argument.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
    process::{Command, Stdio},
};

use floe_chain::{ChainError, Wallet};
use zeroize::Zeroizing;

use crate::{
    args::Global,
    error::{CliError, EXIT_INTERRUPTED},
    output::say,
};

/// Holds the password of keystores.
const VARIABLE: &str = "FLOE_PASSWORD";
/// Longest password file that is read.
const FILE_BYTES_MAX: u64 = 4096;

/// Opens a key file: the hex form of a key, or a keystore, whose password is then found.
pub(crate) async fn open_wallet(global: &Global, path: &Path) -> Result<Wallet, CliError> {
    match Wallet::from_key_file(path) {
        Err(ChainError::PasswordNeeded { .. }) => {
            let password = match given(global)? {
                Some(password) => password,
                None => ask(format!("Password of {}: ", path.display())).await?,
            };
            Ok(Wallet::from_keystore_file(path, &password)?)
        }
        opened => Ok(opened?),
    }
}

/// A password for a new keystore. Typed, it is asked for twice.
pub(crate) async fn new_password(global: &Global) -> Result<Zeroizing<String>, CliError> {
    if let Some(password) = given(global)? {
        return Ok(password);
    }
    let password = ask("New password: ".to_owned()).await?;
    if ask("The same again: ".to_owned()).await? != password {
        return Err(CliError::usage("CLI-PASSWORDS-DIFFER", "the passwords are not the same; nothing was written"));
    }
    Ok(password)
}

/// The password from the file that is named, or from the environment.
fn given(global: &Global) -> Result<Option<Zeroizing<String>>, CliError> {
    if let Some(path) = &global.password_file {
        return read_line_of(path).map(Some);
    }
    match std::env::var(VARIABLE) {
        Ok(password) => Ok(Some(Zeroizing::new(password))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(CliError::usage("CLI-BAD-PASSWORD", format!("{VARIABLE}: {error}"))),
    }
}

/// The text of a file, without the line break at its end. If it is kept on disk, only its owner may read it.
fn read_line_of(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let bad = |why: String| CliError::usage("CLI-BAD-PASSWORD", format!("{}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
    let info = file.metadata().map_err(|e| bad(e.to_string()))?;
    #[cfg(unix)]
    if info.is_file() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&info.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(bad(format!("mode {mode:04o} lets others read the password: chmod 600 {path}")));
        }
    }
    let mut text = Zeroizing::new(String::with_capacity(2 * 4096));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| bad(e.to_string()))?;
    trim_line_break(&mut text);
    Ok(text)
}

fn trim_line_break(text: &mut String) {
    let end = text.strip_suffix('\n').map_or(text.len(), str::len);
    text.truncate(text[..end].strip_suffix('\r').map_or(end, str::len));
}

/// A secret that is typed, and not shown.
pub(crate) async fn ask(prompt: String) -> Result<Zeroizing<String>, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let message = "a password is needed, and there is no terminal to ask at: name a file with --password-file or \
                       FLOE_PASSWORD_FILE, or set FLOE_PASSWORD";
        return Err(CliError::usage("CLI-NO-PASSWORD", message));
    }
    let (done, typed) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: what it reads may never come.
    std::thread::spawn(move || {
        let _ = console::Term::stderr().write_str(&prompt);
        let _ = done.send(console::Term::stderr().read_secure_line());
    });
    tokio::select! {
        typed = typed => {
            let typed = typed.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            Ok(Zeroizing::new(typed?))
        }
        _ = tokio::signal::ctrl_c() => {
            // The terminal does not show what is typed until it is told to again.
            let _ = Command::new("stty").arg("echo").stdin(Stdio::inherit()).status();
            say!();
            Err(CliError::new("CLI-INTERRUPTED", EXIT_INTERRUPTED, "interrupted"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_ends_a_password_and_no_more() {
        for (text, password) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", ""), ("\n", "")] {
            let mut text = text.to_owned();
            trim_line_break(&mut text);
            assert_eq!(text, password);
        }
    }
}
