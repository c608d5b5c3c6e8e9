//! The contracts, as their callers meet them over JSON-RPC: on the embedded chain, and on anvil where `FLOE_ANVIL`
//! names its binary. The signatures come from `blst` and the hashes from `blake2b_simd`, so that contracts and
//! tests share no arithmetic.
//!
//! What must fail, by spec/protocol.md 5.3, and where it does:
//!
//! | what | error | test |
//! |---|---|---|
//! | size 0 | `SizeOutOfRange` | `resources::what_cannot_be_bought` |
//! | 0 or too many epochs | `EpochsAheadOutOfRange` | `register::epochs_ahead_have_limits` |
//! | end not after start | `EndNotAfterStart` | `resources::what_cannot_be_bought` |
//! | capacity exceeded in any epoch | `CapacityExceeded` | `register::no_epoch_holds_more_than_the_capacity` |
//! | payment too small | `PaymentTooSmall` | `register::nobody_pays_more_than_agreed` |
//! | wrong epoch in a certificate | `BadSignature`, `EpochMismatch` | `certify::a_certificate_belongs_to_its_epoch` |
//! | too little weight | `NoQuorum` | `certify::the_quorum_is_two_thirds_and_more` |
//! | wrong blob id | `WrongBlobId`, `BadSignature` | `register::the_id_must_follow_from_root_size_and_type` |
//! | certified twice | `AlreadyCertified` | `certify::a_certificate_counts_once_for_each_object` |
//! | certified after expiry | `BlobExpired` | `certify::what_has_expired_is_neither_certified_nor_available` |
//! | a deletable certificate for another object | `BadSignature` | `ownership::a_deletable_certificate_names_its_object` |
//! | delete of a permanent blob, or after expiry | `NotDeletable`, `BlobExpired` | `ownership::what_cannot_be_deleted` |
//! | extension without certificate, by 0, past the limit | `NotCertified`, `EpochsAheadOutOfRange` | `extend::what_cannot_be_extended` |
//! | extension by another size, or with a gap | `ResourceSizeMismatch`, `ResourceGap` | `extend::a_resource_of_the_same_size_extends_without_a_gap` |
//! | fusing unequal or disjoint resources | `NotFusible` | `resources::resources_are_cut_and_joined_without_loss` |
//! | a step of the clock too early, or in another phase | `TooEarly`, `WrongPhase` | `epochs::each_step_belongs_to_its_phase_and_time` |
//! | a second report | `AlreadySynced` | `epochs::members_report_once_until_a_quorum_has` |
//! | a second vote | `AlreadyVoted` | `governance::a_quorum_decides_after_the_delay` |
//! | a vote by a non-member | `NotMember` | `governance::only_members_vote_and_approval_expires` |
//! | stake of zero | `StakeTooSmall` | `staking::stake_is_at_least_one_floe_with_a_node_that_exists` |
//! | too small a remainder | `RemainderTooSmall` | `staking::positions_are_split_and_joined_by_their_owner` |
//! | withdrawal before its epoch | `WithdrawalNotDue` | `staking::stake_stays_as_long_as_a_committee_counts_on_it` |
//! | commission above the whole, or while blocked | `BpsTooMany`, `CommissionBlocked` | `governance::rewards_follow_shards_and_shares` |
//! | `maxEpochsAhead` above 1000 | `MaxEpochsAheadOutOfRange` | `register::deployment_checks_its_parameters` |
//!
//! Event blobs, deny lists and package versions do not exist here. The invariants of section 24 are held after every
//! epoch of the sequences in `machine.rs`.

mod support;

mod contracts {
    mod apportionment;
    mod attributes;
    mod batch;
    mod bindings;
    mod certify;
    mod consumer;
    mod epochs;
    mod extend;
    mod funds;
    mod gas;
    mod gas_blobs;
    mod gas_intents;
    mod governance;
    mod intent_hashes;
    mod intent_signing;
    mod intents;
    mod intents_refused;
    mod invalidate;
    mod launch;
    mod long_run;
    mod network;
    mod nodes;
    mod ownership;
    mod pooled;
    mod pools;
    mod primitives;
    mod quorums;
    mod register;
    mod repricing;
    mod resources;
    mod same_gas;
    mod signing;
    mod staking;
    mod subsidies;
    mod tokens;
    mod treasury;
    mod typed_data;
}
