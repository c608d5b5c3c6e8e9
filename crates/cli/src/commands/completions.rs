//! `floe completions`

use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs},
    error::CliError,
};

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    clap_complete::generate(args.shell, &mut Cli::command(), "floe", &mut std::io::stdout());
    Ok(())
}
