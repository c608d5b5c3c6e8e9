//! `floe committee`

use floe_chain::{ControlPlane as _, NodeInfo};
use floe_protocol::{Committee, Epoch, bls::PublicKey};
use serde_json::{Value, json};

use crate::{
    args::{CommitteeArgs, Global},
    error::{CliError, EXIT_NOT_FOUND},
    session::{FLOE, Session, node_number, table, units},
};

pub(crate) async fn run(global: &Global, args: CommitteeArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    if args.all {
        return all(&session).await;
    }
    let now = session.info.epoch;
    let epoch = match (args.previous, args.next) {
        (true, _) => Epoch(now.0.saturating_sub(1)),
        (_, true) => now.next(),
        _ => now,
    };
    let Some(committee) = session.chain.committee_of(epoch).await? else {
        let why = match args.next {
            true => format!("the committee of epoch {epoch} is not selected yet: `floe epoch` shows when it will be"),
            false => format!("there is no committee of epoch {epoch}"),
        };
        return Err(CliError::new("CLI-NO-COMMITTEE", EXIT_NOT_FOUND, why));
    };
    // What the stake of an epoch that is over was is not kept.
    let mut stakes = Vec::with_capacity(committee.members().len());
    for member in committee.members() {
        stakes.push(match epoch >= now {
            true => Some(session.chain.stake_of(member.node_id, epoch).await?),
            false => None,
        });
    }
    session.output.result(&committee_json(&committee, &stakes), || committee_text(&committee, &stakes))
}

fn committee_json(committee: &Committee, stakes: &[Option<u128>]) -> Value {
    let members = committee.members().iter().zip(stakes);
    let nodes: Vec<Value> = members
        .map(|(m, stake)| {
            json!({
                "name": m.name,
                "networkAddress": m.address,
                "publicKey": m.public_key,
                "nShards": m.shards.len(),
                "shardIds": m.shards,
                "nodeId": m.node_id.to_string(),
                "stake": stake.map(units),
            })
        })
        .collect();
    json!({"epoch": committee.epoch(), "nShards": committee.params().n_shards(), "storageNodes": nodes})
}

fn committee_text(committee: &Committee, stakes: &[Option<u128>]) -> String {
    let mut rows = vec![["Node", "Name", "Shards", "Stake", "Address"].map(str::to_owned).to_vec()];
    rows.extend(committee.members().iter().zip(stakes).map(|(m, stake)| {
        let stake = stake.map_or_else(|| "-".to_owned(), |stake| FLOE.show(stake));
        vec![node_number(m.node_id), m.name.clone(), m.shards.len().to_string(), stake, m.address.clone()]
    }));
    format!("Committee of epoch {}, {} shards\n{}", committee.epoch(), committee.params().n_shards(), table(&rows))
}

async fn all(session: &Session) -> Result<(), CliError> {
    let nodes = session.chain.nodes().await?;
    let value = json!({"nodes": nodes.iter().map(|node| node_json(session, node)).collect::<Vec<_>>()});
    session.output.result(&value, || {
        let head = ["Node", "Name", "Shards", "Stake", "Next epoch", "Commission", "Candidate", "Address"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(nodes.iter().map(|node| {
            let pool = &node.pool;
            vec![
                node_number(node.node_id),
                node.description.name.clone(),
                pool.n_shards.to_string(),
                FLOE.show(pool.stake),
                FLOE.show(pool.stake_next),
                percent(pool.commission_bps.into()),
                if pool.is_candidate { "yes" } else { "no" }.to_owned(),
                node.description.url.clone(),
            ]
        }));
        table(&rows)
    })
}

/// One node, with stable fields.
pub(super) fn node_json(session: &Session, node: &NodeInfo) -> Value {
    let pool = &node.pool;
    json!({
        "nodeId": node.node_id.to_string(),
        "name": node.description.name,
        "networkAddress": node.description.url,
        "networkPublicKey": format!("0x{}", hex::encode(&node.description.network_key)),
        "metadata": node.description.metadata,
        "publicKey": PublicKey::from_bytes(&node.public_key).ok(),
        "nextEpochPublicKey": node.next_public_key.as_ref().and_then(|key| PublicKey::from_bytes(key).ok()),
        "account": node.account,
        "commissionReceiver": node.commission_receiver,
        "governanceAuthority": node.governance_authority,
        "nShards": pool.n_shards,
        "stake": units(pool.stake),
        "nextEpochStake": units(pool.stake_next),
        "candidate": pool.is_candidate,
        "commissionRate": pool.commission_bps,
        "nextCommissionRate": pool.next_commission.map(|(bps, epoch)| json!({"rate": bps, "epoch": epoch})),
        "commission": units(pool.commission),
        "votingParams": {
            "storagePrice": units(node.votes.storage_price),
            "writePrice": units(node.votes.write_price),
            "nodeCapacity": node.votes.capacity_bytes,
        },
        "paymentToken": session.info.payment_token_symbol,
    })
}

/// Basis points as people read them.
pub(super) fn percent(basis_points: u32) -> String {
    crate::output::amount(basis_points.into(), 2, "%")
}
