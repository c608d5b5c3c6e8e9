//! A whole network of contracts on a test chain, with nodes whose keys the test holds.

use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, Bytes, U256, aliases::U96};
use alloy::providers::{DynProvider, PendingTransactionBuilder, Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolError;
use blst::min_pk::SecretKey;
use futures::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};

use floe_chain::{
    ContractAddresses, Wallet,
    deploy::{self, DeployOptions},
};

use super::bindings::{
    Attributes, Availability, Blobs, Committee, Epochs, FloeToken, Governance, Intents, Nodes, Pools, Staking, Storage,
    Subsidies, TestStablecoin,
};
use super::signing::{self, Possession};
use crate::support::{CHAIN_ID, FUNDED_KEY, TestChain, rpc};

/// Test dollars (six decimals) for each MiB of encoded length and epoch, and for writing it.
pub(super) const STORAGE_PRICE: u64 = 500;
pub(super) const WRITE_PRICE: u64 = 2_000;
pub(super) const MAX_EPOCHS_AHEAD: u32 = 53;
/// What one transaction may use where the rules of Osaka hold (EIP-7825).
pub(super) const TRANSACTION_GAS_MAX: u64 = 1 << 24;
/// FLOE staked for each shard at the launch.
pub(super) const STAKE_PER_SHARD: u64 = 1_000;
/// Commission of the test nodes: 10 %.
pub(super) const COMMISSION_BPS: u16 = 1_000;
/// Phases of the clock.
pub(super) const SYNC: u8 = 1;
pub(super) const DONE: u8 = 2;
pub(super) const SELECTED: u8 = 3;
/// Duration of an epoch: none ends by itself during a test.
pub(super) const HOUR: u64 = 3_600;

const RECEIPT_POLL: Duration = Duration::from_millis(5);
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(20);

/// A node, its account and its key.
pub(super) struct TestNode {
    pub(super) id: U256,
    pub(super) signer: PrivateKeySigner,
    pub(super) key: SecretKey,
}

/// Contracts without nodes. `owner` is the funded account, which has all FLOE.
pub(super) struct Deployment {
    pub(super) rpc_url: String,
    pub(super) addresses: ContractAddresses,
    pub(super) owner: DynProvider,
    pub(super) owner_address: Address,
    pub(super) nodes_registry: Nodes::NodesInstance<DynProvider>,
    pub(super) committee: Committee::CommitteeInstance<DynProvider>,
    pub(super) staking: Staking::StakingInstance<DynProvider>,
    pub(super) epochs: Epochs::EpochsInstance<DynProvider>,
    pub(super) governance: Governance::GovernanceInstance<DynProvider>,
    pub(super) blobs: Blobs::BlobsInstance<DynProvider>,
    pub(super) pools: Pools::PoolsInstance<DynProvider>,
    pub(super) attributes: Attributes::AttributesInstance<DynProvider>,
    pub(super) subsidies: Subsidies::SubsidiesInstance<DynProvider>,
    pub(super) storage: Storage::StorageInstance<DynProvider>,
    pub(super) availability: Availability::AvailabilityInstance<DynProvider>,
    pub(super) intents: Intents::IntentsInstance<DynProvider>,
    pub(super) money: TestStablecoin::TestStablecoinInstance<DynProvider>,
    pub(super) floe: FloeToken::FloeTokenInstance<DynProvider>,
}

/// A provider that signs as `signer`.
pub(super) fn provider(rpc_url: &str, signer: &PrivateKeySigner) -> DynProvider {
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .with_gas_estimation()
        .with_simple_nonce_management()
        .with_chain_id(CHAIN_ID)
        .wallet(EthereumWallet::from(signer.clone()))
        .connect_http(rpc_url.parse().expect("the chain's URL"));
    provider.client().set_poll_interval(RECEIPT_POLL);
    provider.erased()
}

/// An account that follows from `seed`.
pub(super) fn account(seed: &str) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&Sha256::digest(seed)).expect("a hash is a valid key")
}

