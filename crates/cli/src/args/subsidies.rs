//! `floe subsidies`

use clap::{Args, Subcommand};

use super::Amount;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe subsidies\n  floe subsidies fund 500\n\nNodes have the pot paid out late in each \
                        epoch, if it is enough: a part of what users paid is added to it, and each node gets a fixed part. \
                        The governance sets the rates (`floe vote subsidies`); they are zero at first."
)]
pub(crate) struct SubsidiesArgs {
    #[command(subcommand)]
    pub(crate) action: Option<SubsidiesAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SubsidiesAction {
    /// Show the pot, the rates, and when it was paid out last
    Show,
    /// Add money to the pot; anyone may, and nothing comes back
    Fund {
        /// In whole tokens, such as 500 or 0.25
        amount: Amount,
    },
}
