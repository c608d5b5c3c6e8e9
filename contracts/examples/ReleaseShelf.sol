// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

import {IAvailability} from "../src/IAvailability.sol";

/// @title A shelf of releases whose bytes can be fetched
/// @notice An example of a contract that consumes availability: it takes a release only when the network answers for
///         its bytes long enough, which it learns in the same transaction and from nobody but the chain.
contract ReleaseShelf {
    /// @notice The network does not answer for this blob.
    error NotAvailable(bytes32 blobId);
    /// @notice The network answers for this blob, but not for long enough.
    /// @param endEpoch first epoch in which it does not
    /// @param wanted the epoch until which the release has to stay
    error EndsTooEarly(uint32 endEpoch, uint32 wanted);

    /// @notice Where availability is asked for.
    IAvailability public immutable blobs;
    /// @notice The newest release; zero when there is none.
    bytes32 public latest;

    /// @notice A release has been published.
    /// @param blobId the bytes of the release
    /// @param endEpoch until when they can be fetched
    event Released(bytes32 indexed blobId, uint32 endEpoch);

    /// @param blobs_ the network's `Blobs` contract
    constructor(IAvailability blobs_) {
        blobs = blobs_;
    }

    /// @notice Publishes a release that can be fetched until `wanted` at least.
    /// @param blobId the bytes of the release
    /// @param wanted first epoch in which they may be gone
    function release(bytes32 blobId, uint32 wanted) external {
        if (!blobs.isAvailable(blobId)) revert NotAvailable(blobId);
        uint32 endEpoch = blobs.availableUntil(blobId);
        if (endEpoch < wanted) revert EndsTooEarly(endEpoch, wanted);
        latest = blobId;
        emit Released(blobId, endEpoch);
    }
}
