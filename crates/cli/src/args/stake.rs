//! `floe stake`, `unstake`, `withdraw` and `claim`

use clap::{Args, Subcommand};
use floe_protocol::NodeId;

use super::values::{Amount, parse_node_id};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  floe stake --node 3 --amount 1000\n  floe stake --node 1 --node 2 --amount 500 \
                  --amount 250.5\n  floe stake list\n\nStake counts from the next epoch on whose committee is not selected \
                  yet. What it earns comes in the token that storage is paid in: see `floe claim`."
)]
pub(crate) struct StakeArgs {
    #[command(subcommand)]
    pub(crate) action: Option<StakeAction>,
    /// Node to stake with; may be repeated
    #[arg(long = "node", visible_alias = "node-id", alias = "node-ids", value_name = "ID", required = true)]
    #[arg(value_parser = parse_node_id, num_args = 1..)]
    pub(crate) nodes: Vec<NodeId>,
    /// FLOE: one amount for all nodes, or one for each
    #[arg(long = "amount", alias = "amounts", value_name = "FLOE", default_value = "1", num_args = 1..)]
    pub(crate) amounts: Vec<Amount>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StakeAction {
    /// Show the positions of an account: what they are worth, what they earned, when they can be withdrawn
    List(StakeListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StakeListArgs {
    /// The account; without it that of the wallet
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<floe_chain::Address>,
    /// Only positions that stay
    #[arg(long, conflicts_with = "withdrawing_only")]
    pub(crate) staked_only: bool,
    /// Only positions that leave
    #[arg(long)]
    pub(crate) withdrawing_only: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe unstake 7\n  floe unstake 7 --amount 250\n  floe unstake --all\n\nStake that a \
                        committee counts on stays until the end of that committee's epoch; `floe withdraw` pays it then."
)]
pub(crate) struct UnstakeArgs {
    /// Position (`floe stake list` shows them); may be repeated
    #[arg(required_unless_present = "all", value_name = "POSITION")]
    pub(crate) positions: Vec<u64>,
    /// All positions of the wallet that stay
    #[arg(long, conflicts_with = "positions")]
    pub(crate) all: bool,
    /// A part of the position, in FLOE; without it all
    #[arg(long, value_name = "FLOE", conflicts_with = "all")]
    pub(crate) amount: Option<Amount>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe withdraw 7\n  floe withdraw --all")]
pub(crate) struct WithdrawArgs {
    /// Position that has left; may be repeated
    #[arg(required_unless_present = "all", value_name = "POSITION")]
    pub(crate) positions: Vec<u64>,
    /// All positions of the wallet that can be withdrawn now
    #[arg(long, conflicts_with = "positions")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe claim 7\n  floe claim --all")]
pub(crate) struct ClaimArgs {
    /// Position; may be repeated
    #[arg(required_unless_present = "all", value_name = "POSITION")]
    pub(crate) positions: Vec<u64>,
    /// All positions of the wallet that have earned something
    #[arg(long, conflicts_with = "positions")]
    pub(crate) all: bool,
}
