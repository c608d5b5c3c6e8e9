//! Finding the network that a command speaks to.

use std::{path::PathBuf, sync::Arc};

use floe_chain::{ControlPlane, EvmChain, Wallet};
use floe_client::{ClientConfig, FloeClient};
use floe_config::{ClientFile, load_client};
use floe_protocol::BlobId;
use floe_relay::{RelayOptions, RelayedChain};
use floe_testbed::devnet;

use crate::{
    args::{GaslessArgs, Global, MemoryArgs},
    error::{CliError, EXIT_UNAVAILABLE},
    password::open_wallet,
    session::Token,
};

/// The configuration named by `--config` or `FLOE_CONFIG`, else that of the running devnet.
pub(crate) fn client_file(global: &Global) -> Result<ClientFile, CliError> {
    let path: PathBuf = match &global.config {
        Some(path) => path.clone(),
        None => match devnet::find_running(None) {
            Some(info) => info.client_config,
            None => {
                return Err(CliError::new(
                    "CLI-NO-NETWORK",
                    EXIT_UNAVAILABLE,
                    "no network is configured and no devnet is running: start one with `floe devnet`, or name a \
                     configuration with --config FILE or FLOE_CONFIG",
                ));
            }
        },
    };
    Ok(load_client(&path)?)
}

/// A client of the network that pays with the configured wallet, if there is one, and keeps to this memory.
pub(crate) async fn connect(global: &Global, memory: &MemoryArgs) -> Result<(FloeClient, ClientFile), CliError> {
    let file = client_file(global)?;
    let wallet = wallet(global, &file).await?;
    client(file, wallet, memory).await
}

/// The account that pays: that of `--wallet`, or the configured one.
pub(crate) async fn wallet(global: &Global, file: &ClientFile) -> Result<Option<Wallet>, CliError> {
    match global.wallet.as_ref().or(file.wallet_key_file.as_ref()) {
        Some(path) => open_wallet(global, path).await.map(Some),
        None => Ok(None),
    }
}

/// A client that writes to the chain through a relay, and the control plane that does it.
pub(crate) async fn connect_gasless(
    global: &Global,
    memory: &MemoryArgs,
    gasless: &GaslessArgs,
) -> Result<(FloeClient, ClientFile, Arc<RelayedChain>), CliError> {
    let file = client_file(global)?;
    let url = gasless.relay.clone().or_else(|| file.relay_url.clone()).ok_or_else(|| {
        CliError::usage("CLI-NO-RELAY", "no relay is configured: name one with --relay URL, or relay_url in the file")
    })?;
    let wallet = wallet(global, &file).await?.ok_or_else(|| {
        CliError::usage("CLI-NO-WALLET", "name the key file of the account that pays with --wallet FILE")
    })?;
    let chain = EvmChain::connect(file.chain.clone(), Some(wallet.clone())).await?;
    let info = chain.network().await?;
    let token = Token { symbol: &info.payment_token_symbol, decimals: info.payment_token_decimals };
    let fee_max = token.units(gasless.max_relay_fee)?;
    let options = RelayOptions { fee_max: Some(fee_max), ..RelayOptions::new(url) };
    let chain = Arc::new(RelayedChain::new(chain, wallet, options)?);
    let client = client_of(chain.clone(), &file, memory);
    Ok((client, file, chain))
}

/// A client of the network that only reads: it needs no key, so anybody may run it. It keeps to this memory.
pub(crate) async fn connect_to_read(
    global: &Global,
    memory: &MemoryArgs,
) -> Result<(FloeClient, ClientFile), CliError> {
    client(client_file(global)?, None, memory).await
}

async fn client(
    file: ClientFile,
    wallet: Option<Wallet>,
    memory: &MemoryArgs,
) -> Result<(FloeClient, ClientFile), CliError> {
    let chain = EvmChain::connect(file.chain.clone(), wallet).await?;
    Ok((client_of(Arc::new(chain), &file, memory), file))
}

fn client_of(chain: Arc<dyn ControlPlane>, file: &ClientFile, memory: &MemoryArgs) -> FloeClient {
    let mut config = ClientConfig::default();
    let memory = memory.clone().or_configured(file);
    if let Some(ceiling) = memory.memory {
        config.store.memory_ceiling_bytes = ceiling.0;
        config.read.memory_ceiling_bytes = ceiling.0;
    }
    config.store.spool_dir.clone_from(&memory.spool_dir);
    config.read.spool_dir = memory.spool_dir;
    FloeClient::new(config, chain)
}

/// Parses a blob ID as people type it.
pub(crate) fn blob_id(text: &str) -> Result<BlobId, CliError> {
    text.parse::<BlobId>().map_err(|e| CliError::usage("CLI-BAD-BLOB-ID", e.to_string()))
}
