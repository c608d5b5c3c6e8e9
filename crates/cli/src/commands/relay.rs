//! `floe relay`

use floe_chain::{ControlPlane as _, EvmChain};
use floe_relay::{Relay, RelayConfig};
use serde::Serialize;

use super::{chain::bind, shutdown_signal};
use crate::{
    args::{Global, RelayArgs},
    error::CliError,
    network,
    output::{Output, say},
    session::Token,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    url: String,
    account: String,
    fee_min: String,
}

pub(crate) async fn run(global: &Global, args: RelayArgs) -> Result<(), CliError> {
    let file = network::client_file(global)?;
    let wallet = network::wallet(global, &file).await?.ok_or_else(|| {
        CliError::usage("CLI-NO-WALLET", "name the key file of the account that pays for gas with --wallet FILE")
    })?;
    let chain = EvmChain::connect(file.chain.clone(), Some(wallet)).await?;
    let info = chain.network().await?;
    let token = Token { symbol: &info.payment_token_symbol, decimals: info.payment_token_decimals };
    let config = RelayConfig {
        fee_min: token.units(args.fee)?,
        coin_price: token.units(args.coin_price)?,
        ..RelayConfig::default()
    };
    let fee_min = token.show(config.fee_min);
    let relay = Relay::new(chain, config)?;
    let listener = bind(&args.bind_address).await?;
    let (url, account) = (format!("http://{}", listener.local_addr()?), relay.account().to_string());
    if global.json {
        let started = Started { url, account, fee_min };
        Output::new(global).result(&started, String::new)?;
    } else {
        say!("Relay on {url}\n  account {account}, fees from {fee_min}");
    }
    let shutdown = shutdown_signal()?;
    floe_relay::serve(relay, listener, shutdown).await.map_err(|e| CliError::new(e.code(), 1, e.to_string()))
}
