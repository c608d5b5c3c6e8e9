//! `floe subsidies`

use floe_chain::SubsidyPot;
use serde_json::{Value, json};

use super::committee::percent;
use crate::{
    args::{Global, SubsidiesAction, SubsidiesArgs},
    error::CliError,
    session::{Session, units},
};

pub(crate) async fn run(global: &Global, args: SubsidiesArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    match args.action {
        None | Some(SubsidiesAction::Show) => {
            let pot = session.chain.subsidies().await?;
            session.output.result(&pot_json(&pot), || describe(&session, &pot))
        }
        Some(SubsidiesAction::Fund { amount }) => {
            let amount = session.payment().units(amount)?;
            let tx = session.chain.fund_subsidies(amount).await?;
            let pot = session.chain.subsidies().await?;
            let value = json!({"amount": units(amount), "balance": units(pot.balance), "txDigest": tx});
            session.output.result(&value, || {
                let paid = session.payment().show(amount);
                format!("Success: {paid} paid into the pot\n{}", describe(&session, &pot))
            })
        }
    }
}

fn pot_json(pot: &SubsidyPot) -> Value {
    json!({
        "balance": units(pot.balance),
        "usageBasisPoints": pot.usage_basis_points,
        "perNode": units(pot.per_node),
        "perShard": units(pot.per_shard),
        "processedEpoch": pot.processed_epoch,
    })
}

fn describe(session: &Session, pot: &SubsidyPot) -> String {
    let payment = session.payment();
    let last = pot.processed_epoch.map_or_else(|| "never".to_owned(), |epoch| format!("in epoch {epoch}"));
    format!(
        "  Pot:       {}\n  Usage:     {} of what users pay\n  Per node:  {} an epoch\n  Per shard: {} an epoch\n  \
         Paid out:  {last}",
        payment.show(pot.balance),
        percent(pot.usage_basis_points),
        payment.show(pot.per_node),
        payment.show(pot.per_shard),
    )
}
