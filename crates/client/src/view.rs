//! What the client believes of the network: committee, epoch and prices, asked of the chain now and then.

use std::{sync::Arc, time::Duration};

use floe_chain::{ChainError, ControlPlane, NetworkInfo};
use floe_protocol::{Committee, Epoch, Member};
use floe_redstuff::{BlobId, EncodingParams, PairIndex};
use tokio::{sync::Mutex, time::Instant};

/// One consistent picture of the network.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) info: NetworkInfo,
    pub(crate) committee: Committee,
}

impl View {
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
}

impl ViewCache {
    pub(crate) fn new(chain: Arc<dyn ControlPlane>, max_age: Duration) -> Self {
        Self { chain, max_age, last: Mutex::new(None) }
    }

    /// A view that is at most `max_age` old.
    pub(crate) async fn fresh(&self) -> Result<Arc<View>, ChainError> {
        let mut last = self.last.lock().await;
        if let Some((at, view)) = last.as_ref()
            && at.elapsed() < self.max_age
        {
            return Ok(view.clone());
        }
        let view = self.ask().await?;
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
        let view = self.ask().await?;
        *self.last.lock().await = Some((Instant::now(), view.clone()));
        Ok(view)
    }

    async fn ask(&self) -> Result<Arc<View>, ChainError> {
        let (info, committee) = futures::future::try_join(self.chain.network(), self.chain.committee()).await?;
        // The epoch may have changed between the two answers; the later of the two is the truth.
        let epoch = committee.epoch().max(info.epoch);
        let info = NetworkInfo { epoch, ..info };
        let committee = if committee.epoch() == epoch { committee } else { self.chain.committee().await? };
        Ok(Arc::new(View { info, committee }))
    }
}
