//! `floe extend`, and finding the registration that is meant.

use floe_chain::{BlobObject, ControlPlane as _, NetworkInfo};
use floe_protocol::{BlobId, Epoch, ObjectId};
use serde_json::json;

use crate::{
    args::{BlobRef, ExtendArgs, Global},
    error::{CliError, EXIT_NOT_FOUND},
    session::{Session, epochs, object_number, units},
};

pub(crate) async fn run(global: &Global, args: ExtendArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    session.account()?;
    let object = match (args.id, args.blob_obj_id) {
        (Some(BlobRef::Blob(blob)), _) => chosen(&session, &blob, args.shared).await?,
        (Some(BlobRef::Object(id)), _) | (None, Some(id)) => existing(&session, id).await?,
        (None, None) => return Err(CliError::usage("CLI-USAGE", "name a blob or a registration")),
    };
    let extended = match args.resource {
        Some(resource) => session.chain.extend_with_resource(object.object_id, resource).await?,
        None => {
            let more = epochs_more(&session.info, &object, &args)?;
            session.chain.extend_blob(object.object_id, more).await?
        }
    };
    let more = extended.end_epoch.0.saturating_sub(object.end_epoch.0);
    let value = json!({
        "epochsExtended": more,
        "objectId": object.object_id,
        "blobId": object.blob_id,
        "endEpoch": extended.end_epoch,
        "cost": units(extended.cost),
        "txDigest": extended.tx,
    });
    session.output.result(&value, || {
        format!(
            "Success: {} extended by {}\n  Object ID: {}\n  Cost:      {}\n  Expires:   at the start of epoch {}",
            object.blob_id,
            epochs(more.into()),
            object_number(object.object_id),
            session.payment().show(extended.cost),
            extended.end_epoch
        )
    })
}

/// A registration by its id.
pub(super) async fn existing(session: &Session, id: ObjectId) -> Result<BlobObject, CliError> {
    let message = || format!("there is no registration {}: `floe list-blobs` shows yours", object_number(id));
    let found = session.chain.blob_object(id).await?;
    found.ok_or_else(|| CliError::new("CLI-NO-OBJECT", EXIT_NOT_FOUND, message()))
}

/// The certified registration of a blob that lasts longest: one of the wallet's, or else one that is shared.
async fn chosen(session: &Session, blob: &BlobId, shared: bool) -> Result<BlobObject, CliError> {
    let (account, now) = (session.account()?, session.info.epoch);
    let mut found = session.chain.registrations_of(blob).await?;
    found.retain(|object| {
        let mine = object.owner == account && !shared;
        // Those in pools are extended with their pools.
        object.certified_epoch.is_some()
            && object.end_epoch > now
            && object.pool().is_none()
            && (mine || session.chain.is_shared(object))
    });
    let best = found.into_iter().max_by_key(|object| (object.owner == account, !object.deletable, object.end_epoch));
    let message = || {
        let whose = if shared { "shared" } else { "own or shared" };
        format!(
            "there is no {whose} registration of {blob} to extend: it is not certified, has ended, or is somebody's"
        )
    };
    best.ok_or_else(|| CliError {
        advice: Some("A registration of anybody's is extended by its object ID."),
        ..CliError::new("CLI-NO-OBJECT", EXIT_NOT_FOUND, message())
    })
}

/// How many epochs more were asked for.
fn epochs_more(info: &NetworkInfo, object: &BlobObject, args: &ExtendArgs) -> Result<u32, CliError> {
    if let Some(more) = args.epochs {
        return at_least_one(more);
    }
    let end = match (args.end_epoch, args.earliest_expiry_time) {
        (Some(end), _) => Epoch(end),
        (None, Some(time)) => epoch_at(info, time)?,
        (None, None) => return Err(CliError::usage("CLI-USAGE", "say for how long")),
    };
    match end.0.checked_sub(object.end_epoch.0) {
        Some(more @ 1..) => Ok(more),
        _ => {
            let message =
                format!("it is paid for until the start of epoch {}, which is not before {end}", object.end_epoch);
            Err(CliError::usage("CLI-LONG-ENOUGH", message))
        }
    }
}

fn at_least_one(more: u32) -> Result<u32, CliError> {
    match more {
        0 => Err(CliError::usage("CLI-BAD-EPOCHS", "at least one epoch is needed")),
        _ => Ok(more),
    }
}

/// The first epoch that begins at this time or later, if epochs last as long as they should. They may last longer.
fn epoch_at(info: &NetworkInfo, time: u64) -> Result<Epoch, CliError> {
    let ahead = time.saturating_sub(info.epoch_started_at).div_ceil(info.epoch_duration_secs.max(1));
    let epoch = u32::try_from(ahead).ok().and_then(|ahead| info.epoch.0.checked_add(ahead));
    epoch.map(Epoch).ok_or_else(|| CliError::usage("CLI-BAD-TIME", "this time is too far away"))
}
