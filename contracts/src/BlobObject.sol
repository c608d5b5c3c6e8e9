// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @notice One registration of a blob, by itself or in a pool.
struct BlobObject {
    /// content address: BLAKE2b-256 of encoding type, size (8 bytes, little-endian) and root hash
    bytes32 blobId;
    /// who owns it, or the pool that it lies in; the contract `Blobs` when it is shared
    address owner;
    /// length of the blob in bytes
    uint64 size;
    /// how it is encoded; 1 is RS2
    uint8 encodingType;
    /// whether its owner may delete it before its end
    bool deletable;
    /// epoch of the registration
    uint32 registeredEpoch;
    /// epoch of the certificate; 0 while there is none
    uint32 certifiedEpoch;
    /// first epoch in which the network no longer answers for it
    uint32 endEpoch;
}

/// @title What `Blobs` and `Pools` both tell of a registration
interface IBlobObjects is IERC721 {
    /// @notice One registration.
    /// @param objectId its number
    /// @return the object
    function blob(uint256 objectId) external view returns (BlobObject memory);
}
