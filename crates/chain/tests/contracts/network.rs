//! A whole network of contracts on a test chain, with nodes whose keys the test holds.

use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, PendingTransactionBuilder, Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolError;
use blst::min_pk::SecretKey;
use futures::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::bindings::{Blobs, Committee, TestStablecoin};
use super::signing::{self, Possession};
use crate::support::{CHAIN_ID, FUNDED_KEY, TestChain, rpc};

/// Test dollars (six decimals) for each MiB of encoded length and epoch, and for writing it.
pub(super) const STORAGE_PRICE: u64 = 500;
pub(super) const WRITE_PRICE: u64 = 2_000;
pub(super) const MAX_EPOCHS_AHEAD: u32 = 53;
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

/// Contracts without nodes. `owner` is the funded account.
pub(super) struct Deployment {
    pub(super) rpc_url: String,
    pub(super) owner: DynProvider,
    pub(super) owner_address: Address,
    pub(super) committee: Committee::CommitteeInstance<DynProvider>,
    pub(super) blobs: Blobs::BlobsInstance<DynProvider>,
    pub(super) money: TestStablecoin::TestStablecoinInstance<DynProvider>,
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
    assert!(receipt.status(), "{} reverted", receipt.transaction_hash);
    receipt
}

/// The error that a call must end in.
pub(super) fn refusal<E: SolError, T: std::fmt::Debug>(result: alloy::contract::Result<T>) -> E {
    let error = result.expect_err("the call must be refused");
    error.as_decoded_error::<E>().unwrap_or_else(|| panic!("expected {}, got {error:?}", E::SIGNATURE))
}

impl Deployment {
    /// Deploys everything for `shards` shards; the owner gets a million test dollars and allows `Blobs` to take them.
    pub(super) async fn new(chain: &TestChain, shards: u16) -> Self {
        let signer: PrivateKeySigner = FUNDED_KEY.parse().expect("a key");
        let owner = provider(&chain.rpc_url, &signer);
        let owner_address = signer.address();
        let committee = Committee::deploy(owner.clone(), owner_address, shards, HOUR).await.expect("deployed");
        let money = TestStablecoin::deploy(owner.clone()).await.expect("deployed");
        let blobs = Blobs::deploy(
            owner.clone(),
            *committee.address(),
            *money.address(),
            U256::from(STORAGE_PRICE),
            U256::from(WRITE_PRICE),
            MAX_EPOCHS_AHEAD,
        )
        .await
        .expect("deployed");
        let fortune = U256::from(1_000_000_000_000_u64);
        mined(money.mint(owner_address, fortune).send().await).await;
        mined(money.approve(*blobs.address(), fortune).send().await).await;
        Self { rpc_url: chain.rpc_url.clone(), owner, owner_address, committee, blobs, money }
    }

    /// Ether for `accounts`.
    pub(super) async fn fund(&self, accounts: impl IntoIterator<Item = Address>) {
        for to in accounts {
            let transfer = TransactionRequest::default().to(to).value(U256::from(10_u64.pow(18)));
            mined(self.owner.send_transaction(transfer).await.map_err(Into::into)).await;
        }
    }

    /// The committee as `signer` calls it.
    pub(super) fn committee_as(&self, signer: &PrivateKeySigner) -> Committee::CommitteeInstance<DynProvider> {
        Committee::new(*self.committee.address(), provider(&self.rpc_url, signer))
    }

    /// What the proof of possession of `account` has to say now.
    pub(super) async fn possession(&self, account: Address) -> Possession {
        let epoch = self.committee.currentEpoch().call().await.expect("a view");
        Possession { epoch, account, chain_id: CHAIN_ID, registry: *self.committee.address() }
    }

    /// Registers `count` nodes, with numbers in ascending order.
    pub(super) async fn register_nodes(&self, count: usize) -> Vec<TestNode> {
        let signers: Vec<_> = (0..count).map(|i| account(&format!("account {i}"))).collect();
        self.fund(signers.iter().map(PrivateKeySigner::address)).await;
        let epoch = self.possession(self.owner_address).await.epoch;
        let nodes = join_all(signers.into_iter().enumerate().map(async |(i, signer)| {
            let key = signing::secret_key(&format!("node {i}"));
            let registry = *self.committee.address();
            let possession = Possession { epoch, account: signer.address(), chain_id: CHAIN_ID, registry };
            let committee = self.committee_as(&signer);
            let (name, url) = (format!("node-{i}"), format!("http://127.0.0.1:{}", 9000 + i));
            let register = committee.registerNode(name, url, signing::g1(&key.sk_to_pk()), possession.prove(&key));
            let receipt = mined(register.gas(1_000_000).send().await).await;
            let event = receipt.decoded_log::<Committee::NodeRegistered>().expect("the node is announced");
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

/// The owners of the shards when member i holds the next `weights[i]` of them.
pub(super) fn shard_owners(weights: &[u16]) -> Bytes {
    (0_u16..)
        .zip(weights)
        .flat_map(|(member, &weight)| std::iter::repeat_n(member.to_be_bytes(), weight.into()))
        .flatten()
        .collect()
}

impl Network {
    /// Deploys, registers and launches a committee with one member for each of `weights`.
    pub(super) async fn launch(chain: &TestChain, weights: &[u16]) -> Self {
        let contracts = Deployment::new(chain, weights.iter().sum()).await;
        let nodes = contracts.register_nodes(weights.len()).await;
        let ids = nodes.iter().map(|node| node.id).collect();
        mined(contracts.committee.launch(ids, shard_owners(weights)).send().await).await;
        Self { contracts, nodes }
    }

    /// What `signers` sign together: their bitmap and the sum of their signatures.
    pub(super) fn certificate(&self, signers: &[usize], message: &[u8]) -> (Bytes, [B256; 8]) {
        let keys: Vec<_> = signers.iter().map(|&member| &self.nodes[member].key).collect();
        (signing::bitmap(signers), signing::g2(&signing::aggregate(&keys, message)))
    }

    pub(super) async fn epoch(&self) -> u32 {
        self.committee.currentEpoch().call().await.expect("a view")
    }

    /// Registers a blob whose root follows from `seed`; gives its id and the object's number.
    pub(super) async fn register(&self, seed: u8, size: u64, epochs: u32) -> (B256, U256) {
        let root = B256::repeat_byte(seed);
        let blob_id = signing::blob_id(root, size);
        mined(self.blobs.register(blob_id, root, size, 1, epochs).send().await).await;
        (blob_id, self.blobs.objectCount().call().await.expect("a view"))
    }

    /// Certifies an object with the confirmations of `signers`.
    pub(super) async fn certify(&self, blob_id: B256, object: U256, signers: &[usize]) -> TransactionReceipt {
        let message = signing::confirmation(self.epoch().await, blob_id);
        let (bitmap, signature) = self.certificate(signers, &message);
        mined(self.blobs.certify(object, bitmap, signature).send().await).await
    }

    /// Lets the current epoch pass, and begins the next.
    pub(super) async fn next_epoch(&self) {
        for (method, params) in [("evm_increaseTime", json!([HOUR])), ("evm_mine", json!([]))] {
            let answer = rpc(&self.rpc_url, method, params).await;
            assert!(answer["error"].is_null(), "{method}: {answer}");
        }
        mined(self.committee.advanceEpoch().send().await).await;
    }
}
