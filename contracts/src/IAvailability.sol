// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title The question that other contracts ask: does the network answer for these bytes?
/// @notice All that a consumer needs to compile against.
interface IAvailability {
    /// @notice Whether the blob is certified, not expired and not invalid. Two storage reads.
    /// @param blobId the blob's content address
    /// @return true when the network answers for it in the current epoch
    function isAvailable(bytes32 blobId) external view returns (bool);

    /// @notice Until when the network answers for the blob. One storage read; an answer may lie in the past.
    /// @param blobId the blob's content address
    /// @return endEpochExclusive the first epoch in which it no longer does; 0 when the blob was never certified or is
    ///         invalid
    function availableUntil(bytes32 blobId) external view returns (uint32 endEpochExclusive);
}
