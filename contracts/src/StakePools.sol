// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakingErrors} from "./StakingErrors.sol";

/// @title The pool of one node: how stake becomes shares, and rewards are divided among them
/// @notice The value of a share, `index`, begins at one and only ever falls, by slashing; as long as nothing was slashed,
///         shares equal stake exactly. All division rounds down: a pool never owes more than it has.
/// @dev A pool is brought up to date when somebody touches it. Whatever is to join or leave does so one or two epochs
///      after the last touch, so that three steps suffice, however many epochs have passed.
library StakePools {
    /// @notice One pool; five words.
    struct Pool {
        /// stake in force, in FLOE
        uint96 balance;
        /// shares in force
        uint128 shares;
        /// the epoch that the pool was brought up to
        uint32 settledEpoch;
        /// rewards of one share since ever, in the payment token; 96 fractional bits
        uint160 rewardPerShare;
        /// value of a share in FLOE; 95 fractional bits
        uint96 index;
        /// FLOE that joins in the epoch after `settledEpoch`
        uint96 joining;
        /// FLOE that joins one epoch later
        uint96 joiningAfter;
        /// part of the rewards that the node keeps
        uint16 commissionBps;
        /// what that becomes in `commissionEpoch`
        uint16 nextCommissionBps;
        /// position in the active set, from 1; 0 for none
        uint16 place;
        /// shards held in this epoch
        uint16 weight;
        /// shares that leave in the epoch after `settledEpoch`
        uint128 leaving;
        /// shares that leave one epoch later
        uint128 leavingAfter;
        /// FLOE among `joining` that leaves one epoch later
        uint96 leavingEarly;
        /// commission not yet collected, in the payment token
        uint96 commission;
        /// when the commission changes; 0 for never
        uint32 commissionEpoch;
        /// shards that are not paid for in this epoch, in basis points of a shard
        uint32 withheldBps;
    }

    /// @notice What a share was worth and had earned when an epoch began, for those who joined or left in it. One word.
    struct Checkpoint {
        /// `rewardPerShare` at the time
        uint160 rewardPerShare;
        /// `index` at the time
        uint96 index;
    }

    /// @notice The index of a pool that was never slashed.
    uint96 internal constant ONE = 1 << 95;
    /// @notice The lowest index: slashing goes no deeper.
    uint96 internal constant MIN_INDEX = ONE >> 24;

    uint256 private constant WHOLE_BPS = 10_000;

    /// @notice The shares that stake buys.
    /// @param amount FLOE
    /// @param index value of a share
    /// @return shares rounded down
    function toShares(uint256 amount, uint96 index) internal pure returns (uint128 shares) {
        return uint128(amount * ONE / index);
    }

    /// @notice What shares are worth.
    /// @param shares how many
    /// @param index value of a share
    /// @return amount FLOE, rounded down
    function toStake(uint256 shares, uint96 index) internal pure returns (uint96 amount) {
        return uint96(shares * index / ONE);
    }

    /// @notice What shares earned.
    /// @param shares how many
    /// @param perShare of how much reward per share
    /// @return amount in the payment token, rounded down
    function rewardOf(uint256 shares, uint160 perShare) internal pure returns (uint256 amount) {
        return (shares * perShare) >> 96;
    }

    /// @notice Brings a pool up to an epoch.
    /// @param pool the pool, in an earlier epoch
    /// @param epoch the epoch
    /// @param rewards cumulated rewards for a basis point of a shard, by epoch; 64 fractional bits
    /// @param checkpoints of this pool
    function advance(
        Pool storage pool,
        uint32 epoch,
        mapping(uint32 => uint256) storage rewards,
        mapping(uint32 => Checkpoint) storage checkpoints
    ) internal {
        Pool memory current = pool;
        uint32 first = current.settledEpoch;
        for (uint32 next = first + 1; next <= epoch && next <= first + 2; ++next) {
            if (current.joining | current.leaving != 0) {
                Checkpoint memory reached = _step(current, next, rewards);
                checkpoints[next] = reached;
            } else {
                _step(current, next, rewards);
            }
        }
        if (current.settledEpoch < epoch) _step(current, epoch, rewards);
        _store(pool, current);
    }

    /// @notice What a pool will be once it is brought up to an epoch.
    /// @param pool the pool
    /// @param epoch the epoch, between `settledEpoch` and the current one
    /// @param rewards as for `advance`
    /// @return current the pool when the epoch begins
    function upTo(Pool storage pool, uint32 epoch, mapping(uint32 => uint256) storage rewards)
        internal
        view
        returns (Pool memory current)
    {
        current = pool;
        uint32 first = current.settledEpoch;
        for (uint32 next = first + 1; next <= epoch && next <= first + 2; ++next) _step(current, next, rewards);
        if (current.settledEpoch < epoch) _step(current, epoch, rewards);
    }

    /// @notice The stake that a pool has in a later epoch, as far as it is known.
    /// @param pool the pool
    /// @param epoch not before `settledEpoch`
    /// @return amount FLOE
    function stakeAt(Pool storage pool, uint32 epoch) internal view returns (uint96 amount) {
        uint32 ahead = epoch - pool.settledEpoch;
        amount = pool.balance;
        if (ahead == 0) return amount;
        amount += pool.joining;
        uint128 leaving = pool.leaving;
        if (ahead > 1) {
            amount += pool.joiningAfter;
            uint96 early = pool.leavingEarly;
            leaving += pool.leavingAfter + (early == 0 ? 0 : toShares(early, pool.index));
        }
        if (leaving != 0) amount -= toStake(leaving, pool.index);
    }

    /// @notice The stake of a pool, brought up to date, in the next epoch whose committee is not selected.
    /// @param pool the pool
    /// @param selected whether that of the next epoch is
    /// @return amount FLOE
    function stakeNext(Pool storage pool, bool selected) internal view returns (uint96 amount) {
        return stakeAt(pool, pool.settledEpoch + (selected ? 2 : 1));
    }

    /// @notice Takes shares out of a pool that is up to date and serves in no committee.
    /// @param pool the pool
    /// @param shares how many
    /// @return amount their value
    function takeOut(Pool storage pool, uint128 shares) internal returns (uint96 amount) {
        amount = toStake(shares, pool.index);
        pool.balance -= amount;
        pool.shares -= shares;
    }

    /// @notice Lowers the value of all shares in force.
    /// @param pool the pool, up to date
    /// @param bps how much of it, in basis points
    /// @return burned FLOE that is no longer anyone's
    function slash(Pool storage pool, uint16 bps) internal returns (uint96 burned) {
        uint96 index = uint96(pool.index * (WHOLE_BPS - bps) / WHOLE_BPS);
        if (index < MIN_INDEX) revert StakingErrors.SlashTooDeep(index, MIN_INDEX);
        burned = uint96(uint256(pool.balance) * bps / WHOLE_BPS);
        pool.index = index;
        pool.balance -= burned;
    }

    /// @dev Brings a pool from its epoch to a later one: rewards in between, then what joins and leaves there.
    function _step(Pool memory pool, uint32 epoch, mapping(uint32 => uint256) storage rewards)
        private
        view
        returns (Checkpoint memory reached)
    {
        uint256 paidBps = pool.weight * WHOLE_BPS - pool.withheldBps;
        if (paidBps != 0) {
            uint256 reward = (paidBps * (rewards[epoch] - rewards[pool.settledEpoch])) >> 64;
            uint256 commission = pool.shares == 0 ? reward : reward * pool.commissionBps / WHOLE_BPS;
            pool.commission += uint96(commission);
            if (pool.shares != 0) pool.rewardPerShare += uint160(((reward - commission) << 96) / pool.shares);
        }
        if (pool.commissionEpoch != 0 && pool.commissionEpoch <= epoch) {
            (pool.commissionBps, pool.commissionEpoch) = (pool.nextCommissionBps, 0);
        }
        pool.balance = pool.balance + pool.joining - toStake(pool.leaving, pool.index);
        pool.shares = pool.shares + toShares(pool.joining, pool.index) - pool.leaving;
        pool.leaving = pool.leavingAfter + toShares(pool.leavingEarly, pool.index);
        (pool.joining, pool.joiningAfter) = (pool.joiningAfter, 0);
        (pool.leavingAfter, pool.leavingEarly) = (0, 0);
        pool.settledEpoch = epoch;
        return Checkpoint(pool.rewardPerShare, pool.index);
    }

    /// @dev Writes all but what no step changes; the compiler makes one store of each word.
    function _store(Pool storage pool, Pool memory current) private {
        (pool.balance, pool.shares, pool.settledEpoch) = (current.balance, current.shares, current.settledEpoch);
        pool.rewardPerShare = current.rewardPerShare;
        (pool.joining, pool.joiningAfter) = (current.joining, current.joiningAfter);
        pool.commissionBps = current.commissionBps;
        (pool.leaving, pool.leavingAfter) = (current.leaving, current.leavingAfter);
        (pool.leavingEarly, pool.commission) = (current.leavingEarly, current.commission);
        pool.commissionEpoch = current.commissionEpoch;
    }
}
