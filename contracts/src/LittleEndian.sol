// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Little-endian integers, as signed messages and blob ids carry them
/// @notice The EVM is big-endian; everything that storage nodes sign or hash is not.
library LittleEndian {
    /// @notice The four bytes of `value`, least significant first.
    /// @param value the integer
    /// @return the bytes, as a left-aligned word
    function le32(uint32 value) internal pure returns (bytes4) {
        value = ((value & 0xff00ff00) >> 8) | ((value & 0x00ff00ff) << 8);
        return bytes4((value >> 16) | (value << 16));
    }

    /// @notice The eight bytes of `value`, least significant first.
    /// @param value the integer
    /// @return the bytes, as a left-aligned word
    function le64(uint64 value) internal pure returns (bytes8) {
        value = ((value & 0xff00ff00ff00ff00) >> 8) | ((value & 0x00ff00ff00ff00ff) << 8);
        value = ((value & 0xffff0000ffff0000) >> 16) | ((value & 0x0000ffff0000ffff) << 16);
        return bytes8((value >> 32) | (value << 32));
    }
}
