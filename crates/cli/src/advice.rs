//! What to do about what the chain and its contracts refuse.

use floe_chain::ChainError;

/// What a person can do, where the error itself does not say it.
pub(crate) fn of(error: &ChainError) -> Option<&'static str> {
    match error {
        ChainError::NoWallet => Some("Name the key file of an account with --wallet FILE or FLOE_WALLET."),
        ChainError::Reverted { name, .. } => of_refusal(name),
        _ => None,
    }
}

/// By the name of the contract's error.
fn of_refusal(name: &str) -> Option<&'static str> {
    Some(match name {
        "Unauthorized" | "ERC721InsufficientApproval" | "ERC721IncorrectOwner" => {
            "Another account may do this: name its key file with --wallet FILE."
        }
        "UnknownPosition" => "`floe stake list` shows the positions of the wallet.",
        "UnknownPool" | "UnknownNode" => "`floe committee --all` shows all nodes.",
        "UnknownObject" => "`floe list-blobs` shows the registrations of the wallet.",
        "ERC721NonexistentToken" => "`floe resources`, `floe pool` and `floe list-blobs` show what the wallet owns.",
        "StakeTooSmall" => {
            "Stake at least one FLOE (10^18 of its smallest units), or what the network asks of candidates."
        }
        "RemainderTooSmall" => "What stays must be at least one FLOE: take out less, or all of it.",
        "AlreadyLeaving" => "It leaves already: `floe stake list` shows when it can be withdrawn.",
        "NotLeaving" => "Take it back first: floe unstake POSITION.",
        "WithdrawalNotDue" => "`floe epoch --wait EPOCH` waits for it.",
        "CommissionBlocked" => "It is paid in the second half of an epoch, once the next committee is selected.",
        "AccountHasNode" => "An account runs one node: register another one with an account of its own.",
        "KeyTaken" => "Make a key of its own for this node: floe node key-gen --key-type protocol --out FILE.",
        "NotCertified" => "Its store did not finish; store the file again.",
        "BlobExpired" => "What has ended is gone for good, a pool too: store it again, or in another pool.",
        "NotDeletable" => {
            "It was stored as permanent: it stays until its end. `floe burn` gives up the control over it."
        }
        "Deletable" => "Only permanent blobs can be shared (floe store --permanent): its owner could delete this one.",
        "RenewalNotDue" => "A blob is renewed in its last epochs; there is nothing to do before.",
        "FundTooSmall" => "Put more in: floe fund OBJECT --amount AMOUNT.",
        "NotExpired" => "It serves its blobs until its end; there is nothing to clear away before.",
        "CapacityExceeded" => "The network is full in one of these epochs: ask for less, for fewer epochs, or later.",
        "EpochsAheadOutOfRange" => "`floe info epoch` shows for how many epochs ahead storage can be paid for.",
        "PaymentTooSmall" => "Prices have changed in this moment: try again.",
        "SplitOutOfRange" | "ResourceTooSmall" => "`floe resources` shows its size and period: cut inside of it.",
        "NotFusible" => "Resources are joined that have one size and follow each other, or that have one period.",
        "ResourceSizeMismatch" | "ResourceGap" => {
            "Cut a resource that fits (`floe resources split`), or extend by payment (--epochs)."
        }
        "PoolFull" => {
            "`floe pool increase` makes a pool larger; `floe delete OBJECT` frees the room of deletable blobs."
        }
        "PoolNotEmpty" => {
            "`floe pool show` lists what is in it; `floe pool burn-expired` clears a pool that has ended."
        }
        "EndsDiffer" | "ResourceNotCovering" => {
            "Cut a resource that fits (`floe resources split`), or pay instead (--size)."
        }
        "DecreaseOutOfRange" => "`floe pool show` says what is used; an empty pool is destroyed instead.",
        "NotMember" => "Only members of the current committee vote; `floe committee` shows them.",
        "AlreadyVoted" => "Each node votes once an epoch for a proposal.",
        "AlreadyApproved" => "It needs no more votes: `floe vote list` shows when it can be executed.",
        "NotApproved" => "Votes count within one epoch, and two thirds of the shards are needed.",
        "DelayNotOver" => "Everyone who disagrees has until then to leave.",
        "ProposalExpired" => "It has to be voted on again.",
        "TooEarly" => "`floe epoch` shows when the next step is due.",
        "WrongPhase" => "`floe epoch` shows what the next step is.",
        "NoCandidates" => "Stake with some node first: floe stake --node ID --amount FLOE.",
        _ => return None,
    })
}
