// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a quorum of shards agrees on, and sorted lists
/// @notice Each vote is a value and a weight. A price is the lowest value that voters with a quorum find high enough; a
///         capacity is the highest value that voters with a quorum offer. So a third of the shards can hold a price up
///         or a capacity down, and no less than two thirds can do the opposite.
library Ballot {
    /// @notice The lowest value such that voters of at most that value have `quorum` weight.
    /// @param ballots each value << 16 | weight; sorted on return
    /// @param quorum weight needed, at most the sum of all
    /// @return value the value
    function lowest(uint256[] memory ballots, uint256 quorum) internal pure returns (uint256 value) {
        sort(ballots);
        uint256 weight = 0;
        for (uint256 i = 0; weight < quorum; ++i) {
            value = ballots[i] >> 16;
            weight += uint16(ballots[i]);
        }
    }

    /// @notice The highest value such that voters of at least that value have `quorum` weight.
    /// @param ballots each value << 16 | weight; sorted on return
    /// @param quorum weight needed, at most the sum of all
    /// @return value the value
    function highest(uint256[] memory ballots, uint256 quorum) internal pure returns (uint256 value) {
        sort(ballots);
        uint256 weight = 0;
        for (uint256 i = ballots.length; weight < quorum; --i) {
            value = ballots[i - 1] >> 16;
            weight += uint16(ballots[i - 1]);
        }
    }

    /// @notice Sorts in place, ascending.
    /// @dev By insertion: lists that are nearly sorted, as those of nodes and of votes are, cost next to nothing, and a
    ///      list of 150 in the worst order costs about a million gas. (Quicksort with the first element as its pivot,
    ///      which OpenZeppelin has, is slowest exactly on sorted lists.)
    /// @param values the list
    function sort(uint256[] memory values) internal pure {
        assembly ("memory-safe") {
            let begin := add(values, 0x20)
            let end := add(begin, shl(5, mload(values)))
            for { let next := add(begin, 0x20) } lt(next, end) { next := add(next, 0x20) } {
                let value := mload(next)
                let place := next
                for {} gt(place, begin) {} {
                    let below := mload(sub(place, 0x20))
                    if iszero(gt(below, value)) { break }
                    mstore(place, below)
                    place := sub(place, 0x20)
                }
                mstore(place, value)
            }
        }
    }
}
