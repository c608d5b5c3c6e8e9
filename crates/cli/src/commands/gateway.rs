//! `floe gateway`

use floe_client::StoreConfig;
use floe_config::ByteSize;
use floe_gateway::GatewayConfig;

use super::{chain::bind, shutdown_signal};
use crate::{
    args::{GatewayArgs, Global, MemoryArgs},
    error::CliError,
    memory, network,
    output::say,
};

pub(crate) async fn run(global: &Global, args: GatewayArgs) -> Result<(), CliError> {
    memory::keep_freed(memory::SLIVER_BYTES);
    // A single store takes no more than the configuration allows one, and no more than all may take.
    let file = network::client_file(global)?;
    let one = file.memory.unwrap_or(ByteSize(StoreConfig::default().memory_ceiling_bytes)).min(args.memory);
    let spool_dir = args.spool_dir.or(file.spool_dir);
    let mut config = GatewayConfig { memory_bytes_max: args.memory.0, ..GatewayConfig::default() };
    config.store.spool_dir.clone_from(&spool_dir);
    let (client, _) = network::connect(global, &MemoryArgs { memory: Some(one), spool_dir }).await?;
    let listener = bind(&args.bind_address).await?;
    say!("Gateway on http://{}", listener.local_addr()?);
    let shutdown = shutdown_signal()?;
    floe_gateway::serve(config, client, listener, shutdown).await.map_err(|e| CliError::new(e.code(), 1, e.to_string()))
}
