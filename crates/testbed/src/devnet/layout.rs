//! The folder of a devnet, and `devnet.json` in it.
//!
//! ```text
//! DIR/devnet.json          the network, for people and tools (written last: a folder without it is not a network yet)
//! DIR/client.toml          configuration of a client that pays with keys/client.key
//! DIR/gateway.toml         the same with the gateway's key
//! DIR/keys/*.key           keys of the deployer, the client, the gateway and the relay
//! DIR/chain/               the chain
//! DIR/nodes/NAME/          node.toml, keys, data/, log
//! DIR/unfinished           there while the first start has not come to its end
//! DIR/lock                 held by the running devnet
//! DIR/control.sock         where the running devnet takes requests
//! ```

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use floe_chain::{ChainConfig, ContractAddresses};
use floe_config::{ClientFile, NodeFile, write_toml};
use serde::{Deserialize, Serialize};

use super::{CHAIN_ID, DevnetError, loopback};

/// How long the lock of a folder may be held by someone who only looks.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// The network as `devnet.json` describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevnetInfo {
    /// Process id of the devnet.
    pub pid: u32,
    /// The folder of the network.
    pub dir: PathBuf,
    /// Number of shards.
    pub n_shards: u16,
    /// Length of an epoch in seconds.
    pub epoch_duration_secs: u64,
    /// The chain.
    pub chain: ChainEntry,
    /// URL of the gateway.
    pub gateway_url: String,
    /// URL of the relay.
    #[serde(default)]
    pub relay_url: String,
    /// Addresses of the contracts.
    pub contracts: ContractAddresses,
    /// Configuration for `floe --config`.
    pub client_config: PathBuf,
    /// The storage nodes.
    pub nodes: Vec<NodeEntry>,
}

/// The chain of a devnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainEntry {
    /// JSON-RPC over HTTP.
    pub url: String,
    /// JSON-RPC over WebSocket.
    pub ws_url: String,
    /// Chain id (EIP-155).
    pub chain_id: u64,
}

/// A storage node of a devnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// Its number in the registry.
    pub node_id: u64,
    /// Process id.
    pub pid: u32,
    /// Base URL of its API.
    pub address: String,
    /// Folder of its slivers.
    pub data_dir: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// The shards that it holds.
    pub shards: Vec<u16>,
}

impl ChainEntry {
    pub(super) fn new(address: SocketAddr) -> Self {
        let mut entry = Self { url: String::new(), ws_url: String::new(), chain_id: CHAIN_ID };
        entry.set_address(address);
        entry
    }

    pub(super) fn set_address(&mut self, address: SocketAddr) {
        self.url = format!("http://{address}");
        self.ws_url = format!("ws://{address}");
    }

    pub(super) fn port(&self) -> u16 {
        port_of(&self.url).unwrap_or(0)
    }
}

impl NodeEntry {
    /// The port it had, or one near `base` by its number.
    pub(super) fn port(&self, base: u16) -> u16 {
        port_of(&self.address)
            .unwrap_or_else(|| base.wrapping_add(u16::try_from(self.node_id.saturating_sub(1)).unwrap_or(0)))
    }
}

impl DevnetInfo {
    pub(super) fn gateway_port(&self, base: u16) -> u16 {
        port_of(&self.gateway_url).unwrap_or(base)
    }

    pub(super) fn relay_port(&self, base: u16) -> u16 {
        port_of(&self.relay_url).unwrap_or(base)
    }

    pub(super) fn chain_config(&self) -> ChainConfig {
        chain_config(&self.chain.url, &self.chain, &self.contracts)
    }
}

/// Over WebSocket a node learns of a registration at once; commands that send a few requests need no subscription.
fn chain_config(url: &str, chain: &ChainEntry, contracts: &ContractAddresses) -> ChainConfig {
    ChainConfig { chain_id: Some(chain.chain_id), ..ChainConfig::new(url, *contracts) }
}

fn port_of(url: &str) -> Option<u16> {
    url.rsplit(':').next()?.parse().ok()
}

/// The folder that `floe devnet` uses where none is named.
pub fn default_dir() -> PathBuf {
    data_home().join("floe/devnet")
}

fn data_home() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// A devnet's folder, locked for this process.
#[derive(Debug)]
pub struct Layout {
    dir: PathBuf,
    _lock: fs::File,
}

