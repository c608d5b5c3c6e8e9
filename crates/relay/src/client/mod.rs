//! A control plane for an account without native coin: it reads from the chain and lets a relay write.

mod http;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use floe_chain::{
    Address, Balances, BlobObject, ChainError, ChainEvent, ControlPlane, DueRenewal, EpochStep, EventCursor,
    EventStream, EvmChain, ExecutedIntent, Extended, Intent, IntentAction, IntentOutcome, IntentTerms, NetworkInfo,
    RegisterBlob, Registered, Renewed, StorageResource, SubsidiesPaid, TxHash, Wallet,
};
use floe_protocol::{BatchDomain, Certificate, Committee, Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingParams};
use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use self::http::RelayHttp;
use crate::{CertificateRequest, RelayTerms, RelayedRegistration};

/// Registrations under way at once.
const REGISTRATIONS_AT_ONCE: usize = 16;
/// Registrations whose transactions are remembered; any one is forgotten beyond, and looked up if it is needed.
const REGISTRATIONS_MAX: usize = 4096;
/// How long a relay's terms are used before it is asked again.
const TERMS_FRESH: Duration = Duration::from_secs(10);
/// How long what a relay has done may take to be seen at the own endpoint.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// What an intent allows above the fee that the relay asks for now, in parts of it: the price of gas may rise.
const FEE_MARGIN_DIVISOR: u128 = 2;

/// How a relay is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayOptions {
    /// Where it answers, such as `http://127.0.0.1:31416`.
    pub url: String,
    /// Most that it may keep for one intent, in the payment token's smallest unit; `None`: one whole token.
    pub fee_max: Option<u128>,
    /// How long an intent is valid. Until then a relay that does not answer may still carry it out.
    pub validity: Duration,
}

impl RelayOptions {
    /// A relay that may keep up to one whole token, by intents of ten minutes.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), fee_max: None, validity: Duration::from_secs(600) }
    }
}

/// The contracts of a network for an account that has money to pay with, and no native coin.
///
/// Reads come from the chain. Registrations, extensions and certificates go through a relay: the account signs what it
/// wants, and what it may cost; the relay's word is believed only as far as the chain confirms it. The same signed intent
/// is handed in again when no answer comes, so nothing is paid twice. Everything else that needs a transaction
/// ([`delete_blob`](ControlPlane::delete_blob), renewals, the clock) is sent by the account itself, which takes native coin.
///
/// ```no_run
/// use floe_chain::{ChainConfig, ContractAddresses, EvmChain, Wallet};
/// use floe_relay::{RelayOptions, RelayedChain};
///
/// # async fn example(contracts: ContractAddresses) -> Result<(), floe_chain::ChainError> {
/// let wallet = Wallet::from_key_file("/home/me/account.key")?;
/// let chain = EvmChain::connect(ChainConfig::new("http://127.0.0.1:8545", contracts), Some(wallet.clone())).await?;
/// let control = RelayedChain::new(chain, wallet, RelayOptions::new("http://127.0.0.1:31416"))?;
/// // floe_client::FloeClient::new(ClientConfig::default(), Arc::new(control)) stores with it.
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RelayedChain {
    chain: EvmChain,
    wallet: Wallet,
    relay: RelayHttp,
    options: RelayOptions,
    terms: tokio::sync::Mutex<Option<(Instant, RelayTerms)>>,
    registrations: Mutex<HashMap<ObjectId, TxHash>>,
    fees_paid: Mutex<u128>,
}

impl RelayedChain {
    /// Reads from `chain`, signs with `wallet`. The relay is asked with the first intent.
    ///
    /// # Errors
    /// [`ChainError::InvalidUrl`].
    pub fn new(chain: EvmChain, wallet: Wallet, options: RelayOptions) -> Result<Self, ChainError> {
        let relay = RelayHttp::new(&options.url)?;
        let (terms, registrations, fees_paid) = Default::default();
        Ok(Self { chain, wallet, relay, options, terms, registrations, fees_paid })
    }

