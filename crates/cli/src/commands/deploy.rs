//! `floe deploy`: the contracts of a new network, on any chain.

mod estimate;
mod files;

use std::io::{self, BufRead as _, IsTerminal as _};

use floe_chain::{
    Address, ChainError, ContractAddresses, Wallet,
    deploy::{DeployOptions, DeployStep, Deployment, Quote},
};
use serde::Serialize;

use self::files::Files;
use crate::{
    args::{DeployArgs, Global},
    error::CliError,
    output::{Output, amount, say},
    password::open_wallet,
};

/// What is shown before anything is paid.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
    chain_id: u64,
    account: Address,
    n_shards: u16,
    epoch_duration_secs: u64,
    max_epochs_ahead: u32,
    payment_token: Option<Address>,
    burn_basis_points: u16,
    transactions: usize,
    transactions_left: usize,
    gas_left: u64,
    gas_price_wei: String,
    cost_wei: String,
    balance_wei: String,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    chain_id: u64,
    account: Address,
    contracts: ContractAddresses,
    gas_used: u64,
    cost_wei: String,
    steps: &'a [DeployStep],
}

pub(crate) async fn run(global: &Global, args: DeployArgs) -> Result<(), CliError> {
    let output = Output::new(global);
    let Some(key_file) = &global.wallet else {
        return Err(CliError::usage(
            "CLI-NO-WALLET",
            "name the key file of the account that deploys with --wallet FILE",
        ));
    };
    let wallet = open_wallet(global, key_file).await?;
    let files = Files::new(&args)?;
    let mut deployment = begin(&args, &wallet, &files).await?;
    let options = deployment.record().options;
    let done = deployment.done().await?;
    let gas = estimate::gas_of_steps(&options).await?;
    let gas_left: u64 = gas.iter().skip(done).sum();
    let quote = deployment.quote().await?;
    let intent = intent(&deployment, done, gas_left, &quote);
    if args.dry_run {
        return output.result(&intent, || describe(&intent));
    }
    if done < deployment.steps() {
        confirm(global, &args, &intent)?;
    }
    files.keep(deployment.record())?;
    let mut steps = Vec::new();
    while let Some(step) = deployment.step().await? {
        if !global.quiet {
            say!(
                "{:>3} of {}  {:<24} {}  {} gas",
                step.index + 1,
                deployment.steps(),
                step.name,
                step.address,
                step.gas_used
            );
        }
        steps.push(step);
    }
    let contracts = deployment.contracts().await?;
    files.finish(global, &args, deployment.record(), &contracts)?;
    let report = Report {
        chain_id: deployment.record().chain_id,
        account: wallet.address(),
        contracts,
        gas_used: steps.iter().map(|step| step.gas_used).sum(),
        cost_wei: steps.iter().map(|step| step.cost_wei).sum::<u128>().to_string(),
        steps: &steps,
    };
    output.result(&report, || summary(&report, &files))
}

/// Goes on with what was begun, or begins.
async fn begin(args: &DeployArgs, wallet: &Wallet, files: &Files) -> Result<Deployment, CliError> {
    let options = DeployOptions {
        n_shards: args.n_shards,
        epoch_duration_secs: args.epoch_duration.as_secs(),
        max_epochs_ahead: args.max_epochs_ahead,
        payment_token: args.payment_token,
        burn_basis_points: args.burn_basis_points,
        ..DeployOptions::default()
    };
    let Some(record) = files.record()? else {
        return Ok(Deployment::begin(&args.rpc_url, wallet, &options).await?);
    };
    if record.options != options {
        let path = files.progress_path().display();
        let message =
            format!("{path} is of a deployment with other options: give the same ones, or name another --out");
        return Err(CliError::usage("CLI-OTHER-DEPLOYMENT", message));
    }
    Ok(Deployment::resume(&args.rpc_url, wallet, record).await?)
}

fn intent(deployment: &Deployment, done: usize, gas_left: u64, quote: &Quote) -> Intent {
    let record = deployment.record();
    Intent {
        chain_id: record.chain_id,
        account: record.account,
        n_shards: record.options.n_shards,
        epoch_duration_secs: record.options.epoch_duration_secs,
        max_epochs_ahead: record.options.max_epochs_ahead,
        payment_token: record.options.payment_token,
        burn_basis_points: record.options.burn_basis_points,
        transactions: deployment.steps(),
        transactions_left: deployment.steps().saturating_sub(done),
        gas_left,
        gas_price_wei: quote.gas_price_wei.to_string(),
        cost_wei: quote.gas_price_wei.saturating_mul(gas_left.into()).to_string(),
        balance_wei: quote.balance_wei.to_string(),
    }
}

fn describe(intent: &Intent) -> String {
    let coins = |wei: &str| amount(wei.parse().unwrap_or(0), 18, "coins");
    let token = intent.payment_token.map_or_else(|| "test money, new".to_owned(), |token| token.to_string());
    let done = intent.transactions - intent.transactions_left;
    let done = if done > 0 { format!(" ({done} are done)") } else { String::new() };
    format!(
        "Chain          {}\nAccount        {} with {}\nShards         {}\nEpoch          {} s, {} paid ahead at most\n\
         Payment token  {token}, {} basis points burned\nTransactions   {}{done}\nCost           about {} ({} gas at {} wei)",
        intent.chain_id,
        intent.account,
        coins(&intent.balance_wei),
        intent.n_shards,
        intent.epoch_duration_secs,
        intent.max_epochs_ahead,
        intent.burn_basis_points,
        intent.transactions,
        coins(&intent.cost_wei),
        intent.gas_left,
        intent.gas_price_wei,
    )
}

/// Shows what will be done, and asks.
fn confirm(global: &Global, args: &DeployArgs, intent: &Intent) -> Result<(), CliError> {
    if !global.quiet {
        say!("{}", describe(intent));
    }
    let (cost, balance) = (intent.cost_wei.parse::<u128>(), intent.balance_wei.parse::<u128>());
    if let (Ok(needed), Ok(available)) = (cost, balance)
        && available < needed
    {
        let (asset, account) = ("the native coin".to_owned(), intent.account);
        return Err(ChainError::InsufficientFunds { asset, account, needed, available }.into());
    }
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::usage("CLI-NOT-CONFIRMED", "this is paid for: say --yes to go on without being asked"));
    }
    eprint!("Go on? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::usage("CLI-NOT-CONFIRMED", "nothing was done")),
    }
}

fn summary(report: &Report<'_>, files: &Files) -> String {
    let contracts = serde_json::to_value(report.contracts).unwrap_or_default();
    let lines = contracts.as_object().into_iter().flatten().filter_map(|(name, address)| {
        let address = address.as_str()?;
        Some(format!("  {name:<14} {address}\n"))
    });
    format!(
        "Success: the contracts are on chain {}\n{}Addresses are in {}\nNext: register nodes, stake FLOE with them, then \
         `floe launch`",
        report.chain_id,
        lines.collect::<String>(),
        files.out_path().display(),
    )
}
