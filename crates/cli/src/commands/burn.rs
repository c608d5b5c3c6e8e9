//! `floe burn`

use floe_chain::ControlPlane as _;
use serde_json::json;

use super::confirm;
use crate::{
    args::{BurnArgs, Global},
    error::CliError,
    report::Report,
    session::{Session, object_number},
};

pub(crate) async fn run(global: &Global, args: BurnArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let mut ids = [args.ids, args.object_ids].concat();
    if args.all || args.all_expired {
        let owned = session.chain.owned_blobs(session.account()?).await?;
        let now = session.info.epoch;
        ids =
            owned.iter().filter(|object| args.all || object.end_epoch <= now).map(|object| object.object_id).collect();
    }
    let mut report = Report::default();
    if !ids.is_empty() {
        let names = ids.iter().map(|id| object_number(*id)).collect::<Vec<_>>().join(", ");
        let question = format!("Give {} registrations up for good, with their storage ({names})?", ids.len());
        if !confirm(&question, args.yes)? {
            return report.print(&session.output, "burned", "Nothing was done.");
        }
    }
    for id in ids {
        let goes_on = report.add(session.chain.burn_blob(id).await, |tx| {
            (json!({"objectId": id, "txDigest": tx}), format!("Success: object {} is no more", object_number(id)))
        });
        if !goes_on {
            break;
        }
    }
    report.print(&session.output, "burned", "There is nothing to burn.")
}
