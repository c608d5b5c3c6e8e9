//! A control plane in memory: one table of registrations, certificates checked as the contracts check them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use floe_chain::{
    Address, Balances, BlobObject, ChainError, ChainEvent, ControlPlane, EpochPhase, EpochStep, EventCursor, EventKind,
    EventStream, Extended, NetworkInfo, RegisterBlob, Registered, StorageResource, SubsidiesPaid, TxHash,
};
use floe_protocol::{
    BatchConfirmation, BatchDomain, BatchList, Certificate, Committee, Epoch, InvalidBlobId, ObjectId, Persistence,
    StorageConfirmation, certificate::CertifiedMessage,
};
use floe_redstuff::{BlobId, EncodingType};
use tokio::sync::watch;

/// Whose wallet the client has.
pub const OWNER: Address = Address::from_bytes([7; 20]);

pub struct MemoryChain {
    state: Mutex<State>,
    /// False while registrations take for ever.
    registers: watch::Sender<bool>,
}

struct State {
    committee: Committee,
    objects: Vec<BlobObject>,
    certified: HashMap<BlobId, ChainEvent>,
    invalid: Vec<BlobId>,
    /// What was deleted before its end.
    storage: Vec<StorageResource>,
    /// By their numbers: the end, and the encoded bytes that are left.
    pools: HashMap<u64, (Epoch, u64)>,
    numbers: u64,
    registrations: u32,
    /// Transactions that certified.
    certificates: u32,
    /// The epoch ends just before the next certificate comes in.
    ends_before_certificate: bool,
    is_down: bool,
}

impl MemoryChain {
    pub fn new(committee: Committee) -> Self {
        let state = State {
            committee,
            objects: Vec::new(),
            certified: HashMap::new(),
            invalid: Vec::new(),
            storage: Vec::new(),
            pools: HashMap::new(),
            numbers: 0,
            registrations: 0,
            certificates: 0,
            ends_before_certificate: false,
            is_down: false,
        };
        Self { state: Mutex::new(state), registers: watch::Sender::new(true) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn up(&self) -> Result<MutexGuard<'_, State>, ChainError> {
        let state = self.state();
        match state.is_down {
            false => Ok(state),
            true => Err(ChainError::Unreachable { endpoint: "memory".into(), method: "test", detail: "down".into() }),
        }
    }

    pub fn epoch(&self) -> Epoch {
        self.state().committee.epoch()
    }

    pub fn next_epoch(&self) {
        self.state().next_epoch();
    }

    pub fn end_epoch_before_certificate(&self) {
        self.state().ends_before_certificate = true;
    }

    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// Whether registrations are carried out, or wait until they are.
    pub fn set_registers(&self, registers: bool) {
        self.registers.send_replace(registers);
    }

    pub fn invalidate(&self, id: &BlobId) {
        self.state().invalid.push(*id);
    }

    pub fn registrations(&self) -> u32 {
        self.state().registrations
    }

    /// Transactions that brought a certificate.
    pub fn certificates(&self) -> u32 {
        self.state().certificates
    }

    /// Storage that deletions have left.
    pub fn storage(&self) -> Vec<StorageResource> {
        self.state().storage.clone()
    }

    /// A pool of the wallet's, with an end and so many encoded bytes left.
    pub fn create_pool(&self, pool: u64, end: Epoch, size: u64) {
        self.state().pools.insert(pool, (end, size));
    }

    /// All registrations of the blob are gone.
    pub fn drop_registrations(&self, id: &BlobId) {
        self.state().objects.retain(|object| object.blob_id != *id);
    }

    /// Somebody else registers a blob as deletable.
    pub fn register_for(&self, owner: Address, id: BlobId, size: u64) {
        let mut state = self.state();
        let end = Epoch(state.committee.epoch().get() + 9);
        state.register(id, size, end, true, owner);
    }

    /// The longest registration of the blob that is not over.
    pub fn registration(&self, id: &BlobId) -> Option<BlobObject> {
        self.registrations_of(id).into_iter().max_by_key(|object| object.end_epoch)
    }

    /// The registrations of the blob that are not over, the oldest first.
    pub fn registrations_of(&self, id: &BlobId) -> Vec<BlobObject> {
        let state = self.state();
        let live = state.objects.iter().filter(|object| object.blob_id == *id);
        live.filter(|object| object.end_epoch > state.committee.epoch()).cloned().collect()
    }

    pub fn is_invalid(&self, id: &BlobId) -> bool {
        self.state().invalid.contains(id)
    }

    /// Registers and certifies a blob that no honest client would store.
    pub fn force_certified(&self, id: BlobId, size: u64, epochs: u32) {
        let mut state = self.state();
        let end = Epoch(state.committee.epoch().get() + epochs);
        let object = state.register(id, size, end, false, OWNER);
        state.certify(object);
    }
}

impl State {
    fn next_epoch(&mut self) {
        let next = self.committee.epoch().next();
        self.committee = self.committee.with_epoch(next);
    }

