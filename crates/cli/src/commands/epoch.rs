//! `floe epoch` and `floe launch`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floe_chain::{ControlPlane as _, EpochPhase, EpochStep, NetworkInfo};
use serde_json::{Value, json};

use crate::{
    args::{EpochAction, EpochArgs, EpochToReach, Global},
    error::CliError,
    session::Session,
};

/// Pause between two looks for an epoch, at least and at most.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

pub(crate) async fn run(global: &Global, args: EpochArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let mut info = session.info.clone();
    if let Some(EpochAction::Advance) = args.action {
        let taken = session.chain.advance_epoch_if_due().await?;
        info = session.chain.network().await?;
        let mut value = describe(&info);
        value["stepTaken"] = json!(taken.map(step_name));
        return session.output.result(&value, || match taken {
            Some(EpochStep::SyncEnded) => format!("Success: the change to epoch {} counts as complete", info.epoch),
            Some(EpochStep::CommitteeSelected) => {
                format!("Success: the committee of epoch {} is selected", info.epoch.next())
            }
            Some(EpochStep::EpochBegun) => format!("Success: epoch {} has begun", info.epoch),
            None => format!("Nothing is due.\n{}", show(&info)),
        });
    }
    let goal = args.wait.map(|goal| match goal {
        EpochToReach::Next => info.epoch.0.saturating_add(1),
        EpochToReach::Number(number) => number,
    });
    while goal.is_some_and(|goal| info.epoch.0 < goal) {
        let left = Duration::from_secs(info.next_step_at).saturating_sub(now());
        tokio::time::sleep(left.clamp(PAUSE_MIN, PAUSE_MAX)).await;
        info = session.chain.network().await?;
    }
    session.output.result(&describe(&info), || show(&info))
}

pub(crate) async fn launch(global: &Global) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let tx = session.chain.launch().await?;
    let info = session.chain.network().await?;
    let value = json!({"epoch": info.epoch, "txDigest": tx});
    session.output.result(&value, || format!("Success: the network is launched, epoch {} has begun", info.epoch))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn phase_name(phase: EpochPhase) -> &'static str {
    match phase {
        EpochPhase::Genesis => "genesis",
        EpochPhase::Sync => "sync",
        EpochPhase::Done => "done",
        EpochPhase::Selected => "selected",
    }
}

fn step_name(step: EpochStep) -> &'static str {
    match step {
        EpochStep::SyncEnded => "endSync",
        EpochStep::CommitteeSelected => "selectNext",
        EpochStep::EpochBegun => "beginNext",
    }
}

/// The step out of a phase: its name on chain, and what it does.
fn next_step(phase: EpochPhase) -> (&'static str, &'static str) {
    match phase {
        EpochPhase::Genesis => ("launch", "launch"),
        EpochPhase::Sync => ("endSync", "the change of shards counts as complete, if no quorum has reported before"),
        EpochPhase::Done => ("selectNext", "the next committee is selected"),
        EpochPhase::Selected => ("beginNext", "the next epoch begins"),
    }
}

fn describe(info: &NetworkInfo) -> Value {
    json!({
        "currentEpoch": info.epoch,
        "phase": phase_name(info.phase),
        "startOfCurrentEpoch": info.epoch_started_at,
        "epochDuration": {"secs": info.epoch_duration_secs, "nanos": 0},
        "nextStep": next_step(info.phase).0,
        "nextStepAt": info.next_step_at,
        "maxEpochsAhead": info.max_epochs_ahead,
    })
}

fn show(info: &NetworkInfo) -> String {
    if info.phase == EpochPhase::Genesis {
        return "The network was not launched yet: `floe launch` begins epoch 1.".to_owned();
    }
    let since = now().as_secs().saturating_sub(info.epoch_started_at);
    let left = info.next_step_at.saturating_sub(now().as_secs());
    let when = if left == 0 { "now".to_owned() } else { format!("in {}", duration(left)) };
    format!(
        "Epoch {}\n  phase:    {}\n  began:    {} ago\n  duration: at least {}\n  next:     {when}: {}",
        info.epoch,
        phase_name(info.phase),
        duration(since),
        duration(info.epoch_duration_secs),
        next_step(info.phase).1,
    )
}

/// Two units at most: `2 d 3 h`, `5 min 20 s`, `7 s`.
fn duration(secs: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = secs;
    let mut parts = Vec::new();
    for (size, name) in units {
        let count = rest / size;
        rest %= size;
        if count != 0 && parts.len() < 2 {
            parts.push(format!("{count} {name}"));
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let cases = [(0, "0 s"), (7, "7 s"), (320, "5 min 20 s"), (86_400, "1 d"), (183_600, "2 d 3 h")];
        for (secs, text) in cases {
            assert_eq!(duration(secs), text);
        }
    }
}