/// Waits for the receipt of a transaction that must succeed.
pub(super) async fn mined(
    sent: alloy::contract::Result<PendingTransactionBuilder<alloy::network::Ethereum>>,
) -> TransactionReceipt {
    let receipt = sent
        .expect("the transaction is accepted")
        .with_timeout(Some(RECEIPT_TIMEOUT))
        .get_receipt()
        .await
        .expect("the transaction is mined");
    assert!(receipt.status(), "{} reverted after {} gas", receipt.transaction_hash, receipt.gas_used);
    receipt
}

/// The error that a call must end in.
pub(super) fn refusal<E: SolError, T: std::fmt::Debug>(result: alloy::contract::Result<T>) -> E {
    let error = result.expect_err("the call must be refused");
    error.as_decoded_error::<E>().unwrap_or_else(|| panic!("expected {}, got {error:?}", E::SIGNATURE))
}

impl Deployment {
    /// Deploys everything for `shards` shards; the owner gets a million test dollars and allows `Storage` to take them, and
    /// `Staking` to take its FLOE.
    pub(super) async fn new(chain: &TestChain, shards: u16) -> Self {
        let signer: PrivateKeySigner = FUNDED_KEY.parse().expect("a key");
        let options = DeployOptions {
            n_shards: shards,
            epoch_duration_secs: HOUR,
            storage_price: STORAGE_PRICE.into(),
            write_price: WRITE_PRICE.into(),
            max_epochs_ahead: MAX_EPOCHS_AHEAD,
            ..DeployOptions::default()
        };
        let wallet = Wallet::from_key_hex(FUNDED_KEY).expect("a key");
        let at = deploy::deploy(&chain.rpc_url, &wallet, &options).await.expect("deployed");
        let owner = provider(&chain.rpc_url, &signer);
        let of = |address: floe_chain::Address| Address::from(*address.as_bytes());
        let net = Self {
            rpc_url: chain.rpc_url.clone(),
            addresses: at,
            owner_address: signer.address(),
            nodes_registry: Nodes::new(of(at.nodes), owner.clone()),
            committee: Committee::new(of(at.committee), owner.clone()),
            staking: Staking::new(of(at.staking), owner.clone()),
            epochs: Epochs::new(of(at.epochs), owner.clone()),
            governance: Governance::new(of(at.governance), owner.clone()),
            blobs: Blobs::new(of(at.blobs), owner.clone()),
            pools: Pools::new(of(at.pools), owner.clone()),
            attributes: Attributes::new(of(at.attributes), owner.clone()),
            subsidies: Subsidies::new(of(at.subsidies), owner.clone()),
            storage: Storage::new(of(at.storage), owner.clone()),
            availability: Availability::new(of(at.availability), owner.clone()),
            intents: Intents::new(of(at.intents), owner.clone()),
            money: TestStablecoin::new(of(at.payment_token), owner.clone()),
            floe: FloeToken::new(of(at.floe_token), owner.clone()),
            owner,
        };
        let fortune = U256::from(1_000_000_000_000_u64);
        mined(net.money.mint(net.owner_address, fortune).send().await).await;
        mined(net.money.approve(*net.storage.address(), U256::MAX).send().await).await;
        mined(net.floe.approve(*net.staking.address(), U256::MAX).send().await).await;
        net
    }

    /// What the treasury has is what it owes: to the epochs, and to the blobs that keep money for themselves. Nothing
    /// but transfers of the token moved it. What carries out intents keeps nothing.
    pub(super) async fn audit(&self) {
        let (has, owes, kept) = tokio::join!(
            async { self.money.balanceOf(*self.storage.address()).call().await.expect("a view") },
            async { self.storage.held().call().await.expect("a view") },
            async { self.money.balanceOf(*self.intents.address()).call().await.expect("a view") },
        );
        assert_eq!(has, owes, "the treasury's money");
        assert_eq!(kept, U256::ZERO, "money left in Intents");
    }

    /// Ether for `accounts`.
    pub(super) async fn fund(&self, accounts: impl IntoIterator<Item = Address>) {
        for to in accounts {
            let transfer = TransactionRequest::default().to(to).value(U256::from(10_u64.pow(18)));
            mined(self.owner.send_transaction(transfer).await.map_err(Into::into)).await;
        }
    }

