//! `floe vote`

use floe_chain::{Action, Address, Proposal, ProposalId, ProposalState, deploy::NodeVotes};
use serde_json::{Value, json};

use super::{committee::percent, node_upkeep::existing};
use crate::{
    args::{Global, VoteAction, VoteArgs, VoterArgs},
    error::{CliError, EXIT_NOT_FOUND},
    output::size,
    session::{FLOE, Session, node_number, table, units},
};

pub(crate) async fn run(global: &Global, args: VoteArgs) -> Result<(), CliError> {
    match args.action {
        VoteAction::Terms { voter, storage_price, write_price, capacity } => {
            let (session, node) = Session::of_node(global, voter.node).await?;
            let (before, payment) = (existing(&session, node).await?.votes, session.payment());
            let votes = NodeVotes {
                capacity_bytes: capacity.map_or(before.capacity_bytes, |size| size.0),
                storage_price: storage_price.map_or(Ok(before.storage_price), |price| payment.units(price))?,
                write_price: write_price.map_or(Ok(before.write_price), |price| payment.units(price))?,
            };
            let tx = session.chain.vote_terms(node, votes).await?;
            let value = json!({
                "nodeId": node.to_string(),
                "storagePrice": units(votes.storage_price),
                "writePrice": units(votes.write_price),
                "nodeCapacity": votes.capacity_bytes,
                "txDigest": tx,
            });
            session.output.result(&value, || {
                format!(
                    "Success: node {} votes for {} and {} per MiB, and {} of room\n  Votes count when the next committee is \
                     selected; terms move by a quarter at most in each epoch.",
                    node_number(node),
                    payment.show(votes.storage_price),
                    payment.show(votes.write_price),
                    size(votes.capacity_bytes)
                )
            })
        }
        VoteAction::Upgrade { voter, contract, implementation } => {
            let (session, node) = Session::of_node(global, voter.node).await?;
            let contract = contract_named(&session, &contract)?;
            cast(&session, node, Action::Upgrade { contract, implementation }).await
        }
        VoteAction::Threshold { voter, stake } => {
            cast_as(global, voter, Action::StakeThreshold(FLOE.units(stake)?)).await
        }
        VoteAction::Subsidies { voter, usage, per_node, per_shard } => {
            let (session, node) = Session::of_node(global, voter.node).await?;
            let (per_node, per_shard) = (session.payment().units(per_node)?, session.payment().units(per_shard)?);
            let rates = Action::SubsidyRates { usage_basis_points: usage, per_node, per_shard };
            cast(&session, node, rates).await
        }
        VoteAction::Auditor { voter, address } => cast_as(global, voter, Action::Auditor(address)).await,
        VoteAction::Slash { voter, of, part } => {
            cast_as(global, voter, Action::Slash { node_id: of, basis_points: part }).await
        }
        VoteAction::Call { voter, target, data } => {
            let data = hex::decode(data.trim_start_matches("0x"));
            let data = data.map_err(|e| CliError::usage("CLI-BAD-HEX", format!("--data: {e}")))?;
            cast_as(global, voter, Action::Call { target, data }).await
        }
        VoteAction::For { voter, proposal } => {
            let (session, node) = Session::of_node(global, voter.node).await?;
            let action = proposed(&session, proposal).await?.action;
            cast(&session, node, action).await
        }
        VoteAction::Execute { proposal } => {
            // Anyone may, a node with its configuration too.
            let session = match global.config.as_deref().is_some_and(|path| floe_config::load_node(path).is_ok()) {
                true => Session::of_node(global, None).await?.0,
                false => Session::open(global).await?,
            };
            let action = proposed(&session, proposal).await?.action;
            let tx = session.chain.execute(&action).await?;
            let value = json!({"proposalId": proposal, "action": action_json(&session, &action), "txDigest": tx});
            session.output.result(&value, || format!("Success: done: {}", describe(&session, &action)))
        }
        VoteAction::List => list(&Session::open(global).await?).await,
    }
}

async fn cast_as(global: &Global, voter: VoterArgs, action: Action) -> Result<(), CliError> {
    let (session, node) = Session::of_node(global, voter.node).await?;
    cast(&session, node, action).await
}

async fn cast(session: &Session, node: floe_protocol::NodeId, action: Action) -> Result<(), CliError> {
    let voted = session.chain.vote(node, &action).await?;
    let value = json!({
        "proposalId": voted.id,
        "action": action_json(session, &action),
        "weight": voted.weight,
        "quorum": voted.quorum,
        "readyEpoch": voted.ready_epoch,
        "txDigest": voted.tx,
    });
    session.output.result(&value, || {
        let more = match voted.ready_epoch {
            Some(epoch) => {
                format!("approved; it can be executed from epoch {epoch} on: floe vote execute {}", voted.id)
            }
            None => format!("others vote in this epoch by: floe vote for {}", voted.id),
        };
        format!(
            "Success: node {} voted to {}\n  Shards: {} of {} needed\n  Next:   {more}",
            node_number(node),
            describe(session, &action),
            voted.weight,
            voted.quorum
        )
    })
}