    fn register(&mut self, blob_id: BlobId, size: u64, end_epoch: Epoch, deletable: bool, owner: Address) -> usize {
        self.registrations += 1;
        self.numbers += 1;
        self.objects.push(BlobObject {
            object_id: ObjectId::from_number(self.numbers),
            blob_id,
            owner,
            size,
            encoding_type: EncodingType::Rs2,
            deletable,
            registered_epoch: self.committee.epoch(),
            certified_epoch: None,
            end_epoch,
        });
        self.objects.len() - 1
    }

    fn order(&mut self, blob: &RegisterBlob, end: Epoch) -> Result<Registered, ChainError> {
        let id = BlobId::from_root(blob.encoding_type, blob.size, &blob.root_hash);
        if id != blob.blob_id || self.invalid.contains(&id) {
            return Err(reverted("BlobIdMismatch"));
        }
        let index = self.register(id, blob.size, end, blob.deletable, blob.owner.unwrap_or(OWNER));
        Ok(Registered {
            object: self.objects[index].clone(),
            cost: 123,
            encoded_length: self.committee.params().encoded_length(blob.size).unwrap(),
            tx: TxHash::from_bytes([8; 32]),
        })
    }

    fn order_all(&mut self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        let epoch = self.committee.epoch().get();
        blobs.iter().map(|blob| self.order(blob, Epoch(epoch + blob.epochs_ahead))).collect()
    }

    fn position(&self, object: ObjectId) -> Result<usize, ChainError> {
        self.objects.iter().position(|o| o.object_id == object).ok_or(reverted("UnknownObject"))
    }

    /// A certificate comes in.
    fn verified<T: CertifiedMessage>(&mut self, certificate: &Certificate) -> Result<T, ChainError> {
        if std::mem::take(&mut self.ends_before_certificate) {
            self.next_epoch();
        }
        let verified = certificate.verify_as::<T>(&self.committee).map_err(|_| reverted("BadSignature"))?;
        Ok(verified.message().clone())
    }

    fn certify(&mut self, index: usize) {
        let epoch = self.committee.epoch();
        let object = &mut self.objects[index];
        object.certified_epoch = Some(epoch);
        let kind = EventKind::BlobCertified {
            blob_id: object.blob_id,
            object_id: object.object_id,
            deletable: object.deletable,
            certified_epoch: epoch,
            end_epoch: object.end_epoch,
        };
        let cursor = EventCursor { block: 1, log_index: index as u64, block_hash: [1; 32] };
        let event = ChainEvent { cursor, tx: TxHash::from_bytes([9; 32]), kind };
        if !object.deletable {
            self.certified.insert(object.blob_id, event);
        }
    }

