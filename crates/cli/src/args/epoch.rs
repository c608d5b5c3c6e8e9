//! `floe epoch`, `committee` and `launch`

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  floe epoch\n  floe epoch --wait next\n  floe epoch advance"
)]
pub(crate) struct EpochArgs {
    #[command(subcommand)]
    pub(crate) action: Option<EpochAction>,
    /// Wait until this epoch has begun; or next
    #[arg(long, value_name = "EPOCH|next")]
    pub(crate) wait: Option<EpochToReach>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EpochAction {
    /// Take the clock's next step, if it is due; anyone may, and nodes do by themselves
    Advance,
}

/// An epoch that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EpochToReach {
    Next,
    Number(u32),
}

impl std::str::FromStr for EpochToReach {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "next" => Ok(Self::Next),
            _ => text.parse().map(Self::Number).map_err(|_| "the number of an epoch, or next".into()),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe committee\n  floe committee --next\n  floe committee --all")]
pub(crate) struct CommitteeArgs {
    /// That of the previous epoch
    #[arg(long, group = "which")]
    pub(crate) previous: bool,
    /// That of the next epoch, once it is selected
    #[arg(long, group = "which")]
    pub(crate) next: bool,
    /// All registered nodes, with their stake, in a committee or not
    #[arg(long, group = "which")]
    pub(crate) all: bool,
}
