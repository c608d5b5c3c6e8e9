//! A whole network on this machine.
//!
//! [`Devnet::start`] makes or reopens the network of a folder and returns once every node answers;
//! [`Devnet::run`] then watches the processes until it is told to stop.

mod control;
mod error;
mod layout;
mod ports;
mod process;
mod setup;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use floe_chain::{ControlPlane, EvmChain, Wallet};
use floe_client::{ClientConfig, FloeClient};
use floe_devchain::{ChainOptions, DevChain};
use floe_gateway::GatewayConfig;
use floe_relay::{Relay, RelayConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use control::{ask_running, find_running};
pub use error::DevnetError;
pub use layout::{ChainEntry, DevnetInfo, Layout, NodeEntry, default_dir};
use process::NodeProcess;

/// Chain id of the embedded chain, the one that development wallets expect.
const CHAIN_ID: u64 = 31_337;
/// Ports tried first where none was asked for.
const CHAIN_PORT: u16 = 8545;
const GATEWAY_PORT: u16 = 31_415;
const RELAY_PORT: u16 = 31_416;
const NODE_PORT: u16 = 9185;
/// How long the nodes may take until all of them answer.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node may take to finish its work when the network ends; then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What a devnet should be like; `None` takes what the folder has, or the default for a new one.
#[derive(Debug, Clone)]
pub struct DevnetOptions {
    /// The folder of the network.
    pub dir: PathBuf,
    /// Storage nodes (default 10).
    pub nodes: Option<u16>,
    /// Shards, spread evenly over the nodes (default 100).
    pub shards: Option<u16>,
    /// Length of an epoch (default one day).
    pub epoch_duration: Option<Duration>,
    /// Port of the gateway; taken ports are an error only where one was asked for.
    pub gateway_port: Option<u16>,
    /// Port of the relay.
    pub relay_port: Option<u16>,
    /// Port of the chain.
    pub chain_port: Option<u16>,
    /// The `floe` binary that the nodes run.
    pub binary: PathBuf,
}

/// What happens while a network starts and runs.
#[derive(Debug, Clone)]
pub enum DevnetEvent {
    /// A step of the start began.
    Step(String),
    /// A node's process ended without being told to.
    NodeDied {
        /// Its name.
        name: String,
        /// How it ended, in words.
        how: String,
    },
    /// A node was started again.
    NodeRestarted {
        /// Its name.
        name: String,
        /// Its new process id.
        pid: u32,
    },
}

/// A running network.
#[derive(Debug)]
pub struct Devnet {
    layout: Layout,
    info: DevnetInfo,
    nodes: Vec<NodeProcess>,
    client: FloeClient,
    services: Vec<JoinHandle<()>>,
    stop_services: CancellationToken,
}

impl Devnet {
    /// Makes or reopens the network, starts everything and waits until every node answers.
    pub async fn start(options: DevnetOptions, on_event: impl Fn(DevnetEvent)) -> Result<Self, DevnetError> {
        let step = |text: &str| on_event(DevnetEvent::Step(text.to_owned()));
        let layout = Layout::open(&options.dir)?;
        let known = layout.load()?;
        let plan = setup::Plan::new(&options, known.as_ref())?;
        let stop_services = CancellationToken::new();

        step("starting the chain");
        let chain_listener =
            ports::bind(options.chain_port, known.as_ref().map_or(CHAIN_PORT, |k| k.chain.port()), "--chain-port")
                .await?;
        let chain_address = chain_listener.local_addr()?;
        let chain = DevChain::open(ChainOptions {
            chain_id: CHAIN_ID,
            dir: Some(layout.chain_dir()),
            ..ChainOptions::default()
        })?;
        let mut services = Vec::new();
        services.push(spawn_service("chain", chain.serve(chain_listener, stop_services.clone().cancelled_owned())));

        let mut info = match known {
            Some(info) => info,
            None => {
                step("deploying the contracts and registering the nodes");
                setup::create(&layout, &plan, chain_address).await?
            }
        };
        info.chain.set_address(chain_address);

        step("starting the nodes");
        let mut nodes = Vec::with_capacity(info.nodes.len());
        for entry in &info.nodes {
            layout.write_node_config(entry, &info.chain, &info.contracts, NODE_PORT)?;
            nodes.push(NodeProcess::spawn(&options.binary, &layout, &entry.name)?);
        }
        let gateway_listener =
            ports::bind(options.gateway_port, info.gateway_port(GATEWAY_PORT), "--gateway-port").await?;
        info.gateway_url = format!("http://{}", gateway_listener.local_addr()?);
        let relay_listener = ports::bind(options.relay_port, info.relay_port(RELAY_PORT), "--relay-port").await?;
        info.relay_url = format!("http://{}", relay_listener.local_addr()?);
        info.pid = std::process::id();
        layout.write_client_configs(&info)?;
        for (entry, process) in info.nodes.iter_mut().zip(&mut nodes) {
            entry.address = process.wait_ready(READY_TIMEOUT, &layout).await?;
            entry.pid = process.pid();
        }

        step("starting the gateway and the relay");
        let gateway_client = connect(&info, &layout.gateway_key()).await?;
        services.push(spawn_service(
            "gateway",
            floe_gateway::serve(GatewayConfig::default(), gateway_client, gateway_listener, stop_services.clone()),
        ));
        let relay = Relay::new(connect_chain(&info, &layout.relay_key()).await?, RelayConfig::default())?;
        services.push(spawn_service("relay", floe_relay::serve(relay, relay_listener, stop_services.clone())));
        let client = connect(&info, &layout.client_key()).await?;
        layout.save(&info)?;
        Ok(Self { layout, info, nodes, client, services, stop_services })
    }

    /// What `devnet.json` says.
    pub fn info(&self) -> &DevnetInfo {
        &self.info
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A client of the network that pays with the client's key.
    pub fn client(&self) -> &FloeClient {
        &self.client
    }

    /// Watches the nodes and answers `floe devnet restart-node` until `shutdown`; then ends everything.
    pub async fn run(mut self, shutdown: CancellationToken, on_event: impl Fn(DevnetEvent)) -> Result<(), DevnetError> {
        let mut control = control::listen(&self.layout.control_socket())?;
        let mut check = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = check.tick() => self.report_deaths(&on_event),
                request = control.next() => {
                    let request = request?;
                    let answer = tokio::select! {
                        answer = self.restart_node(request.name(), &on_event) => answer,
                        // A node that takes long to start does not hold up the end of the network.
                        () = shutdown.cancelled() => break,
                    };
                    request.answer(answer).await;
                }
            }
        }
        self.stop().await
    }

    /// Ends every process and closes the chain.
    pub async fn stop(mut self) -> Result<(), DevnetError> {
        for node in &mut self.nodes {
            node.ask_to_stop();
        }
        for node in &mut self.nodes {
            node.wait_stopped(STOP_TIMEOUT).await;
        }
        self.stop_services.cancel();
        for service in self.services {
            // A service that broke has logged why; the others still have to end.
            let _ = service.await;
        }
        self.layout.remove_running_marks();
        Ok(())
    }

    fn report_deaths(&mut self, on_event: &impl Fn(DevnetEvent)) {
        for node in &mut self.nodes {
            if let Some(how) = node.newly_dead() {
                on_event(DevnetEvent::NodeDied { name: node.name().to_owned(), how });
            }
        }
    }

    async fn restart_node(&mut self, name: &str, on_event: &impl Fn(DevnetEvent)) -> Result<u32, DevnetError> {
        let Some(index) = self.nodes.iter().position(|n| n.name() == name) else {
            return Err(DevnetError::unknown_node(name, &self.info));
        };
        let node = &mut self.nodes[index];
        node.ask_to_stop();
        node.wait_stopped(STOP_TIMEOUT).await;
        node.respawn(&self.layout)?;
        let address = node.wait_ready(READY_TIMEOUT, &self.layout).await?;
        let pid = node.pid();
        let entry = &mut self.info.nodes[index];
        (entry.address, entry.pid) = (address, pid);
        self.layout.save(&self.info)?;
        on_event(DevnetEvent::NodeRestarted { name: name.to_owned(), pid });
        Ok(pid)
    }
}

async fn connect(info: &DevnetInfo, key: &std::path::Path) -> Result<FloeClient, DevnetError> {
    let chain = connect_chain(info, key).await?;
    Ok(FloeClient::new(ClientConfig::default(), Arc::new(chain) as Arc<dyn ControlPlane>))
}

async fn connect_chain(info: &DevnetInfo, key: &std::path::Path) -> Result<EvmChain, DevnetError> {
    let wallet = Wallet::from_key_file(key)?;
    Ok(EvmChain::connect(info.chain_config(), Some(wallet)).await?)
}

fn spawn_service<E: std::fmt::Display + Send>(
    name: &'static str,
    service: impl Future<Output = Result<(), E>> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = service.await {
            tracing::error!(%error, "the {name} stopped");
        }
    })
}

/// A socket address as people type it: the loopback address of this machine and a port.
fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
