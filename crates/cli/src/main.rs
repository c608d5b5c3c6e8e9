//! The command line of Floe: one binary for every role.

mod advice;
mod args;
mod commands;
mod error;
mod memory;
mod network;
mod output;
mod password;
mod progress;
mod report;
mod session;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use error::{CliError, EXIT_BROKEN_PIPE};
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(&cli);
    let output = Output::new(&cli.global);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough (`floe read ID | head`).
        Err(error) if error.is_broken_pipe() => ExitCode::from(EXIT_BROKEN_PIPE),
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit)
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let global = cli.global;
    runtime.block_on(async {
        match cli.command {
            Command::Devnet(args) => commands::devnet::run(&global, args).await,
            Command::Store(args) => commands::store::run(&global, args).await,
            Command::Read(args) => commands::read::run(&global, args).await,
            Command::BlobId(args) => commands::blob_id::run(&global, args).await,
            Command::BlobStatus(args) => commands::blob_status::run(&global, args).await,
            Command::Info(args) => commands::info::run(&global, args).await,
            Command::ListBlobs(args) => commands::list_blobs::run(&global, args).await,
            Command::Extend(args) => commands::extend::run(&global, args).await,
            Command::Delete(args) => commands::delete::run(&global, args).await,
            Command::Share(args) => commands::fund::share(&global, args).await,
            Command::Fund(args) => commands::fund::run(&global, args).await,
            Command::Renew(args) => commands::renew::run(&global, args).await,
            Command::Burn(args) => commands::burn::run(&global, args).await,
            Command::Resources(args) => commands::resources::run(&global, args).await,
            Command::Pool(args) => commands::pool::run(&global, args).await,
            Command::Price(args) => commands::price::run(&global, args).await,
            Command::Balance(args) => commands::balance::run(&global, args).await,
            Command::Stake(args) => commands::stake::run(&global, args).await,
            Command::Unstake(args) => commands::unstake::run(&global, args).await,
            Command::Withdraw(args) => commands::unstake::withdraw(&global, args).await,
            Command::Claim(args) => commands::unstake::claim(&global, args).await,
            Command::Subsidies(args) => commands::subsidies::run(&global, args).await,
            Command::Vote(args) => commands::vote::run(&global, args).await,
            Command::Committee(args) => commands::committee::run(&global, args).await,
            Command::Epoch(args) => commands::epoch::run(&global, args).await,
            Command::Launch => commands::epoch::launch(&global).await,
            Command::RegisterNode(args) => commands::register_node::run(&global, args).await,
            Command::Node(args) => commands::node::run(&global, args).await,
            Command::Gateway(args) => commands::gateway::run(&global, args).await,
            Command::Relay(args) => commands::relay::run(&global, args).await,
            Command::Deploy(args) => commands::deploy::run(&global, args).await,
            Command::Wallet(args) => commands::wallet::run(&global, args).await,
            Command::Chain(args) => commands::chain::run(args).await,
            Command::Bench(args) => commands::bench::run(&global, args),
            Command::Completions(args) => commands::completions::run(&args),
        }
    })
}

/// Logs go to stderr: warnings of the tools, everything of interest of the services; `RUST_LOG` decides otherwise.
fn start_logging(cli: &Cli) {
    use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};
    let service = match &cli.command {
        Command::Node(args) => matches!(args.action, args::NodeAction::Run { .. }),
        Command::Gateway(_) | Command::Relay(_) | Command::Chain(_) => true,
        _ => false,
    };
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => "error",
        (false, 0) if service => "info",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!("{level},alloy=warn,hyper=warn,hyper_util=warn,h2=warn,reqwest=warn"))
    });
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::registry()
        .with(filter)
        // A log that cannot be written (a full disk) must not end what it is about: the layer would report that with a
        // macro that panics.
        .with(fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false).log_internal_errors(false))
        .init();
}
