// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAvailability} from "./IAvailability.sol";

/// @title What the contracts that hold registrations tell `Availability`
interface IAvailabilityRecord is IAvailability {
    /// @notice The caller is none of the contracts that may write here.
    error NotAWriter(address caller);
    /// @notice The blob was proven to be inconsistently encoded.
    /// @param blobId the blob
    /// @param invalidSince epoch in which it was marked
    error BlobInvalid(bytes32 blobId, uint32 invalidSince);
    /// @notice Epochs follow each other.
    error EpochNotNext(uint32 expected, uint32 got);

    /// @notice The network answers for a permanent registration of a blob until `endEpoch`. A later end that is known
    ///         stays.
    /// @param blobId the blob, not invalid
    /// @param endEpoch first epoch in which it no longer does
    /// @return until the latest end of a single registration that is known now
    function record(bytes32 blobId, uint32 endEpoch) external returns (uint32 until);

    /// @notice The network answers for a blob as long as for the pool that it lies in, unless a later end is known.
    /// @param blobId the blob, not invalid
    /// @param poolId the pool
    function recordInPool(bytes32 blobId, uint256 poolId) external;

    /// @notice A pool ends later, and all blobs in it.
    /// @param poolId the pool
    /// @param endEpoch first epoch that it does not cover
    function setPoolEnd(uint256 poolId, uint32 endEpoch) external;

    /// @notice The blob is inconsistently encoded: nobody answers for it any more, forever.
    /// @param blobId the blob, not invalid yet
    /// @return epoch the current epoch
    function invalidate(bytes32 blobId) external returns (uint32 epoch);

    /// @notice Reverts with `BlobInvalid` when the blob was marked.
    /// @param blobId the blob
    function requireValid(bytes32 blobId) external view;

    /// @notice When a blob was marked as inconsistently encoded.
    /// @param blobId the blob
    /// @return epoch the epoch in which it was; 0 when it was not
    function invalidSince(bytes32 blobId) external view returns (uint32 epoch);
}
