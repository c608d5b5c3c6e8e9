// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Blake2b} from "./Blake2b.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @notice A blob to be registered. Its id has to follow from the other fields.
struct NewBlob {
    /// content address: BLAKE2b-256 of encoding type, size (8 bytes, little-endian) and root hash
    bytes32 blobId;
    /// the Merkle root over its sliver pairs
    bytes32 rootHash;
    /// length in bytes; 0 is legal
    uint64 size;
    /// how it is encoded; 1 is RS2
    uint8 encodingType;
    /// whether its owner may delete it before its end
    bool deletable;
}

/// @title What every blob has to satisfy, and how much room it takes
/// @notice The number of shards is fixed for the life of a network, so sizes follow from it alone.
abstract contract BlobRules {
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
    /// @notice The number of shards is out of range.
    error ShardsOutOfRange(uint256 got, uint256 min, uint256 max);

    /// @notice The only encoding type: Red Stuff over Reed-Solomon.
    uint8 public constant RS2 = 1;
    /// @notice Storage is priced by this many bytes of encoded length, rounded up.
    uint64 public constant UNIT_BYTES = 1 << 20;

    /// @dev As in `Committee`: with fewer there is nothing to recover from, and more do not fit into its directory.
    uint256 private constant MIN_SHARDS = 4;
    uint256 private constant MAX_SHARDS = 10_000;
    /// @dev Symbols have an even number of bytes that fits into two bytes.
    uint256 private constant MAX_SYMBOL_BYTES = 65_534;
    uint256 private constant HASH_BYTES = 32;

    uint256 private immutable _nShards;
    uint256 private immutable _primarySymbols;
    uint256 private immutable _secondarySymbols;

    /// @param nShards_ shards of every blob, 4 to 10,000
    constructor(uint16 nShards_) {
        if (nShards_ < MIN_SHARDS || nShards_ > MAX_SHARDS) revert ShardsOutOfRange(nShards_, MIN_SHARDS, MAX_SHARDS);
        uint256 faulty = (uint256(nShards_) - 1) / 3;
        _nShards = nShards_;
        _primarySymbols = nShards_ - 2 * faulty;
        _secondarySymbols = nShards_ - faulty;
    }

    /// @notice How many bytes all nodes together keep for a blob: slivers, and a copy of the metadata for each shard.
    /// @param size the blob's length in bytes
    /// @return bytes over all shards
    function encodedLength(uint64 size) public view returns (uint64) {
        // At 10,000 shards and the largest symbols the result is 2^43, and nothing on the way is above 2^65.
        unchecked {
            uint256 symbols = _primarySymbols * _secondarySymbols;
            uint256 symbolBytes = ((size == 0 ? 1 : uint256(size)) + symbols - 1) / symbols;
            symbolBytes += symbolBytes % 2;
            if (symbolBytes > MAX_SYMBOL_BYTES) revert BlobTooLarge(size, uint64(symbols * MAX_SYMBOL_BYTES));
            uint256 metadataBytes = 2 * HASH_BYTES * _nShards + HASH_BYTES;
            return uint64(_nShards * ((_primarySymbols + _secondarySymbols) * symbolBytes + metadataBytes));
        }
    }

    /// @dev Billed units of an encoded length.
    function _units(uint64 length) internal pure returns (uint64) {
        return (length + UNIT_BYTES - 1) / UNIT_BYTES;
    }

    /// @dev Checks a new blob and returns its encoded length.
    function _requireWellFormed(NewBlob calldata blob) internal view returns (uint64 length) {
        if (blob.encodingType != RS2) revert WrongEncodingType(RS2, blob.encodingType);
        length = encodedLength(blob.size);
        bytes memory preimage = abi.encodePacked(blob.encodingType, LittleEndian.le64(blob.size), blob.rootHash);
        bytes32 expected = Blake2b.hash(preimage);
        if (blob.blobId != expected) revert WrongBlobId(expected, blob.blobId);
    }
}
