//! The files of a deployment: how it began, and what came of it.

use std::{
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use floe_chain::{Address, ChainConfig, ContractAddresses, deploy::DeployRecord};
use floe_config::{ClientFile, write_text, write_toml};
use serde::Serialize;

use crate::{
    args::{DeployArgs, Global},
    error::CliError,
};

/// The addresses of a network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Addresses<'a> {
    chain_id: u64,
    deployed_by: Address,
    contracts: &'a ContractAddresses,
}

pub(super) struct Files {
    out: PathBuf,
    progress: PathBuf,
}

impl Files {
    /// Refuses to overwrite the addresses of a network.
    pub(super) fn new(args: &DeployArgs) -> Result<Self, CliError> {
        let out = args.out.clone().unwrap_or_else(|| PathBuf::from("floe-addresses.json"));
        for file in [Some(&out), args.client_config.as_ref()].into_iter().flatten() {
            if file.exists() && !args.dry_run {
                let message = format!("{} exists: it is not overwritten", file.display());
                return Err(CliError::usage("CLI-FILE-EXISTS", message));
            }
        }
        let mut progress = OsString::from(&out);
        progress.push(".progress");
        Ok(Self { out, progress: progress.into() })
    }

    pub(super) fn out_path(&self) -> &Path {
        &self.out
    }

    pub(super) fn progress_path(&self) -> &Path {
        &self.progress
    }

    /// How a deployment began that was interrupted.
    pub(super) fn record(&self) -> Result<Option<DeployRecord>, CliError> {
        let bad = |why: String| CliError::usage("CLI-BAD-PROGRESS", format!("{}: {why}", self.progress.display()));
        match std::fs::read(&self.progress) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| bad(e.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(bad(error.to_string())),
        }
    }

    /// Before anything is sent.
    pub(super) fn keep(&self, record: &DeployRecord) -> Result<(), CliError> {
        Ok(write_text(&self.progress, &json(record)?)?)
    }

    /// When everything is there.
    pub(super) fn finish(
        &self,
        global: &Global,
        args: &DeployArgs,
        record: &DeployRecord,
        contracts: &ContractAddresses,
    ) -> Result<(), CliError> {
        if let Some(path) = &args.client_config {
            let chain = ChainConfig { chain_id: Some(record.chain_id), ..ChainConfig::new(&args.rpc_url, *contracts) };
            // The file names its key relative to itself.
            let wallet_key_file = global.wallet.as_ref().map(std::path::absolute).transpose()?;
            let file = ClientFile {
                wallet_key_file,
                gateway_url: None,
                relay_url: None,
                memory: None,
                spool_dir: None,
                chain,
            };
            write_toml(path, &file)?;
        }
        let addresses = Addresses { chain_id: record.chain_id, deployed_by: record.account, contracts };
        write_text(&self.out, &json(&addresses)?)?;
        Ok(std::fs::remove_file(&self.progress)?)
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::new("CLI-JSON", 1, e.to_string()))?;
    Ok(text + "\n")
}
