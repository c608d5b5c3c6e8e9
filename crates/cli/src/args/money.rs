//! `floe price`, `balance` and `resources`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use floe_chain::Address;
use floe_config::ByteSize;
use floe_protocol::ObjectId;

use super::{Epochs, values::parse_object_id};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe price video.mp4 --epochs 30\n  floe price --size 10GiB --epochs max")]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(crate) struct PriceArgs {
    /// A file; only its size is looked at
    #[arg(group = "what")]
    pub(crate) file: Option<PathBuf>,
    /// A size before encoding, such as 64KiB, 32MiB, 1GiB, or a number of bytes
    #[arg(long, group = "what", value_name = "SIZE")]
    pub(crate) size: Option<ByteSize>,
    /// For how many epochs; or max
    #[arg(long, value_name = "N|max", default_value = "1")]
    pub(crate) epochs: Epochs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe balance\n  floe balance 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --json")]
pub(crate) struct BalanceArgs {
    /// The account; without it that of the wallet
    pub(crate) address: Option<Address>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe resources\n  floe resources reserve --size 100MiB --epochs 20\n  \
                        floe resources split 4 --epoch 30\n  floe resources split 4 --size 10MiB\n  \
                        floe resources fuse 4 5\n  floe resources transfer 4 0x7099…\n\nA resource is the right to keep \
                        some encoded bytes from one epoch until another.")]
pub(crate) struct ResourcesArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ResourcesAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResourcesAction {
    /// Show the resources of an account
    List {
        /// The account; without it that of the wallet
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Address>,
        /// Also those whose end has passed
        #[arg(long)]
        include_expired: bool,
    },
    /// Buy capacity, from now on or ahead
    Reserve {
        /// Encoded bytes, such as 100MiB
        #[arg(long, value_name = "SIZE")]
        size: ByteSize,
        /// How many epochs; or max
        #[arg(long, value_name = "N|max")]
        epochs: Epochs,
        /// First epoch [default: the current one]
        #[arg(long, value_name = "EPOCH")]
        start_epoch: Option<u32>,
    },
    /// Cut a resource in two: in time or in size
    Split {
        /// The resource; it keeps the first part
        #[arg(value_parser = parse_object_id)]
        resource: ObjectId,
        /// First epoch of the second part
        #[arg(long, value_name = "EPOCH", required_unless_present = "size")]
        epoch: Option<u32>,
        /// Encoded bytes of the first part
        #[arg(long, value_name = "SIZE", conflicts_with = "epoch")]
        size: Option<ByteSize>,
    },
    /// Join two resources: of one size that follow each other, or of one period
    Fuse {
        /// The one that stays
        #[arg(value_parser = parse_object_id)]
        first: ObjectId,
        /// The one that goes up in it
        #[arg(value_parser = parse_object_id)]
        second: ObjectId,
    },
    /// Give a resource to another account
    Transfer {
        /// The resource
        #[arg(value_parser = parse_object_id)]
        resource: ObjectId,
        /// The account
        to: Address,
    },
    /// Give a resource up; nothing is refunded
    Destroy {
        /// The resource
        #[arg(value_parser = parse_object_id)]
        resource: ObjectId,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
