//! Where the control plane lives.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Address;

/// The contracts of one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractAddresses {
    /// Who holds the shards, and certificates.
    pub committee: Address,
    /// The registry of nodes.
    pub nodes: Address,
    /// Stake and rewards.
    pub staking: Address,
    /// The clock.
    pub epochs: Address,
    /// Decisions by a quorum of shards.
    pub governance: Address,
    /// Registration and certificates of blobs.
    pub blobs: Address,
    /// Capacity that many blobs share, and the blobs in it.
    pub pools: Address,
    /// What owners say about their blobs.
    pub attributes: Address,
    /// A pot that adds to what users pay.
    pub subsidies: Address,
    /// Capacity, its price, and the money that was paid for it.
    pub storage: Address,
    /// Until when the network answers for which blobs.
    pub availability: Address,
    /// Carries out what accounts without native coin have signed.
    pub intents: Address,
    /// The ERC-20 token that storage is paid in.
    #[serde(alias = "payment_token")]
    pub payment_token: Address,
    /// FLOE, the token that is staked.
    #[serde(alias = "floe_token")]
    pub floe_token: Address,
    /// No event of the network is in an earlier block. 0 is always right, and slow to read from on an old chain.
    #[serde(default, alias = "first_block")]
    pub first_block: u64,
}

/// How to reach the chain, and what to believe of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// JSON-RPC endpoint: `http://`, `https://`, `ws://` or `wss://`. Over WebSocket new blocks are announced at once;
    /// over HTTP they are polled for.
    pub rpc_url: String,
    /// More endpoints of the same chain. Where the first is down, overloaded, late, or serves another chain, the next one
    /// is asked at once. Events are delivered only as far as a second endpoint has the same blocks and logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rpc_urls: Vec<String>,
    /// An endpoint that is more blocks than this behind the others is passed over until it has caught up.
    #[serde(default = "default_lag_blocks_max", skip_serializing_if = "is_default_lag")]
    pub rpc_lag_blocks_max: u64,
    /// Connecting fails if the endpoint serves another chain. `None`: whatever it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// How many blocks must follow a block before its events are delivered and before a transaction in it counts as
    /// done. 0: the latest block is believed at once, right for the embedded chain, which cannot reorganise and makes
    /// no block without a transaction.
    #[serde(default)]
    pub confirmations: u64,
    /// Longest pause between two looks for a new block, in milliseconds. 0: chosen by the endpoint (50 for this
    /// machine, 1000 for another).
    #[serde(default)]
    pub poll_interval_ms: u64,
    /// The network's contracts.
    pub contracts: ContractAddresses,
}

const fn default_lag_blocks_max() -> u64 {
    8
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_default_lag(blocks: &u64) -> bool {
    *blocks == default_lag_blocks_max()
}

impl ChainConfig {
    /// A configuration with one endpoint, that takes its chain id, believes the latest block and chooses its own pace.
    #[must_use]
    pub fn new(rpc_url: impl Into<String>, contracts: ContractAddresses) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            rpc_urls: Vec::new(),
            rpc_lag_blocks_max: default_lag_blocks_max(),
            chain_id: None,
            contracts,
            confirmations: 0,
            poll_interval_ms: 0,
        }
    }

    /// All endpoints, the preferred one first, each once.
    pub(crate) fn endpoints(&self) -> Vec<&str> {
        let mut all = vec![self.rpc_url.as_str()];
        for url in &self.rpc_urls {
            if !all.contains(&url.as_str()) {
                all.push(url);
            }
        }
        all
    }

    pub(crate) fn poll_interval(&self, local: bool) -> Duration {
        Duration::from_millis(match (self.poll_interval_ms, local) {
            (0, true) => 50,
            (0, false) => 1000,
            (set, _) => set,
        })
    }
}

/// Endpoints often carry an access key in their path, so only scheme and host are shown.
impl std::fmt::Debug for ChainConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainConfig")
            .field("endpoints", &self.endpoints().into_iter().map(crate::rpc::origin_of).collect::<Vec<_>>())
            .field("rpc_lag_blocks_max", &self.rpc_lag_blocks_max)
            .field("chain_id", &self.chain_id)
            .field("contracts", &self.contracts)
            .field("confirmations", &self.confirmations)
            .field("poll_interval_ms", &self.poll_interval_ms)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back_and_keys_stay_out_of_debug() {
        let contracts = ContractAddresses {
            committee: Address::from_bytes([1; 20]),
            nodes: Address::from_bytes([5; 20]),
            staking: Address::from_bytes([6; 20]),
            epochs: Address::from_bytes([7; 20]),
            governance: Address::from_bytes([8; 20]),
            blobs: Address::from_bytes([2; 20]),
            pools: Address::from_bytes([9; 20]),
            attributes: Address::from_bytes([10; 20]),
            subsidies: Address::from_bytes([11; 20]),
            storage: Address::from_bytes([5; 20]),
            availability: Address::from_bytes([6; 20]),
            intents: Address::from_bytes([9; 20]),
            payment_token: Address::from_bytes([3; 20]),
            floe_token: Address::from_bytes([4; 20]),
            first_block: 7,
        };
        let mut config = ChainConfig::new("https://user:pass@rpc.example/v3/SECRET", contracts);
        let json = serde_json::to_string(&config).unwrap();
        assert!(!json.contains("rpc_urls"), "{json}");
        assert_eq!(serde_json::from_str::<ChainConfig>(&json).unwrap(), config);
        config.rpc_urls =
            ["wss://other.example/SECRET", "https://user:pass@rpc.example/v3/SECRET"].map(String::from).into();
        assert_eq!(config.endpoints(), [&config.rpc_url, &config.rpc_urls[0]]);
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains("\"rpc_url\"") && json.contains("\"paymentToken\""), "{json}");
        assert_eq!(serde_json::from_str::<ChainConfig>(&json).unwrap(), config);
        let snake = json.replace("paymentToken", "payment_token");
        assert_eq!(serde_json::from_str::<ChainConfig>(&snake).unwrap(), config);
        let shown = format!("{config:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("pass"), "{shown}");
    }
}
