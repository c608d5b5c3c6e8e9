//! `floe stake`

use floe_chain::{StakePosition, StakeState, Staked};
use floe_protocol::Epoch;
use serde_json::{Value, json};

use crate::{
    args::{Global, StakeAction, StakeArgs, StakeListArgs},
    error::CliError,
    report::Report,
    session::{FLOE, Session, node_number, table, units},
};

pub(crate) async fn run(global: &Global, args: StakeArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    if let Some(StakeAction::List(list_args)) = args.action {
        return list(&session, &list_args).await;
    }
    let (nodes, typed) = (args.nodes, args.amounts);
    if typed.len() != 1 && typed.len() != nodes.len() {
        let (amounts, nodes) = (typed.len(), nodes.len());
        let message = format!("{amounts} amounts for {nodes} nodes: give one for all, or one for each");
        return Err(CliError::usage("CLI-AMOUNTS", message));
    }
    let amounts = typed.iter().map(|amount| FLOE.units(*amount)).collect::<Result<Vec<_>, _>>()?;
    let mut report = Report::default();
    for (node, amount) in nodes.iter().zip(amounts.iter().cycle()) {
        if !report.add(session.chain.stake(*node, *amount).await, |staked| (staked_json(&staked), staked_text(&staked)))
        {
            break;
        }
    }
    report.print(&session.output, "stakedFloe", "")
}

fn staked_json(staked: &Staked) -> Value {
    json!({
        "position": staked.position,
        "nodeId": staked.node_id.to_string(),
        "amount": units(staked.amount),
        "activationEpoch": staked.activation_epoch,
        "txDigest": staked.tx,
    })
}

fn staked_text(staked: &Staked) -> String {
    format!(
        "Success: {} staked with node {}\n  Position: {}\n  Counts:   from epoch {} on",
        FLOE.show(staked.amount),
        node_number(staked.node_id),
        staked.position,
        staked.activation_epoch
    )
}

async fn list(session: &Session, args: &StakeListArgs) -> Result<(), CliError> {
    let mut positions = session.chain.positions(session.account_or(args.owner)?).await?;
    positions.retain(|position| match position.withdraw_epoch {
        Some(_) => !args.staked_only,
        None => !args.withdrawing_only,
    });
    let now = session.info.epoch;
    let value = json!({"stakedFloe": positions.iter().map(|p| position_json(p, now)).collect::<Vec<_>>()});
    session.output.result(&value, || match positions.is_empty() {
        true => "No stake. `floe stake --node ID --amount FLOE` stakes some.".to_owned(),
        false => positions_text(session, &positions),
    })
}

fn state_name(state: StakeState) -> &'static str {
    match state {
        StakeState::Pending => "pending",
        StakeState::Active => "active",
        StakeState::Leaving => "leaving",
        StakeState::Withdrawable => "withdrawable",
    }
}

/// One position, with stable fields.
pub(super) fn position_json(position: &StakePosition, now: Epoch) -> Value {
    json!({
        "position": position.position,
        "owner": position.owner,
        "nodeId": position.node_id.to_string(),
        "state": state_name(position.state(now)),
        "principal": units(position.principal),
        "value": units(position.value),
        "earned": units(position.earned),
        "activationEpoch": position.activation_epoch,
        "withdrawEpoch": position.withdraw_epoch,
    })
}

fn positions_text(session: &Session, positions: &[StakePosition]) -> String {
    let payment = session.payment();
    let mut rows = vec![["Position", "Node", "State", "Value", "Earned", "When"].map(str::to_owned).to_vec()];
    rows.extend(positions.iter().map(|p| {
        let state = p.state(session.info.epoch);
        let when = match (state, p.withdraw_epoch) {
            (StakeState::Leaving, Some(due)) => format!("can be withdrawn from epoch {due} on"),
            (StakeState::Withdrawable, _) => "can be withdrawn now".to_owned(),
            (StakeState::Pending, _) => format!("counts from epoch {} on", p.activation_epoch),
            _ => format!("since epoch {}", p.activation_epoch),
        };
        let node = node_number(p.node_id);
        let (value, earned) = (FLOE.show(p.value), payment.show(p.earned));
        vec![p.position.to_string(), node, state_name(state).to_owned(), value, earned, when]
    }));
    table(&rows)
}