    /// What relays have kept so far, in the payment token's smallest unit.
    #[must_use]
    pub fn fees_paid(&self) -> u128 {
        *self.fees_paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs what is wanted, with the relay's fee on top, and lets the relay carry it out.
    ///
    /// `cost` is what it costs at the prices in force; a quarter more is allowed for, as far as the account has it, and
    /// what is not needed comes back.
    ///
    /// # Errors
    /// [`ChainError::Relay`], [`ChainError::RelayUnreachable`], [`ChainError::InsufficientFunds`],
    /// [`ChainError::Reverted`] and those of reads.
    pub async fn carry_out(&self, action: IntentAction, cost: u128) -> Result<ExecutedIntent, ChainError> {
        let executed = self.sign_and_submit(action, cost).await?;
        *self.fees_paid.lock().unwrap_or_else(PoisonError::into_inner) += executed.fee;
        Ok(executed)
    }

    async fn sign_and_submit(&self, action: IntentAction, cost: u128) -> Result<ExecutedIntent, ChainError> {
        let relay = self.relay_terms().await?;
        let fee = relay.fees.of(action.kind());
        self.require_fair(fee).await?;
        let most = cost.saturating_add(cost / 4).saturating_add(1);
        let max_fee = fee.saturating_add(fee / FEE_MARGIN_DIVISOR);
        let budget = self.budget(cost.saturating_add(fee), most.saturating_add(max_fee)).await?;
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|e| ChainError::InvalidArgument { detail: format!("the system gives no randomness: {e}") })?;
        let terms = IntentTerms {
            owner: self.wallet.address(),
            relayer: Some(relay.relayer),
            budget,
            max_fee: max_fee.min(budget),
            valid_after: 0,
            valid_before: self.chain.time().await?.saturating_add(self.options.validity.as_secs()),
            salt,
        };
        let signed = self.chain.sign_intent(&self.wallet, Intent { action, terms }).await?;
        let id = signed.id();
        let tx = match self.relay.submit(&signed).await {
            Ok(answer) => answer.tx,
            Err(error) => {
                // It may have been carried out all the same.
                return match self.chain.find_intent(id).await {
                    Ok(Some(executed)) => Ok(executed),
                    _ => Err(error),
                };
            }
        };
        self.seen(tx, || async {
            let executed = self.chain.executed_intents(tx).await?;
            Ok(executed.into_iter().find(|executed| executed.id == id))
        })
        .await
    }

    /// The relay's terms, which have to be for this network.
    async fn relay_terms(&self) -> Result<RelayTerms, ChainError> {
        let mut known = self.terms.lock().await;
        if let Some((at, terms)) = &*known
            && at.elapsed() < TERMS_FRESH
        {
            return Ok(terms.clone());
        }
        let terms = self.relay.terms().await?;
        let (here, contracts) = (self.chain.intent_domain(), &self.chain.config().contracts);
        let theirs = (terms.chain_id, terms.contracts.intents, terms.contracts.payment_token);
        if theirs != (here.chain_id, here.contract, contracts.payment_token) {
            let message = format!("it serves chain {} and contract {}, not this network", theirs.0, theirs.1);
            return Err(self.relay.refusal("RELAY-WRONG-NETWORK", message));
        }
        *known = Some((Instant::now(), terms.clone()));
        Ok(terms)
    }

    async fn require_fair(&self, fee: u128) -> Result<(), ChainError> {
        let max = match self.options.fee_max {
            Some(max) => max,
            None => 10u128.saturating_pow(self.chain.network().await?.payment_token_decimals.into()),
        };
        if fee <= max {
            return Ok(());
        }
        let message = format!("it asks for a fee of {fee} in the token's smallest unit, and {max} is the most allowed");
        Err(self.relay.refusal("RELAY-FEE-TOO-HIGH", message))
    }