impl Layout {
    pub(super) fn open(dir: &Path) -> Result<Self, DevnetError> {
        let unusable = |error| DevnetError::Folder { dir: dir.to_owned(), error };
        fs::create_dir_all(dir).map_err(unusable)?;
        let dir = fs::canonicalize(dir).map_err(unusable)?;
        let lock = fs::File::create(dir.join("lock")).map_err(unusable)?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { dir, _lock: lock }),
                // A command that looks whether a devnet runs holds it for a moment.
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
                Err(fs::TryLockError::WouldBlock) => return Err(DevnetError::AlreadyRunning { dir }),
                Err(fs::TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The description that people and tools read.
    pub fn description(&self) -> PathBuf {
        self.dir.join("devnet.json")
    }

    pub(super) fn chain_dir(&self) -> PathBuf {
        self.dir.join("chain")
    }

    pub(super) fn nodes_dir(&self) -> PathBuf {
        self.dir.join("nodes")
    }

    pub(super) fn node_dir(&self, name: &str) -> PathBuf {
        self.nodes_dir().join(name)
    }

    pub(super) fn node_config(&self, name: &str) -> PathBuf {
        self.node_dir(name).join("node.toml")
    }

    pub(super) fn node_log(&self, name: &str) -> PathBuf {
        self.node_dir(name).join("log")
    }

    pub(super) fn keys_dir(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub(super) fn client_key(&self) -> PathBuf {
        self.keys_dir().join("client.key")
    }

    pub(super) fn gateway_key(&self) -> PathBuf {
        self.keys_dir().join("gateway.key")
    }

    pub(super) fn relay_key(&self) -> PathBuf {
        self.keys_dir().join("relay.key")
    }

    pub(super) fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    pub(super) fn client_config(&self) -> PathBuf {
        self.dir.join("client.toml")
    }

    fn unfinished_mark(&self) -> PathBuf {
        self.dir.join("unfinished")
    }

    /// The network of this folder, or `None` where there is none yet. What a start that was interrupted left behind is
    /// removed: nobody was told of it. Folders of the same names that are not ours are left alone.
    pub(super) fn load(&self) -> Result<Option<DevnetInfo>, DevnetError> {
        let path = self.description();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let marked = self.unfinished_mark().exists();
                for leftover in [self.chain_dir(), self.nodes_dir(), self.keys_dir()] {
                    if leftover.exists() {
                        if !marked {
                            return Err(DevnetError::NotOurs { dir: self.dir.clone(), found: leftover });
                        }
                        fs::remove_dir_all(leftover)?;
                    }
                }
                fs::write(self.unfinished_mark(), "a devnet is being made here\n")?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut info: DevnetInfo =
            serde_json::from_str(&text).map_err(|e| DevnetError::BadDescription { path, why: e.to_string() })?;
        // The folder may have been moved.
        info.dir = self.dir.clone();
        info.client_config = self.client_config();
        for node in &mut info.nodes {
            self.place(node);
        }
        Ok(Some(info))
    }

    /// Fills in the paths of a node.
    pub(super) fn place(&self, node: &mut NodeEntry) {
        node.data_dir = self.node_dir(&node.name).join("data");
        node.config = self.node_config(&node.name);
        node.log = self.node_log(&node.name);
    }

    pub(super) fn write_node_config(
        &self,
        entry: &NodeEntry,
        chain: &ChainEntry,
        contracts: &ContractAddresses,
        port_base: u16,
    ) -> Result<(), DevnetError> {
        let file = NodeFile {
            node_id: entry.node_id,
            listen: loopback(entry.port(port_base)).to_string(),
            public_url: None,
            data_dir: "data".into(),
            protocol_key_file: "protocol.key".into(),
            next_protocol_key_file: None,
            account_key_file: "account.key".into(),
            node: floe_node::NodeConfig { name: entry.name.clone(), ..Default::default() },
            chain: chain_config(&chain.ws_url, chain, contracts),
        };
        Ok(write_toml(&self.node_config(&entry.name), &file)?)
    }

    pub(super) fn write_client_configs(&self, info: &DevnetInfo) -> Result<(), DevnetError> {
        for (path, key) in [(self.client_config(), "client"), (self.dir.join("gateway.toml"), "gateway")] {
            let file = ClientFile {
                wallet_key_file: Some(format!("keys/{key}.key").into()),
                gateway_url: Some(info.gateway_url.clone()),
                relay_url: Some(info.relay_url.clone()),
                memory: None,
                spool_dir: None,
                chain: info.chain_config(),
            };
            write_toml(&path, &file)?;
        }
        Ok(())
    }

    /// Writes `devnet.json` in one step, and notes in the user's data folder where the latest devnet is.
    pub(super) fn save(&self, info: &DevnetInfo) -> Result<(), DevnetError> {
        let json = serde_json::to_vec_pretty(info)
            .map_err(|e| DevnetError::BadDescription { path: self.description(), why: e.to_string() })?;
        let temporary = self.dir.join("devnet.json.new");
        fs::write(&temporary, json)?;
        fs::rename(temporary, self.description())?;
        match fs::remove_file(self.unfinished_mark()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(note_running(&pointer_file(), &self.dir)?)
    }

    pub(super) fn remove_running_marks(&self) {
        // Both are only hints: the lock decides whether a devnet runs.
        let _ = fs::remove_file(self.control_socket());
        let _ = forget_running(&pointer_file(), &self.dir);
    }
}

/// Where the folders of running devnets are noted, so that other commands find them from any folder.
fn pointer_file() -> PathBuf {
    data_home().join("floe/running-devnet")
}

/// The folders of the devnets that were started and not ended, the latest first.
pub(super) fn running_dirs() -> Vec<PathBuf> {
    noted(&pointer_file())
}

fn noted(pointer: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(pointer).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect()
}

/// Puts `dir` first. Others that do not run any more (they were killed) are dropped.
fn note_running(pointer: &Path, dir: &Path) -> std::io::Result<()> {
    let mut dirs = noted(pointer);
    dirs.retain(|other| other != dir && is_locked(other));
    dirs.insert(0, dir.to_owned());
    if let Some(folder) = pointer.parent() {
        fs::create_dir_all(folder)?;
    }
    write_noted(pointer, &dirs)
}

fn forget_running(pointer: &Path, dir: &Path) -> std::io::Result<()> {
    let mut dirs = noted(pointer);
    dirs.retain(|other| other != dir);
    if dirs.is_empty() { fs::remove_file(pointer) } else { write_noted(pointer, &dirs) }
}

fn write_noted(pointer: &Path, dirs: &[PathBuf]) -> std::io::Result<()> {
    let lines: Vec<_> = dirs.iter().map(|dir| dir.display().to_string() + "\n").collect();
    let temporary = pointer.with_extension("new");
    fs::write(&temporary, lines.concat())?;
    fs::rename(temporary, pointer)
}

/// True while a process holds the folder.
pub(super) fn is_locked(dir: &Path) -> bool {
    match fs::File::open(dir.join("lock")) {
        // Shared: commands that look at the same time do not see each other.
        Ok(file) => matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = Layout::open(dir.path()).unwrap();
        assert!(is_locked(dir.path()));
        assert_eq!(Layout::open(dir.path()).unwrap_err().code(), "DEVNET-ALREADY-RUNNING");
        drop(first);
        assert!(!is_locked(dir.path()));
    }

    #[test]
    fn an_interrupted_start_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path()).unwrap();
        assert!(layout.load().unwrap().is_none());
        fs::create_dir_all(layout.chain_dir()).unwrap();
        assert!(layout.load().unwrap().is_none());
        assert!(!layout.chain_dir().exists());
    }

    #[test]
    fn folders_that_are_not_ours_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("keys/precious");
        fs::create_dir_all(precious.parent().unwrap()).unwrap();
        fs::write(&precious, "mine").unwrap();
        let error = Layout::open(dir.path()).unwrap().load().unwrap_err();
        assert_eq!(error.code(), "DEVNET-NOT-OURS");
        assert!(error.to_string().contains("keys"), "{error}");
        assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Layout::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn looking_does_not_stop_a_start() {
        let dir = tempfile::tempdir().unwrap();
        drop(Layout::open(dir.path()).unwrap());
        let look = fs::File::open(dir.path().join("lock")).unwrap();
        look.lock_shared().unwrap();
        let release = std::thread::spawn(move || {
            // Not a wait for a state: how long someone looks.
            std::thread::sleep(Duration::from_millis(20));
            drop(look);
        });
        Layout::open(dir.path()).unwrap();
        release.join().unwrap();
    }

    #[test]
    fn the_first_devnet_is_found_again_when_the_second_ends() {
        let home = tempfile::tempdir().unwrap();
        let pointer = home.path().join("floe/running-devnet");
        let (first, second, killed) = (home.path().join("a"), home.path().join("b"), home.path().join("c"));
        let (_first, _second) = (Layout::open(&first).unwrap(), Layout::open(&second).unwrap());
        for dir in [&killed, &first, &second] {
            note_running(&pointer, dir).unwrap();
        }
        assert_eq!(noted(&pointer), [second.clone(), first.clone()]);
        forget_running(&pointer, &second).unwrap();
        assert_eq!(noted(&pointer), std::slice::from_ref(&first));
        forget_running(&pointer, &first).unwrap();
        assert!(noted(&pointer).is_empty());
    }
}
