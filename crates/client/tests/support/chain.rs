//! A control plane in memory: one table of registrations, certificates checked as the contracts check them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use floe_chain::{
    Address, Balances, BlobObject, ChainError, ChainEvent, ControlPlane, EpochPhase, EpochStep, EventCursor, EventKind,
    EventStream, Extended, NetworkInfo, RegisterBlob, Registered, TxHash,
};
use floe_protocol::{Certificate, Committee, Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingType};
use tokio::sync::watch;

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
    registrations: u32,
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
            registrations: 0,
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

    /// The longest registration of the blob that is not over.
    pub fn registration(&self, id: &BlobId) -> Option<BlobObject> {
        let state = self.state();
        let live = state.objects.iter().filter(|object| object.blob_id == *id);
        live.filter(|object| object.end_epoch > state.committee.epoch()).max_by_key(|object| object.end_epoch).cloned()
    }

    pub fn is_invalid(&self, id: &BlobId) -> bool {
        self.state().invalid.contains(id)
    }

    /// Registers and certifies a blob that no honest client would store.
    pub fn force_certified(&self, id: BlobId, size: u64, epochs: u32) {
        let mut state = self.state();
        let object = state.register(id, size, epochs);
        state.certify(object);
    }
}

impl State {
    fn next_epoch(&mut self) {
        let next = self.committee.epoch().next();
        self.committee = self.committee.with_epoch(next);
    }

    fn register(&mut self, blob_id: BlobId, size: u64, epochs: u32) -> usize {
        let epoch = self.committee.epoch();
        self.registrations += 1;
        self.objects.push(BlobObject {
            object_id: ObjectId::from_number(self.objects.len() as u64 + 1),
            blob_id,
            owner: Address::from_bytes([7; 20]),
            size,
            encoding_type: EncodingType::Rs2,
            deletable: false,
            registered_epoch: epoch,
            certified_epoch: None,
            end_epoch: Epoch(epoch.get() + epochs),
        });
        self.objects.len() - 1
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
        self.certified.insert(object.blob_id, event);
    }

    fn end_of(&self, id: &BlobId) -> Option<Epoch> {
        if self.invalid.contains(id) {
            return None;
        }
        let certified = self.objects.iter().filter(|o| o.blob_id == *id && o.certified_epoch.is_some());
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
        let mut state = self.up()?;
        let params = state.committee.params();
        let register = |blob: &RegisterBlob| {
            let id = BlobId::from_root(blob.encoding_type, blob.size, &blob.root_hash);
            if id != blob.blob_id || state.invalid.contains(&id) {
                return Err(reverted("BlobIdMismatch"));
            }
            let index = state.register(id, blob.size, blob.epochs_ahead);
            Ok(Registered {
                object: state.objects[index].clone(),
                cost: 123,
                encoded_length: params.encoded_length(blob.size).unwrap(),
                tx: TxHash::from_bytes([8; 32]),
            })
        };
        blobs.iter().map(register).collect()
    }

    async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        let mut state = self.up()?;
        if std::mem::take(&mut state.ends_before_certificate) {
            state.next_epoch();
        }
        let verified = certificate.verify(&state.committee).map_err(|_| reverted("InvalidSignature"))?;
        let index = state.objects.iter().position(|o| o.object_id == object).ok_or(reverted("UnknownObject"))?;
        if state.objects[index].blob_id != verified.message().blob_id {
            return Err(reverted("InvalidSignature"));
        }
        state.certify(index);
        Ok(TxHash::from_bytes([9; 32]))
    }

    async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        Ok(self.up()?.objects.iter().find(|o| o.object_id == object).cloned())
    }

    async fn owned_blobs(&self, _: Address) -> Result<Vec<BlobObject>, ChainError> {
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

    async fn report_synced(&self, _: Epoch) -> Result<bool, ChainError> {
        Ok(false)
    }

    async fn events(&self, _: EventCursor) -> Result<EventStream, ChainError> {
        Ok(Box::pin(futures::stream::pending()))
    }

    fn signer_address(&self) -> Option<Address> {
        Some(Address::from_bytes([7; 20]))
    }

    async fn balances(&self) -> Result<Balances, ChainError> {
        Ok(Balances::default())
    }
}
