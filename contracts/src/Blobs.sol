// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {Blake2b} from "./Blake2b.sol";
import {Committee} from "./Committee.sol";
import {CommitteeErrors} from "./CommitteeErrors.sol";
import {IAvailability} from "./IAvailability.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title Blobs: who registered what, until when, and whether the network has certified it
/// @notice A blob is registered and paid for, its slivers go to the storage nodes, and the nodes' confirmations come back
///         here as a certificate. From that point on the committee answers for the blob until its end epoch.
///
///         Every registration is an object of its own; several may share a blob id. All are permanent: none can be
///         deleted before it ends. The payments are held by this contract, which has no way yet to pay them out.
contract Blobs is IAvailability, CommitteeErrors {
    using SafeERC20 for IERC20;

    /// @notice One registration of a blob.
    struct BlobObject {
        /// content address: BLAKE2b-256 of encoding type, size (8 bytes, little-endian) and root hash
        bytes32 blobId;
        /// who registered it
        address owner;
        /// length of the blob in bytes
        uint64 size;
        /// how it is encoded; 1 is RS2
        uint8 encodingType;
        /// epoch of the registration
        uint32 registeredEpoch;
        /// epoch of the certificate; 0 while there is none
        uint32 certifiedEpoch;
        /// first epoch in which the network no longer answers for it
        uint32 endEpoch;
    }

    /// @dev What is known of a blob id, over all of its objects; one word.
    struct BlobState {
        uint32 availableUntil;
        uint32 invalidSince;
    }

    /// @notice There is no object of this number.
    error UnknownObject(uint256 objectId);
    /// @notice Size, root and encoding type belong to another blob id.
    /// @param expected the id that follows from them
    /// @param got the id given
    error WrongBlobId(bytes32 expected, bytes32 got);
    /// @notice Blobs are encoded with RS2 only.
    error WrongEncodingType(uint8 expected, uint8 got);
    /// @notice The blob does not fit into the largest symbols.
    /// @param got its size in bytes
    /// @param max the largest that this number of shards can hold
    error BlobTooLarge(uint64 got, uint64 max);
    /// @notice Storage is sold for at least one epoch and not too far ahead.
    error EpochsAheadOutOfRange(uint32 got, uint32 max);
    /// @notice The object has been certified before.
    /// @param objectId the object
    /// @param certifiedEpoch when
    error AlreadyCertified(uint256 objectId, uint32 certifiedEpoch);
    /// @notice The object's time is over.
    /// @param endEpoch first epoch that it did not cover
    /// @param currentEpoch the epoch now
    error BlobExpired(uint32 endEpoch, uint32 currentEpoch);
    /// @notice The blob was proven to be inconsistently encoded.
    /// @param blobId the blob
    /// @param invalidSince epoch in which it was marked
    error BlobInvalid(bytes32 blobId, uint32 invalidSince);
    /// @notice The limit of epochs is outside of 1 to 1000.
    error MaxEpochsAheadOutOfRange(uint32 got, uint32 max);
    /// @notice A contract address was zero.
    error ZeroAddress();

    /// @notice The only encoding type: Red Stuff over Reed-Solomon.
    uint8 public constant RS2 = 1;
    /// @notice Storage is priced by this many bytes of encoded length, rounded up.
    uint256 public constant UNIT_BYTES = 1 << 20;
    /// @notice Hard ceiling of `maxEpochsAhead`.
    uint32 public constant EPOCHS_AHEAD_CEILING = 1000;

    /// @dev Symbols have an even number of bytes that fits into two bytes.
    uint256 private constant MAX_SYMBOL_BYTES = 65_534;
    uint256 private constant HASH_BYTES = 32;

    /// @notice The committee whose certificates count.
    Committee public immutable committee;
    /// @notice The ERC-20 that storage is priced and paid in.
    IERC20 public immutable paymentToken;
    /// @notice Price of one MiB of encoded length for one epoch, in the token's smallest unit.
    uint256 public immutable storagePrice;
    /// @notice Price of writing one MiB of encoded length, once, in the token's smallest unit.
    uint256 public immutable writePrice;
    /// @notice How many epochs can be bought at once, the current one included.
    uint32 public immutable maxEpochsAhead;

    uint256 private immutable _nShards;
    uint256 private immutable _primarySymbols;
    uint256 private immutable _secondarySymbols;

    /// @notice How many objects there are. Objects are numbered from 1.
    uint256 public objectCount;
    mapping(uint256 objectId => BlobObject) private _objects;
    mapping(bytes32 blobId => BlobState) private _states;

    /// @notice A blob was registered and paid for. Nodes take its slivers from now on.
    /// @param blobId the blob
    /// @param objectId number of this registration
    /// @param owner who registered it
    /// @param size length of the blob in bytes
    /// @param encodingType 1, RS2
    /// @param registeredEpoch the current epoch
    /// @param endEpoch first epoch that is not paid for
    /// @param cost what was paid, in the payment token
    event BlobRegistered(
        bytes32 indexed blobId,
        uint256 indexed objectId,
        address indexed owner,
        uint64 size,
        uint8 encodingType,
        uint32 registeredEpoch,
        uint32 endEpoch,
        uint256 cost
    );
    /// @notice The point of availability: the committee answers for the blob from here on.
    /// @param blobId the blob
    /// @param objectId the registration that was certified
    /// @param certifiedEpoch the current epoch
    /// @param endEpoch first epoch in which this registration no longer covers the blob
    event BlobCertified(bytes32 indexed blobId, uint256 indexed objectId, uint32 certifiedEpoch, uint32 endEpoch);
    /// @notice The blob was proven to be inconsistently encoded: nobody answers for it any more, forever.
    /// @param blobId the blob
    /// @param epoch the current epoch
    event BlobInvalidated(bytes32 indexed blobId, uint32 epoch);

    /// @param committee_ the committee whose certificates count
    /// @param paymentToken_ an ERC-20 that moves exactly the amount asked for (none that takes a fee)
    /// @param storagePrice_ per MiB of encoded length and epoch
    /// @param writePrice_ per MiB of encoded length, once
    /// @param maxEpochsAhead_ how many epochs can be bought at once, 1 to 1000
    constructor(
        Committee committee_,
        IERC20 paymentToken_,
        uint256 storagePrice_,
        uint256 writePrice_,
        uint32 maxEpochsAhead_
    ) {
        if (address(committee_) == address(0) || address(paymentToken_) == address(0)) revert ZeroAddress();
        if (maxEpochsAhead_ == 0 || maxEpochsAhead_ > EPOCHS_AHEAD_CEILING) {
            revert MaxEpochsAheadOutOfRange(maxEpochsAhead_, EPOCHS_AHEAD_CEILING);
        }
        committee = committee_;
        paymentToken = paymentToken_;
        storagePrice = storagePrice_;
        writePrice = writePrice_;
        maxEpochsAhead = maxEpochsAhead_;
        uint256 shards = committee_.nShards();
        uint256 faulty = (shards - 1) / 3;
        _nShards = shards;
        _primarySymbols = shards - 2 * faulty;
        _secondarySymbols = shards - faulty;
    }

    /// @notice Registers a blob from the current epoch on and takes the payment from the caller's allowance.
    /// @param blobId the blob's content address
    /// @param rootHash the Merkle root over its sliver pairs
    /// @param size its length in bytes; 0 is legal
    /// @param encodingType 1, RS2
    /// @param epochsAhead how many epochs to pay for, the current one included
    /// @return objectId number of the registration
    function register(bytes32 blobId, bytes32 rootHash, uint64 size, uint8 encodingType, uint32 epochsAhead)
        external
        returns (uint256 objectId)
    {
        if (encodingType != RS2) revert WrongEncodingType(RS2, encodingType);
        uint256 cost = price(size, epochsAhead);
        bytes32 expected = Blake2b.hash(abi.encodePacked(encodingType, LittleEndian.le64(size), rootHash));
        if (blobId != expected) revert WrongBlobId(expected, blobId);
        _requireValid(blobId);
        uint32 epoch = committee.currentEpoch();
        if (epoch == 0) revert NotLaunched();

        objectId = ++objectCount;
        uint32 endEpoch = epoch + epochsAhead;
        _objects[objectId] = BlobObject({
            blobId: blobId,
            owner: msg.sender,
            size: size,
            encodingType: encodingType,
            registeredEpoch: epoch,
            certifiedEpoch: 0,
            endEpoch: endEpoch
        });
        emit BlobRegistered(blobId, objectId, msg.sender, size, encodingType, epoch, endEpoch, cost);
        paymentToken.safeTransferFrom(msg.sender, address(this), cost);
    }

    /// @notice Certifies a registration. Anyone who holds the certificate may.
    /// @dev The signed message is built here: 01 00 03 | current epoch (4, LE) | blob id | 00 (permanent). A certificate
    ///      from an earlier epoch therefore fails as `BadSignature`.
    /// @param objectId the registration
    /// @param signers bitmap of the members that signed
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function certify(uint256 objectId, bytes calldata signers, bytes32[8] calldata signature) external {
        BlobObject storage object = _object(objectId);
        bytes32 blobId = object.blobId;
        (uint32 certifiedEpoch, uint32 endEpoch) = (object.certifiedEpoch, object.endEpoch);
        if (certifiedEpoch != 0) revert AlreadyCertified(objectId, certifiedEpoch);
        _requireValid(blobId);
        uint32 epoch = committee.currentEpoch();
        if (endEpoch <= epoch) revert BlobExpired(endEpoch, epoch);
        bytes memory message = abi.encodePacked(hex"010003", LittleEndian.le32(epoch), blobId, hex"00");
        committee.requireQuorum(message, signers, signature);

        object.certifiedEpoch = epoch;
        BlobState storage state = _states[blobId];
        if (state.availableUntil < endEpoch) state.availableUntil = endEpoch;
        emit BlobCertified(blobId, objectId, epoch, endEpoch);
    }

    /// @notice Marks a blob id as inconsistently encoded, forever. Anyone who holds the certificate may; the blob
    ///         need not be registered.
    /// @dev The signed message is built here: 02 00 03 | current epoch (4, LE) | blob id.
    /// @param blobId the blob
    /// @param signers bitmap of the members that signed; one honest member among them is enough
    /// @param signature sum of their signatures, a point of G2 as EIP-2537 writes it
    function invalidate(bytes32 blobId, bytes calldata signers, bytes32[8] calldata signature) external {
        _requireValid(blobId);
        uint32 epoch = committee.currentEpoch();
        bytes memory message = abi.encodePacked(hex"020003", LittleEndian.le32(epoch), blobId);
        committee.requireOneHonest(message, signers, signature);
        _states[blobId] = BlobState({availableUntil: 0, invalidSince: epoch});
        emit BlobInvalidated(blobId, epoch);
    }

    /// @inheritdoc IAvailability
    function isAvailable(bytes32 blobId) external view returns (bool) {
        uint32 endEpoch = _states[blobId].availableUntil;
        return endEpoch != 0 && committee.currentEpoch() < endEpoch;
    }

    /// @inheritdoc IAvailability
    function availableUntil(bytes32 blobId) external view returns (uint32 endEpochExclusive) {
        return _states[blobId].availableUntil;
    }

    /// @notice When a blob was marked as inconsistently encoded.
    /// @param blobId the blob
    /// @return epoch the epoch in which it was; 0 when it was not
    function invalidSince(bytes32 blobId) external view returns (uint32 epoch) {
        return _states[blobId].invalidSince;
    }

    /// @notice One registration.
    /// @param objectId its number
    /// @return the object
    function blob(uint256 objectId) external view returns (BlobObject memory) {
        return _object(objectId);
    }

    /// @notice What it costs to register a blob now.
    /// @param size its length in bytes
    /// @param epochsAhead how many epochs to pay for, the current one included
    /// @return total in the payment token's smallest unit
    function price(uint64 size, uint32 epochsAhead) public view returns (uint256 total) {
        if (epochsAhead == 0 || epochsAhead > maxEpochsAhead) revert EpochsAheadOutOfRange(epochsAhead, maxEpochsAhead);
        uint256 units = (encodedLength(size) + UNIT_BYTES - 1) / UNIT_BYTES;
        return units * (storagePrice * epochsAhead + writePrice);
    }

    /// @notice How many bytes all nodes together keep for a blob: slivers, and a copy of the metadata for each shard.
    /// @param size the blob's length in bytes
    /// @return bytes over all shards
    function encodedLength(uint64 size) public view returns (uint256) {
        uint256 symbols = _primarySymbols * _secondarySymbols;
        uint256 symbolBytes = ((size == 0 ? 1 : size) + symbols - 1) / symbols;
        symbolBytes += symbolBytes % 2;
        if (symbolBytes > MAX_SYMBOL_BYTES) revert BlobTooLarge(size, uint64(symbols * MAX_SYMBOL_BYTES));
        uint256 metadataBytes = 2 * HASH_BYTES * _nShards + HASH_BYTES;
        return _nShards * ((_primarySymbols + _secondarySymbols) * symbolBytes + metadataBytes);
    }

    function _object(uint256 objectId) private view returns (BlobObject storage object) {
        object = _objects[objectId];
        if (object.owner == address(0)) revert UnknownObject(objectId);
    }

    function _requireValid(bytes32 blobId) private view {
        uint32 since = _states[blobId].invalidSince;
        if (since != 0) revert BlobInvalid(blobId, since);
    }
}
