// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title The question that other contracts ask: does the network answer for these bytes?
/// @notice All that a consumer needs to compile against. Answers are as of the running transaction.
///
///         Only registrations that nobody can take back count: a deletable blob may be served and is not available in
///         this sense.
interface IAvailability {
    /// @notice The network does not answer for the blob until the wanted epoch.
    /// @param blobId the blob
    /// @param availableUntil first epoch in which the network no longer answers for it; 0 when it never did
    /// @param wanted the epoch until which it had to
    error NotAvailable(bytes32 blobId, uint32 availableUntil, uint32 wanted);

    /// @notice Whether the blob is certified, not expired and not invalid. Two storage reads.
    /// @param blobId the blob's content address
    /// @return true when the network answers for it in the current epoch
    function isAvailable(bytes32 blobId) external view returns (bool);

    /// @notice Until when the network answers for the blob. One storage read; an answer may lie in the past.
    /// @param blobId the blob's content address
    /// @return endEpochExclusive the first epoch in which it no longer does; 0 when the blob was never certified or is
    ///         invalid
    function availableUntil(bytes32 blobId) external view returns (uint32 endEpochExclusive);

    /// @notice Returns only if the network answers for the blob now and in every epoch before `untilEpoch`. Reverts with
    ///         `NotAvailable` otherwise.
    /// @param blobId the blob's content address
    /// @param untilEpoch first epoch in which the blob may be gone
    function requireAvailable(bytes32 blobId, uint32 untilEpoch) external view;

    /// @notice The epoch that the network is in; 0 before launch.
    /// @return its number
    function currentEpoch() external view returns (uint32);
}