    /// The registry as `signer` calls it.
    pub(super) fn nodes_as(&self, signer: &PrivateKeySigner) -> Nodes::NodesInstance<DynProvider> {
        Nodes::new(*self.nodes_registry.address(), provider(&self.rpc_url, signer))
    }

    /// The clock as `signer` calls it.
    pub(super) fn epochs_as(&self, signer: &PrivateKeySigner) -> Epochs::EpochsInstance<DynProvider> {
        Epochs::new(*self.epochs.address(), provider(&self.rpc_url, signer))
    }

    /// Moves the chain's clock.
    pub(super) async fn pass(&self, seconds: u64) {
        for (method, params) in [("evm_increaseTime", json!([seconds])), ("evm_mine", json!([]))] {
            let answer = rpc(&self.rpc_url, method, params).await;
            assert!(answer["error"].is_null(), "{method}: {answer}");
        }
    }

    /// Stakes whole FLOE of the owner with a node; gives the position's number.
    pub(super) async fn stake(&self, node: U256, floe: u64) -> U256 {
        let receipt = mined(self.staking.stake(node, tokens(floe)).gas(500_000).send().await).await;
        receipt.decoded_log::<Staking::Staked>().expect("it is announced").positionId
    }

    /// What the proof of possession of `account` has to say now.
    pub(super) async fn possession(&self, account: Address) -> Possession {
        let epoch = self.epochs.currentEpoch().call().await.expect("a view");
        Possession { epoch, account, chain_id: CHAIN_ID, registry: *self.nodes_registry.address() }
    }

    /// Registers `count` nodes, with numbers in ascending order.
    pub(super) async fn register_nodes(&self, count: usize) -> Vec<TestNode> {
        let signers: Vec<_> = (0..count).map(|i| account(&format!("account {i}"))).collect();
        self.fund(signers.iter().map(PrivateKeySigner::address)).await;
        let epoch = self.possession(self.owner_address).await.epoch;
        let nodes = join_all(signers.into_iter().enumerate().map(async |(i, signer)| {
            let key = signing::secret_key(&format!("node {i}"));
            let registry = *self.nodes_registry.address();
            let possession = Possession { epoch, account: signer.address(), chain_id: CHAIN_ID, registry };
            let registry = self.nodes_as(&signer);
            let described = description(&format!("node-{i}"), &format!("http://127.0.0.1:{}", 9000 + i));
            let (point, proof) = (signing::g1(&key.sk_to_pk()), possession.prove(&key));
            let register = registry.registerNode(described, point, proof, COMMISSION_BPS, votes());
            let receipt = mined(register.gas(1_000_000).send().await).await;
            let event = receipt.decoded_log::<Nodes::NodeRegistered>().expect("the node is announced");
            TestNode { id: event.nodeId, signer, key }
        }));
        let mut nodes = nodes.await;
        nodes.sort_by_key(|node| node.id);
        nodes
    }
}

/// A launched network.
pub(super) struct Network {
    pub(super) contracts: Deployment,
    pub(super) nodes: Vec<TestNode>,
}

impl std::ops::Deref for Network {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.contracts
    }
}

/// What a node says of itself.
pub(super) fn description(name: &str, url: &str) -> Nodes::Description {
    Nodes::Description { name: name.to_owned(), url: url.to_owned(), networkKey: Bytes::new(), metadata: String::new() }
}

/// What every test node votes for at first.
pub(super) fn votes() -> Nodes::Votes {
    Nodes::Votes { capacity: 1 << 40, storagePrice: U96::from(STORAGE_PRICE), writePrice: U96::from(WRITE_PRICE) }
}

/// A blob whose root follows from `seed`.
pub(super) fn new_blob(seed: u8, size: u64, deletable: bool) -> Blobs::NewBlob {
    let root = B256::repeat_byte(seed);
    Blobs::NewBlob { blobId: signing::blob_id(root, size), rootHash: root, size, encodingType: 1, deletable }
}

/// Whole FLOE.
pub(super) fn tokens(floe: u64) -> U96 {
    U96::from(floe) * U96::from(10_u64.pow(18))
}

