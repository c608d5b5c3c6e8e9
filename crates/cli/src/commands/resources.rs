//! `floe resources`

use floe_chain::StorageResource;
use floe_protocol::{Epoch, ObjectId};
use serde_json::{Value, json};

use super::{confirm, price::epoch_count};
use crate::{
    args::{Global, ResourcesAction, ResourcesArgs},
    error::{CliError, EXIT_NOT_FOUND},
    output::size,
    session::{Session, object_number, table, units},
};

pub(crate) async fn run(global: &Global, args: ResourcesArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let chain = &session.chain;
    match args.action {
        None => list(&session, None, false).await,
        Some(ResourcesAction::List { owner, include_expired }) => list(&session, owner, include_expired).await,
        Some(ResourcesAction::Reserve { size: bytes, epochs, start_epoch }) => {
            let epochs = epoch_count(epochs, session.info.max_epochs_ahead)?;
            let made = chain.reserve(bytes.0, start_epoch.map(Epoch), epochs).await?;
            let value =
                json!({"resource": resource_json(&made.resource), "cost": units(made.cost), "txDigest": made.tx});
            let r = &made.resource;
            session.output.result(&value, || {
                let cost = session.payment().show(made.cost);
                format!("Success: resource {} bought for {cost}\n  {}", object_number(r.id), covers(r))
            })
        }
        Some(ResourcesAction::Split { resource, epoch, size }) => {
            let other = match (epoch, size) {
                (Some(epoch), _) => chain.split_resource_by_epoch(resource, Epoch(epoch)).await?,
                (None, size) => chain.split_resource_by_size(resource, size.map_or(0, |size| size.0)).await?,
            };
            let parts = [existing(&session, resource).await?, existing(&session, other).await?];
            let value = json!({"resources": parts.iter().map(resource_json).collect::<Vec<_>>()});
            let line = |r: &StorageResource| format!("\n  {}: {}", object_number(r.id), covers(r));
            session
                .output
                .result(&value, || format!("Success: cut in two{}", parts.iter().map(line).collect::<String>()))
        }
        Some(ResourcesAction::Fuse { first, second }) => {
            let tx = chain.fuse_resources(first, second).await?;
            let whole = existing(&session, first).await?;
            let value = json!({"resource": resource_json(&whole), "txDigest": tx});
            session.output.result(&value, || format!("Success: joined\n  {}: {}", object_number(first), covers(&whole)))
        }
        Some(ResourcesAction::Transfer { resource, to }) => {
            let tx = chain.transfer_resource(resource, to).await?;
            let value = json!({"id": resource, "to": to, "txDigest": tx});
            session.output.result(&value, || format!("Success: resource {} belongs to {to}", object_number(resource)))
        }
        Some(ResourcesAction::Destroy { resource, yes }) => {
            let there = existing(&session, resource).await?;
            let question =
                format!("Give resource {} up ({})? Nothing is refunded.", object_number(resource), covers(&there));
            if !confirm(&question, yes)? {
                return session
                    .output
                    .result(&json!({"id": resource, "aborted": true}), || "Nothing was done.".to_owned());
            }
            let tx = chain.destroy_resource(resource).await?;
            let value = json!({"id": resource, "txDigest": tx, "aborted": false});
            session.output.result(&value, || format!("Success: resource {} is no more", object_number(resource)))
        }
    }
}

async fn existing(session: &Session, resource: ObjectId) -> Result<StorageResource, CliError> {
    let message =
        || format!("there is no resource {}: `floe resources` shows what the wallet owns", object_number(resource));
    let found = session.chain.resource(resource).await?;
    found.ok_or_else(|| CliError::new("CLI-NO-RESOURCE", EXIT_NOT_FOUND, message()))
}

async fn list(session: &Session, owner: Option<floe_chain::Address>, expired: bool) -> Result<(), CliError> {
    let mut resources = session.chain.resources(session.account_or(owner)?).await?;
    resources.retain(|r| expired || r.end_epoch > session.info.epoch);
    let value = json!({"resources": resources.iter().map(resource_json).collect::<Vec<_>>()});
    session.output.result(&value, || {
        if resources.is_empty() {
            return "No resources. `floe resources reserve --size SIZE --epochs N` buys one.".to_owned();
        }
        let mut rows =
            vec![["Resource", "Size (encoded)", "From epoch", "Until the start of epoch"].map(str::to_owned).to_vec()];
        rows.extend(
            resources
                .iter()
                .map(|r| vec![object_number(r.id), size(r.size), r.start_epoch.to_string(), r.end_epoch.to_string()]),
        );
        table(&rows)
    })
}

fn covers(r: &StorageResource) -> String {
    format!("{} from epoch {} until the start of epoch {}", size(r.size), r.start_epoch, r.end_epoch)
}

/// In the form of `storage` in a blob object.
fn resource_json(r: &StorageResource) -> Value {
    json!({
        "id": r.id,
        "startEpoch": r.start_epoch,
        "endEpoch": r.end_epoch,
        "storageSize": r.size,
    })
}
