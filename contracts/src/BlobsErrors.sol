// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What `Blobs` and `Pools` refuse of a registration
interface BlobsErrors {
    /// @notice There is no object of this number.
    error UnknownObject(uint256 objectId);
    /// @notice The object has been certified before.
    /// @param objectId the object
    /// @param certifiedEpoch when
    error AlreadyCertified(uint256 objectId, uint32 certifiedEpoch);
    /// @notice Only what is certified can be extended.
    error NotCertified(uint256 objectId);
    /// @notice The object's time is over.
    /// @param endEpoch first epoch that it did not cover
    /// @param currentEpoch the epoch now
    error BlobExpired(uint32 endEpoch, uint32 currentEpoch);
    /// @notice The object still has time.
    /// @param endEpoch first epoch that it does not cover
    /// @param currentEpoch the epoch now
    error NotExpired(uint32 endEpoch, uint32 currentEpoch);
    /// @notice A permanent blob cannot be deleted.
    error NotDeletable(uint256 objectId);
    /// @notice What its owner could delete cannot be shared.
    error Deletable(uint256 objectId);
    /// @notice A resource for an extension has the blob's encoded length.
    /// @param expected the encoded length
    /// @param got bytes of the resource
    error ResourceSizeMismatch(uint64 expected, uint64 got);
    /// @notice A resource for an extension begins where the blob ends.
    /// @param expected first epoch that the blob does not cover
    /// @param got first epoch of the resource
    error ResourceGap(uint32 expected, uint32 got);
    /// @notice A list was empty.
    error EmptyBatch();
}
