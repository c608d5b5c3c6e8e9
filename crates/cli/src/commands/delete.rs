//! `floe delete`

use floe_chain::{BlobObject, ControlPlane as _};
use floe_protocol::{BlobId, ObjectId};
use floe_redstuff::EncodingParams;
use serde_json::{Value, json};

use super::{confirm, extend::existing, input, list_blobs::object_json};
use crate::{
    args::{BlobRef, DeleteArgs, Global},
    error::{CliError, EXIT_NOT_FOUND},
    output::size,
    progress::Bar,
    session::{Session, object_number},
};

/// What was named.
enum Target {
    File(String, BlobId),
    Blob(BlobId),
    Object(ObjectId),
}

pub(crate) async fn run(global: &Global, args: DeleteArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    session.account()?;
    let (yes, look_after) = (args.yes, !args.no_status_check);
    let mut outcomes = Vec::new();
    for target in targets(global, &session, args)? {
        outcomes.push(delete(&session, target, yes, look_after).await?);
    }
    let values: Vec<&Value> = outcomes.iter().map(|outcome| &outcome.value).collect();
    let failed = outcomes.iter().find_map(|outcome| outcome.failed.as_ref());
    let nothing = outcomes.iter().all(|outcome| outcome.deleted == 0 && outcome.failed.is_some());
    if !nothing {
        let text = || outcomes.iter().map(|outcome| outcome.text.as_str()).collect::<Vec<_>>().join("\n");
        session.output.result(&values, text)?;
    }
    match failed {
        Some(error) if outcomes.len() > 1 => {
            Err(CliError::new(error.code.clone(), error.exit, format!("not everything was deleted: {}", error.message)))
        }
        Some(error) => Err(CliError {
            advice: error.advice,
            ..CliError::new(error.code.clone(), error.exit, error.message.clone())
        }),
        None => Ok(()),
    }
}

fn targets(global: &Global, session: &Session, args: DeleteArgs) -> Result<Vec<Target>, CliError> {
    let by_ref = |id: &BlobRef| match id {
        BlobRef::Blob(blob) => Target::Blob(*blob),
        BlobRef::Object(object) => Target::Object(*object),
    };
    let mut targets: Vec<Target> = args.id.iter().map(by_ref).collect();
    targets.extend(args.blob_ids.iter().copied().map(Target::Blob));
    targets.extend(args.object_ids.iter().copied().map(Target::Object));
    for path in &args.files {
        let params = EncodingParams::new(session.info.n_shards)
            .map_err(|e| CliError::new("CLI-BAD-SHARDS", 1, e.to_string()))?;
        let metadata = input::metadata(path, params, &args.memory, Bar::new(global))?;
        targets.push(Target::File(path.display().to_string(), *metadata.blob_id()));
    }
    Ok(targets)
}

struct Outcome {
    value: Value,
    text: String,
    deleted: usize,
    failed: Option<CliError>,
}

async fn delete(session: &Session, target: Target, yes: bool, look_after: bool) -> Result<Outcome, CliError> {
    let (identity, found) = match &target {
        Target::Object(id) => {
            let object = session.chain.blob_object(*id).await?;
            (json!({"objectId": id}), object.into_iter().collect())
        }
        Target::Blob(blob) => (json!({"blobId": blob}), own_deletable(session, blob).await?),
        Target::File(path, blob) => (json!({"file": path, "blobId": blob}), own_deletable(session, blob).await?),
    };
    let mut outcome = Outcome { value: Value::Null, text: String::new(), deleted: 0, failed: None };
    let (mut deleted, mut aborted) = (Vec::new(), false);
    if found.is_empty() {
        outcome.failed = Some(nothing_found(session, &target).await?);
    } else if !confirm(&question(&found), yes)? {
        aborted = true;
        outcome.text = "Nothing was deleted.".to_owned();
    }
    for object in if aborted { &[] } else { found.as_slice() } {
        match session.chain.delete(object.object_id).await {
            Ok(done) => {
                deleted.push(object_json(session, object)?);
                let room = match done.resource {
                    Some(resource) => format!("its storage is resource {}", object_number(resource)),
                    None => "its room in the pool is free again".to_owned(),
                };
                outcome.text += &format!("Success: object {} deleted; {room}\n", object_number(object.object_id));
            }
            Err(error) => {
                outcome.failed = Some(error.into());
                break;
            }
        }
    }
    outcome.deleted = deleted.len();
    let rest = match found.first() {
        Some(object) if look_after && !deleted.is_empty() => Some(remaining(session, &object.blob_id).await?),
        _ => None,
    };
    if let Some((_, text)) = &rest {
        outcome.text += text;
    }
    outcome.value = json!({
        "blobIdentity": identity,
        "deletedBlobs": deleted,
        "postDeletionStatus": rest.map(|(value, _)| value),
        "noBlobFound": found.is_empty(),
        "error": outcome.failed.as_ref().map(|error| error.message.clone()),
        "aborted": aborted,
    });
    Ok(outcome)
}

