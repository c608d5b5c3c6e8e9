// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Concrete shards for the members of a committee, with as few moves as possible
/// @notice A member keeps what it has as far as it is entitled to it; what others hold too much of, or left behind, goes to
///         newcomers and to those that grow. A shard that need not move does not.
/// @dev Owners are two bytes for each shard, big-endian: the index of the member that holds it.
library ShardMoves {
    /// @notice The first committee: the shards in sequence.
    /// @param weights how many shards each member gets
    /// @param shards how many there are, the sum of the weights
    /// @return owners of the shards
    function first(uint256[] memory weights, uint256 shards) internal pure returns (bytes memory owners) {
        unchecked {
            owners = new bytes(2 * shards);
            uint256 shard = 0;
            for (uint256 member = 0; member < weights.length; ++member) {
                for (uint256 i = weights[member]; i != 0; --i) _put(owners, shard++, member);
            }
        }
    }

    /// @notice A committee that follows another one.
    /// @param before the members so far, by ascending number
    /// @param held who of them holds each shard
    /// @param nodeIds the members from now on, by ascending number
    /// @param weights how many shards each of them gets, all together
    /// @return owners of the shards
    function next(uint256[] memory before, bytes memory held, uint256[] memory nodeIds, uint256[] memory weights)
        internal
        pure
        returns (bytes memory owners)
    {
        unchecked {
            (uint256[] memory successors, bool[] memory stays) = _match(before, nodeIds);
            uint256 shards = held.length / 2;
            uint256[] memory wanted = new uint256[](weights.length);
            for (uint256 i = 0; i < weights.length; ++i) wanted[i] = weights[i];
            owners = new bytes(2 * shards);
            uint256[] memory free = new uint256[](shards);
            uint256 freeCount = _keep(owners, held, successors, wanted, free);
            freeCount = _give(owners, free, freeCount, wanted, stays, false);
            _give(owners, free, freeCount, wanted, stays, true);
        }
    }

    /// @dev Lets each member keep shards as long as it wants more; lists the others in `free`. Owners in `held` are indices
    ///      of `successors`, and those are indices of `wanted` or the largest number.
    function _keep(
        bytes memory owners,
        bytes memory held,
        uint256[] memory successors,
        uint256[] memory wanted,
        uint256[] memory free
    ) private pure returns (uint256 freeCount) {
        assembly ("memory-safe") {
            let shards := shr(1, mload(held))
            let target := add(owners, 0x20)
            let source := add(held, 0x20)
            for { let shard := 0 } lt(shard, shards) { shard := add(shard, 1) } {
                let before := shr(240, mload(add(source, shl(1, shard))))
                let member := mload(add(add(successors, 0x20), shl(5, before)))
                let kept := 0
                if not(member) {
                    let slot := add(add(wanted, 0x20), shl(5, member))
                    let more := mload(slot)
                    if more {
                        mstore(slot, sub(more, 1))
                        mstore8(target, shr(8, member))
                        mstore8(add(target, 1), member)
                        kept := 1
                    }
                }
                if iszero(kept) {
                    freeCount := add(freeCount, 1)
                    mstore(add(free, shl(5, freeCount)), shard)
                }
                target := add(target, 2)
            }
        }
    }

    /// @dev Gives free shards, the last first, to those that stay or to those that are new.
    function _give(
        bytes memory owners,
        uint256[] memory free,
        uint256 freeCount,
        uint256[] memory wanted,
        bool[] memory stays,
        bool toThoseThatStay
    ) private pure returns (uint256) {
        unchecked {
            for (uint256 member = 0; member < wanted.length; ++member) {
                if (stays[member] != toThoseThatStay) continue;
                for (uint256 i = wanted[member]; i != 0; --i) _put(owners, free[--freeCount], member);
            }
            return freeCount;
        }
    }

    /// @dev For each old member its new index (or the largest number), and for each new one whether it was there before.
    function _match(uint256[] memory before, uint256[] memory nodeIds)
        private
        pure
        returns (uint256[] memory successors, bool[] memory stays)
    {
        unchecked {
            successors = new uint256[](before.length);
            stays = new bool[](nodeIds.length);
            uint256 j = 0;
            for (uint256 i = 0; i < before.length; ++i) {
                while (j < nodeIds.length && nodeIds[j] < before[i]) ++j;
                bool found = j < nodeIds.length && nodeIds[j] == before[i];
                successors[i] = found ? j : type(uint256).max;
                if (found) stays[j] = true;
            }
        }
    }

    function _put(bytes memory owners, uint256 shard, uint256 member) private pure {
        assembly ("memory-safe") {
            let target := add(add(owners, 0x20), shl(1, shard))
            mstore8(target, shr(8, member))
            mstore8(add(target, 1), member)
        }
    }
}
