// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {BlobObject, IBlobObjects} from "./BlobObject.sol";
import {BlobsErrors} from "./BlobsErrors.sol";
import {Governed} from "./Governed.sol";

/// @title Attributes: what the owner of a blob says about it
/// @notice A map from string to string for each registration, in pools and outside. The keys `content-type`,
///         `content-disposition`, `content-encoding`, `content-language`, `content-location` and `link` become headers where
///         the blob is served over HTTP; `_walrusBlobType` with the value `quilt` marks a quilt.
///
///         Attributes are gone with their registration. Those of a shared blob stay as they are for ever.
contract Attributes is Governed {
    /// @notice One attribute.
    struct Attribute {
        /// its name, 1 to 64 bytes
        string key;
        /// its value, at most 1024 bytes; may be empty
        string value;
    }

    /// @notice Most attributes of one registration.
    uint256 public constant MAX_ATTRIBUTES = 32;
    /// @notice Most bytes of a key.
    uint256 public constant MAX_KEY_BYTES = 64;
    /// @notice Most bytes of a value.
    uint256 public constant MAX_VALUE_BYTES = 1024;
    /// @dev The number of an object in a pool has its pool's number above this many bits; others are shorter.
    uint256 private constant POOL_SHIFT = 64;

    /// @notice A key is empty or too long.
    /// @param got its bytes
    /// @param max the most
    error KeyLengthOutOfRange(uint256 got, uint256 max);
    /// @notice A value is too long.
    /// @param got its bytes
    /// @param max the most
    error ValueTooLong(uint256 got, uint256 max);
    /// @notice The registration would have too many attributes.
    /// @param max the most
    error TooManyAttributes(uint256 max);
    /// @notice There is an attribute of this key already.
    error AttributeExists(uint256 objectId, string key);
    /// @notice There is no attribute of this key.
    error UnknownAttribute(uint256 objectId, string key);

    /// @notice Keeps single registrations.
    IBlobObjects public immutable blobs;
    /// @notice Keeps pooled registrations.
    IBlobObjects public immutable pools;

    mapping(uint256 objectId => Attribute[]) private _attributes;
    /// @dev Place of a key in the list, from 1; by the hash of the key.
    mapping(uint256 objectId => mapping(bytes32 key => uint256)) private _places;

    /// @notice An attribute has this value from now on.
    event AttributeSet(uint256 indexed objectId, string key, string value);
    /// @notice An attribute is gone.
    event AttributeRemoved(uint256 indexed objectId, string key);

    /// @param governance_ decides on upgrades
    /// @param blobs_ keeps single registrations
    /// @param pools_ keeps pooled registrations
    constructor(address governance_, IBlobObjects blobs_, IBlobObjects pools_) Governed(governance_) {
        if (address(blobs_) == address(0) || address(pools_) == address(0)) revert ZeroAddress();
        (blobs, pools) = (blobs_, pools_);
    }

    /// @notice Adds attributes that are not there yet.
    /// @param objectId a registration of the caller, or in a pool of the caller
    /// @param added the attributes
    function add(uint256 objectId, Attribute[] calldata added) external {
        _requireOwner(objectId, added.length);
        for (uint256 i = 0; i < added.length; ++i) {
            if (_placeOf(objectId, added[i].key) != 0) revert AttributeExists(objectId, added[i].key);
            _set(objectId, added[i]);
        }
    }

    /// @notice Changes attributes that are there.
    /// @param objectId a registration of the caller, or in a pool of the caller
    /// @param changed the attributes
    function replace(uint256 objectId, Attribute[] calldata changed) external {
        _requireOwner(objectId, changed.length);
        for (uint256 i = 0; i < changed.length; ++i) {
            if (_placeOf(objectId, changed[i].key) == 0) revert UnknownAttribute(objectId, changed[i].key);
            _set(objectId, changed[i]);
        }
    }

    /// @notice Sets attributes, whether they are there or not.
    /// @param objectId a registration of the caller, or in a pool of the caller
    /// @param attributes_ the attributes
    function insertOrUpdate(uint256 objectId, Attribute[] calldata attributes_) external {
        _requireOwner(objectId, attributes_.length);
        for (uint256 i = 0; i < attributes_.length; ++i) {
            _set(objectId, attributes_[i]);
        }
    }

    /// @notice Removes attributes that are there.
    /// @param objectId a registration of the caller, or in a pool of the caller
    /// @param keys their keys
    function remove(uint256 objectId, string[] calldata keys) external {
        _requireOwner(objectId, keys.length);
        Attribute[] storage list = _attributes[objectId];
        for (uint256 i = 0; i < keys.length; ++i) {
            uint256 place = _placeOf(objectId, keys[i]);
            if (place == 0) revert UnknownAttribute(objectId, keys[i]);
            Attribute storage last = list[list.length - 1];
            if (place != list.length) {
                list[place - 1] = last;
                _places[objectId][keccak256(bytes(last.key))] = place;
            }
            list.pop();
            delete _places[objectId][keccak256(bytes(keys[i]))];
            emit AttributeRemoved(objectId, keys[i]);
        }
    }

    /// @notice All attributes of a registration, in no order.
    /// @param objectId the registration
    /// @return the attributes
    function attributes(uint256 objectId) external view returns (Attribute[] memory) {
        _blob(objectId);
        return _attributes[objectId];
    }

    /// @notice The value of an attribute.
    /// @param objectId the registration
    /// @param key its key
    /// @return the value
    function attribute(uint256 objectId, string calldata key) external view returns (string memory) {
        _blob(objectId);
        uint256 place = _placeOf(objectId, key);
        if (place == 0) revert UnknownAttribute(objectId, key);
        return _attributes[objectId][place - 1].value;
    }

    function _set(uint256 objectId, Attribute calldata attribute_) private {
        uint256 length = bytes(attribute_.key).length;
        if (length == 0 || length > MAX_KEY_BYTES) revert KeyLengthOutOfRange(length, MAX_KEY_BYTES);
        length = bytes(attribute_.value).length;
        if (length > MAX_VALUE_BYTES) revert ValueTooLong(length, MAX_VALUE_BYTES);
        Attribute[] storage list = _attributes[objectId];
        uint256 place = _placeOf(objectId, attribute_.key);
        if (place != 0) {
            list[place - 1].value = attribute_.value;
        } else {
            if (list.length == MAX_ATTRIBUTES) revert TooManyAttributes(MAX_ATTRIBUTES);
            list.push(attribute_);
            _places[objectId][keccak256(bytes(attribute_.key))] = list.length;
        }
        emit AttributeSet(objectId, attribute_.key, attribute_.value);
    }

    function _placeOf(uint256 objectId, string calldata key) private view returns (uint256) {
        return _places[objectId][keccak256(bytes(key))];
    }

    /// @dev The registration, which must exist, and the token whose owner it belongs to.
    function _blob(uint256 objectId)
        private
        view
        returns (BlobObject memory object, IBlobObjects registry, uint256 tokenId)
    {
        uint256 poolId = objectId >> POOL_SHIFT;
        (registry, tokenId) = poolId == 0 ? (blobs, objectId) : (pools, poolId);
        object = registry.blob(objectId);
    }

    /// @dev Lets only those pass who own the token or were approved for it, as the token itself would.
    function _requireOwner(uint256 objectId, uint256 count) private view {
        if (count == 0) revert BlobsErrors.EmptyBatch();
        (BlobObject memory object, IBlobObjects registry, uint256 tokenId) = _blob(objectId);
        if (msg.sender == object.owner) return;
        if (registry.isApprovedForAll(object.owner, msg.sender) || registry.getApproved(tokenId) == msg.sender) return;
        revert IERC721Errors.ERC721InsufficientApproval(msg.sender, tokenId);
    }
}