/// A contract by its name in configurations, or by its address.
fn contract_named(session: &Session, text: &str) -> Result<Address, CliError> {
    let known = session.chain.governed_contracts();
    if let Some(address) = known.get(text.to_lowercase().as_str()) {
        return Ok(*address);
    }
    text.parse().map_err(|_| {
        let names = known.keys().copied().collect::<Vec<_>>().join(", ");
        CliError::usage("CLI-NO-CONTRACT", format!("{text} is no contract: name one of {names}, or an address"))
    })
}

async fn proposed(session: &Session, id: ProposalId) -> Result<Proposal, CliError> {
    let found = session.chain.proposals().await?.into_iter().find(|proposal| proposal.id == id);
    let message = || format!("nobody has voted for {id}: `floe vote list` shows what was voted on");
    found.ok_or_else(|| CliError::new("CLI-NO-PROPOSAL", EXIT_NOT_FOUND, message()))
}

fn action_json(session: &Session, action: &Action) -> Value {
    match action {
        Action::Upgrade { contract, implementation } => {
            json!({"upgrade": {"contract": name_of(session, *contract), "implementation": implementation}})
        }
        Action::StakeThreshold(stake) => json!({"threshold": {"stake": units(*stake)}}),
        Action::Auditor(address) => json!({"auditor": {"address": address}}),
        Action::Slash { node_id, basis_points } => {
            json!({"slash": {"nodeId": node_id.to_string(), "basisPoints": basis_points}})
        }
        Action::SubsidyRates { usage_basis_points, per_node, per_shard } => json!({"subsidies": {
            "usageBasisPoints": usage_basis_points, "perNode": units(*per_node), "perShard": units(*per_shard)}}),
        Action::Call { target, data } => {
            json!({"call": {"target": target, "data": format!("0x{}", hex::encode(data))}})
        }
    }
}

fn describe(session: &Session, action: &Action) -> String {
    match action {
        Action::Upgrade { contract, implementation } => {
            format!("upgrade {} to {implementation}", name_of(session, *contract))
        }
        Action::StakeThreshold(stake) => format!("ask candidates for {}", FLOE.show(*stake)),
        Action::Auditor(address) => format!("let {address} judge audits"),
        Action::Slash { node_id, basis_points } => {
            format!("slash node {} by {}", node_number(*node_id), percent((*basis_points).into()))
        }
        Action::SubsidyRates { usage_basis_points, per_node, per_shard } => format!(
            "subsidize what users pay by {}, each node with {} and each shard with {} an epoch",
            percent(*usage_basis_points),
            session.payment().show(*per_node),
            session.payment().show(*per_shard)
        ),
        Action::Call { target, data } => {
            format!("call {} with 0x{}", name_of(session, *target), hex::encode(data.get(..4).unwrap_or(data)))
        }
    }
}

fn name_of(session: &Session, contract: Address) -> String {
    let known = session.chain.governed_contracts();
    let name = known.iter().find(|(_, address)| **address == contract).map(|(name, _)| (*name).to_owned());
    name.unwrap_or_else(|| contract.to_string())
}

fn state_name(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Lapsed => "lapsed",
        ProposalState::Approved => "approved",
        ProposalState::Ready => "ready",
        ProposalState::Expired => "expired",
        ProposalState::Executed => "executed",
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let proposals = session.chain.proposals().await?;
    let now = session.info.epoch;
    let one = |proposal: &Proposal| {
        json!({
            "proposalId": proposal.id,
            "action": action_json(session, &proposal.action),
            "state": state_name(proposal.state(now)),
            "epoch": proposal.epoch,
            "weight": proposal.weight,
            "quorum": proposal.quorum,
            "readyEpoch": proposal.window.map(|(ready, _)| ready),
            "expiryEpoch": proposal.window.map(|(_, expiry)| expiry),
        })
    };
    let value = json!({"proposals": proposals.iter().map(one).collect::<Vec<_>>()});
    session.output.result(&value, || {
        if proposals.is_empty() {
            return "Nothing was voted on yet.".to_owned();
        }
        let mut rows = vec![["Proposal", "State", "Shards", "What"].map(str::to_owned).to_vec()];
        rows.extend(proposals.iter().map(|proposal| {
            let state = match (proposal.state(now), proposal.window) {
                (ProposalState::Approved, Some((ready, _))) => format!("approved, from epoch {ready}"),
                (ProposalState::Ready, Some((_, expiry))) => format!("ready, until epoch {expiry}"),
                (state, _) => state_name(state).to_owned(),
            };
            let shards = format!("{} of {}", proposal.weight, proposal.quorum);
            vec![proposal.id.to_string(), state, shards, describe(session, &proposal.action)]
        }));
        table(&rows)
    })
}
