// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Shards by stake: D'Hondt's method with a cap
/// @notice One shard after the other goes to the node with the largest stake / (shards + 1) that has not reached the
///         cap; ties go to the earlier node. Quotients are compared as fixed-point numbers with 64 fractional bits.
library Apportionment {
    /// @notice How many shards one node may hold: a tenth of them, or, with fewer than 20 nodes, twice the even share.
    /// @param nodes how many nodes there are
    /// @param shards how many shards there are
    /// @return the cap, at least 1
    function cap(uint256 nodes, uint256 shards) internal pure returns (uint256) {
        if (nodes < 20) return (2 * shards + nodes - 1) / nodes;
        return shards < 10 ? 1 : shards / 10;
    }

    /// @notice Gives out all shards.
    /// @dev Does not start from zero: min(cap, stake / divisor) never exceeds what a node gets in the end, as long as the
    ///      sum over all nodes is not above the number of shards. A divisor near the least such one is found by bisection;
    ///      the few shards that are left then go one by one. There is enough to give to: nodes * cap >= shards.
    /// @param stakes stake of each node, above zero and below 2^96
    /// @param shards how many shards there are
    /// @return seats shards of each node
    function apportion(uint256[] memory stakes, uint256 shards) internal pure returns (uint256[] memory seats) {
        unchecked {
            uint256 count = stakes.length;
            uint256 max = cap(count, shards);
            uint256 divisor = _divisor(stakes, max, shards);
            seats = new uint256[](count);
            uint256[] memory quotients = new uint256[](count);
            for (uint256 i = 0; i < count; ++i) {
                uint256 stake = stakes[i];
                uint256 seat = stake / divisor;
                if (seat < max) quotients[i] = (stake << 64) / (seat + 1);
                else seat = max;
                seats[i] = seat;
                shards -= seat;
            }
            for (; shards != 0; --shards) {
                uint256 best = _largest(quotients);
                uint256 seat = ++seats[best];
                quotients[best] = seat == max ? 0 : (stakes[best] << 64) / (seat + 1);
            }
        }
    }

    /// @dev A divisor that gives out at most `shards`, and less than 1 % above the least one.
    function _divisor(uint256[] memory stakes, uint256 max, uint256 shards) private pure returns (uint256 enough) {
        unchecked {
            for (uint256 i = 0; i < stakes.length; ++i) enough += stakes[i];
            enough = enough / (shards + 1) + 1;
            uint256 tooLow = enough / 2;
            while (tooLow != 0 && _given(stakes, tooLow, max) <= shards) (enough, tooLow) = (tooLow, tooLow / 2);
            while (enough - tooLow > enough / 128 + 1) {
                uint256 middle = (enough + tooLow) / 2;
                if (_given(stakes, middle, max) <= shards) enough = middle;
                else tooLow = middle;
            }
        }
    }

    /// @dev How many shards a divisor gives out.
    function _given(uint256[] memory stakes, uint256 divisor, uint256 max) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let end := add(add(stakes, 0x20), shl(5, mload(stakes)))
            for { let next := add(stakes, 0x20) } lt(next, end) { next := add(next, 0x20) } {
                let seat := div(mload(next), divisor)
                sum := add(sum, xor(seat, mul(xor(seat, max), gt(seat, max))))
            }
        }
    }

    /// @dev Position of the first of the largest values.
    function _largest(uint256[] memory values) private pure returns (uint256 best) {
        assembly ("memory-safe") {
            let begin := add(values, 0x20)
            let end := add(begin, shl(5, mload(values)))
            let place := begin
            let max := mload(begin)
            for { let next := add(begin, 0x20) } lt(next, end) { next := add(next, 0x20) } {
                let value := mload(next)
                if gt(value, max) {
                    max := value
                    place := next
                }
            }
            best := shr(5, sub(place, begin))
        }
    }
}
