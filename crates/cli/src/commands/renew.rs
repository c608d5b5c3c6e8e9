//! `floe renew`

use floe_chain::ControlPlane as _;
use serde_json::json;

use crate::{
    args::{Global, RenewArgs},
    error::CliError,
    report::Report,
    session::{Session, object_number, units},
};

pub(crate) async fn run(global: &Global, args: RenewArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    session.account()?;
    let payment = session.payment();
    let least = payment.units(args.min_reward)?;
    let mut ids = args.ids;
    if args.all {
        let due = session.chain.due_renewals().await?;
        ids = due.into_iter().filter(|renewal| renewal.reward >= least).map(|renewal| renewal.object_id).collect();
    }
    let mut report = Report::default();
    for id in ids {
        let outcome = session.chain.renew_blob(id).await;
        if args.all && matches!(&outcome, Err(floe_chain::ChainError::Reverted { .. })) {
            // Somebody was faster, or its money is gone.
            continue;
        }
        let goes_on = report.add(outcome, |renewed| {
            let value = json!({
                "objectId": renewed.object_id,
                "endEpoch": renewed.end_epoch,
                "cost": units(renewed.cost),
                "balance": units(renewed.balance),
                "txDigest": renewed.tx,
            });
            let text = format!(
                "Success: object {} renewed until the start of epoch {} for {}; its fund holds {}",
                object_number(renewed.object_id),
                renewed.end_epoch,
                payment.show(renewed.cost),
                payment.show(renewed.balance)
            );
            (value, text)
        });
        if !goes_on {
            break;
        }
    }
    report.print(&session.output, "renewed", "No blob can be renewed now.")
}
