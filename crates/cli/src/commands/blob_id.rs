//! `floe blob-id`

use floe_chain::ControlPlane;
use floe_redstuff::EncodingParams;
use serde::Serialize;

use super::input;
use crate::{
    args::{BlobIdArgs, Global},
    error::CliError,
    network,
    output::{Output, size},
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    blob_id: String,
    file: String,
    unencoded_length: u64,
    encoding_type: &'static str,
    n_shards: u16,
}

pub(crate) async fn run(global: &Global, args: BlobIdArgs) -> Result<(), CliError> {
    let mut memory = args.memory;
    let n_shards = match args.n_shards {
        Some(n) => n,
        None => {
            let file = network::client_file(global)?;
            memory = memory.or_configured(&file);
            let chain = floe_chain::EvmChain::connect(file.chain, None).await?;
            chain.network().await?.n_shards
        }
    };
    let params = EncodingParams::new(n_shards).map_err(|e| CliError::usage("CLI-BAD-SHARDS", e.to_string()))?;
    let (path, bar) = (args.file.clone(), Bar::new(global));
    let metadata = tokio::task::spawn_blocking(move || input::metadata(&path, params, &memory, bar))
        .await
        .map_err(|e| CliError::new("CLI-IO", 1, e.to_string()))??;
    let report = Report {
        blob_id: metadata.blob_id().to_string(),
        file: args.file.display().to_string(),
        unencoded_length: metadata.unencoded_length(),
        encoding_type: "RS2",
        n_shards,
    };
    Output::new(global).result(&report, || {
        format!("Blob ID: {}\nSize: {}\nShards: {n_shards}", report.blob_id, size(report.unencoded_length))
    })
}
