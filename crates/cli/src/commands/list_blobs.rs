//! `floe list-blobs`

use floe_chain::{BlobObject, ControlPlane as _};
use floe_protocol::api::{self, StorageResource};
use floe_redstuff::EncodingParams;
use serde_json::Value;

use crate::{
    args::{Global, ListBlobsArgs},
    error::CliError,
    output::size,
    session::{Session, object_number, table},
};

pub(crate) async fn run(global: &Global, args: ListBlobsArgs) -> Result<(), CliError> {
    let session = Session::open(global).await?;
    let mut objects = session.chain.owned_blobs(session.account_or(args.owner)?).await?;
    objects.retain(|object| args.include_expired || object.end_epoch > session.info.epoch);
    let values = objects.iter().map(|object| object_json(&session, object)).collect::<Result<Vec<_>, _>>()?;
    session.output.result(&values, || match objects.is_empty() {
        true => "No blobs. `floe store FILE --epochs N` stores one.".to_owned(),
        false => text(&session, &objects),
    })
}

/// A registration in the form of the HTTP interface.
pub(super) fn object_json(session: &Session, object: &BlobObject) -> Result<Value, CliError> {
    let bad = |e: &dyn std::fmt::Display| CliError::new("CLI-JSON", 1, e.to_string());
    let params = EncodingParams::new(session.info.n_shards).map_err(|e| bad(&e))?;
    let storage_size = params.encoded_length(object.size).map_err(|e| bad(&e))?;
    let object = api::BlobObject {
        id: object.object_id,
        registered_epoch: object.registered_epoch,
        blob_id: object.blob_id,
        size: object.size,
        encoding_type: object.encoding_type,
        certified_epoch: object.certified_epoch,
        storage: StorageResource {
            id: object.object_id,
            start_epoch: object.registered_epoch,
            end_epoch: object.end_epoch,
            storage_size,
        },
        deletable: object.deletable,
    };
    serde_json::to_value(&object).map_err(|e| bad(&e))
}

/// A table of registrations.
pub(super) fn text(session: &Session, objects: &[BlobObject]) -> String {
    let mut rows =
        vec![["Blob ID", "Object", "Size", "State", "Kind", "Until the start of epoch"].map(str::to_owned).to_vec()];
    rows.extend(objects.iter().map(|object| {
        let state = match object.certified_epoch {
            _ if object.end_epoch <= session.info.epoch => "expired",
            Some(_) => "certified",
            None => "registered",
        };
        vec![
            object.blob_id.to_string(),
            object_number(object.object_id),
            size(object.size),
            state.to_owned(),
            if object.deletable { "deletable" } else { "permanent" }.to_owned(),
            object.end_epoch.to_string(),
        ]
    }));
    table(&rows)
}
