//! A control plane in memory: the test says what happens on chain, nodes see it as events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use floe_chain::{
    Address, Balances, BlobObject, ChainError, ChainEvent, ControlPlane, EpochPhase, EpochStep, EventCursor, EventItem,
    EventKind, EventStream, Extended, NetworkInfo, RegisterBlob, Registered, StorageResource, SubsidiesPaid, TxHash,
};
use floe_protocol::{BatchDomain, Certificate, Committee, Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingType, VerifiedMetadata};
use parking_lot::Mutex;
use tokio::sync::watch;

pub struct TestChain {
    state: Mutex<State>,
    /// Items so far; followers wait for it to grow.
    length: watch::Sender<usize>,
    pub advances: AtomicU64,
    /// The latest epoch that a node reported its shards for.
    pub synced: AtomicU32,
}

struct State {
    committee: Committee,
    /// The committee before, where it was another one.
    previous: Option<Committee>,
    block: u64,
    items: Vec<EventItem>,
    /// The events that still count.
    canonical: Vec<ChainEvent>,
    down: bool,
}

impl TestChain {
    /// A launched network in epoch 1.
    pub fn new(committee: Committee) -> Arc<Self> {
        let state =
            State { committee, previous: None, block: 0, items: Vec::new(), canonical: Vec::new(), down: false };
        let chain = Arc::new(Self {
            state: Mutex::new(state),
            length: watch::Sender::new(0),
            advances: AtomicU64::new(0),
            synced: AtomicU32::new(0),
        });
        chain.new_epoch(1);
        chain
    }

    pub fn emit(&self, kind: EventKind) -> EventCursor {
        let mut state = self.state.lock();
        state.block += 1;
        let cursor = EventCursor { block: state.block, log_index: 0, block_hash: [1; 32] };
        let tx = TxHash::from_bytes([u8::try_from(state.block % 256).unwrap(); 32]);
        let event = ChainEvent { cursor, tx, kind };
        state.canonical.push(event.clone());
        state.items.push(EventItem::Event(event));
        self.length.send_replace(state.items.len());
        cursor
    }

    pub fn new_epoch(&self, epoch: u32) {
        {
            let mut state = self.state.lock();
            state.committee = state.committee.with_epoch(Epoch(epoch));
        }
        self.emit(EventKind::EpochChanged { epoch: Epoch(epoch), started_at: 1 });
    }

    pub fn register(&self, metadata: &VerifiedMetadata, end_epoch: u32) -> EventCursor {
        let object = BlobObject {
            object_id: ObjectId::from_number(1),
            blob_id: *metadata.blob_id(),
            owner: Address::default(),
            size: metadata.unencoded_length(),
            encoding_type: EncodingType::Rs2,
            deletable: false,
            registered_epoch: Epoch(1),
            certified_epoch: None,
            end_epoch: Epoch(end_epoch),
        };
        self.emit(EventKind::BlobRegistered { object, cost: 1 })
    }

    /// A deletable registration with this number.
    pub fn register_deletable(&self, metadata: &VerifiedMetadata, number: u64, end_epoch: u32) {
        let object = BlobObject {
            object_id: ObjectId::from_number(number),
            blob_id: *metadata.blob_id(),
            owner: Address::default(),
            size: metadata.unencoded_length(),
            encoding_type: EncodingType::Rs2,
            deletable: true,
            registered_epoch: Epoch(1),
            certified_epoch: None,
            end_epoch: Epoch(end_epoch),
        };
        self.emit(EventKind::BlobRegistered { object, cost: 1 });
    }

    /// From the next epoch on there is another committee.
    pub fn next_epoch_with(&self, committee: Committee) {
        let epoch = committee.epoch();
        {
            let mut state = self.state.lock();
            state.previous = Some(std::mem::replace(&mut state.committee, committee));
        }
        self.emit(EventKind::EpochChanged { epoch, started_at: 1 });
    }

    pub fn certify(&self, blob: &BlobId, end_epoch: u32) {
        self.emit(EventKind::BlobCertified {
            blob_id: *blob,
            object_id: ObjectId::from_number(1),
            deletable: false,
            certified_epoch: Epoch(1),
            end_epoch: Epoch(end_epoch),
        });
    }

    pub fn invalidate(&self, blob: &BlobId) {
        self.emit(EventKind::BlobInvalidated { blob_id: *blob, epoch: Epoch(1) });
    }

    /// Everything after the cursor did not happen.
    pub fn reorganise(&self, to: EventCursor) {
        let mut state = self.state.lock();
        state.canonical.retain(|event| event.cursor <= to);
        state.items.push(EventItem::Rollback(to));
        self.length.send_replace(state.items.len());
    }

    /// From now on no call gets through, and streams break off.
    pub fn take_down(&self) {
        self.state.lock().down = true;
    }

    fn check(&self) -> Result<(), ChainError> {
        if !self.state.lock().down {
            return Ok(());
        }
        Err(ChainError::InvalidArgument { detail: "the test chain is down".to_owned() })
    }
}

