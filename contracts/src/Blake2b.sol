// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LittleEndian} from "./LittleEndian.sol";

/// @title BLAKE2b with a 32-byte output and no key, the hash behind blob ids
/// @notice Runs on the compression function of precompile 0x09 (EIP-152): 12 gas for each 128 bytes, plus the call.
library Blake2b {
    /// @notice The precompile did not answer: this chain does not have it, or the call ran out of gas.
    error Blake2FUnavailable();

    /// @dev The initial state with the parameter block (32-byte digest, no key, fan-out and depth 1) folded in;
    ///      eight 64-bit words, each little-endian, in two halves.
    bytes32 private constant STATE_LOW = 0x28c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5;
    bytes32 private constant STATE_HIGH = 0xd182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b;

    uint256 private constant BLOCK_BYTES = 128;

    /// @notice The digest of `data`.
    /// @param data any bytes, empty included
    /// @return digest the 32-byte BLAKE2b hash
    function hash(bytes memory data) internal view returns (bytes32 digest) {
        uint256 length = data.length;
        uint256 offset = 0;
        bytes32[2] memory state = [STATE_LOW, STATE_HIGH];
        // The last block is compressed apart, even when it is full, because it is marked as final.
        for (; length - offset > BLOCK_BYTES; offset += BLOCK_BYTES) {
            _compress(state, data, offset, BLOCK_BYTES, false);
        }
        _compress(state, data, offset, length - offset, true);
        return state[0];
    }

    /// @dev Folds `size` bytes of `data` from `offset` into `state`. The precompile takes
    ///      rounds (4, big-endian) | state (64) | block (128) | bytes so far (16, little-endian) | final flag (1).
    function _compress(bytes32[2] memory state, bytes memory data, uint256 offset, uint256 size, bool last)
        private
        view
    {
        bytes8 counter = LittleEndian.le64(uint64(offset + size));
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, calldatasize(), 0xe0) // zeros
            mstore8(add(input, 0x03), 12)
            mcopy(add(input, 0x04), state, 0x40)
            mcopy(add(input, 0x44), add(add(data, 0x20), offset), size)
            mstore(add(input, 0xc4), counter)
            mstore8(add(input, 0xd4), last)
            ok := staticcall(gas(), 0x09, input, 0xd5, state, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
        }
        if (!ok) revert Blake2FUnavailable();
    }
}
