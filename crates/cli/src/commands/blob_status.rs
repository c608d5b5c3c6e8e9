//! `floe blob-status`

use floe_protocol::api::BlobStatus;
use floe_redstuff::EncodingParams;
use serde::Serialize;

use super::input;
use crate::{
    args::{BlobStatusArgs, Global, MemoryArgs},
    error::CliError,
    network,
    output::Output,
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    blob_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    status: BlobStatus,
}

pub(crate) async fn run(global: &Global, args: BlobStatusArgs) -> Result<(), CliError> {
    let (client, file) = network::connect_to_read(global, &MemoryArgs::default()).await?;
    let id = match (&args.blob_id, &args.file) {
        (Some(text), _) => network::blob_id(text)?,
        (None, Some(path)) => {
            let n_shards = client.chain().network().await?.n_shards;
            let params =
                EncodingParams::new(n_shards).map_err(|e| CliError::new("CLI-BAD-SHARDS", 1, e.to_string()))?;
            *input::metadata(path, params, &MemoryArgs::default().or_configured(&file), Bar::new(global))?.blob_id()
        }
        (None, None) => return Err(CliError::usage("CLI-USAGE", "name a blob with --blob-id or a file with --file")),
    };
    let status = client.status(&id).await?;
    let report = Report { blob_id: id.to_string(), file: args.file.map(|f| f.display().to_string()), status };
    Output::new(global).result(&report, || describe(&report))
}

fn describe(report: &Report) -> String {
    let id = &report.blob_id;
    match &report.status {
        BlobStatus::Nonexistent => format!("The network does not know the blob {id}."),
        BlobStatus::Invalid { .. } => format!("The blob {id} is marked invalid: it was encoded inconsistently."),
        BlobStatus::Permanent { end_epoch, is_certified: true, .. } => {
            format!("The blob {id} is certified and kept until the start of epoch {end_epoch}.")
        }
        BlobStatus::Permanent { end_epoch, .. } => {
            format!("The blob {id} is registered until the start of epoch {end_epoch}, but not certified.")
        }
        BlobStatus::Deletable { .. } => format!("The blob {id} exists and may be deleted by its owner."),
    }
}
