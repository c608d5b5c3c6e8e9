// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlobObject} from "./BlobObject.sol";
import {BlobRules, NewBlob} from "./BlobRules.sol";
import {BlobsErrors} from "./BlobsErrors.sol";
import {Governed} from "./Governed.sol";
import {IAvailabilityRecord} from "./IAvailabilityRecord.sol";
import {ICommittee} from "./ICommittee.sol";
import {IStorage, Purchase} from "./IStorage.sol";
import {PackedERC721} from "./PackedERC721.sol";
import {Registration, Registrations} from "./Registrations.sol";
import {StorageErrors} from "./StorageErrors.sol";

/// @title Registrations of blobs, as tokens
/// @notice Each registration is an ERC-721 token of its own; several may share a blob id. Its record is two words:
///         the blob id, and owner and twelve packed bytes.
abstract contract BlobRegistry is BlobRules, BlobsErrors, StorageErrors, Governed, PackedERC721 {
    using Registrations for Registration;
    using Registrations for uint96;

    /// @dev A registration in memory, with where it came from.
    struct Entry {
        uint256 objectId;
        address owner;
        Registration record;
    }

    /// @notice Checks certificates.
    ICommittee public immutable committee;
    /// @notice Sells capacity and holds the money.
    IStorage public immutable treasury;
    /// @notice Answers whether a blob is available, and knows the epoch.
    IAvailabilityRecord public immutable availability;

    /// @notice How many registrations there were. They are numbered from 1.
    uint256 public objectCount;
    mapping(uint256 objectId => bytes32) private _blobIds;

    /// @notice A blob was registered and paid for. Nodes take its slivers from now on.
    /// @param blobId the blob
    /// @param objectId number of this registration
    /// @param owner who owns it
    /// @param size length of the blob in bytes
    /// @param encodingType 1, RS2
    /// @param deletable whether its owner may delete it before its end
    /// @param registeredEpoch the current epoch
    /// @param endEpoch first epoch that is not paid for
    /// @param cost what was paid, in the payment token
    event BlobRegistered(
        bytes32 indexed blobId,
        uint256 indexed objectId,
        address indexed owner,
        uint64 size,
        uint8 encodingType,
        bool deletable,
        uint32 registeredEpoch,
        uint32 endEpoch,
        uint256 cost
    );

    /// @param nShards_ shards of every blob
    /// @param committee_ checks certificates
    /// @param treasury_ sells capacity and holds the money
    /// @param availability_ answers whether a blob is available
    constructor(uint16 nShards_, ICommittee committee_, IStorage treasury_, IAvailabilityRecord availability_)
        BlobRules(nShards_)
    {
        if (
            address(committee_) == address(0) || address(treasury_) == address(0) || address(availability_) == address(0)
        ) revert ZeroAddress();
        committee = committee_;
        treasury = treasury_;
        availability = availability_;
    }

    /// @notice Registers a blob from the current epoch on and takes the payment from the caller's allowance to
    ///         `treasury`.
    /// @param newBlob the blob
    /// @param epochs how many epochs to pay for, the current one included
    /// @param maxCost most that may be taken
    /// @param owner who receives the token
    /// @return objectId number of the registration
    function register(NewBlob calldata newBlob, uint32 epochs, uint256 maxCost, address owner)
        external
        returns (uint256 objectId)
    {
        uint64 length = _checked(newBlob);
        uint64 units = _units(length);
        (uint32 epoch, uint32 end, uint256 cost) =
            treasury.purchase(Purchase(msg.sender, length, units, 0, epochs, units, maxCost));
        objectId = ++objectCount;
        _enter(objectId, newBlob, owner, epoch, end, cost);
        _credit(owner, 1);
    }

    /// @notice Registers many blobs with one payment.
    /// @param newBlobs the blobs
    /// @param epochs how many epochs to pay for, the current one included
    /// @param maxCost most that may be taken for all of them
    /// @param owner who receives the tokens
    /// @return firstObjectId number of the first registration; the others follow in order
    function registerBatch(NewBlob[] calldata newBlobs, uint32 epochs, uint256 maxCost, address owner)
        external
        returns (uint256 firstObjectId)
    {
        uint256 count = newBlobs.length;
        if (count == 0) revert EmptyBatch();
        uint64 length = 0;
        uint64 units = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint64 one = _checked(newBlobs[i]);
            length += one;
            units += _units(one);
        }
        (uint32 epoch, uint32 end, uint256 cost) =
            treasury.purchase(Purchase(msg.sender, length, units, 0, epochs, units, maxCost));
        firstObjectId = objectCount + 1;
        objectCount += count;
        for (uint256 i = 0; i < count; ++i) {
            // The whole is the sum of the parts: each costs its units at one price.
            uint256 share = cost / units * _units(encodedLength(newBlobs[i].size));
            _enter(firstObjectId + i, newBlobs[i], owner, epoch, end, share);
        }
        _credit(owner, count);
    }

    /// @notice Registers a blob in a storage resource, which gives up the blob's encoded length and keeps what is left.
    ///         Only writing is paid for.
    /// @param newBlob the blob
    /// @param resourceId a resource of the caller that covers the current epoch
    /// @param maxCost most that may be taken for writing
    /// @param owner who receives the token
    /// @return objectId number of the registration
    function registerWithResource(NewBlob calldata newBlob, uint256 resourceId, uint256 maxCost, address owner)
        external
        returns (uint256 objectId)
    {
        uint64 length = _checked(newBlob);
        (uint32 epoch, uint32 start, uint32 end,) = treasury.take(msg.sender, resourceId, length);
        if (start > epoch || end <= epoch) revert ResourceNotCovering(epoch, start, end);
        (,, uint256 cost) = treasury.purchase(Purchase(msg.sender, 0, 0, 0, 0, _units(length), maxCost));
        objectId = ++objectCount;
        _enter(objectId, newBlob, owner, epoch, end, cost);
        _credit(owner, 1);
    }

    /// @notice One registration.
    /// @param objectId its number
    /// @return the object
    function blob(uint256 objectId) external view returns (BlobObject memory) {
        Entry memory entry = _entry(objectId);
        Registration memory record = entry.record;
        return BlobObject({
            blobId: _blobIds[objectId],
            owner: entry.owner,
            size: record.size,
            encodingType: RS2,
            deletable: record.deletable,
            registeredEpoch: record.registeredEpoch,
            certifiedEpoch: record.certifiedEpoch,
            endEpoch: record.endEpoch
        });
    }

    /// @notice What it costs to register a blob now.
    /// @param size its length in bytes
    /// @param epochs how many epochs to pay for, the current one included
    /// @return total in the payment token's smallest unit
    function price(uint64 size, uint32 epochs) external view returns (uint256 total) {
        uint32 max = treasury.maxEpochsAhead();
        if (epochs == 0 || epochs > max) revert EpochsAheadOutOfRange(epochs, max);
        return _units(encodedLength(size)) * (treasury.storagePrice() * epochs + treasury.writePrice());
    }

    // For the contracts built on it

    function _blobId(uint256 objectId) internal view returns (bytes32) {
        return _blobIds[objectId];
    }

    function _forget(uint256 objectId) internal {
        delete _blobIds[objectId];
        _update(address(0), objectId, address(0));
    }

    function _entry(uint256 objectId) internal view returns (Entry memory entry) {
        (address owner, uint96 data) = _record(objectId);
        return Entry({objectId: objectId, owner: owner, record: data.unpack()});
    }

    /// @dev A registration as it is stored.
    function _record(uint256 objectId) internal view returns (address owner, uint96 data) {
        (owner, data) = _find(objectId);
        if (owner == address(0)) revert UnknownObject(objectId);
    }

    /// @dev A registration that the caller owns or was approved for.
    function _entryFor(address caller, uint256 objectId) internal view returns (Entry memory entry) {
        entry = _entry(objectId);
        _checkAuthorized(entry.owner, caller, objectId);
    }

    function _save(Entry memory entry) internal {
        _setData(entry.objectId, entry.owner, entry.record.pack());
    }

    function _requireUnexpired(Entry memory entry, uint32 epoch) internal pure {
        _requireAfter(entry.record.endEpoch, epoch);
    }

    function _requireAfter(uint32 endEpoch, uint32 epoch) internal pure {
        if (endEpoch <= epoch) revert BlobExpired(endEpoch, epoch);
    }

    /// @dev Checks a new blob, also that its id was not condemned; returns its encoded length.
    function _checked(NewBlob calldata newBlob) private view returns (uint64 length) {
        length = _requireWellFormed(newBlob);
        availability.requireValid(newBlob.blobId);
    }

    function _enter(
        uint256 objectId,
        NewBlob calldata newBlob,
        address owner,
        uint32 epoch,
        uint32 end,
        uint256 cost
    ) private {
        Registration memory record = Registration({
            size: newBlob.size,
            registeredEpoch: epoch,
            certifiedEpoch: 0,
            endEpoch: end,
            deletable: newBlob.deletable
        });
        _blobIds[objectId] = newBlob.blobId;
        _create(owner, objectId, record.pack());
        emit BlobRegistered(
            newBlob.blobId, objectId, owner, newBlob.size, RS2, newBlob.deletable, epoch, end, cost
        );
    }
}
