// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What staking refuses, and why
interface StakingErrors {
    /// @notice The node has no pool, because there is no such node.
    error UnknownPool(uint256 nodeId);
    /// @notice There is no position of this number.
    error UnknownPosition(uint256 positionId);
    /// @notice Too little FLOE for this.
    error StakeTooSmall(uint256 got, uint256 min);
    /// @notice What stays of a position would be too little, or less than nothing.
    /// @param principal what the position has
    /// @param amount what was to be taken from it
    /// @param min what has to stay
    error RemainderTooSmall(uint256 principal, uint256 amount, uint256 min);
    /// @notice The position is to be withdrawn already.
    error AlreadyLeaving(uint256 positionId, uint32 withdrawEpoch);
    /// @notice Nobody has asked yet for the position to be withdrawn.
    error NotLeaving(uint256 positionId);
    /// @notice The stake is needed until a later epoch.
    error WithdrawalNotDue(uint32 withdrawEpoch, uint32 currentEpoch);
    /// @notice Positions are joined that have the same node and the same first and last epoch.
    error PositionsDiffer(uint256 positionId, uint256 otherId);
    /// @notice A part is at most the whole, 10,000 basis points.
    error BpsTooMany(uint256 got, uint256 max);
    /// @notice Two lists that belong together have as many elements.
    error LengthsDiffer(uint256 first, uint256 second);
    /// @notice Commission can be collected once the next committee is selected.
    error CommissionBlocked(uint32 epoch);
    /// @notice The node is a candidate already.
    error AlreadyActive(uint256 nodeId);
    /// @notice Rewards can only be lowered within an epoch; both in basis points of a shard.
    error RewardNotLower(uint256 current, uint256 got);
    /// @notice So little would be left of the pool that it could no longer be shared exactly.
    error SlashTooDeep(uint256 index, uint256 min);
}