    fn end_of(&self, id: &BlobId) -> Option<Epoch> {
        if self.invalid.contains(id) {
            return None;
        }
        let permanent = self.objects.iter().filter(|o| o.blob_id == *id && !o.deletable);
        let certified = permanent.filter(|o| o.certified_epoch.is_some());
        certified.map(|object| object.end_epoch).max()
    }
}

fn reverted(name: &str) -> ChainError {
    ChainError::Reverted { name: name.into(), detail: String::new() }
}

#[async_trait]
impl ControlPlane for MemoryChain {
    async fn network(&self) -> Result<NetworkInfo, ChainError> {
        let state = self.up()?;
        Ok(NetworkInfo {
            n_shards: state.committee.n_shards(),
            epoch: state.committee.epoch(),
            epoch_started_at: 1,
            epoch_duration_secs: 3600,
            phase: EpochPhase::Done,
            next_step_at: 1,
            max_epochs_ahead: 53,
            storage_price: 1,
            write_price: 1,
            payment_token_symbol: "TEST".into(),
            payment_token_decimals: 6,
            chain_id: 31337,
        })
    }

    async fn committee(&self) -> Result<Committee, ChainError> {
        Ok(self.up()?.committee.clone())
    }

    async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.registers.subscribe().wait_for(|registers| *registers).await.unwrap();
        self.up()?.order_all(blobs)
    }

    async fn register_batch(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.up()?.order_all(blobs)
    }

    async fn register_in_storage(&self, blob: &RegisterBlob, storage: ObjectId) -> Result<Registered, ChainError> {
        let mut state = self.up()?;
        let length = state.committee.params().encoded_length(blob.size).unwrap();
        let index = state.storage.iter().position(|s| s.id == storage).ok_or(reverted("ERC721NonexistentToken"))?;
        if state.storage[index].size < length {
            return Err(reverted("ResourceTooSmall"));
        }
        state.storage[index].size -= length;
        let end = state.storage[index].end_epoch;
        state.storage.retain(|storage| storage.size > 0);
        state.order(blob, end)
    }

    async fn register_in_pool(&self, blob: &RegisterBlob, pool: u64) -> Result<Registered, ChainError> {
        let mut state = self.up()?;
        let length = state.committee.params().encoded_length(blob.size).unwrap();
        let missing = || ChainError::InvalidArgument { detail: format!("there is no pool {pool}") };
        let (end, left) = *state.pools.get(&pool).ok_or_else(missing)?;
        if end <= state.committee.epoch() {
            return Err(reverted("BlobExpired"));
        }
        let left = left.checked_sub(length).ok_or(reverted("PoolFull"))?;
        let mut registered = state.order(blob, end)?;
        state.pools.insert(pool, (end, left));
        let mut number = [0; 32];
        number[16..24].copy_from_slice(&pool.to_be_bytes());
        number[24..].copy_from_slice(&state.numbers.to_be_bytes());
        registered.object.object_id = ObjectId::from_bytes(number);
        *state.objects.last_mut().unwrap() = registered.object.clone();
        Ok(registered)
    }

    async fn pool_registrations(&self, blob: &BlobId, pool: u64) -> Result<Vec<BlobObject>, ChainError> {
        let state = self.up()?;
        let inside = state.objects.iter().filter(|object| object.blob_id == *blob && object.pool() == Some(pool));
        Ok(inside.cloned().collect())
    }

