//! `floe pool`

use floe_chain::{Address, ControlPlane as _, Extended, Pool, ResizedPool};
use floe_protocol::ObjectId;
use serde_json::{Value, json};

use super::{
    confirm,
    list_blobs::{object_json, text as blobs_text},
    price::epoch_count,
};
use crate::{
    args::{Epochs, Global, PoolAction, PoolArgs},
    error::{CliError, EXIT_NOT_FOUND},
    output::size,
    session::{Session, epochs, object_number, table, units},
};

pub(crate) async fn run(global: &Global, args: PoolArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let chain = &session.chain;
    match args.action {
        None => list(&session, None, false).await,
        Some(PoolAction::List { owner, include_expired }) => list(&session, owner, include_expired).await,
        Some(PoolAction::Show { pool }) => show(&session, &existing(&session, pool).await?).await,
        Some(PoolAction::Create { size, epochs, resource }) => {
            create(&session, size.map(|size| size.0), epochs, resource).await
        }
        Some(PoolAction::Extend { pool, epochs: more }) => {
            existing(&session, pool).await?;
            let done = chain.extend_pool(pool, more).await?;
            extended(&session, pool, more, &done)
        }
        Some(PoolAction::Increase { pool, size, resource }) => {
            existing(&session, pool).await?;
            let done = match resource {
                Some(resource) => chain.increase_pool_with_resource(pool, resource).await?,
                None => chain.increase_pool(pool, size.map_or(0, |size| size.0)).await?,
            };
            resized(&session, pool, &done)
        }
        Some(PoolAction::Decrease { pool, size }) => {
            existing(&session, pool).await?;
            let done = chain.decrease_pool(pool, size.0).await?;
            resized(&session, pool, &done)
        }
        Some(PoolAction::Transfer { pool, to }) => {
            existing(&session, pool).await?;
            let tx = chain.transfer_pool(pool, to).await?;
            let value = json!({"id": pool, "to": to, "txDigest": tx});
            session.output.result(&value, || format!("Success: pool {pool} belongs to {to}"))
        }
        Some(PoolAction::BurnExpired { pool }) => {
            existing(&session, pool).await?;
            let burned = chain.burn_pool_blobs(pool).await?;
            let value = json!({"id": pool, "burned": burned});
            session.output.result(&value, || format!("Success: {burned} registrations in pool {pool} are no more"))
        }
        Some(PoolAction::Destroy { pool, yes }) => destroy(&session, &existing(&session, pool).await?, yes).await,
        Some(PoolAction::Refresh { id }) => {
            let object = super::extend::existing(&session, id).await?;
            let tx = chain.refresh_pooled_blob(id).await?;
            let until = chain.available_until(&object.blob_id).await?;
            let value = json!({"objectId": id, "blobId": object.blob_id, "endEpoch": until, "txDigest": tx});
            session.output.result(&value, || {
                let until = until.map_or_else(|| "not available".to_owned(), |end| format!("until epoch {end}"));
                format!("Success: for contracts, {} is available {until}", object.blob_id)
            })
        }
    }
}

async fn existing(session: &Session, pool: u64) -> Result<Pool, CliError> {
    let message = || format!("there is no pool {pool}: `floe pool` shows what the wallet owns");
    let found = session.chain.pool(pool).await?;
    found.ok_or_else(|| CliError::new("CLI-NO-POOL", EXIT_NOT_FOUND, message()))
}

async fn create(
    session: &Session,
    size: Option<u64>,
    epochs: Option<Epochs>,
    resource: Option<ObjectId>,
) -> Result<(), CliError> {
    let made = match (resource, size, epochs) {
        (Some(resource), ..) => session.chain.create_pool_with_resource(resource).await?,
        (None, Some(size), Some(epochs)) => {
            let epochs = epoch_count(epochs, session.info.max_epochs_ahead)?;
            session.chain.create_pool(size, epochs).await?
        }
        _ => return Err(CliError::usage("CLI-USAGE", "name a size and epochs, or a resource")),
    };
    let value = json!({"pool": pool_json(&made.pool), "cost": units(made.cost), "txDigest": made.tx});
    session.output.result(&value, || {
        let (id, cost) = (made.pool.id, session.payment().show(made.cost));
        format!("Success: pool {id} for {cost}\n{}\n  Store:   floe store FILE --pool {id}", describe(&made.pool))
    })
}

