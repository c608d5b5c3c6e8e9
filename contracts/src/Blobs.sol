// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {Blake2b} from "./Blake2b.sol";
import {BlobFunds} from "./BlobFunds.sol";
import {BlobRegistry} from "./BlobRegistry.sol";
import {Governed} from "./Governed.sol";
import {IAvailabilityRecord} from "./IAvailabilityRecord.sol";
import {ICommittee} from "./ICommittee.sol";
import {IStorage} from "./IStorage.sol";
import {LittleEndian} from "./LittleEndian.sol";
import {Registration} from "./Registrations.sol";
import {SignedMessages} from "./SignedMessages.sol";

/// @title Blobs: who registered what, until when, and whether the network has certified it
/// @notice A blob is registered and paid for, its slivers go to the storage nodes, and the nodes' confirmations come back
///         here as a certificate. From that point on the committee answers for the blob until its end epoch.
///
///         A permanent blob stays until its end, whoever owns its token. A deletable one can be deleted by its owner,
///         who gets the storage that is left as a resource.
contract Blobs is BlobFunds {
    /// @dev First byte of a batch certificate: a message of our own.
    bytes1 private constant BATCH_INTENT = 0x80;

    /// @notice The point of availability: the committee answers for the blob from here on.
    /// @param blobId the blob
    /// @param objectId the registration that was certified
    /// @param deletable whether its owner may delete it before its end
    /// @param certifiedEpoch the current epoch
    /// @param endEpoch first epoch in which this registration no longer covers the blob
    event BlobCertified(
        bytes32 indexed blobId, uint256 indexed objectId, bool deletable, uint32 certifiedEpoch, uint32 endEpoch
    );
    /// @notice A registration was deleted by its owner. Nodes may drop the blob when no other registration holds it.
    /// @param blobId the blob
    /// @param objectId the registration
    /// @param endEpoch until when it would have been paid for
    /// @param wasCertified whether it had a certificate
    event BlobDeleted(bytes32 indexed blobId, uint256 indexed objectId, uint32 endEpoch, bool wasCertified);
    /// @notice A registration was given up together with its storage. What was promised stays promised.
    /// @param blobId the blob
    /// @param objectId the registration
    event BlobBurned(bytes32 indexed blobId, uint256 indexed objectId);
    /// @notice A registration belongs to nobody any more: everyone may fund and extend it, nobody can delete it.
    /// @param objectId the registration
    event BlobShared(uint256 indexed objectId);
    /// @notice The blob was proven to be inconsistently encoded: nobody answers for it any more, forever.
    /// @param blobId the blob
    /// @param epoch the current epoch
    event BlobInvalidated(bytes32 indexed blobId, uint32 epoch);

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
    ) Governed(governance_) BlobRegistry(nShards_, committee_, treasury_, availability_) ERC721("", "") {}

    // Certificates

    /// @notice Certifies a registration. Anyone who holds the certificate may.
    /// @dev The signed message is built here, see `SignedMessages.confirmation`. A certificate from an earlier epoch or for
    ///      another object therefore fails as `BadSignature`.
    /// @param objectId the registration
    /// @param signers bitmap of the members that signed
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function certify(uint256 objectId, bytes calldata signers, bytes32[8] calldata signature) external {
        Entry memory entry = _entry(objectId);
        Registration memory record = entry.record;
        if (record.certifiedEpoch != 0) revert AlreadyCertified(objectId, record.certifiedEpoch);
        uint32 epoch = availability.currentEpoch();
        _requireUnexpired(entry, epoch);
        bytes32 blobId = _blobId(objectId);
        bytes memory message = SignedMessages.confirmation(epoch, blobId, objectId, record.deletable);
        committee.requireQuorum(message, signers, signature);
        _certified(entry, blobId, epoch);
    }

    /// @notice Certifies many registrations by one certificate over all of them. Those that were certified before stay
    ///         as they are, so nobody can spoil the others' certificate with a certificate of one.
    /// @dev The signed message is 80 00 03 | current epoch (4, LE) | chain id (8, LE) | this contract (32) | BLAKE2b-256 of
    ///      the list, which has for each object its blob id (32) and, in 32 bytes, 0 for a permanent blob or the object's
    ///      number for a deletable one.
    /// @param objectIds the registrations, in the order that was signed
    /// @param signers bitmap of the members that signed
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function certifyBatch(uint256[] calldata objectIds, bytes calldata signers, bytes32[8] calldata signature) external {
        uint256 count = objectIds.length;
        if (count == 0) revert EmptyBatch();
        uint32 epoch = availability.currentEpoch();
        bytes32[] memory list = new bytes32[](2 * count);
        for (uint256 i = 0; i < count; ++i) {
            Entry memory entry = _entry(objectIds[i]);
            _requireUnexpired(entry, epoch);
            list[2 * i] = _blobId(objectIds[i]);
            if (entry.record.deletable) list[2 * i + 1] = bytes32(objectIds[i]);
        }
        bytes memory message = abi.encodePacked(
            SignedMessages.header(BATCH_INTENT, epoch),
            LittleEndian.le64(uint64(block.chainid)), // EIP-2294 keeps chain ids below 2^63
            uint256(uint160(address(this))),
            Blake2b.hash(abi.encodePacked(list))
        );
        committee.requireQuorum(message, signers, signature);
        for (uint256 i = 0; i < count; ++i) {
            // Read again: an object that is listed twice is certified once.
            Entry memory entry = _entry(objectIds[i]);
            if (entry.record.certifiedEpoch == 0) _certified(entry, list[2 * i], epoch);
        }
    }

    /// @notice Marks a blob id as inconsistently encoded, forever. Anyone who holds the certificate may; the blob
    ///         need not be registered.
    /// @dev The signed message is built here: 02 00 03 | current epoch (4, LE) | blob id.
    /// @param blobId the blob
    /// @param signers bitmap of the members that signed; one honest member among them is enough
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function invalidate(bytes32 blobId, bytes calldata signers, bytes32[8] calldata signature) external {
        uint32 epoch = availability.invalidate(blobId);
        committee.requireOneHonest(bytes.concat(SignedMessages.header(0x02, epoch), blobId), signers, signature);
        emit BlobInvalidated(blobId, epoch);
    }

    // Ownership

    /// @notice Deletes a deletable registration before its end. Its storage comes back as a resource of the owner.
    /// @param objectId the registration, of the caller
    /// @return resourceId the resource
    function deleteBlob(uint256 objectId) external returns (uint256 resourceId) {
        Entry memory entry = _entryFor(msg.sender, objectId);
        Registration memory record = entry.record;
        if (!record.deletable) revert NotDeletable(objectId);
        _requireUnexpired(entry, availability.currentEpoch());
        emit BlobDeleted(_blobId(objectId), objectId, record.endEpoch, record.certifiedEpoch != 0);
        _forget(objectId);
        _closeFund(objectId, entry.owner);
        return treasury.give(entry.owner, encodedLength(record.size), record.endEpoch);
    }

    /// @notice Gives a registration up together with its storage: to clear an expired one, or to be rid of the control
    ///         over one whose data then stays until its end. What is left in its fund comes back.
    /// @param objectId the registration, of the caller
    function burn(uint256 objectId) external {
        Entry memory entry = _entryFor(msg.sender, objectId);
        emit BlobBurned(_blobId(objectId), objectId);
        _forget(objectId);
        _closeFund(objectId, entry.owner);
    }

    /// @notice Gives a permanent registration to everyone: nobody can take it or its fund away any more.
    /// @param objectId the registration, of the caller
    function share(uint256 objectId) external {
        Entry memory entry = _entryFor(msg.sender, objectId);
        if (entry.record.deletable) revert Deletable(objectId);
        _requireUnexpired(entry, availability.currentEpoch());
        emit BlobShared(objectId);
        _update(address(this), objectId, address(0));
    }

    // ERC-721

    /// @inheritdoc ERC721
    function name() public pure override returns (string memory) {
        return "Floe Blobs";
    }

    /// @inheritdoc ERC721
    function symbol() public pure override returns (string memory) {
        return "FLOE-BLOB";
    }

    // Internals

    function _certified(Entry memory entry, bytes32 blobId, uint32 epoch) private {
        Registration memory record = entry.record;
        record.certifiedEpoch = epoch;
        _save(entry);
        if (record.deletable) {
            availability.requireValid(blobId);
        } else {
            availability.record(blobId, record.endEpoch);
        }
        emit BlobCertified(blobId, entry.objectId, record.deletable, epoch, record.endEpoch);
    }
}
