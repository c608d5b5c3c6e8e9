// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LittleEndian} from "./LittleEndian.sol";

/// @title The messages that storage nodes sign, as the chain builds them
library SignedMessages {
    /// @notice What every message begins with.
    /// @param intent its type
    /// @param epoch the current epoch
    /// @return intent | 00, the version | 03, storage | epoch (4, LE)
    function header(bytes1 intent, uint32 epoch) internal pure returns (bytes memory) {
        return abi.encodePacked(intent, hex"0003", LittleEndian.le32(epoch));
    }

    /// @notice The confirmation that a blob is stored.
    /// @param epoch the current epoch
    /// @param blobId the blob
    /// @param objectId the registration
    /// @param deletable whether the confirmation is about that registration alone
    /// @return header of type 01 | blob id | 00 for a permanent blob, 01 and the object's number (32) for a deletable one
    function confirmation(uint32 epoch, bytes32 blobId, uint256 objectId, bool deletable)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory persistence = deletable ? abi.encodePacked(hex"01", objectId) : bytes(hex"00");
        return bytes.concat(header(0x01, epoch), blobId, persistence);
    }
}
