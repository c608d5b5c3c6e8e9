//! `floe pool`

use clap::{Args, Subcommand};
use floe_chain::Address;
use floe_config::ByteSize;
use floe_protocol::ObjectId;

use super::{Epochs, values::parse_object_id};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe pool create --size 10GiB --epochs 30\n  \
                        floe store photo.jpg --pool 1 --permanent\n  floe pool show 1\n  \
                        floe pool extend 1 --epochs 10\n  floe pool increase 1 --size 5GiB\n\nA pool is capacity that is \
                        paid for once, however many blobs come and go in it: each of them pays for writing alone, and all \
                        of them end when the pool does. `floe delete` frees the room of deletable blobs in it.")]
pub(crate) struct PoolArgs {
    #[command(subcommand)]
    pub(crate) action: Option<PoolAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolAction {
    /// Show the pools of an account
    List {
        /// The account; without it that of the wallet
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Address>,
        /// Also those whose end has passed
        #[arg(long)]
        include_expired: bool,
    },
    /// Show a pool and the blobs in it
    Show {
        /// The pool
        pool: u64,
    },
    /// Buy a pool, from the current epoch on, or make one of a storage resource
    #[command(group(clap::ArgGroup::new("of").required(true)))]
    Create {
        /// Encoded bytes that it can hold, such as 10GiB
        #[arg(long, value_name = "SIZE", group = "of", requires = "epochs")]
        size: Option<ByteSize>,
        /// How many epochs; or max
        #[arg(long, value_name = "N|max", conflicts_with = "resource")]
        epochs: Option<Epochs>,
        /// A storage resource of the wallet's that covers the current epoch
        #[arg(long, value_name = "RESOURCE", group = "of", value_parser = parse_object_id)]
        resource: Option<ObjectId>,
    },
    /// Pay for more epochs of a pool and of every blob in it; anyone may
    Extend {
        /// The pool
        pool: u64,
        /// By this many epochs
        #[arg(long, value_name = "N")]
        epochs: u32,
    },
    /// Make a pool larger, until its end
    #[command(visible_alias = "grow", group(clap::ArgGroup::new("by").required(true)))]
    Increase {
        /// A pool of the wallet's
        pool: u64,
        /// By this many encoded bytes, such as 5GiB
        #[arg(long, value_name = "SIZE", group = "by")]
        size: Option<ByteSize>,
        /// By a storage resource of the wallet's that ends when the pool does
        #[arg(long, value_name = "RESOURCE", group = "by", value_parser = parse_object_id)]
        resource: Option<ObjectId>,
    },
    /// Take capacity that no blob uses out of a pool; it becomes a storage resource
    #[command(visible_alias = "shrink")]
    Decrease {
        /// A pool of the wallet's
        pool: u64,
        /// Encoded bytes to take out, such as 1GiB
        #[arg(long, value_name = "SIZE")]
        size: ByteSize,
    },
    /// Give a pool to another account, with the right to delete what is deletable in it
    Transfer {
        /// A pool of the wallet's
        pool: u64,
        /// The account
        to: Address,
    },
    /// Clear the registrations away that are in a pool that has ended
    BurnExpired {
        /// A pool of the wallet's
        pool: u64,
    },
    /// Give an empty pool up; what it could hold becomes a storage resource
    Destroy {
        /// A pool of the wallet's
        pool: u64,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Let contracts go by the pool of a registration, where its blob is in several pools and another one ends earlier
    Refresh {
        /// Object ID of a permanent certified registration in a pool
        #[arg(value_parser = parse_object_id)]
        id: ObjectId,
    },
}