struct Follower {
    chain: Arc<TestChain>,
    backlog: VecDeque<EventItem>,
    next: usize,
    grown: watch::Receiver<usize>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<EventItem, ChainError>, Self)> {
        loop {
            if let Err(error) = self.chain.check() {
                return Some((Err(error), self));
            }
            if let Some(item) = self.backlog.pop_front() {
                return Some((Ok(item), self));
            }
            let item = self.chain.state.lock().items.get(self.next).cloned();
            if let Some(item) = item {
                self.next += 1;
                return Some((Ok(item), self));
            }
            self.grown.changed().await.ok()?;
        }
    }
}

/// What nodes hold: a handle, because streams need an owned chain.
pub struct Handle(pub Arc<TestChain>);

#[async_trait]
impl ControlPlane for Handle {
    async fn network(&self) -> Result<NetworkInfo, ChainError> {
        self.0.check()?;
        let state = self.0.state.lock();
        Ok(NetworkInfo {
            n_shards: state.committee.n_shards(),
            epoch: state.committee.epoch(),
            epoch_started_at: 1,
            epoch_duration_secs: 1,
            phase: EpochPhase::Done,
            next_step_at: 1,
            max_epochs_ahead: 50,
            storage_price: 1,
            write_price: 1,
            payment_token_symbol: "TEST".to_owned(),
            payment_token_decimals: 6,
            chain_id: 1,
        })
    }

    async fn committee(&self) -> Result<Committee, ChainError> {
        self.0.check()?;
        Ok(self.0.state.lock().committee.clone())
    }

    async fn register_blobs(&self, _: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn certify_blob(&self, _: ObjectId, _: &Certificate) -> Result<TxHash, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn register_batch(&self, _: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn register_in_storage(&self, _: &RegisterBlob, _: ObjectId) -> Result<Registered, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn register_in_pool(&self, _: &RegisterBlob, _: u64) -> Result<Registered, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn pool_registrations(&self, _: &BlobId, _: u64) -> Result<Vec<BlobObject>, ChainError> {
        Ok(Vec::new())
    }

    async fn certify_batch(&self, _: &[ObjectId], _: &Certificate) -> Result<TxHash, ChainError> {
        Err(ChainError::NoWallet)
    }

    fn batch_domain(&self) -> BatchDomain {
        BatchDomain { chain_id: 1, contract: [0x5f; 20] }
    }

    async fn invalidate_blob(&self, _: &BlobId, _: &Certificate) -> Result<Option<TxHash>, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn blob_object(&self, _: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        Ok(None)
    }

    async fn owned_blobs(&self, _: Address) -> Result<Vec<BlobObject>, ChainError> {
        Ok(Vec::new())
    }

    async fn blob_registrations(&self, _: &BlobId) -> Result<Vec<BlobObject>, ChainError> {
        Ok(Vec::new())
    }

    async fn owned_registrations(&self, _: &BlobId, _: Address) -> Result<Vec<BlobObject>, ChainError> {
        Ok(Vec::new())
    }

    async fn owned_storage(&self, _: Address) -> Result<Vec<StorageResource>, ChainError> {
        Ok(Vec::new())
    }

    async fn extend_blob(&self, _: ObjectId, _: u32) -> Result<Extended, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn delete_blob(&self, _: ObjectId) -> Result<TxHash, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn due_renewals(&self) -> Result<Vec<floe_chain::DueRenewal>, ChainError> {
        Ok(Vec::new())
    }

    async fn renew_blob(&self, _: ObjectId) -> Result<floe_chain::Renewed, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn available_until(&self, _: &BlobId) -> Result<Option<Epoch>, ChainError> {
        Ok(None)
    }

    async fn certified_event(&self, _: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        Ok(None)
    }

    async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        let state = self.0.state.lock();
        if let Some(previous) = state.previous.as_ref().filter(|previous| previous.epoch() == epoch) {
            return Ok(Some(previous.clone()));
        }
        let committee = &state.committee;
        Ok((committee.epoch().0.abs_diff(epoch.0) <= 1).then(|| committee.with_epoch(epoch)))
    }

    async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError> {
        self.0.advances.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError> {
        Ok(None)
    }

    async fn report_synced(&self, epoch: Epoch) -> Result<bool, ChainError> {
        self.0.synced.store(epoch.0, Ordering::Relaxed);
        Ok(true)
    }

    async fn events(&self, after: EventCursor) -> Result<EventStream, ChainError> {
        self.0.check()?;
        let grown = self.0.length.subscribe();
        let state = self.0.state.lock();
        let mut backlog: VecDeque<_> =
            state.canonical.iter().filter(|event| event.cursor > after).cloned().map(EventItem::Event).collect();
        let end = EventCursor { block: state.block, log_index: EventCursor::END_OF_BLOCK, block_hash: [1; 32] };
        backlog.push_back(EventItem::CaughtUp(end));
        let follower = Follower { chain: self.0.clone(), backlog, next: state.items.len(), grown };
        Ok(Box::pin(futures::stream::unfold(follower, Follower::next)))
    }

    fn signer_address(&self) -> Option<Address> {
        None
    }

    async fn balances(&self) -> Result<Balances, ChainError> {
        Err(ChainError::NoWallet)
    }
}