impl Network {
    /// Deploys, registers and launches a committee with one member for each of `weights`, whose stake is such that they get
    /// as many shards.
    pub(super) async fn launch(chain: &TestChain, weights: &[u16]) -> Self {
        let contracts = Deployment::new(chain, weights.iter().sum()).await;
        let nodes = contracts.register_nodes(weights.len()).await;
        for (node, weight) in nodes.iter().zip(weights) {
            contracts.stake(node.id, u64::from(*weight) * STAKE_PER_SHARD).await;
        }
        mined(contracts.epochs.launch().gas(TRANSACTION_GAS_MAX).send().await).await;
        let committee = contracts.committee.members(1).call().await.expect("launched");
        assert_eq!(committee.weights, weights, "shards follow stake, unless one node has too much");
        Self { contracts, nodes }
    }

    /// What `signers` sign together: their bitmap and the sum of their signatures.
    pub(super) fn certificate(&self, signers: &[usize], message: &[u8]) -> (Bytes, [B256; 8]) {
        let keys: Vec<_> = signers.iter().map(|&member| &self.nodes[member].key).collect();
        (signing::bitmap(signers), signing::g2(&signing::aggregate(&keys, message)))
    }

    pub(super) async fn epoch(&self) -> u32 {
        self.epochs.currentEpoch().call().await.expect("a view")
    }

    /// Registers a blob whose root follows from `seed`; gives its id and the object's number.
    pub(super) async fn register(&self, seed: u8, size: u64, epochs: u32) -> (B256, U256) {
        self.enter(new_blob(seed, size, false), epochs).await
    }

    /// The same for a blob that its owner may delete.
    pub(super) async fn register_deletable(&self, seed: u8, size: u64, epochs: u32) -> (B256, U256) {
        self.enter(new_blob(seed, size, true), epochs).await
    }

    async fn enter(&self, blob: Blobs::NewBlob, epochs: u32) -> (B256, U256) {
        let blob_id = blob.blobId;
        mined(self.blobs.register(blob, epochs, U256::MAX, self.owner_address).send().await).await;
        self.audit().await;
        (blob_id, self.blobs.objectCount().call().await.expect("a view"))
    }

    /// Certifies an object with the confirmations of `signers`.
    pub(super) async fn certify(&self, blob_id: B256, object: U256, signers: &[usize]) -> TransactionReceipt {
        let deletable = self.blobs.blob(object).call().await.expect("a view").deletable;
        let message = signing::confirmation_of(self.epoch().await, blob_id, deletable.then_some(object));
        let (bitmap, signature) = self.certificate(signers, &message);
        mined(self.blobs.certify(object, bitmap, signature).send().await).await
    }

    /// One registered and certified blob.
    pub(super) async fn stored(&self, seed: u8, size: u64, epochs: u32) -> (B256, U256) {
        let (blob_id, object) = self.register(seed, size, epochs).await;
        self.certify(blob_id, object, &(0..self.nodes.len()).collect::<Vec<_>>()).await;
        (blob_id, object)
    }

    /// Lets half an epoch pass, and fixes the next committee.
    pub(super) async fn select_next(&self) -> TransactionReceipt {
        self.pass(HOUR / 2).await;
        mined(self.epochs.selectNext().gas(TRANSACTION_GAS_MAX).send().await).await
    }

    /// Lets the other half pass, and begins the next epoch.
    pub(super) async fn begin_next(&self) -> TransactionReceipt {
        self.pass(HOUR / 2).await;
        mined(self.epochs.beginNext().gas(TRANSACTION_GAS_MAX).send().await).await
    }

    /// Members report until the change is complete.
    pub(super) async fn sync(&self) {
        let epoch = self.epoch().await;
        let members = self.committee.members(epoch).call().await.expect("a committee");
        for (id, _) in members.nodeIds.iter().zip(&members.weights) {
            if self.epochs.clock().call().await.expect("a view").phase != SYNC {
                return;
            }
            let node = self.nodes.iter().find(|node| node.id == *id).expect("one of the test's nodes");
            mined(self.epochs_as(&node.signer).epochSyncDone(epoch).send().await).await;
        }
    }

    /// Lets the current epoch pass, and begins the next. The change is complete at the end.
    pub(super) async fn next_epoch(&self) {
        self.select_next().await;
        self.begin_next().await;
        self.sync().await;
        self.audit().await;
    }
}