    async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        let mut state = self.up()?;
        let stated = state.verified::<StorageConfirmation>(certificate)?;
        let index = state.position(object)?;
        let registered = &state.objects[index];
        if (registered.blob_id, registered.persistence()) != (stated.blob_id, stated.persistence) {
            return Err(reverted("BadSignature"));
        }
        state.certify(index);
        state.certificates += 1;
        Ok(TxHash::from_bytes([9; 32]))
    }

    async fn certify_batch(&self, objects: &[ObjectId], certificate: &Certificate) -> Result<TxHash, ChainError> {
        let mut state = self.up()?;
        let stated = state.verified::<BatchConfirmation>(certificate)?;
        let positions = objects.iter().map(|object| state.position(*object)).collect::<Result<Vec<_>, _>>()?;
        if positions.iter().any(|index| state.objects[*index].pool().is_some()) {
            // The contract `Blobs` does not know them, and `Pools` has no batches.
            return Err(reverted("UnknownObject"));
        }
        let entry = |index: &usize| (state.objects[*index].blob_id, state.objects[*index].persistence());
        let list = BatchList(positions.iter().map(entry).collect());
        if list.confirmation(state.committee.epoch(), self.batch_domain()) != stated {
            return Err(reverted("BadSignature"));
        }
        positions.into_iter().for_each(|index| state.certify(index));
        state.certificates += 1;
        Ok(TxHash::from_bytes([9; 32]))
    }

    fn batch_domain(&self) -> BatchDomain {
        BatchDomain { chain_id: 31337, contract: [0x5f; 20] }
    }

    async fn invalidate_blob(&self, blob: &BlobId, certificate: &Certificate) -> Result<Option<TxHash>, ChainError> {
        let mut state = self.up()?;
        if state.verified::<InvalidBlobId>(certificate)?.blob_id != *blob {
            return Err(reverted("BadSignature"));
        }
        if state.invalid.contains(blob) {
            return Ok(None);
        }
        state.invalid.push(*blob);
        Ok(Some(TxHash::from_bytes([9; 32])))
    }

    async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        Ok(self.up()?.objects.iter().find(|o| o.object_id == object).cloned())
    }

    async fn owned_blobs(&self, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        Ok(self.up()?.objects.iter().filter(|object| object.owner == owner).cloned().collect())
    }

    async fn blob_registrations(&self, blob: &BlobId) -> Result<Vec<BlobObject>, ChainError> {
        Ok(self.up()?.objects.iter().filter(|object| object.blob_id == *blob).cloned().collect())
    }

    async fn owned_registrations(&self, blob: &BlobId, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        let owned = self.owned_blobs(owner).await?;
        Ok(owned.into_iter().filter(|object| object.blob_id == *blob).collect())
    }

    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        let state = self.up()?;
        let live = state.storage.iter().filter(|storage| storage.end_epoch > state.committee.epoch());
        Ok(if owner == OWNER { live.copied().collect() } else { Vec::new() })
    }

    async fn extend_blob(&self, object: ObjectId, epochs: u32) -> Result<Extended, ChainError> {
        let mut state = self.up()?;
        let index = state.position(object)?;
        if state.objects[index].certified_epoch.is_none() {
            return Err(reverted("NotCertified"));
        }
        let end_epoch = &mut state.objects[index].end_epoch;
        *end_epoch = Epoch(end_epoch.get() + epochs);
        Ok(Extended { end_epoch: *end_epoch, cost: 23, tx: TxHash::from_bytes([7; 32]) })
    }

    async fn delete_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        let mut state = self.up()?;
        let index = state.position(object)?;
        if state.objects[index].persistence() == Persistence::Permanent {
            return Err(reverted("NotDeletable"));
        }
        let deleted = state.objects.remove(index);
        state.numbers += 1;
        let resource = StorageResource {
            id: ObjectId::from_number(state.numbers),
            start_epoch: state.committee.epoch(),
            end_epoch: deleted.end_epoch,
            size: state.committee.params().encoded_length(deleted.size).unwrap(),
        };
        state.storage.push(resource);
        Ok(TxHash::from_bytes([6; 32]))
    }

    async fn due_renewals(&self) -> Result<Vec<floe_chain::DueRenewal>, ChainError> {
        Ok(Vec::new())
    }

    async fn renew_blob(&self, _: ObjectId) -> Result<floe_chain::Renewed, ChainError> {
        Err(ChainError::NoWallet)
    }

    async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError> {
        Ok(self.up()?.end_of(blob))
    }

    async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        Ok(self.up()?.certified.get(blob).cloned())
    }

    async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        let committee = self.up()?.committee.clone();
        Ok((committee.epoch() == epoch).then_some(committee))
    }

    async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError> {
        Ok(None)
    }

    async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError> {
        Ok(None)
    }

    async fn report_synced(&self, _: Epoch) -> Result<bool, ChainError> {
        Ok(false)
    }

    async fn events(&self, _: EventCursor) -> Result<EventStream, ChainError> {
        Ok(Box::pin(futures::stream::pending()))
    }

    fn signer_address(&self) -> Option<Address> {
        Some(OWNER)
    }

    async fn balances(&self) -> Result<Balances, ChainError> {
        Ok(Balances::default())
    }
}
