//! `floe store`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use floe_client::{BlobInput, ClientError, FloeClient, StoreOptions};
use floe_protocol::api::{BlobStoreResult, ResourceOperation};
use floe_redstuff::EncodingParams;
use serde::Serialize;

use super::{
    input::{self, Spool},
    price::epoch_count,
};
use crate::{
    args::{Global, StoreArgs},
    error::CliError,
    network,
    output::{Output, amount, size},
    progress::Bar,
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    blob_store_result: serde_json::Value,
    path: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun {
    path: String,
    blob_id: String,
    unencoded_size: u64,
    encoded_size: u64,
    storage_cost: u128,
    encoding_type: &'static str,
}

/// How long the command stays to fill nodes that were too slow to be needed for the certificate.
const FILL_TIME_MAX: Duration = Duration::from_secs(30);

/// Files that are open at once.
const FILES_OPEN_MAX: usize = 256;

/// How costs are printed.
struct Money {
    symbol: String,
    decimals: u8,
}

pub(crate) async fn run(global: &Global, mut args: StoreArgs) -> Result<(), CliError> {
    let (client, file, relayed) = if args.gasless.gasless {
        let (client, file, relayed) = network::connect_gasless(global, &args.memory, &args.gasless).await?;
        (client, file, Some(relayed))
    } else {
        let (client, file) = network::connect(global, &args.memory).await?;
        (client, file, None)
    };
    args.memory = args.memory.or_configured(&file);
    let info = client.chain().network().await?;
    let params = EncodingParams::new(info.n_shards).map_err(|e| CliError::new("CLI-BAD-SHARDS", 1, e.to_string()))?;
    // In a pool, what its capacity costs is paid already.
    let epochs = args.epochs.map_or(Ok(0), |epochs| epoch_count(epochs, info.max_epochs_ahead))?;
    let money = Money { symbol: info.payment_token_symbol.clone(), decimals: info.payment_token_decimals };
    if args.dry_run {
        return dry_run(global, &args, params, &info, epochs, &money);
    }
    let bar = Bar::new(global);
    let options = StoreOptions { progress: bar.clone().map(|bar| bar as _), ..options(&args, epochs) };
    let outcomes = store_all(&client, &args, params, options).await;
    let (mut results, mut lines, mut first_error) = (Vec::new(), Vec::new(), None);
    for (path, stored) in args.files.iter().zip(outcomes) {
        let (result, line) = match stored {
            Ok(result) => {
                let line = describe(path, &result, &money, file.gateway_url.as_deref());
                (serde_json::to_value(&result).map_err(|e| CliError::new("CLI-JSON", 1, e.to_string()))?, line)
            }
            Err(error) => {
                let value = serde_json::json!({"error": {
                    "blobId": null, "failurePhase": error.code, "errorMsg": error.message}});
                let line = format!("Error: {}: {} [{}]", path.display(), error.message, error.code);
                first_error.get_or_insert(error);
                (value, line)
            }
        };
        results.push(Stored { blob_store_result: result, path: path.display().to_string() });
        lines.push(line);
    }
    if let Some(bar) = &bar {
        bar.finish();
    }
    if let Some(fees) = relayed.map(|relayed| relayed.fees_paid()).filter(|fees| *fees > 0) {
        lines.push(format!("Relay fees: {}", amount(fees, money.decimals, &money.symbol)));
    }
    let printed = match &first_error {
        Some(_) if args.files.len() == 1 => Ok(()),
        _ => Output::new(global).result(&results, || lines.join("\n")),
    };
    // What is certified is safe; the nodes that were not needed for that are still being filled.
    client.drain(FILL_TIME_MAX).await;
    printed?;
    match first_error {
        Some(error) if args.files.len() > 1 => Err(CliError::new(error.code, error.exit, "not every file was stored")),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// What was asked for. Deletable is the default, as in the reference.
fn options(args: &StoreArgs, epochs: u32) -> StoreOptions {
    StoreOptions {
        deletable: !args.permanent,
        force: args.force,
        reuse_resources: !args.ignore_resources,
        pool: args.pool,
        ..StoreOptions::epochs(epochs)
    }
}

/// What came of each file, in order.
async fn store_all(
    client: &FloeClient,
    args: &StoreArgs,
    params: EncodingParams,
    options: StoreOptions,
) -> Vec<Result<BlobStoreResult, CliError>> {
    let mut outcomes = Vec::with_capacity(args.files.len());
    for files in args.files.chunks(FILES_OPEN_MAX) {
        outcomes.extend(store_some(client, files, args, params, &options).await);
    }
    outcomes
}

/// Opens files and stores them. Several small ones share transactions and certificates.
async fn store_some(
    client: &FloeClient,
    files: &[PathBuf],
    args: &StoreArgs,
    params: EncodingParams,
    options: &StoreOptions,
) -> Vec<Result<BlobStoreResult, CliError>> {
    let (mut outcomes, mut inputs) = (Vec::new(), Vec::new());
    for path in files {
        let (owned, spool) = (path.clone(), Spool::new(args.memory.spool_dir.clone()));
        let opened = tokio::task::spawn_blocking(move || input::open(&owned, params.max_blob_size(), &spool)).await;
        match opened.unwrap_or_else(|e| Err(CliError::new("CLI-IO", 1, e.to_string()))) {
            Ok(source) => {
                inputs.push(BlobInput::source(source));
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(Err(error))),
        }
    }
    let mut stored = client.store_many(inputs, options).await.into_iter();
    let told = |path: &Path, error| match error {
        ClientError::SourceChanged(change) => input::changed(path, change),
        ClientError::Source(error) => input::cannot_read(path, &error),
        error => error.into(),
    };
    let forgotten = || Err(ClientError::Internal("a file was forgotten".to_owned()));
    let outcomes = outcomes.into_iter().zip(files).map(|(outcome, path)| {
        outcome.unwrap_or_else(|| stored.next().unwrap_or_else(forgotten).map_err(|error| told(path, error)))
    });
    outcomes.collect()
}

fn describe(path: &Path, result: &BlobStoreResult, money: &Money, gateway: Option<&str>) -> String {
    let path = path.display();
    let url = |id: &str| gateway.map_or(String::new(), |g| format!("\n  URL:       {g}/v1/blobs/{id}"));
    match result {
        BlobStoreResult::NewlyCreated(new) => format!(
            "Success: {path} {how}\n  Blob ID:   {id}\n  Object ID: {object}, {kind}\n  Size:      {size}\n  \
             Cost:      {cost}\n  Expires:   at the start of epoch {end}{url}",
            how = how(&new.resource_operation),
            id = new.blob_object.blob_id,
            object = new.blob_object.id,
            kind = if new.blob_object.deletable { "deletable" } else { "permanent" },
            size = size(new.blob_object.size),
            cost = amount(u128::from(new.cost), money.decimals, &money.symbol),
            end = new.blob_object.storage.end_epoch,
            url = url(&new.blob_object.blob_id.to_string()),
        ),
        BlobStoreResult::AlreadyCertified(known) => format!(
            "Success: {path} was certified already, nothing was paid\n  Blob ID:   {id}\n  Expires:   at the start of \
             epoch {end}{url}",
            id = known.blob_id,
            end = known.end_epoch,
            url = url(&known.blob_id.to_string()),
        ),
        BlobStoreResult::MarkedInvalid { blob_id, .. } => {
            format!("Warning: {path}: the blob {blob_id} is marked invalid on the chain")
        }
        BlobStoreResult::Error(failure) => format!("Error: {path}: {}", failure.error_msg),
    }
}

fn how(operation: &ResourceOperation) -> &'static str {
    match operation {
        ResourceOperation::RegisterFromScratch { .. } => "stored and certified",
        ResourceOperation::ReuseStorage { .. } => "stored and certified, in storage that was owned",
        ResourceOperation::ReuseRegistration { .. } => "stored and certified, by a registration that was begun earlier",
        ResourceOperation::ReuseAndExtend { .. } => "was certified already; it lasts longer now",
        ResourceOperation::ReuseAndExtendNonCertified { .. } => {
            "stored and certified, by a registration that was begun earlier and lasts longer now"
        }
    }
}

fn dry_run(
    global: &Global,
    args: &StoreArgs,
    params: EncodingParams,
    info: &floe_chain::NetworkInfo,
    epochs: u32,
    money: &Money,
) -> Result<(), CliError> {
    let mut reports = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let metadata = input::metadata(path, params, &args.memory, Bar::new(global))?;
        let size = metadata.unencoded_length();
        let encoded_size = params.encoded_length(size).map_err(|e| CliError::usage("CLI-ENCODE", e.to_string()))?;
        reports.push(DryRun {
            path: path.display().to_string(),
            blob_id: metadata.blob_id().to_string(),
            unencoded_size: size,
            encoded_size,
            storage_cost: info.cost(encoded_size, epochs),
            encoding_type: "RS2",
        });
    }
    Output::new(global).result(&reports, || {
        let line = |r: &DryRun| {
            format!(
                "{}: blob ID {}, {} ({} encoded), would cost {}",
                r.path,
                r.blob_id,
                size(r.unencoded_size),
                size(r.encoded_size),
                amount(r.storage_cost, money.decimals, &money.symbol)
            )
        };
        reports.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
