// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAvailability} from "./IAvailability.sol";
import {IAvailabilityEpoch} from "./IAvailabilityEpoch.sol";
import {IAvailabilityRecord} from "./IAvailabilityRecord.sol";

/// @title Until when the network answers for which bytes
/// @notice The one contract that others read. It cannot be upgraded and holds nothing but answers: an end epoch for each
///         blob id, and a copy of the clock. `Blobs` and `Pools` write ends, the contract that advances the epoch
///         writes the clock, nobody else writes anything.
contract Availability is IAvailabilityRecord, IAvailabilityEpoch {
    /// @dev What is known of a blob id, over all its registrations; one word.
    struct Answer {
        uint32 until;
        uint32 invalidSince;
        /// the pool whose end counts as well; 0 for none
        uint64 poolId;
    }

    /// @notice The contract that advances the epoch.
    address public immutable clock;
    /// @notice Holds single registrations.
    address public immutable blobs;
    /// @notice Holds pooled registrations.
    address public immutable pools;

    /// @inheritdoc IAvailability
    uint32 public currentEpoch;
    mapping(bytes32 blobId => Answer) private _answers;
    /// @notice First epoch that a pool with promised blobs does not cover.
    mapping(uint256 poolId => uint32 endEpoch) public poolEnd;

    /// @param clock_ the contract that advances the epoch
    /// @param blobs_ holds single registrations
    /// @param pools_ holds pooled registrations
    constructor(address clock_, address blobs_, address pools_) {
        clock = clock_;
        blobs = blobs_;
        pools = pools_;
    }

    // Questions

    /// @inheritdoc IAvailability
    function isAvailable(bytes32 blobId) external view returns (bool) {
        return currentEpoch < availableUntil(blobId);
    }

    /// @inheritdoc IAvailability
    function availableUntil(bytes32 blobId) public view returns (uint32 endEpochExclusive) {
        return _until(_answers[blobId]);
    }

    /// @inheritdoc IAvailability
    function requireAvailable(bytes32 blobId, uint32 untilEpoch) external view {
        uint32 until = availableUntil(blobId);
        if (until <= currentEpoch || until < untilEpoch) revert NotAvailable(blobId, until, untilEpoch);
    }

    /// @inheritdoc IAvailabilityRecord
    function invalidSince(bytes32 blobId) external view returns (uint32 epoch) {
        return _answers[blobId].invalidSince;
    }

    /// @inheritdoc IAvailabilityRecord
    function requireValid(bytes32 blobId) external view {
        _valid(blobId);
    }

    // Answers

    /// @inheritdoc IAvailabilityRecord
    function record(bytes32 blobId, uint32 endEpoch) external returns (uint32 until) {
        _only(blobs);
        Answer storage answer = _answers[blobId];
        uint32 invalid = answer.invalidSince;
        until = answer.until;
        if (invalid != 0) revert BlobInvalid(blobId, invalid);
        if (until < endEpoch) answer.until = until = endEpoch;
    }

    /// @inheritdoc IAvailabilityRecord
    function recordInPool(bytes32 blobId, uint256 poolId) external {
        _only(pools);
        Answer memory answer = _valid(blobId);
        if (_until(answer) < poolEnd[poolId]) {
            // What the pool before still promises must not be forgotten with it.
            answer.until = _until(answer);
            answer.poolId = uint64(poolId); // pools are counted from 1
            _answers[blobId] = answer;
        }
    }

    /// @inheritdoc IAvailabilityRecord
    function setPoolEnd(uint256 poolId, uint32 endEpoch) external {
        _only(pools);
        poolEnd[poolId] = endEpoch;
    }

    /// @inheritdoc IAvailabilityRecord
    function invalidate(bytes32 blobId) external returns (uint32 epoch) {
        _only(blobs);
        _valid(blobId);
        epoch = currentEpoch;
        _answers[blobId] = Answer({until: 0, invalidSince: epoch, poolId: 0});
    }

    /// @inheritdoc IAvailabilityEpoch
    function setEpoch(uint32 epoch) external {
        _only(clock);
        if (epoch != currentEpoch + 1) revert EpochNotNext(currentEpoch + 1, epoch);
        currentEpoch = epoch;
    }

    function _only(address writer) private view {
        if (msg.sender != writer) revert NotAWriter(msg.sender);
    }

    function _valid(bytes32 blobId) private view returns (Answer memory answer) {
        answer = _answers[blobId];
        if (answer.invalidSince != 0) revert BlobInvalid(blobId, answer.invalidSince);
    }

    function _until(Answer memory answer) private view returns (uint32 until) {
        until = answer.until;
        if (answer.poolId != 0) {
            uint32 end = poolEnd[answer.poolId];
            if (until < end) until = end;
        }
    }
}
