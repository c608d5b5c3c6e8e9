// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Write-once data kept as the code of a contract
/// @notice Reading code costs 2,600 gas once and 3 gas for each further 32 bytes, where storage would cost 2,100 for
///         each 32 bytes. The code starts with a STOP byte, so that it can never run as anything.
library CodeStorage {
    /// @notice More bytes than one contract may hold.
    /// @param got how many there are
    /// @param max how many fit
    error DataTooLong(uint256 got, uint256 max);
    /// @notice The data contract could not be created.
    error DataNotStored();

    /// @dev The code size limit of EIP-170 less the STOP byte.
    uint256 internal constant MAX_BYTES = 24_575;

    /// @notice Creates a contract that holds `data`.
    /// @param data at most `MAX_BYTES` bytes
    /// @return location the address to read from
    function write(bytes memory data) internal returns (address location) {
        if (data.length > MAX_BYTES) revert DataTooLong(data.length, MAX_BYTES);
        // PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN | STOP | data
        bytes memory creation = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff3", hex"00", data);
        assembly ("memory-safe") {
            location := create(0, add(creation, 0x20), mload(creation))
        }
        if (location == address(0)) revert DataNotStored();
    }

    /// @notice Whether `location` keeps exactly `data`.
    /// @param location what `write` returned, or any address
    /// @param data the bytes
    /// @return true when reading them there would give the same
    function holds(address location, bytes memory data) internal view returns (bool) {
        return location.codehash == keccak256(abi.encodePacked(hex"00", data));
    }

    /// @notice How many bytes are kept at `location`.
    /// @param location what `write` returned
    /// @return the number of bytes
    function length(address location) internal view returns (uint256) {
        return location.code.length - 1;
    }

    /// @notice A part of the data at `location`. Bytes past its end read as zero.
    /// @param location what `write` returned
    /// @param offset first byte wanted
    /// @param size number of bytes wanted
    /// @return data the bytes
    function read(address location, uint256 offset, uint256 size) internal view returns (bytes memory data) {
        data = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(location, add(data, 0x20), add(offset, 1), size)
        }
    }
}
