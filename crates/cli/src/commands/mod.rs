//! The commands, one file each.

pub(crate) mod balance;
pub(crate) mod bench;
pub(crate) mod blob_id;
pub(crate) mod blob_status;
pub(crate) mod burn;
pub(crate) mod chain;
pub(crate) mod committee;
pub(crate) mod completions;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod devnet;
pub(crate) mod epoch;
pub(crate) mod extend;
pub(crate) mod fund;
pub(crate) mod gateway;
pub(crate) mod info;
pub(crate) mod input;
pub(crate) mod list_blobs;
pub(crate) mod node;
pub(crate) mod node_upkeep;
pub(crate) mod pool;
pub(crate) mod price;
pub(crate) mod read;
pub(crate) mod register_node;
pub(crate) mod relay;
pub(crate) mod renew;
pub(crate) mod resources;
pub(crate) mod stake;
pub(crate) mod store;
pub(crate) mod subsidies;
pub(crate) mod unstake;
pub(crate) mod vote;
pub(crate) mod wallet;

use tokio_util::sync::CancellationToken;

use crate::error::CliError;

/// Cancelled by Ctrl-C or SIGTERM.
pub(crate) fn shutdown_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
    });
    Ok(token)
}

/// Asks on a terminal; elsewhere the answer has to be given with the command.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<bool, CliError> {
    use std::io::{BufRead as _, IsTerminal as _, Write as _};
    if yes {
        return Ok(true);
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::usage("CLI-NOT-CONFIRMED", format!("{question} Nobody can be asked here: add --yes")));
    }
    let mut err = std::io::stderr();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
