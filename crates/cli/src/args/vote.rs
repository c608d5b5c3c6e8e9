//! `floe vote`

use clap::{Args, Subcommand};
use floe_chain::{Address, ProposalId};
use floe_config::ByteSize;
use floe_protocol::NodeId;

use super::values::{Amount, parse_basis_points, parse_node_id, parse_rate};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe vote terms --config node.toml --storage-price 0.0001 --capacity 4TiB\n  \
                        floe vote upgrade --config node.toml --contract blobs --implementation 0x5FbD…\n  \
                        floe vote slash --config node.toml --of 3 --part 5%\n  floe vote list\n  \
                        floe vote execute 0x8f4e…\n\n\
                        A node votes: name its configuration (--config node.toml), or the key file of its account (--wallet).")]
pub(crate) struct VoteArgs {
    #[command(subcommand)]
    pub(crate) action: VoteAction,
}

/// Who votes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct VoterArgs {
    /// Node that votes; without it the node of the configuration or of the wallet's account
    #[arg(long, value_name = "ID", value_parser = parse_node_id)]
    pub(crate) node: Option<NodeId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VoteAction {
    /// Vote for prices and capacity; they follow when the next committee is selected
    Terms {
        #[command(flatten)]
        voter: VoterArgs,
        /// Price of a MiB of encoded length for an epoch, in the token that storage is paid in [default: as before]
        #[arg(long, value_name = "AMOUNT")]
        storage_price: Option<Amount>,
        /// Price of writing a MiB of encoded length [default: as before]
        #[arg(long, value_name = "AMOUNT")]
        write_price: Option<Amount>,
        /// Encoded bytes that this node alone can hold, such as 4TiB [default: as before]
        #[arg(long, alias = "node-capacity", value_name = "SIZE")]
        capacity: Option<ByteSize>,
    },
    /// Vote for new code of a contract
    Upgrade {
        #[command(flatten)]
        voter: VoterArgs,
        /// The contract: its name in the configuration (such as blobs), or its address
        #[arg(long)]
        contract: String,
        /// Address of the new code, deployed already
        #[arg(long, value_name = "ADDRESS")]
        implementation: Address,
    },
    /// Vote for another least stake of candidates
    Threshold {
        #[command(flatten)]
        voter: VoterArgs,
        /// The least stake
        #[arg(value_name = "FLOE")]
        stake: Amount,
    },
    /// Vote for other rates of subsidies; what is not given becomes zero
    Subsidies {
        #[command(flatten)]
        voter: VoterArgs,
        /// What is added to what users pay: 10%, or basis points; at most 10000%
        #[arg(long, value_name = "PART", value_parser = parse_rate, default_value = "0")]
        usage: u32,
        /// What each node gets for an epoch, in the token that storage is paid in
        #[arg(long, value_name = "AMOUNT", default_value = "0")]
        per_node: Amount,
        /// What each node gets for each of its shards and epoch
        #[arg(long, value_name = "AMOUNT", default_value = "0")]
        per_shard: Amount,
    },
    /// Vote for another judge of audits
    Auditor {
        #[command(flatten)]
        voter: VoterArgs,
        /// The contract; 0x0000000000000000000000000000000000000000 for none
        address: Address,
    },
    /// Vote to burn a part of a node's stake and to take its commission; to be executed in the same epoch
    Slash {
        #[command(flatten)]
        voter: VoterArgs,
        /// The node that loses stake
        #[arg(long, value_name = "ID", value_parser = parse_node_id)]
        of: NodeId,
        /// How much of the stake: 5%, or basis points
        #[arg(long, value_name = "PART", value_parser = parse_basis_points)]
        part: u16,
    },
    /// Vote for a call of any contract
    Call {
        #[command(flatten)]
        voter: VoterArgs,
        /// The contract
        #[arg(long, value_name = "ADDRESS")]
        target: Address,
        /// Selector and arguments (`cast calldata` makes them)
        #[arg(long, value_name = "HEX")]
        data: String,
    },
    /// Vote for what others have proposed
    For {
        #[command(flatten)]
        voter: VoterArgs,
        /// The proposal (`floe vote list` shows them)
        proposal: ProposalId,
    },
    /// Do what was approved; anyone may
    Execute {
        /// The proposal
        proposal: ProposalId,
    },
    /// Show what was voted on, and where it stands
    List,
}
