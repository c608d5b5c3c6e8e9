//! Operations: a kind, and a number that all of its details follow from.

/// What somebody tries to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Mint,
    ApproveCoins,
    TransferCoins,
    Reserve,
    ReserveFor,
    SplitByEpoch,
    SplitBySize,
    Fuse,
    Destroy,
    TransferResource,
    ApproveResource,
    Register,
    RegisterBatch,
    RegisterWithResource,
    Certify,
    CertifyBatch,
    Invalidate,
    Extend,
    ExtendWithResource,
    Delete,
    Burn,
    Share,
    Fund,
    SetRenewal,
    Renew,
    WithdrawFund,
    Sweep,
    TransferBlob,
    CreatePool,
    ExtendPool,
    IncreasePool,
    DecreasePool,
    DestroyPool,
    RegisterInPool,
    CertifyInPool,
    Refresh,
    DeleteInPool,
    BurnExpired,
    TransferPool,
    SetAttributes,
    RemoveAttributes,
    CarryOut,
    CancelIntent,
    Subsidize,
    FundPot,
    Process,
    AddCommissions,
    Stake,
    Unstake,
    Withdraw,
    Claim,
    Split,
    Join,
    SetCommission,
    CollectCommission,
    SetReceiver,
    SetAuthority,
    VoteTerms,
    NextKey,
    RegisterNode,
    JoinActiveSet,
    Pass,
    Select,
    Begin,
    Report,
    EndSync,
    NextEpoch,
    Vote,
    Decide,
    Execute,
    LowerReward,
}

/// How often each is tried.
const WEIGHTS: &[(u32, Kind)] = &[
    (2, Kind::Mint),
    (2, Kind::ApproveCoins),
    (1, Kind::TransferCoins),
    (7, Kind::Reserve),
    (6, Kind::ReserveFor),
    (4, Kind::SplitByEpoch),
    (3, Kind::SplitBySize),
    (5, Kind::Fuse),
    (1, Kind::Destroy),
    (2, Kind::TransferResource),
    (2, Kind::ApproveResource),
    (8, Kind::Register),
    (3, Kind::RegisterBatch),
    (6, Kind::RegisterWithResource),
    (9, Kind::Certify),
    (3, Kind::CertifyBatch),
    (1, Kind::Invalidate),
    (6, Kind::Extend),
    (5, Kind::ExtendWithResource),
    (4, Kind::Delete),
    (2, Kind::Burn),
    (2, Kind::Share),
    (6, Kind::Fund),
    (4, Kind::SetRenewal),
    (6, Kind::Renew),
    (2, Kind::WithdrawFund),
    (2, Kind::Sweep),
    (2, Kind::TransferBlob),
    (6, Kind::CreatePool),
    (5, Kind::ExtendPool),
    (5, Kind::IncreasePool),
    (4, Kind::DecreasePool),
    (2, Kind::DestroyPool),
    (9, Kind::RegisterInPool),
    (8, Kind::CertifyInPool),
    (3, Kind::Refresh),
    (4, Kind::DeleteInPool),
    (2, Kind::BurnExpired),
    (1, Kind::TransferPool),
    (6, Kind::SetAttributes),
    (2, Kind::RemoveAttributes),
    (12, Kind::CarryOut),
    (1, Kind::CancelIntent),
    (3, Kind::Subsidize),
    (2, Kind::FundPot),
    (6, Kind::Process),
    (2, Kind::AddCommissions),
    (8, Kind::Stake),
    (7, Kind::Unstake),
    (6, Kind::Withdraw),
    (5, Kind::Claim),
    (3, Kind::Split),
    (5, Kind::Join),
    (2, Kind::SetCommission),
    (4, Kind::CollectCommission),
    (1, Kind::SetReceiver),
    (1, Kind::SetAuthority),
    (4, Kind::VoteTerms),
    (2, Kind::NextKey),
    (2, Kind::RegisterNode),
    (6, Kind::JoinActiveSet),
    (3, Kind::Pass),
    (3, Kind::Select),
    (3, Kind::Begin),
    (5, Kind::Report),
    (2, Kind::EndSync),
    (25, Kind::NextEpoch),
    (3, Kind::Vote),
    (3, Kind::Decide),
    (6, Kind::Execute),
    (2, Kind::LowerReward),
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
}

/// All of them.
pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    WEIGHTS.iter().map(|(_, kind)| *kind)
}

/// The operations of a sequence.
pub(crate) fn operations(seed: u64, count: usize) -> Vec<Op> {
    let total: u32 = WEIGHTS.iter().map(|(weight, _)| weight).sum();
    let mut draw = Draw::new(seed);
    let mut any = || {
        let mut place = draw.small(total);
        let mut kinds = WEIGHTS.iter();
        loop {
            let (weight, kind) = kinds.next().expect("below the sum");
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return Op { kind: *kind, seed: draw.below(u64::MAX) },
            }
        }
    };
    (0..count).map(|_| any()).collect()
}

/// Choices that follow from an operation's number.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).expect("below a small bound")
    }

    /// True in so many cases of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")].clone()
    }
}
