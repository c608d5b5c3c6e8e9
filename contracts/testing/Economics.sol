// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Apportionment} from "../src/Apportionment.sol";
import {Ballot} from "../src/Ballot.sol";
import {ShardMoves} from "../src/ShardMoves.sol";

/// @title The rules of committees, callable by tests that compare them with other implementations
contract Economics {
    /// @notice `Apportionment.apportion`.
    /// @param stakes stake of each node
    /// @param shards how many shards there are
    /// @return shards of each node
    function apportion(uint256[] calldata stakes, uint256 shards) external pure returns (uint256[] memory) {
        return Apportionment.apportion(stakes, shards);
    }

    /// @notice `ShardMoves.next`.
    /// @param before the members so far
    /// @param held who of them holds each shard
    /// @param nodeIds the members from now on
    /// @param weights how many shards each of them gets
    /// @return owners of the shards
    function move(uint256[] calldata before, bytes calldata held, uint256[] calldata nodeIds, uint256[] calldata weights)
        external
        pure
        returns (bytes memory owners)
    {
        return ShardMoves.next(before, held, nodeIds, weights);
    }

    /// @notice `Ballot.lowest` and `Ballot.highest`.
    /// @param ballots each value << 16 | weight
    /// @param quorum weight needed
    /// @return low the lowest value that a quorum voted at most
    /// @return high the highest value that a quorum voted at least
    function percentiles(uint256[] calldata ballots, uint256 quorum) external pure returns (uint256 low, uint256 high) {
        return (Ballot.lowest(ballots, quorum), Ballot.highest(ballots, quorum));
    }
}
