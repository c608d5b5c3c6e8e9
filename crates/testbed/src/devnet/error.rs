//! What can go wrong with a devnet.

use std::{io, path::PathBuf};

/// Why a devnet could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// A port that was asked for is in use.
    #[error("port {port} is taken: choose another with {flag}, or leave {flag} out to get a free one")]
    PortTaken {
        /// The port.
        port: u16,
        /// The option that asked for it.
        flag: &'static str,
    },
    /// The options contradict what the folder holds.
    #[error("{dir} holds a devnet with {what} {have}, not {wanted}: leave the option out, or use another --dir")]
    OtherNetwork {
        /// The folder.
        dir: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the folder's network has.
        have: u64,
        /// What was asked for.
        wanted: u64,
    },
    /// Numbers that make no network.
    #[error("{0}")]
    BadPlan(String),
    /// Without `devnet.json` a folder of that name is somebody else's.
    #[error(
        "{dir} is no devnet, yet it holds {found}: use another --dir, or remove it if an earlier version left it there"
    )]
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// What is in the way.
        found: PathBuf,
    },
    /// The folder cannot be made or locked.
    #[error("the folder {dir} cannot be used: {error}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// Another process runs the network of this folder.
    #[error("the devnet in {dir} is already running")]
    AlreadyRunning {
        /// The folder.
        dir: PathBuf,
    },
    /// No devnet runs here.
    #[error("no devnet is running: start one with `floe devnet`")]
    NotRunning,
    /// There is no node of that name.
    #[error("no node is called {name}: this devnet has {known}")]
    UnknownNode {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A node did not come up.
    #[error("{name} did not start: {why} (its log: {log})")]
    NodeFailed {
        /// The node.
        name: String,
        /// What was seen.
        why: String,
        /// Where it wrote more.
        log: PathBuf,
    },
    /// The running devnet refused what was asked.
    #[error("{0}")]
    Refused(String),
    /// `devnet.json` is not what this version writes.
    #[error("{path} cannot be read: {why}")]
    BadDescription {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The chain could not be opened.
    #[error(transparent)]
    DevChain(#[from] floe_devchain::DevChainError),
    /// The chain refused or did not answer.
    #[error(transparent)]
    Chain(#[from] floe_chain::ChainError),
    /// A configuration file could not be written.
    #[error(transparent)]
    Config(#[from] floe_config::ConfigError),
    /// A file or a socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl DevnetError {
    pub(super) fn unknown_node(name: &str, info: &super::DevnetInfo) -> Self {
        let known = info.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
        Self::UnknownNode { name: name.to_owned(), known }
    }

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => "DEVNET-PORT-TAKEN",
            Self::OtherNetwork { .. } => "DEVNET-OTHER-NETWORK",
            Self::BadPlan(_) => "DEVNET-BAD-PLAN",
            Self::NotOurs { .. } => "DEVNET-NOT-OURS",
            Self::Folder { .. } => "DEVNET-FOLDER",
            Self::AlreadyRunning { .. } => "DEVNET-ALREADY-RUNNING",
            Self::NotRunning => "DEVNET-NOT-RUNNING",
            Self::UnknownNode { .. } => "DEVNET-UNKNOWN-NODE",
            Self::NodeFailed { .. } => "DEVNET-NODE-FAILED",
            Self::Refused(_) => "DEVNET-REFUSED",
            Self::BadDescription { .. } => "DEVNET-BAD-DESCRIPTION",
            Self::DevChain(e) => e.code(),
            Self::Chain(e) => e.code(),
            Self::Config(e) => e.code(),
            Self::Io(_) => "DEVNET-IO",
        }
    }
}