fn question(objects: &[BlobObject]) -> String {
    let one = |object: &BlobObject| {
        let (id, end) = (object_number(object.object_id), object.end_epoch);
        format!("  object {id} of blob {}, {}, until the start of epoch {end}\n", object.blob_id, size(object.size))
    };
    format!("To be deleted:\n{}Delete for good?", objects.iter().map(one).collect::<String>())
}

/// Registrations of the wallet's that can be deleted.
async fn own_deletable(session: &Session, blob: &BlobId) -> Result<Vec<BlobObject>, CliError> {
    let account = session.account()?;
    let mut found = session.chain.registrations_of(blob).await?;
    found.retain(|object| object.owner == account && object.deletable && object.end_epoch > session.info.epoch);
    Ok(found)
}

/// Why there is nothing to delete.
async fn nothing_found(session: &Session, target: &Target) -> Result<CliError, CliError> {
    let blob = match target {
        Target::Object(id) => {
            return existing(session, *id).await.map(|_| no_blob("nothing to delete".to_owned())).or_else(Ok);
        }
        Target::Blob(blob) | Target::File(_, blob) => blob,
    };
    let account = session.account()?;
    let registrations = session.chain.registrations_of(blob).await?;
    let permanent = registrations.iter().any(|object| object.owner == account && !object.deletable);
    Ok(match permanent {
        true => no_blob(format!("{blob} was stored as permanent: it stays until its end")),
        false => no_blob(format!("the wallet has no deletable registration of {blob}")),
    })
}

fn no_blob(message: String) -> CliError {
    let advice = Some("`floe list-blobs` shows what the wallet owns, and which of it can be deleted.");
    CliError { advice, ..CliError::new("CLI-NO-OBJECT", EXIT_NOT_FOUND, message) }
}

/// What is left of a blob: registrations of anybody that have not ended, as JSON and as text.
async fn remaining(session: &Session, blob: &BlobId) -> Result<(Value, String), CliError> {
    let mut left = session.chain.registrations_of(blob).await?;
    left.retain(|object| object.end_epoch > session.info.epoch);
    let permanent = left.iter().filter(|object| !object.deletable).max_by_key(|object| object.end_epoch);
    let certified = |deletable: bool| {
        left.iter().filter(|object| object.deletable == deletable && object.certified_epoch.is_some()).count()
    };
    let deletable = left.iter().filter(|object| object.deletable).count();
    let counts = json!({"count_deletable_total": deletable, "count_deletable_certified": certified(true)});
    Ok(match permanent {
        Some(object) => (
            json!({"permanent": {
                "endEpoch": object.end_epoch, "isCertified": certified(false) != 0, "deletableCounts": counts}}),
            format!("The blob stays until the start of epoch {}: somebody stores it as permanent.", object.end_epoch),
        ),
        None if deletable != 0 => (
            json!({"deletable": {"deletableCounts": counts}}),
            format!("The blob stays for now: it has {deletable} more deletable registrations."),
        ),
        None => (json!("nonexistent"), "Nothing keeps the blob any more.".to_owned()),
    })
}