fn extended(session: &Session, pool: u64, more: u32, done: &Extended) -> Result<(), CliError> {
    let value = json!({
        "id": pool,
        "epochsExtended": more,
        "endEpoch": done.end_epoch,
        "cost": units(done.cost),
        "txDigest": done.tx,
    });
    session.output.result(&value, || {
        format!(
            "Success: pool {pool} and all blobs in it extended by {}\n  Cost:    {}\n  Expires: at the start of epoch {}",
            epochs(more.into()),
            session.payment().show(done.cost),
            done.end_epoch
        )
    })
}

fn resized(session: &Session, pool: u64, done: &ResizedPool) -> Result<(), CliError> {
    let value = json!({
        "id": pool,
        "poolSize": done.size,
        "cost": units(done.cost),
        "resource": done.resource,
        "txDigest": done.tx,
    });
    session.output.result(&value, || {
        let more = match done.resource {
            Some(resource) => format!("Rest: resource {}", object_number(resource)),
            None => format!("Cost: {}", session.payment().show(done.cost)),
        };
        format!("Success: pool {pool} can hold {}\n  {more}", size(done.size))
    })
}

async fn destroy(session: &Session, pool: &Pool, yes: bool) -> Result<(), CliError> {
    let id = pool.id;
    if !confirm(&format!("Give pool {id} up?\n{}\nIt is gone for good.", describe(pool)), yes)? {
        return session.output.result(&json!({"id": id, "aborted": true}), || "Nothing was done.".to_owned());
    }
    let done = session.chain.destroy_pool(id).await?;
    let value = json!({"id": id, "resource": done.resource, "txDigest": done.tx, "aborted": false});
    session.output.result(&value, || match done.resource {
        Some(resource) => {
            format!("Success: pool {id} is no more; its capacity is resource {}", object_number(resource))
        }
        None => format!("Success: pool {id} is no more"),
    })
}

async fn list(session: &Session, owner: Option<Address>, expired: bool) -> Result<(), CliError> {
    let mut pools = session.chain.pools(session.account_or(owner)?).await?;
    pools.retain(|pool| expired || pool.end_epoch > session.info.epoch);
    let value = json!({"pools": pools.iter().map(pool_json).collect::<Vec<_>>()});
    session.output.result(&value, || {
        if pools.is_empty() {
            return "No pools. `floe pool create --size SIZE --epochs N` buys one.".to_owned();
        }
        let head = ["Pool", "Size (encoded)", "Used", "Blobs", "Until the start of epoch"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(pools.iter().map(|pool| {
            let (all, used) = (size(pool.size), size(pool.used));
            vec![pool.id.to_string(), all, used, pool.blobs.to_string(), pool.end_epoch.to_string()]
        }));
        table(&rows)
    })
}

async fn show(session: &Session, pool: &Pool) -> Result<(), CliError> {
    let blobs = session.chain.pool_blobs(pool.id).await?;
    let objects = blobs.iter().map(|object| object_json(session, object)).collect::<Result<Vec<_>, _>>()?;
    let value = json!({"pool": pool_json(pool), "blobs": objects});
    session.output.result(&value, || {
        let mut text = format!("Pool {}\n  Owner:   {}\n{}", pool.id, pool.owner, describe(pool));
        if !blobs.is_empty() {
            text += &format!("\n\n{}", blobs_text(session, &blobs));
        }
        text
    })
}

fn describe(pool: &Pool) -> String {
    format!(
        "  Size:    {} encoded, of which {} used by {} blobs\n  Expires: at the start of epoch {}",
        size(pool.size),
        size(pool.used),
        pool.blobs,
        pool.end_epoch
    )
}

fn pool_json(pool: &Pool) -> Value {
    json!({
        "id": pool.id,
        "owner": pool.owner,
        "poolSize": pool.size,
        "used": pool.used,
        "blobs": pool.blobs,
        "endEpoch": pool.end_epoch,
    })
}
