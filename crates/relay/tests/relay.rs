//! A relay on a real chain: the embedded one, and anvil where `FLOE_ANVIL` names its binary.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../../chain/tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "made for more tests than these")]
#[path = "../../chain/tests/control_plane/network.rs"]
mod network;

mod relay {
    mod certificates;
    mod intents;
    mod sdk;
}

use std::time::{SystemTime, UNIX_EPOCH};

use floe_chain::{ControlPlane as _, EvmChain, Intent, IntentAction, IntentTerms, SignedIntent, Wallet, deploy};
use floe_relay::{Relay, RelayConfig};

use network::{Network, new_blob, wallet};

/// What the owner has, in the smallest unit.
const MONEY: u128 = 1_000_000;
/// What a registration of the tests costs: one MiB begun, for two epochs.
const COST: u128 = 2 * 100 + 200;

/// A network, a relay with native coin, and an owner without.
struct Setting {
    network: Network,
    /// As the relay's account.
    chain: EvmChain,
    owner: Wallet,
}

impl Setting {
    async fn new(chain: support::TestChain) -> Self {
        let network = Network::launch(chain).await;
        let owner = Wallet::from_bytes(&[7; 32]).unwrap();
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        deploy::mint_test_money(url, contracts, &network.owner, owner.address(), MONEY).await.unwrap();
        let chain = network.connect_as(Some(wallet(8))).await;
        Self { network, chain, owner }
    }

    fn relay(&self) -> Relay {
        Relay::new(self.chain.clone(), RelayConfig::default()).unwrap()
    }

    fn relay_with(&self, change: impl FnOnce(&mut RelayConfig)) -> Relay {
        let mut config = RelayConfig::default();
        change(&mut config);
        Relay::new(self.chain.clone(), config).unwrap()
    }

    fn terms(&self) -> IntentTerms {
        static SALT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&SALT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes());
        IntentTerms {
            owner: self.owner.address(),
            relayer: self.chain.signer_address(),
            budget: COST + 2_000,
            max_fee: 1_500,
            valid_after: 0,
            valid_before: now + 600,
            salt,
        }
    }

    /// A signed registration of a new blob, on terms that the test may change.
    async fn signed(&self, change: impl FnOnce(&mut IntentTerms)) -> SignedIntent {
        let mut terms = self.terms();
        change(&mut terms);
        let intent = Intent { action: IntentAction::Register(new_blob()), terms };
        self.chain.sign_intent(&self.owner, intent).await.unwrap()
    }

    /// What the owner has.
    async fn money(&self) -> u128 {
        self.network.connect_as(Some(self.owner.clone())).await.balances().await.unwrap().payment
    }

    /// What the relay's account has.
    async fn native(&self) -> u128 {
        self.chain.balances().await.unwrap().native
    }

    async fn fees(&self) -> u128 {
        self.chain.balances().await.unwrap().payment
    }
}