    /// As much as is wanted, or all that the account has if that is enough.
    async fn budget(&self, needed: u128, wanted: u128) -> Result<u128, ChainError> {
        let available = self.chain.balances().await?.payment;
        if available >= needed {
            return Ok(wanted.min(available));
        }
        let asset = self.chain.network().await?.payment_token_symbol;
        Err(ChainError::InsufficientFunds { asset, account: self.wallet.address(), needed, available })
    }

    /// Waits until the own endpoint shows what the relay has done.
    async fn seen<T, F: Future<Output = Result<Option<T>, ChainError>>>(
        &self,
        tx: TxHash,
        mut look: impl FnMut() -> F,
    ) -> Result<T, ChainError> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if begun.elapsed() > SEEN_WITHIN {
                return Err(ChainError::Unconfirmed { tx, waited_secs: SEEN_WITHIN.as_secs() });
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn register(&self, blob: RegisterBlob) -> Result<Registered, ChainError> {
        if let Some(owner) = blob.owner.filter(|owner| *owner != self.wallet.address()) {
            let detail = format!("a relay registers for the account that signs, not for {owner}");
            return Err(ChainError::InvalidArgument { detail });
        }
        let cost = self.cost(blob.size, blob.epochs_ahead, true).await?;
        let executed = self.carry_out(IntentAction::Register(blob), cost).await?;
        let IntentOutcome::Registered(registered) = executed.outcome else {
            let detail = format!("transaction {} has registered nothing", executed.tx);
            return Err(ChainError::BadAnswer { method: "register", detail });
        };
        let mut known = self.registrations();
        if known.len() >= REGISTRATIONS_MAX
            && let Some(any) = known.keys().next().copied()
        {
            known.remove(&any);
        }
        known.insert(registered.object.object_id, registered.tx);
        Ok(registered)
    }

    async fn certify(&self, objects: &[ObjectId], certificate: &Certificate) -> Result<TxHash, ChainError> {
        let mut registrations = Vec::with_capacity(objects.len());
        for &object_id in objects {
            let known = self.registrations().get(&object_id).copied();
            let registration_tx = match known {
                Some(tx) => tx,
                None => self.chain.registration_tx(object_id).await?.ok_or_else(|| unknown(object_id))?,
            };
            registrations.push(RelayedRegistration { object_id, registration_tx });
        }
        let some_tx = registrations.first().map(|registration| registration.registration_tx).unwrap_or_default();
        let request = CertificateRequest { registrations, certificate: certificate.clone() };
        let tx = self.relay.certify(&request).await?.tx.unwrap_or(some_tx);
        for &object in objects {
            self.registrations().remove(&object);
            self.seen(tx, || async {
                let now = self.chain.blob_object(object).await?;
                Ok(now.filter(|now| now.certified_epoch.is_some()))
            })
            .await?;
        }
        Ok(tx)
    }

    /// What some epochs of a blob cost at the prices in force.
    async fn cost(&self, size: u64, epochs: u32, is_new: bool) -> Result<u128, ChainError> {
        let info = self.chain.network().await?;
        let invalid = |e: &dyn std::fmt::Display| ChainError::InvalidArgument { detail: e.to_string() };
        let params = EncodingParams::new(info.n_shards).map_err(|e| invalid(&e))?;
        let length = params.encoded_length(size).map_err(|e| invalid(&e))?;
        let write = if is_new { 0 } else { info.cost(length, 0) };
        Ok(info.cost(length, epochs) - write)
    }

    fn registrations(&self) -> MutexGuard<'_, HashMap<ObjectId, TxHash>> {
        self.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(object: ObjectId) -> ChainError {
    ChainError::InvalidArgument { detail: format!("there is no registration {object}") }
}

#[async_trait]
impl ControlPlane for RelayedChain {
    async fn network(&self) -> Result<NetworkInfo, ChainError> {
        self.chain.network().await
    }

    async fn committee(&self) -> Result<Committee, ChainError> {
        self.chain.committee().await
    }

    async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        // All are waited for: what is signed may be carried out.
        let outcomes: Vec<Result<Registered, ChainError>> = stream::iter(blobs.to_vec())
            .map(|blob| self.register(blob))
            .buffered(REGISTRATIONS_AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }

    /// Each by an intent of its own, so that some may be registered and others not; those that are stay, and are used by the
    /// next try.
    async fn register_batch(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.register_blobs(blobs).await
    }

    async fn register_in_storage(&self, blob: &RegisterBlob, storage: ObjectId) -> Result<Registered, ChainError> {
        self.chain.register_in_storage(blob, storage).await
    }

    async fn register_in_pool(&self, blob: &RegisterBlob, pool: u64) -> Result<Registered, ChainError> {
        self.chain.register_in_pool(blob, pool).await
    }

    async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        self.certify(&[object], certificate).await
    }

    async fn certify_batch(&self, objects: &[ObjectId], certificate: &Certificate) -> Result<TxHash, ChainError> {
        self.certify(objects, certificate).await
    }

    fn batch_domain(&self) -> BatchDomain {
        self.chain.batch_domain()
    }

    async fn invalidate_blob(&self, blob: &BlobId, certificate: &Certificate) -> Result<Option<TxHash>, ChainError> {
        self.chain.invalidate_blob(blob, certificate).await
    }

    async fn owned_registrations(&self, blob: &BlobId, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        self.chain.owned_registrations(blob, owner).await
    }

    async fn blob_registrations(&self, blob: &BlobId) -> Result<Vec<BlobObject>, ChainError> {
        self.chain.blob_registrations(blob).await
    }

    async fn pool_registrations(&self, blob: &BlobId, pool: u64) -> Result<Vec<BlobObject>, ChainError> {
        self.chain.pool_registrations(blob, pool).await
    }

    /// None: what a relay registers is bought, because an intent cannot name storage.
    async fn owned_storage(&self, _owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        Ok(Vec::new())
    }

    async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        self.chain.blob_object(object).await
    }

