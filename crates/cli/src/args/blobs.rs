//! What the owner of blobs does with them: `floe list-blobs`, `extend`, `delete`, `share`, `fund`, `renew` and `burn`

use std::path::PathBuf;

use clap::Args;
use floe_chain::Address;
use floe_protocol::{BlobId, ObjectId};

use super::{
    MemoryArgs,
    values::{Amount, BlobRef, parse_blob_ref, parse_object_id, parse_time},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe list-blobs\n  floe list-blobs --include-expired --json\n\nBlobs in pools are \
                        shown by `floe pool show`."
)]
pub(crate) struct ListBlobsArgs {
    /// The account; without it that of the wallet
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    /// Also those whose end has passed
    #[arg(long)]
    pub(crate) include_expired: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe extend aO3DCvJe-1spgyze6G_HxQh0gqtOYmxK9VKPcmt4cQA --epochs 10\n  \
                        floe extend 12 --end-epoch 200\n  floe extend 12 --earliest-expiry-time 2027-12-31\n  \
                        floe extend 12 --resource 4\n\nAnyone may extend any certified blob, and pays for it.")]
#[command(group(clap::ArgGroup::new("how").required(true)))]
pub(crate) struct ExtendArgs {
    /// Blob ID, or object ID of a registration
    #[arg(required_unless_present = "blob_obj_id", value_name = "ID", allow_hyphen_values = true)]
    #[arg(value_parser = parse_blob_ref)]
    pub(crate) id: Option<BlobRef>,
    /// Object ID of a registration
    #[arg(long, value_name = "ID", value_parser = parse_object_id, conflicts_with = "id")]
    pub(crate) blob_obj_id: Option<ObjectId>,
    /// By this many epochs
    #[arg(long, visible_alias = "epochs-extended", group = "how", value_name = "N")]
    pub(crate) epochs: Option<u32>,
    /// Until the start of this epoch
    #[arg(long, group = "how", value_name = "EPOCH")]
    pub(crate) end_epoch: Option<u32>,
    /// At least until this time, by the duration of epochs
    #[arg(long, group = "how", value_name = "TIME", value_parser = parse_time)]
    pub(crate) earliest_expiry_time: Option<u64>,
    /// By a storage resource of the wallet's that has the blob's encoded length and begins where it ends
    #[arg(long, group = "how", value_name = "RESOURCE", value_parser = parse_object_id)]
    pub(crate) resource: Option<ObjectId>,
    /// The registration that is shared, where the wallet has another one of the same blob
    #[arg(long)]
    pub(crate) shared: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe delete aO3DCvJe-1spgyze6G_HxQh0gqtOYmxK9VKPcmt4cQA\n  floe delete --file photo.jpg \
                        --yes\n  floe delete 12\n\nOnly registrations that were stored as deletable can be deleted. Their \
                        storage comes back as a resource (`floe resources`)."
)]
pub(crate) struct DeleteArgs {
    /// Blob ID, or object ID of a registration
    // One alone: a list that takes values with a hyphen would take the options after it too.
    #[arg(value_name = "ID", allow_hyphen_values = true, value_parser = parse_blob_ref)]
    #[arg(required_unless_present_any = ["files", "blob_ids", "object_ids"])]
    pub(crate) id: Option<BlobRef>,
    /// A file whose blob is meant; may be repeated
    #[arg(long = "file", alias = "files", value_name = "FILE", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// Blob ID; may be repeated
    #[arg(long = "blob-id", alias = "blob-ids", value_name = "ID", allow_hyphen_values = true)]
    pub(crate) blob_ids: Vec<BlobId>,
    /// Object ID of a registration; may be repeated
    #[arg(long = "object-id", alias = "object-ids", value_name = "ID", value_parser = parse_object_id)]
    pub(crate) object_ids: Vec<ObjectId>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Do not ask the network what is left of the blob
    #[arg(long)]
    pub(crate) no_status_check: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe share 12\n  floe share 12 --amount 5\n\nA shared blob belongs to nobody: anyone \
                        can extend and fund it, and nobody can take it or its money away."
)]
pub(crate) struct ShareArgs {
    /// Object ID of a permanent registration of the wallet's
    #[arg(required_unless_present = "blob_obj_id", value_name = "ID", value_parser = parse_object_id)]
    pub(crate) id: Option<ObjectId>,
    /// The same
    #[arg(long, value_name = "ID", value_parser = parse_object_id, conflicts_with = "id")]
    pub(crate) blob_obj_id: Option<ObjectId>,
    /// Money to put into its fund at once
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) amount: Option<Amount>,
    #[command(flatten)]
    pub(crate) renewal: RenewalArgs,
}

/// How a blob renews itself.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RenewalArgs {
    /// What whoever renews the blob receives from its fund each time
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) reward: Option<Amount>,
    /// How many epochs a renewal adds at most
    #[arg(long, value_name = "N")]
    pub(crate) renewal_epochs: Option<u32>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe fund 12 --amount 5 --reward 0.001\n  floe fund 12\n  floe fund 12 --withdraw 2\n\n\
                        A blob extends itself from its fund when its end is near, for as long as the money lasts: nodes see \
                        to it for the reward, and so can anyone (`floe renew`)."
)]
pub(crate) struct FundArgs {
    /// Object ID of a registration
    #[arg(required_unless_present = "blob_obj_id", value_name = "ID", value_parser = parse_object_id)]
    pub(crate) id: Option<ObjectId>,
    /// The same
    #[arg(long, alias = "shared-blob-obj-id", value_name = "ID", value_parser = parse_object_id, conflicts_with = "id")]
    pub(crate) blob_obj_id: Option<ObjectId>,
    /// Money to put into its fund
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) amount: Option<Amount>,
    /// Money to take out of it; its owner may
    #[arg(long, value_name = "AMOUNT", conflicts_with = "amount")]
    pub(crate) withdraw: Option<Amount>,
    /// Pay what is left in the fund of a shared blob that has ended to the nodes; anyone may
    #[arg(long, conflicts_with_all = ["amount", "withdraw"])]
    pub(crate) sweep: bool,
    #[command(flatten)]
    pub(crate) renewal: RenewalArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe renew 12\n  floe renew --all --min-reward 0.001")]
pub(crate) struct RenewArgs {
    /// Object ID of a registration; may be repeated
    #[arg(required_unless_present = "all", value_name = "ID", value_parser = parse_object_id)]
    pub(crate) ids: Vec<ObjectId>,
    /// All blobs of the network that can be renewed now
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Only those that pay at least this
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub(crate) min_reward: Amount,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  floe burn 12\n  floe burn --all-expired --yes\n\nBurning gives a registration up together \
                        with its storage; the data of one that has not ended stays until its end."
)]
#[command(group(clap::ArgGroup::new("which").required(true)))]
pub(crate) struct BurnArgs {
    /// Object ID of a registration of the wallet's; may be repeated
    #[arg(value_name = "ID", group = "which", value_parser = parse_object_id)]
    pub(crate) ids: Vec<ObjectId>,
    /// The same
    #[arg(long = "object-id", alias = "object-ids", group = "which", value_name = "ID", value_parser = parse_object_id)]
    #[arg(num_args = 1..)]
    pub(crate) object_ids: Vec<ObjectId>,
    /// All registrations of the wallet's
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// All registrations of the wallet's whose end has passed
    #[arg(long, group = "which")]
    pub(crate) all_expired: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}
