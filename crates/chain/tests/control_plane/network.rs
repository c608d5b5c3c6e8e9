//! A launched network of four nodes and ten shards on a test chain.

use std::sync::atomic::{AtomicU64, Ordering};

use floe_chain::{
    Address, ChainConfig, ChainError, ChainEvent, ContractAddresses, ControlPlane as _, EpochStep, EventCursor,
    EventItem, EventStream, EvmChain, RegisterBlob, Wallet,
    deploy::{self, DeployOptions, NewNode},
};
use floe_protocol::{
    BlobId, Certificate, ConfirmationCollector, EncodingType, Epoch, NodeId,
    bls::SecretKey,
    message::{Message as _, Persistence, StorageConfirmation},
};
use futures::StreamExt as _;

use crate::support::{DEV_KEYS, TestChain};

/// Shards of the four nodes, who have equal stake.
pub(super) const SHARDS: [&[u16]; 4] = [&[0, 1, 2], &[3, 4, 5], &[6, 7], &[8, 9]];
/// Stake of each node: a thousand FLOE.
const STAKE: u128 = 1_000 * 10_u128.pow(18);
pub(super) const OPTIONS: DeployOptions = DeployOptions {
    n_shards: 10,
    epoch_duration_secs: 3600,
    storage_price: 100,
    write_price: 200,
    max_epochs_ahead: 53,
    payment_token: None,
    burn_basis_points: 0,
};

pub(super) const MIB: u64 = 1 << 20;

/// The name of what a contract refused with.
pub(super) fn refusal(error: ChainError) -> String {
    match error {
        ChainError::Reverted { name, .. } => name,
        other => panic!("{other}"),
    }
}

pub(super) struct Network {
    pub(super) chain: TestChain,
    pub(super) contracts: ContractAddresses,
    pub(super) owner: Wallet,
    pub(super) keys: Vec<SecretKey>,
    pub(super) nodes: Vec<NodeId>,
}

pub(super) fn wallet(index: usize) -> Wallet {
    Wallet::from_key_hex(DEV_KEYS[index]).unwrap()
}

impl Network {
    /// Contracts and registered nodes, no committee yet.
    pub(super) async fn prepare(chain: TestChain) -> Self {
        let owner = wallet(0);
        let contracts = deploy::deploy(&chain.rpc_url, &owner, &OPTIONS).await.unwrap();
        let mut network = Self { chain, contracts, owner, keys: Vec::new(), nodes: Vec::new() };
        for index in 0..SHARDS.len() {
            let key = SecretKey::generate(&[u8::try_from(index).unwrap() + 1; 32]);
            let (name, url) = (format!("node-{index}"), format!("http://127.0.0.1:{}", 9000 + index));
            let account = wallet(index + 1);
            let url_of_chain = &network.chain.rpc_url;
            let node = NewNode { name, url, ..NewNode::default() };
            let id = deploy::register_node(url_of_chain, &contracts, &account, &key, &node).await.unwrap();
            network.keys.push(key);
            network.nodes.push(id);
        }
        let (url, owner) = (&network.chain.rpc_url, &network.owner);
        deploy::stake(url, &contracts, owner, &network.nodes, STAKE).await.unwrap();
        network
    }

    /// In epoch 1, with test money in the owner's account.
    pub(super) async fn launch(chain: TestChain) -> Self {
        let network = Self::prepare(chain).await;
        let (url, contracts, owner) = (&network.chain.rpc_url, &network.contracts, &network.owner);
        deploy::launch(url, contracts, owner).await.unwrap();
        deploy::mint_test_money(url, contracts, owner, owner.address(), 1_000_000_000).await.unwrap();
        network
    }

    /// Lets the current epoch pass: the next committee is selected, and takes over.
    pub(super) async fn next_epoch(&self, control: &EvmChain) {
        for step in [EpochStep::CommitteeSelected, EpochStep::EpochBegun] {
            self.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
            assert_eq!(control.advance_epoch_if_due().await.unwrap(), Some(step));
        }
    }

    /// Lets half an epoch pass, after which the next committee is selected.
    pub(super) async fn select_next(&self, control: &EvmChain) {
        self.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
        assert_eq!(control.advance_epoch_if_due().await.unwrap(), Some(EpochStep::CommitteeSelected));
    }

    /// The nodes report that they have what is theirs, as many as it takes.
    pub(super) async fn report_all(&self, epoch: Epoch) {
        for member in 1..=3 {
            let node = self.connect_as(Some(wallet(member))).await;
            assert!(node.report_synced(epoch).await.unwrap());
        }
    }

    pub(super) fn config(&self) -> ChainConfig {
        ChainConfig { poll_interval_ms: 20, ..ChainConfig::new(&self.chain.rpc_url, self.contracts) }
    }

    pub(super) async fn connect(&self) -> EvmChain {
        self.connect_as(Some(self.owner.clone())).await
    }

    pub(super) async fn connect_as(&self, wallet: Option<Wallet>) -> EvmChain {
        EvmChain::connect(self.config(), wallet).await.unwrap()
    }

    pub(super) fn owner_address(&self) -> Address {
        self.owner.address()
    }

    /// What a quorum says: all nodes but the last.
    pub(super) async fn certificate(&self, blob_id: BlobId) -> Certificate {
        let committee = self.connect_as(None).await.committee().await.unwrap();
        let epoch = committee.epoch();
        let statement = StorageConfirmation { epoch, blob_id, persistence: Persistence::Permanent };
        let mut collector = ConfirmationCollector::new(&committee, statement);
        for (member, key) in self.keys.iter().take(3).enumerate() {
            collector.add(member, statement.sign(key)).unwrap();
        }
        collector.certificate().unwrap()
    }
}

/// A blob that nobody has seen before.
pub(super) fn new_blob() -> RegisterBlob {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut root_hash = [0; 32];
    root_hash[..8].copy_from_slice(&number.to_le_bytes());
    let (size, encoding_type) = (1000 + number, EncodingType::Rs2);
    let blob_id = BlobId::from_root(encoding_type, size, &root_hash);
    RegisterBlob { blob_id, root_hash, size, encoding_type, epochs_ahead: 2, deletable: false, owner: None }
}

/// The next item, which must come soon.
pub(super) async fn next(stream: &mut EventStream) -> Result<EventItem, ChainError> {
    let wait = std::time::Duration::from_secs(30);
    tokio::time::timeout(wait, stream.next()).await.expect("an item in time").expect("an endless stream")
}

/// The next event, whatever is between.
pub(super) async fn next_event(stream: &mut EventStream) -> ChainEvent {
    loop {
        match next(stream).await.unwrap() {
            EventItem::Event(event) => return event,
            EventItem::CaughtUp(_) => {}
            EventItem::Rollback(cursor) => panic!("rolled back to {cursor:?}"),
        }
    }
}

/// All events up to now.
pub(super) async fn all_events(chain: &EvmChain, after: EventCursor) -> (Vec<ChainEvent>, EventCursor) {
    let mut stream = chain.events(after).await.unwrap();
    let mut events = Vec::new();
    loop {
        match next(&mut stream).await.unwrap() {
            EventItem::Event(event) => events.push(event),
            EventItem::CaughtUp(cursor) => return (events, cursor),
            EventItem::Rollback(cursor) => panic!("rolled back to {cursor:?}"),
        }
    }
}
