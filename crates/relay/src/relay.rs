//! Intents and certificates, from the request to the block.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use floe_chain::{
    Address, BATCH_REGISTRATIONS_MAX, ChainError, ControlPlane as _, EvmChain, ExecutedIntent, IntentId, IntentOutcome,
    SignedIntent,
};
use floe_protocol::ObjectId;

use crate::{
    CertificateAnswer, CertificateRequest, IntentAnswer, RelayConfig, RelayContracts, RelayError, RelayTerms,
    RelayedRegistration,
    desk::{Desk, Places},
    prices,
};

/// In which failures are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// Registrations with failed certificates that are remembered; all are forgotten beyond.
const FAILED_MAX: usize = 4096;

/// Carries out intents and certificates for others. Clones share everything.
#[derive(Debug, Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    chain: EvmChain,
    account: Address,
    config: RelayConfig,
    places: Places,
    intents: Desk<IntentId, IntentAnswer>,
    certificates: Desk<Vec<ObjectId>, CertificateAnswer>,
    claimed: Mutex<HashSet<ObjectId>>,
    losses: Mutex<Losses>,
}

/// What was paid for in vain.
#[derive(Debug, Default)]
struct Losses {
    failed_at: VecDeque<Instant>,
    certificates: HashMap<ObjectId, usize>,
}

