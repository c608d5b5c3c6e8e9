//! `floe gateway`

use floe_gateway::GatewayConfig;

use super::{chain::bind, shutdown_signal};
use crate::{
    args::{GatewayArgs, Global},
    error::CliError,
    network,
    output::say,
};

pub(crate) async fn run(global: &Global, args: GatewayArgs) -> Result<(), CliError> {
    let (client, _) = network::connect(global).await?;
    let listener = bind(&args.bind_address).await?;
    say!("Gateway on http://{}", listener.local_addr()?);
    let shutdown = shutdown_signal()?;
    floe_gateway::serve(GatewayConfig::default(), client, listener, shutdown)
        .await
        .map_err(|e| CliError::new(e.code(), 1, e.to_string()))
}
