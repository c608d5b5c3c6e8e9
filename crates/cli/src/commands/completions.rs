//! `floe completions`

use std::io::{self, Write};

use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs},
    error::CliError,
};

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    // Gathered first: a reader that has seen enough is an error here, not a panic there.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "floe", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}