impl Relay {
    /// A relay that pays with the chain's wallet.
    ///
    /// # Errors
    /// [`ChainError::NoWallet`] for a reader.
    pub fn new(chain: EvmChain, config: RelayConfig) -> Result<Self, ChainError> {
        let account = chain.signer_address().ok_or(ChainError::NoWallet)?;
        let inner = Inner {
            account,
            places: Places::new(config.concurrent_max, config.waiting_max),
            intents: Desk::default(),
            certificates: Desk::default(),
            claimed: Mutex::default(),
            losses: Mutex::default(),
            chain,
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The account that pays for gas and receives the fees.
    #[must_use]
    pub fn account(&self) -> Address {
        self.inner.account
    }

    pub(crate) fn config(&self) -> &RelayConfig {
        &self.inner.config
    }

    /// Waits until nothing is under way.
    pub(crate) async fn drain(&self) {
        self.inner.places.tasks.close();
        self.inner.places.tasks.wait().await;
    }

    /// On which terms it works now.
    ///
    /// # Errors
    /// [`RelayError::Unavailable`].
    pub async fn terms(&self) -> Result<RelayTerms, RelayError> {
        let Inner { chain, account, config, .. } = &*self.inner;
        let contracts = &chain.config().contracts;
        Ok(RelayTerms {
            chain_id: chain.intent_domain().chain_id,
            relayer: *account,
            contracts: RelayContracts {
                intents: contracts.intents,
                blobs: contracts.blobs,
                storage: contracts.storage,
                payment_token: contracts.payment_token,
            },
            fees: prices::usual_fees(config, chain.gas_price().await?),
            validity_secs_min: config.validity_secs_min,
        })
    }

    /// Whether the chain answers and the account can pay for gas.
    pub(crate) async fn ready(&self) -> Result<(), RelayError> {
        match self.inner.chain.balances().await?.native {
            0 => Err(RelayError::Unavailable(format!("{} has no native coin", self.inner.account))),
            _ => Ok(()),
        }
    }

    /// Carries out an intent, unless it was carried out before; what it has done either way.
    ///
    /// # Errors
    /// See [`RelayError`].
    pub async fn submit(&self, signed: SignedIntent) -> Result<IntentAnswer, RelayError> {
        self.inner.check(&signed).await?;
        let (inner, id) = (self.inner.clone(), signed.id());
        let work = move || async move { inner.carry_out(&signed).await };
        self.inner.intents.run(&self.inner.places, id, work).await
    }

    /// Hands in the certificate of registrations that this relay has carried out, unless all of them are certified.
    ///
    /// # Errors
    /// See [`RelayError`].
    pub async fn certify(&self, request: CertificateRequest) -> Result<CertificateAnswer, RelayError> {
        let (objects, got) = (request.objects(), request.registrations.len());
        let max = if request.is_batch() { BATCH_REGISTRATIONS_MAX } else { 1 };
        if got == 0 || got > max || objects.iter().collect::<HashSet<_>>().len() < got {
            return Err(RelayError::WrongCount { got, max: BATCH_REGISTRATIONS_MAX });
        }
        let inner = self.inner.clone();
        let work = move || async move { inner.hand_in(&request).await };
        self.inner.certificates.run(&self.inner.places, objects, work).await
    }
}

impl Inner {
    /// What needs no transaction to be known.
    async fn check(&self, signed: &SignedIntent) -> Result<(), RelayError> {
        let (here, there) = (self.chain.intent_domain(), signed.domain);
        if here != there {
            return Err(RelayError::WrongNetwork {
                got: there.contract,
                got_chain: there.chain_id,
                expected: here.contract,
                expected_chain: here.chain_id,
            });
        }
        let terms = &signed.intent.terms;
        if terms.relayer != Some(self.account) {
            return Err(RelayError::WrongRelayer { relayer: self.account });
        }
        if self.chain.is_intent_signed(signed).await? == Some(false) {
            return Err(RelayError::WrongSignature { owner: terms.owner });
        }
        Ok(())
    }

    async fn carry_out(&self, signed: &SignedIntent) -> Result<IntentAnswer, RelayError> {
        self.require_few_failures()?;
        let fee = match self.price(signed).await {
            Ok(fee) => fee,
            Err(refusal) => return self.done_before(signed, refusal).await,
        };
        match self.chain.submit_intent(signed, fee).await {
            Ok(executed) => {
                tracing::info!(intent = %executed.id, tx = %executed.tx, owner = %executed.owner, fee, "carried out");
                Ok(answer(&executed))
            }
            Err(error) => {
                self.note_failure(&error, &[]);
                self.done_before(signed, error.into()).await
            }
        }
    }

    /// The fee to keep, once it is known that the intent would be carried out for it.
    async fn price(&self, signed: &SignedIntent) -> Result<u128, RelayError> {
        let terms = &signed.intent.terms;
        let now = self.chain.time().await?;
        let needed_secs = self.config.validity_secs_min;
        if terms.valid_after >= now || terms.valid_before < now.saturating_add(needed_secs) {
            let (valid_after, valid_before) = (terms.valid_after, terms.valid_before);
            return Err(RelayError::NotInForce { now, valid_after, valid_before, needed_secs });
        }
        // Gas does not depend on the fee.
        let gas = match self.chain.simulate_intent(signed, terms.max_fee.min(self.config.fee_min)).await {
            Ok(gas) => gas,
            Err(ChainError::InsufficientFunds { account: owner, available, needed, .. }) if owner == terms.owner => {
                return Err(RelayError::OwnerFunds { owner, available, needed });
            }
            Err(error) => return Err(error.into()),
        };
        let needed = prices::fee(&self.config, signed.intent.action.kind(), gas, self.chain.gas_price().await?);
        let offered = terms.max_fee.min(terms.budget);
        if needed > offered {
            return Err(RelayError::FeeTooLow { offered, needed });
        }
        Ok(needed)
    }

    /// What the intent has done when it was carried out before, else the refusal.
    async fn done_before(&self, signed: &SignedIntent, refusal: RelayError) -> Result<IntentAnswer, RelayError> {
        let (id, owner) = (signed.id(), signed.intent.terms.owner);
        if !self.chain.is_intent_used(owner, id).await? {
            tracing::info!(intent = %id, code = refusal.code(), %refusal, "refused");
            return Err(refusal);
        }
        let executed = self.chain.find_intent(id).await?;
        executed.as_ref().map(answer).ok_or(RelayError::Cancelled)
    }

    async fn hand_in(&self, request: &CertificateRequest) -> Result<CertificateAnswer, RelayError> {
        self.require_few_failures()?;
        let objects = request.objects();
        let _claim = self.claim(&objects)?;
        let mut open = 0;
        for registration in &request.registrations {
            open += u64::from(self.is_open(registration).await?);
        }
        if open == 0 {
            return Ok(CertificateAnswer { tx: None });
        }
        let (chain, certificate) = (&self.chain, &request.certificate);
        let object = objects.first().copied().filter(|_| !request.is_batch());
        let gas = match object {
            Some(object) => chain.simulate_certify(object, certificate).await?,
            None => chain.simulate_certify_batch(&objects, certificate).await?,
        };
        let paid = prices::CERTIFICATE_GAS.saturating_mul(open);
        if gas > paid {
            return Err(RelayError::CertificateTooDear { gas, paid });
        }
        let sent = match object {
            Some(object) => chain.certify_blob(object, certificate).await,
            None => chain.certify_batch(&objects, certificate).await,
        };
        match sent {
            Ok(tx) => {
                tracing::info!(registrations = objects.len(), %tx, "certified");
                Ok(CertificateAnswer { tx: Some(tx) })
            }
            Err(error) => {
                self.note_failure(&error, &objects);
                Err(error.into())
            }
        }
    }

    /// Whether a registration of this relay still has no certificate.
    async fn is_open(&self, registration: &RelayedRegistration) -> Result<bool, RelayError> {
        let object_id = registration.object_id;
        let failures = self.losses().certificates.get(&object_id).copied().unwrap_or(0);
        if failures >= self.config.certificate_failures_max {
            return Err(RelayError::CertificatesFailed { object: object_id, failures });
        }
        let executed = self.chain.executed_intents(registration.registration_tx).await?;
        let is_ours = executed.iter().any(|executed| {
            executed.relayer == self.account
                && matches!(&executed.outcome, IntentOutcome::Registered(new) if new.object.object_id == object_id)
        });
        let object = self.chain.blob_object(object_id).await?;
        match object.filter(|_| is_ours) {
            Some(object) => Ok(object.certified_epoch.is_none()),
            None => Err(RelayError::NotRelayed { object: object_id }),
        }
    }

    /// Takes registrations for one certificate: another one that is under way for any of them would be paid for in vain.
    fn claim(&self, objects: &[ObjectId]) -> Result<Claim<'_>, RelayError> {
        let mut claimed = lock(&self.claimed);
        if objects.iter().any(|object| claimed.contains(object)) {
            return Err(RelayError::Busy);
        }
        claimed.extend(objects);
        Ok(Claim { claimed: &self.claimed, objects: objects.to_vec() })
    }

    fn require_few_failures(&self) -> Result<(), RelayError> {
        let mut losses = self.losses();
        while losses.failed_at.front().is_some_and(|at| at.elapsed() > HOUR) {
            losses.failed_at.pop_front();
        }
        if losses.failed_at.len() >= self.config.failures_per_hour_max { Err(RelayError::Paused) } else { Ok(()) }
    }

    /// A transaction that was good when it was simulated has failed, most likely in its block.
    fn note_failure(&self, error: &ChainError, certified: &[ObjectId]) {
        if !matches!(error, ChainError::Reverted { .. } | ChainError::InsufficientFunds { .. }) {
            return;
        }
        let mut losses = self.losses();
        losses.failed_at.push_back(Instant::now());
        for object in certified {
            if losses.certificates.len() >= FAILED_MAX {
                losses.certificates.clear();
            }
            *losses.certificates.entry(*object).or_default() += 1;
        }
        tracing::warn!(%error, within_an_hour = losses.failed_at.len(), "a transaction failed after its simulation");
    }

    fn losses(&self) -> MutexGuard<'_, Losses> {
        lock(&self.losses)
    }
}

/// Registrations whose certificate is under way; given back when this is dropped.
struct Claim<'a> {
    claimed: &'a Mutex<HashSet<ObjectId>>,
    objects: Vec<ObjectId>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = lock(self.claimed);
        for object in &self.objects {
            claimed.remove(object);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(executed: &ExecutedIntent) -> IntentAnswer {
    let object_id = match &executed.outcome {
        IntentOutcome::Registered(new) => new.object.object_id,
        IntentOutcome::Extended { object, .. } => *object,
        IntentOutcome::Other { subject } => *subject,
    };
    IntentAnswer { intent_id: executed.id, tx: executed.tx, object_id, fee: executed.fee, returned: executed.returned }
}
