//! What the client believes of the network: committee, epoch and prices, asked of the chain now and then.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use floe_chain::{ChainError, ControlPlane, EpochPhase, NetworkInfo};
use floe_protocol::{Committee, Epoch, Member};
use floe_redstuff::{BlobId, EncodingParams, PairIndex};
use tokio::{sync::Mutex, time::Instant};

/// One consistent picture of the network.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) info: NetworkInfo,
    pub(crate) committee: Committee,
    /// The committee before, while shards move from it to this one: it still answers for what was certified before.
    pub(crate) previous: Option<Committee>,
}

impl View {
    /// The same network, seen as the committee before has it; `None` where that does not matter.
    pub(crate) fn of_previous(&self) -> Option<Self> {
        let committee = self.previous.clone()?;
        Some(Self { info: self.info.clone(), committee, previous: None })
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.info.epoch
    }

    pub(crate) fn params(&self) -> EncodingParams {
        self.committee.params()
    }

    pub(crate) fn n_shards(&self) -> u32 {
        u32::from(self.committee.n_shards())
    }

    pub(crate) fn max_faulty(&self) -> u32 {
        u32::from(self.params().max_faulty())
    }

    /// The member at `index`; indices come from this committee only.
    pub(crate) fn member(&self, index: usize) -> &Member {
        &self.committee.members()[index]
    }

    /// The member that holds this pair of the blob.
    pub(crate) fn member_of(&self, pair: PairIndex, blob: &BlobId) -> usize {
        self.committee.member_of_shard(pair.shard(blob, self.params())).expect("a committee holds every shard")
    }

    /// A view of this committee in a network of no consequence.
    #[cfg(test)]
    pub(crate) fn for_tests(committee: Committee) -> Self {
        let info = NetworkInfo {
            n_shards: committee.n_shards(),
            epoch: committee.epoch(),
            epoch_started_at: 0,
            epoch_duration_secs: 1,
            phase: EpochPhase::Done,
            next_step_at: 0,
            max_epochs_ahead: 1,
            storage_price: 0,
            write_price: 0,
            payment_token_symbol: String::new(),
            payment_token_decimals: 0,
            chain_id: 1,
        };
        Self { info, committee, previous: None }
    }

    /// Shards held by the member at `index`.
    pub(crate) fn weight(&self, index: usize) -> u32 {
        u32::from(self.committee.weight(index))
    }
}

/// The last view and its age.
pub(crate) struct ViewCache {
    chain: Arc<dyn ControlPlane>,
    max_age: Duration,
    last: Mutex<Option<(Instant, Arc<View>)>>,
    /// The latest epoch in which it was said that the committee before is asked.
    moving_in: AtomicU32,
}

impl ViewCache {
    pub(crate) fn new(chain: Arc<dyn ControlPlane>, max_age: Duration) -> Self {
        Self { chain, max_age, last: Mutex::new(None), moving_in: AtomicU32::new(0) }
    }

    /// A view that is at most `max_age` old.
    pub(crate) async fn fresh(&self) -> Result<Arc<View>, ChainError> {
        let mut last = self.last.lock().await;
        if let Some((at, view)) = last.as_ref()
            && at.elapsed() < self.max_age
        {
            return Ok(view.clone());
        }
        let known = last.as_ref().map(|(_, view)| view.clone());
        let view = self.ask(known).await?;
        *last = Some((Instant::now(), view.clone()));
        Ok(view)
    }

    /// A fresh view, or the last one if the chain does not answer: a slow chain stops no reads.
    pub(crate) async fn fresh_or_last(&self) -> Result<Arc<View>, ChainError> {
        match self.fresh().await {
            Err(error) if error.is_retryable() => match self.last.lock().await.as_ref() {
                Some((_, view)) => {
                    tracing::warn!(%error, "the chain does not answer: using the committee known last");
                    Ok(view.clone())
                }
                None => Err(error),
            },
            result => result,
        }
    }

    /// Asks the chain now.
    pub(crate) async fn refresh(&self) -> Result<Arc<View>, ChainError> {
        let known = self.last.lock().await.as_ref().map(|(_, view)| view.clone());
        let view = self.ask(known).await?;
        *self.last.lock().await = Some((Instant::now(), view.clone()));
        Ok(view)
    }

    async fn ask(&self, known: Option<Arc<View>>) -> Result<Arc<View>, ChainError> {
        let (info, committee) = futures::future::try_join(self.chain.network(), self.chain.committee()).await?;
        // The epoch may have changed between the two answers; the later of the two is the truth.
        let epoch = committee.epoch().max(info.epoch);
        let info = NetworkInfo { epoch, ..info };
        let committee = if committee.epoch() == epoch { committee } else { self.chain.committee().await? };
        let previous = match (info.phase, known) {
            (EpochPhase::Sync, Some(known)) if known.committee.epoch() == epoch => known.previous.clone(),
            (EpochPhase::Sync, _) => self.previous_of(&committee).await?,
            _ => None,
        };
        Ok(Arc::new(View { info, committee, previous }))
    }

    /// Says, once for each epoch, that what was certified before it is read from the committee before.
    pub(crate) fn say_moving(&self, epoch: Epoch) {
        if self.moving_in.swap(epoch.get(), Ordering::Relaxed) != epoch.get() {
            tracing::info!(%epoch, "shards are moving: what was certified before is read from the committee before");
        }
    }

    /// The committee before, if some shard has moved since.
    async fn previous_of(&self, committee: &Committee) -> Result<Option<Committee>, ChainError> {
        let epoch = Epoch(committee.epoch().get().saturating_sub(1));
        let previous = self.chain.committee_of(epoch).await?;
        let holders = |of: &Committee| -> BTreeMap<_, _> {
            of.members().iter().map(|member| (member.node_id, member.shards.clone())).collect()
        };
        Ok(previous.filter(|previous| holders(previous) != holders(committee)))
    }
}
