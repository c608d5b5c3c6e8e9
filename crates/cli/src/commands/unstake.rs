//! `floe unstake`, `withdraw` and `claim`

use floe_chain::{StakePosition, StakeState};
use serde_json::json;

use crate::{
    args::{ClaimArgs, Global, UnstakeArgs, WithdrawArgs},
    error::CliError,
    report::Report,
    session::{FLOE, Session, node_number, units},
};

pub(crate) async fn run(global: &Global, args: UnstakeArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let positions = chosen(&session, args.positions, args.all, |p| p.withdraw_epoch.is_none()).await?;
    let amount = args.amount.map(|amount| FLOE.units(amount)).transpose()?;
    let payment = session.payment();
    let mut report = Report::default();
    for position in positions {
        let left = session.chain.unstake(position, amount).await;
        let goes_on = report.add(left, |left| {
            let value = json!({
                "position": left.position,
                "nodeId": left.node_id.to_string(),
                "withdrawEpoch": left.withdraw_epoch,
                "paid": units(left.paid),
                "earned": units(left.earned),
                "txDigest": left.tx,
            });
            let node = node_number(left.node_id);
            let text = match left.withdraw_epoch {
                Some(due) => format!(
                    "Success: position {} leaves node {node}; it can be withdrawn from epoch {due} on",
                    left.position
                ),
                None => {
                    let earned = payment.show(left.earned);
                    format!("Success: {} and {earned} paid back by node {node}", FLOE.show(left.paid))
                }
            };
            (value, text)
        });
        if !goes_on {
            break;
        }
    }
    report.print(&session.output, "stakedFloe", "Nothing stays that could be taken back.")
}

pub(crate) async fn withdraw(global: &Global, args: WithdrawArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let now = session.info.epoch;
    let due = |p: &StakePosition| p.state(now) == StakeState::Withdrawable;
    let positions = chosen(&session, args.positions, args.all, due).await?;
    let mut report = Report::default();
    for position in positions {
        let goes_on = report.add(session.chain.withdraw(position).await, |paid| {
            let value = json!({
                "position": paid.position,
                "amount": units(paid.amount),
                "earned": units(paid.earned),
                "txDigest": paid.tx,
            });
            let (amount, earned) = (FLOE.show(paid.amount), session.payment().show(paid.earned));
            (value, format!("Success: {amount} and {earned} paid for position {}", paid.position))
        });
        if !goes_on {
            break;
        }
    }
    report.print(&session.output, "withdrawn", "Nothing can be withdrawn now.")
}

pub(crate) async fn claim(global: &Global, args: ClaimArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let positions = chosen(&session, args.positions, args.all, |p| p.earned != 0).await?;
    let mut report = Report::default();
    for position in positions {
        let goes_on = report.add(session.chain.claim(position).await, |paid| {
            let value = json!({"position": position, "earned": units(paid.amount), "txDigest": paid.tx});
            (value, format!("Success: {} paid for position {position}", session.payment().show(paid.amount)))
        });
        if !goes_on {
            break;
        }
    }
    report.print(&session.output, "claimed", "Nothing was earned yet.")
}

/// The positions that were named, or all of the wallet's that fit.
async fn chosen(
    session: &Session,
    named: Vec<u64>,
    all: bool,
    fits: impl Fn(&StakePosition) -> bool,
) -> Result<Vec<u64>, CliError> {
    if !all {
        session.account()?;
        return Ok(named);
    }
    let positions = session.chain.positions(session.account()?).await?;
    Ok(positions.into_iter().filter(|p| fits(p)).map(|p| p.position).collect())
}
