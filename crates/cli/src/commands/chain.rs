//! `floe chain`

use std::io;

use floe_devchain::{ChainOptions, DevChain, Hardfork};
use tokio::net::TcpListener;

use super::shutdown_signal;
use crate::{
    args::{ChainArgs, Rules},
    error::CliError,
    output::say,
};

pub(crate) async fn run(args: ChainArgs) -> Result<(), CliError> {
    let listener = bind(&args.bind_address).await?;
    let kept = args.dir.is_some();
    let chain = DevChain::open(ChainOptions {
        chain_id: args.chain_id,
        dir: args.dir,
        funded: Vec::new(),
        hardfork: match args.hardfork {
            Rules::Prague => Hardfork::Prague,
            Rules::Osaka => Hardfork::Osaka,
        },
    })
    .map_err(|e| CliError::new(e.code(), 1, e.to_string()))?;
    say!("Chain {} on http://{} and ws://{}", args.chain_id, listener.local_addr()?, listener.local_addr()?);
    say!("One trusted sequencer: for development and small private networks.");
    if !kept {
        say!("Nothing is kept: name a folder with --dir to keep the chain.");
    }
    let shutdown = shutdown_signal()?;
    chain.serve(listener, shutdown.cancelled_owned()).await.map_err(|e| CliError::new(e.code(), 1, e.to_string()))
}

/// Binds an address, with an error that names it.
pub(super) async fn bind(address: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            CliError::usage("CLI-PORT-TAKEN", format!("{address} is taken: choose another address"))
        }
        _ => CliError::usage("CLI-BAD-ADDRESS", format!("{address}: {error}")),
    })
}
