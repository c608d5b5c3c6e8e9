//! The configuration files of Floe: what a client, a gateway and a storage node are told.
//!
//! Both are TOML. Paths in a file are relative to the folder of that file, so that a network's folder can be moved as
//! a whole. Secrets are never in these files: they name key files, which must be readable by their owner alone.
//!
//! ```
//! let file: floe_config::ClientFile = toml::from_str(r#"
//!     wallet_key_file = "client.key"
//!     memory = "1GiB"
//!     spool_dir = "/var/tmp"
//!     [chain]
//!     rpc_url = "http://127.0.0.1:8545"
//!     chain_id = 31337
//!     confirmations = 0
//!     poll_interval_ms = 50
//!     [chain.contracts]
//!     committee = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
//!     nodes = "0x8A791620dd6260079BF849Dc5567aDC3F2FdC318"
//!     staking = "0x610178dA211FEF7D417bC0e6FeD39F05609AD788"
//!     epochs = "0xB7f8BC63BbcaD18155201308C8f3540b07f84F5e"
//!     governance = "0xA51c1fc2f0D1a1b8494Ed1FE312d7C3a78Ed91C0"
//!     blobs = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
//!     pools = "0x2279B7A0a67DB372996a5FaB50D91eAA73d2eBe6"
//!     attributes = "0x8a791620dd6260079bf849dc5567adc3f2fdc319"
//!     subsidies = "0x610178da211fef7d417bc0e6fed39f05609ad789"
//!     intents = "0x0000000000000000000000000000000000001234"
//!     storage = "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707"
//!     availability = "0x0165878A594ca255338adfa4d48449f69242Eb8F"
//!     paymentToken = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
//!     floeToken = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9"
//! "#).expect("a valid file");
//! assert_eq!(file.chain.chain_id, Some(31337));
//! assert_eq!(file.memory, Some(floe_config::ByteSize(1 << 30)));
//! ```

mod file;
mod size;

pub use file::{
    ClientFile, ConfigError, NodeFile, load_client, load_node, set_keys, write_secret, write_text, write_toml,
};
pub use size::ByteSize;
