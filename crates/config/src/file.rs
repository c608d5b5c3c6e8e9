//! Reading and writing the files.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use floe_chain::ChainConfig;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::ByteSize;

/// What a client or a gateway needs: where the chain is, and which key pays.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFile {
    /// File with the secp256k1 key of the paying account (hex); reading needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_key_file: Option<PathBuf>,
    /// URL of a gateway of this network, for people and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_url: Option<String>,
    /// URL of a relay of this network, which stores for accounts without native coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_url: Option<String>,
    /// About how much memory one store or read may take; 640 MiB and 512 MiB if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Folder of the files, without names, that hold what does not fit into that; the system's folder for temporary files
    /// if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool_dir: Option<PathBuf>,
    /// The chain and the contracts on it.
    pub chain: ChainConfig,
}

/// What a storage node needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Number of the node in the registry, given at registration; 0 before.
    #[serde(default)]
    pub node_id: u64,
    /// Address to listen on, `host:port`.
    pub listen: String,
    /// URL under which clients reach the node, kept up to date in the registry; `http://` and the address that is
    /// listened on where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Folder of the slivers and the index.
    pub data_dir: PathBuf,
    /// File with the BLS12-381 key that signs confirmations.
    pub protocol_key_file: PathBuf,
    /// File with the key that takes its place: the node announces it on chain at its start, and signs with it from the first
    /// epoch on whose committee knows the node by it. Until then both are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_protocol_key_file: Option<PathBuf>,
    /// File with the secp256k1 key of the node's account on the chain.
    pub account_key_file: PathBuf,
    /// Name and limits of the node.
    #[serde(default)]
    pub node: floe_node::NodeConfig,
    /// The chain and the contracts on it.
    pub chain: ChainConfig,
}

/// Why a configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not TOML of the expected form.
    #[error("{path} is not a valid configuration: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        message: String,
    },
}

impl ConfigError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "CONFIG-IO",
            Self::Invalid { .. } => "CONFIG-INVALID",
        }
    }

    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Loads a client's file; its paths come back resolved against the folder of the file.
pub fn load_client(path: &Path) -> Result<ClientFile, ConfigError> {
    let mut file: ClientFile = load(path)?;
    for field in [&mut file.wallet_key_file, &mut file.spool_dir] {
        *field = field.take().map(|named| resolve(path, &named));
    }
    Ok(file)
}

/// Loads a node's file; its paths come back resolved against the folder of the file.
pub fn load_node(path: &Path) -> Result<NodeFile, ConfigError> {
    let mut file: NodeFile = load(path)?;
    for field in [&mut file.data_dir, &mut file.protocol_key_file, &mut file.account_key_file] {
        *field = resolve(path, field);
    }
    file.next_protocol_key_file = file.next_protocol_key_file.map(|named| resolve(path, &named));
    Ok(file)
}

/// Writes a configuration file, replacing an older one in one step.
pub fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), ConfigError> {
    let text = toml::to_string_pretty(value)
        .map_err(|e| ConfigError::Invalid { path: path.to_owned(), message: e.to_string() })?;
    replace(path, text.as_bytes(), 0o644).map_err(|e| ConfigError::io(path, e))
}

/// Sets keys of a configuration file that stand above its tables, and leaves everything else as it was written, comments
/// too. Values are TOML.
pub fn set_keys(path: &Path, values: &[(&str, String)]) -> Result<(), ConfigError> {
    let mut text = fs::read_to_string(path).map_err(|e| ConfigError::io(path, e))?;
    for (key, value) in values {
        text = with_key(&text, key, value);
    }
    toml::from_str::<toml::Table>(&text)
        .map_err(|e| ConfigError::Invalid { path: path.to_owned(), message: e.to_string() })?;
    replace(path, text.as_bytes(), 0o644).map_err(|e| ConfigError::io(path, e))
}

/// The text with a line for the key: in the place of the one that there is, or above everything.
fn with_key(text: &str, key: &str, value: &str) -> String {
    let new = format!("{key} = {value}");
    let is_key = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let mut above_tables = true;
    let mut found = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        above_tables &= !line.trim_start().starts_with('[');
        let replaced = above_tables && !found && is_key(line);
        found |= replaced;
        lines.push(if replaced { &new } else { line });
    }
    if !found {
        lines.insert(0, &new);
    }
    lines.join("\n") + "\n"
}

/// Writes a text file, replacing an older one in one step.
pub fn write_text(path: &Path, text: &str) -> Result<(), ConfigError> {
    replace(path, text.as_bytes(), 0o644).map_err(|e| ConfigError::io(path, e))
}

/// Writes a key file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) -> Result<(), ConfigError> {
    replace(path, text.as_bytes(), 0o600).map_err(|e| ConfigError::io(path, e))
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path).map_err(|e| ConfigError::io(path, e))?;
    toml::from_str(&text).map_err(|e| ConfigError::Invalid { path: path.to_owned(), message: e.to_string() })
}

fn resolve(config: &Path, path: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(path)
}

/// Temporary file in the same folder, synced, then renamed: a reader sees the old text or the new one.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        assert_eq!(resolve(Path::new("/net/node-1/node.toml"), Path::new("data")), Path::new("/net/node-1/data"));
        assert_eq!(resolve(Path::new("/net/node.toml"), Path::new("/keys/a")), Path::new("/keys/a"));
    }

    #[test]
    fn keys_are_set_and_the_rest_stays() {
        let text = "# mine\nnode_id = 0 # soon\nlisten = 'x'\n[chain]\nnode_id = 5\n";
        assert_eq!(with_key(text, "node_id", "7"), "# mine\nnode_id = 7\nlisten = 'x'\n[chain]\nnode_id = 5\n");
        assert_eq!(with_key("[chain]\nnode_id = 5\n", "node_id", "7"), "node_id = 7\n[chain]\nnode_id = 5\n");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        fs::write(&path, text).unwrap();
        set_keys(&path, &[("node_id", "7".to_owned()), ("public_url", "\"http://x\"".to_owned())]).unwrap();
        let table: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((table["node_id"].as_integer(), table["public_url"].as_str()), (Some(7), Some("http://x")));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.toml");
        fs::write(&path, "walet_key_file = 'x'").unwrap();
        let error = load_client(&path).unwrap_err();
        assert_eq!(error.code(), "CONFIG-INVALID");
        assert!(error.to_string().contains("walet_key_file"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_secret(&path, "00").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