    async fn owned_blobs(&self, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        self.chain.owned_blobs(owner).await
    }

    async fn extend_blob(&self, object: ObjectId, epochs: u32) -> Result<Extended, ChainError> {
        let registered = self.chain.blob_object(object).await?.ok_or_else(|| unknown(object))?;
        let cost = self.cost(registered.size, epochs, false).await?;
        let executed = self.carry_out(IntentAction::Extend { object, epochs }, cost).await?;
        match executed.outcome {
            IntentOutcome::Extended { end_epoch, cost, .. } => Ok(Extended { end_epoch, cost, tx: executed.tx }),
            _ => {
                let detail = format!("transaction {} has extended nothing", executed.tx);
                Err(ChainError::BadAnswer { method: "extend", detail })
            }
        }
    }

    async fn delete_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        self.chain.delete_blob(object).await
    }

    async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError> {
        self.chain.available_until(blob).await
    }

    async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        self.chain.certified_event(blob).await
    }

    async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        self.chain.committee_of(epoch).await
    }

    async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError> {
        self.chain.advance_epoch_if_due().await
    }

    async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError> {
        self.chain.process_subsidies_if_due().await
    }

    async fn report_synced(&self, epoch: Epoch) -> Result<bool, ChainError> {
        self.chain.report_synced(epoch).await
    }

    async fn due_renewals(&self) -> Result<Vec<DueRenewal>, ChainError> {
        self.chain.due_renewals().await
    }

    async fn renew_blob(&self, object: ObjectId) -> Result<Renewed, ChainError> {
        self.chain.renew_blob(object).await
    }

    async fn events(&self, after: EventCursor) -> Result<EventStream, ChainError> {
        self.chain.events(after).await
    }

    fn signer_address(&self) -> Option<Address> {
        Some(self.wallet.address())
    }

    async fn balances(&self) -> Result<Balances, ChainError> {
        self.chain.balances().await
    }
}
