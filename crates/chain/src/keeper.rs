//! The epoch keeper: the clock's steps are transactions, and so is the payout of subsidies; some node has to send them when
//! they are due. All of them try, spread in time; the first one wins and the others find it done.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{ChainError, ControlPlane, EpochPhase, NetworkInfo};

/// Shortest pause before a look, and first pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The pause after failures doubles this often at most.
const DOUBLINGS_MAX: u32 = 5;
/// Keepers are spread over this part of an epoch, within these bounds.
const JITTER_PART: u32 = 20;
const JITTER_MIN: Duration = Duration::from_millis(100);
const JITTER_MAX: Duration = Duration::from_secs(5);
/// Subsidies are paid out in this last part of an epoch: what users pay later is not subsidized, and a payout that comes
/// after the end would be the next epoch's.
const PAYOUT_PART: u32 = 16;

/// The time, and what spreads keepers in it; handed in.
#[async_trait]
pub trait KeeperClock: Send + Sync + 'static {
    /// Time since 1970.
    fn now(&self) -> Duration;
    /// Returns once so much time has passed.
    async fn sleep(&self, pause: Duration);
    /// A number from 0 to 1, another one each time: what part of the jitter to wait.
    fn random(&self) -> f64;
}

/// Takes the clock's steps and has subsidies paid out, as long as nobody else is faster.
///
/// # Guarantees
///
/// - One keeper that runs and whose account can pay for gas is enough: each step is taken within the jitter (a twentieth of
///   an epoch, 5 s at most) after it is due, or after the longest pause if a step before was late.
/// - However many run, each step happens once: the contracts refuse it a second time, mostly before anything is sent.
/// - A payout of subsidies that fails never holds the clock up.
pub struct Keeper {
    chain: Arc<dyn ControlPlane>,
    clock: Arc<dyn KeeperClock>,
    pause_max: Duration,
}

impl Keeper {
    /// A keeper that pays with the wallet of `chain`, and looks at least every `pause_max` at when the next step is due.
    pub fn new(chain: Arc<dyn ControlPlane>, clock: Arc<dyn KeeperClock>, pause_max: Duration) -> Self {
        Self { chain, clock, pause_max }
    }

    /// Runs for as long as there is an account to send from.
    pub async fn run(&self) {
        let mut failures = 0_u32;
        loop {
            match self.look().await {
                Ok(()) => failures = 0,
                Err(error @ ChainError::NoWallet) => {
                    tracing::info!(%error, "this node leaves the change of epochs to others");
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, code = error.code(), "could not advance the epoch; others may");
                    self.clock.sleep(PAUSE_MIN * 2_u32.pow(failures.min(DOUBLINGS_MAX))).await;
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    /// Waits for what is due next, or for the longest pause, and does what is due by then.
    async fn look(&self) -> Result<(), ChainError> {
        let agenda = Agenda::of(&self.chain.network().await?);
        let pause = agenda.pause(self.clock.now(), self.pause_max, self.clock.random());
        self.clock.sleep(pause).await;
        let now = self.clock.now();
        if agenda.payout.is_some_and(|payout| now >= payout) {
            self.pay_subsidies().await;
        }
        if agenda.step.is_some_and(|step| now >= step)
            && let Some(step) = self.chain.advance_epoch_if_due().await?
        {
            tracing::info!(?step, "took a step of the clock");
        }
        Ok(())
    }

    async fn pay_subsidies(&self) {
        match self.chain.process_subsidies_if_due().await {
            Ok(None) => {}
            Ok(Some(paid)) => {
                let (usage, fixed) = (paid.usage_part, paid.fixed_part);
                tracing::info!(epoch = %paid.epoch, usage, fixed, "had the subsidies paid out");
            }
            Err(error) => tracing::debug!(%error, code = error.code(), "could not pay subsidies out; others may"),
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("pause_max", &self.pause_max).finish_non_exhaustive()
    }
}

/// What is to be done in the phase that the network is in, and from when on; times since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agenda {
    /// The clock's next step; `None` before the launch.
    step: Option<Duration>,
    /// The payout of subsidies, before the last step of an epoch.
    payout: Option<Duration>,
    /// How long an epoch lasts.
    epoch: Duration,
}

impl Agenda {
    fn of(network: &NetworkInfo) -> Self {
        let epoch = Duration::from_secs(network.epoch_duration_secs.max(1));
        let step = (network.phase != EpochPhase::Genesis).then(|| Duration::from_secs(network.next_step_at));
        let end = step.filter(|_| network.phase == EpochPhase::Selected);
        Self { step, payout: end.map(|end| end.saturating_sub(epoch / PAYOUT_PART)), epoch }
    }

    /// Until what comes next, or a look in between, plus a part `random` (0 to 1) of the jitter.
    fn pause(&self, now: Duration, pause_max: Duration, random: f64) -> Duration {
        let next = self.payout.filter(|payout| *payout > now).or(self.step);
        let left = next.map_or(pause_max, |next| next.saturating_sub(now));
        let jitter = (self.epoch / JITTER_PART).clamp(JITTER_MIN, JITTER_MAX).mul_f64(random.clamp(0.0, 1.0));
        left.min(pause_max).max(PAUSE_MIN) + jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn pause(step: Option<u64>, now: u64, epoch: u64, random: f64) -> Duration {
        Agenda { step: step.map(secs), payout: None, epoch: secs(epoch) }.pause(secs(now), secs(30), random)
    }

    fn network(phase: EpochPhase) -> NetworkInfo {
        NetworkInfo {
            n_shards: 10,
            epoch: floe_protocol::Epoch(3),
            epoch_started_at: 1000,
            epoch_duration_secs: 160,
            phase,
            next_step_at: 1160,
            max_epochs_ahead: 53,
            storage_price: 1,
            write_price: 1,
            payment_token_symbol: "TEST".to_owned(),
            payment_token_decimals: 6,
            chain_id: 1,
        }
    }

    #[test]
    fn the_look_comes_after_the_end_spread_by_the_jitter() {
        assert_eq!(pause(Some(110), 100, 60, 0.0), secs(10));
        assert_eq!(pause(Some(110), 100, 60, 1.0), secs(13));
    }

    #[test]
    fn pauses_are_bounded_both_ways() {
        assert_eq!(pause(Some(1), 100, 60, 0.0), PAUSE_MIN);
        assert_eq!(pause(Some(1_000_000), 100, 60, 0.0), secs(30));
        assert_eq!(pause(None, 100, 60, 0.0), secs(30), "before the launch");
        assert_eq!(pause(Some(500), 100, 1_000_000, 1.0), secs(35));
    }

    #[test]
    fn subsidies_are_paid_late_in_an_epoch_and_before_it_ends() {
        let agenda = Agenda::of(&network(EpochPhase::Selected));
        assert_eq!((agenda.payout, agenda.step), (Some(secs(1150)), Some(secs(1160))));
        assert_eq!(agenda.pause(secs(1140), secs(30), 0.0), secs(10), "the payout comes first");
        assert_eq!(agenda.pause(secs(1150), secs(30), 0.0), secs(10), "then the step");
        for phase in [EpochPhase::Sync, EpochPhase::Done] {
            let agenda = Agenda::of(&network(phase));
            assert_eq!((agenda.payout, agenda.step), (None, Some(secs(1160))), "{phase:?}");
        }
        let agenda = Agenda::of(&network(EpochPhase::Genesis));
        assert_eq!((agenda.payout, agenda.step), (None, None));
    }
}
