// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {BlobObject} from "./BlobObject.sol";
import {BlobRules, NewBlob} from "./BlobRules.sol";
import {Governed} from "./Governed.sol";
import {IAvailabilityRecord} from "./IAvailabilityRecord.sol";
import {ICommittee} from "./ICommittee.sol";
import {IStorage, Purchase} from "./IStorage.sol";
import {PoolRegistry} from "./PoolRegistry.sol";
import {SignedMessages} from "./SignedMessages.sol";

/// @title Pools: capacity that many blobs share, with one end for all of them
/// @notice A pool is an ERC-721 token. Its owner pays for its capacity once, however many blobs come and go in it; each of
///         them pays for writing alone. Whoever extends the pool extends every blob in it.
///
///         A permanent blob in a pool stays until the pool's end, whoever owns the pool. A deletable one can be deleted by
///         the pool's owner, and its room in the pool is free again.
contract Pools is PoolRegistry {
    /// @dev A registration; two words.
    struct Record {
        bytes32 blobId;
        uint64 size;
        uint32 registeredEpoch;
        uint32 certifiedEpoch;
        bool deletable;
    }

    /// @dev A registration in memory, with the pool that it lies in.
    struct Entry {
        uint256 objectId;
        uint256 poolId;
        address owner;
        uint32 endEpoch;
        Record record;
    }

    /// @dev An object's number is its pool's, followed by its own in that pool. Pools count from 1, so that it never is
    ///      the number of an object in `Blobs`, which stays below 2^64.
    uint256 private constant POOL_SHIFT = 64;
    /// @notice Checks certificates.
    ICommittee public immutable committee;
    mapping(uint256 objectId => Record) private _records;

    /// @notice A blob was registered in a pool. Nodes take its slivers from now on.
    /// @param blobId the blob
    /// @param objectId number of this registration
    /// @param poolId the pool
    /// @param size length of the blob in bytes
    /// @param encodingType 1, RS2
    /// @param deletable whether the pool's owner may delete it before the pool's end
    /// @param registeredEpoch the current epoch
    /// @param endEpoch first epoch that the pool does not cover yet
    /// @param cost what was paid for writing, in the payment token
    event PooledBlobRegistered(
        bytes32 indexed blobId,
        uint256 indexed objectId,
        uint256 indexed poolId,
        uint64 size,
        uint8 encodingType,
        bool deletable,
        uint32 registeredEpoch,
        uint32 endEpoch,
        uint256 cost
    );
    /// @notice The point of availability: the committee answers for the blob from here on.
    /// @param blobId the blob
    /// @param objectId the registration that was certified
    /// @param deletable whether the pool's owner may delete it before the pool's end
    /// @param certifiedEpoch the current epoch
    /// @param endEpoch first epoch that the pool does not cover yet
    event PooledBlobCertified(
        bytes32 indexed blobId, uint256 indexed objectId, bool deletable, uint32 certifiedEpoch, uint32 endEpoch
    );
    /// @notice A registration was deleted. Nodes may drop the blob when no other registration holds it.
    /// @param blobId the blob
    /// @param objectId the registration
    /// @param endEpoch until when it would have been paid for
    /// @param wasCertified whether it had a certificate
    event PooledBlobDeleted(bytes32 indexed blobId, uint256 indexed objectId, uint32 endEpoch, bool wasCertified);
    /// @notice A registration that had ended was cleared away.
    /// @param blobId the blob
    /// @param objectId the registration
    event PooledBlobBurned(bytes32 indexed blobId, uint256 indexed objectId);

    /// @param governance_ decides on upgrades
    /// @param nShards_ shards of every blob, for the life of the network
    /// @param committee_ checks certificates
    /// @param treasury_ sells capacity and holds the money
    /// @param availability_ answers whether a blob is available
    constructor(
        address governance_,
        uint16 nShards_,
        ICommittee committee_,
        IStorage treasury_,
        IAvailabilityRecord availability_
    ) Governed(governance_) BlobRules(nShards_) PoolRegistry(treasury_, availability_) ERC721("", "") {
        if (address(committee_) == address(0)) revert ZeroAddress();
        committee = committee_;
    }

    // Blobs in pools

    /// @notice Registers a blob in a pool. Only writing is paid for, from the caller's allowance to `treasury`.
    /// @param poolId a pool of the caller that has room for the blob's encoded length
    /// @param newBlob the blob
    /// @param maxCost most that may be taken for writing
    /// @return objectId number of the registration
    function register(uint256 poolId, NewBlob calldata newBlob, uint256 maxCost) external returns (uint256 objectId) {
        (, uint96 data) = _tokenFor(msg.sender, poolId);
        (uint64 size, uint32 end) = _unpack(data);
        uint64 length = _requireWellFormed(newBlob);
        availability.requireValid(newBlob.blobId);
        Content memory content = _contents[poolId];
        content.used += length;
        if (content.used > size) revert PoolFull(poolId, content.used, size);
        ++content.blobs;
        objectId = (poolId << POOL_SHIFT) | ++content.registered;
        _contents[poolId] = content;
        (uint32 epoch,, uint256 cost) =
            treasury.purchase(Purchase(msg.sender, 0, 0, 0, 0, _units(length), maxCost));
        _requireAlive(end, epoch);
        _records[objectId] = Record(newBlob.blobId, newBlob.size, epoch, 0, newBlob.deletable);
        emit PooledBlobRegistered(
            newBlob.blobId, objectId, poolId, newBlob.size, RS2, newBlob.deletable, epoch, end, cost
        );
    }

    /// @notice Certifies a registration. Anyone who holds the certificate may; it is the same that certifies a registration
    ///         in `Blobs`.
    /// @dev The signed message is built here, see `SignedMessages.confirmation`.
    /// @param objectId the registration
    /// @param signers bitmap of the members that signed
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function certify(uint256 objectId, bytes calldata signers, bytes32[8] calldata signature) external {
        Entry memory entry = _entry(objectId);
        Record memory record = entry.record;
        if (record.certifiedEpoch != 0) revert AlreadyCertified(objectId, record.certifiedEpoch);
        uint32 epoch = availability.currentEpoch();
        _requireAlive(entry.endEpoch, epoch);
        bytes memory message = SignedMessages.confirmation(epoch, record.blobId, objectId, record.deletable);
        committee.requireQuorum(message, signers, signature);
        _records[objectId].certifiedEpoch = epoch;
        if (record.deletable) {
            availability.requireValid(record.blobId);
        } else {
            availability.recordInPool(record.blobId, entry.poolId);
        }
        emit PooledBlobCertified(record.blobId, objectId, record.deletable, epoch, entry.endEpoch);
    }

    /// @notice Lets `availability` go by this pool's end, if that is the latest one for the blob. Only needed where the blob
    ///         was certified in several pools, of which one that ended earlier was extended. Anyone may.
    /// @param objectId a permanent certified registration
    function refresh(uint256 objectId) external {
        Entry memory entry = _entry(objectId);
        if (entry.record.deletable) revert Deletable(objectId);
        if (entry.record.certifiedEpoch == 0) revert NotCertified(objectId);
        availability.recordInPool(entry.record.blobId, entry.poolId);
    }

    /// @notice Deletes a deletable registration before the pool's end. Its room is free again.
    /// @param objectId the registration, in a pool of the caller
    function deleteBlob(uint256 objectId) external {
        Entry memory entry = _entryFor(msg.sender, objectId);
        Record memory record = entry.record;
        if (!record.deletable) revert NotDeletable(objectId);
        _requireAlive(entry.endEpoch, availability.currentEpoch());
        emit PooledBlobDeleted(record.blobId, objectId, entry.endEpoch, record.certifiedEpoch != 0);
        _forget(entry);
    }

    /// @notice Clears registrations away whose pool has ended.
    /// @param objectIds the registrations, in pools of the caller
    function burnExpired(uint256[] calldata objectIds) external {
        if (objectIds.length == 0) revert EmptyBatch();
        uint32 epoch = availability.currentEpoch();
        for (uint256 i = 0; i < objectIds.length; ++i) {
            Entry memory entry = _entryFor(msg.sender, objectIds[i]);
            if (entry.endEpoch > epoch) revert NotExpired(entry.endEpoch, epoch);
            emit PooledBlobBurned(entry.record.blobId, objectIds[i]);
            _forget(entry);
        }
    }

    // Questions

    /// @notice The pool that a registration lies in.
    /// @param objectId the registration
    /// @return the pool's number
    function poolOf(uint256 objectId) public pure returns (uint256) {
        return objectId >> POOL_SHIFT;
    }

    /// @notice One registration, in the form that `Blobs` has.
    /// @param objectId its number
    /// @return the object
    function blob(uint256 objectId) external view returns (BlobObject memory) {
        Entry memory entry = _entry(objectId);
        Record memory record = entry.record;
        return BlobObject({
            blobId: record.blobId,
            owner: entry.owner,
            size: record.size,
            encodingType: RS2,
            deletable: record.deletable,
            registeredEpoch: record.registeredEpoch,
            certifiedEpoch: record.certifiedEpoch,
            endEpoch: entry.endEpoch
        });
    }

    // ERC-721

    /// @inheritdoc ERC721
    function name() public pure override returns (string memory) {
        return "Floe Pools";
    }

    /// @inheritdoc ERC721
    function symbol() public pure override returns (string memory) {
        return "FLOE-POOL";
    }

    // Internals

    function _forget(Entry memory entry) private {
        Content memory content = _contents[entry.poolId];
        content.used -= encodedLength(entry.record.size);
        --content.blobs;
        _contents[entry.poolId] = content;
        delete _records[entry.objectId];
    }

    function _entry(uint256 objectId) private view returns (Entry memory entry) {
        Record memory record = _records[objectId];
        // No blob is registered in epoch 0.
        if (record.registeredEpoch == 0) revert UnknownObject(objectId);
        uint256 poolId = poolOf(objectId);
        // A pool is not destroyed while there is something in it.
        (address owner,, uint32 end) = _pool(poolId);
        return Entry(objectId, poolId, owner, end, record);
    }

    /// @dev A registration in a pool that the caller owns or was approved for.
    function _entryFor(address caller, uint256 objectId) private view returns (Entry memory entry) {
        entry = _entry(objectId);
        _checkAuthorized(entry.owner, caller, entry.poolId);
    }
}
