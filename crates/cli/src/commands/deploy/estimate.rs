//! What a deployment takes: it is done once on an embedded chain in memory.

use floe_chain::{
    Wallet,
    deploy::{DeployOptions, Deployment},
};
use floe_devchain::{ChainOptions, DevChain, dev_accounts};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::CliError;

/// Name of the step that is left out where the network has a payment token.
const TEST_TOKEN: &str = "TestToken";

/// Gas of each step, in order.
pub(super) async fn gas_of_steps(options: &DeployOptions) -> Result<Vec<u64>, CliError> {
    let failed = |error: floe_devchain::DevChainError| CliError::new(error.code(), 1, error.to_string());
    let chain = DevChain::open(ChainOptions::default()).map_err(failed)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let done = CancellationToken::new();
    let server = tokio::spawn(chain.serve(listener, done.clone().cancelled_owned()));
    let gas = deploy(&url, &DeployOptions { payment_token: None, ..*options }).await;
    done.cancel();
    match server.await {
        Ok(served) => served.map_err(failed)?,
        Err(error) => return Err(CliError::new("CLI-IO", 1, error.to_string())),
    }
    let leave_out = options.payment_token.is_some();
    Ok(gas?.into_iter().filter(|(name, _)| !(leave_out && name == TEST_TOKEN)).map(|(_, gas)| gas).collect())
}

async fn deploy(url: &str, options: &DeployOptions) -> Result<Vec<(String, u64)>, CliError> {
    let [(secret, _), ..] = dev_accounts();
    let wallet = Wallet::from_key_hex(secret)?;
    let mut deployment = Deployment::begin(url, &wallet, options).await?;
    let mut gas = Vec::new();
    while let Some(step) = deployment.step().await? {
        gas.push((step.name, step.gas_used));
    }
    Ok(gas)
}
