//! `floe bench code`: how fast this machine codes, beside the plain baseline.

mod code;
mod report;
mod timing;

use crate::{
    args::{BenchAction, BenchArgs, Global},
    error::CliError,
    output::Output,
};

pub(crate) fn run(global: &Global, args: BenchArgs) -> Result<(), CliError> {
    let BenchAction::Code(args) = args.action;
    let options = code::Options {
        n_shards: args.n_shards,
        blob_bytes: args.size.0,
        threads: args.threads,
        runs: args.runs,
        baseline: !args.no_baseline,
    };
    let failed = |message: String| CliError::usage("CLI-BENCH", message);
    let report = code::run(options).map_err(failed)?;
    Output::new(global).result(&report, || report.table())
}
