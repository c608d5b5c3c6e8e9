// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {BlobRules} from "./BlobRules.sol";
import {BlobsErrors} from "./BlobsErrors.sol";
import {Governed} from "./Governed.sol";
import {IAvailabilityRecord} from "./IAvailabilityRecord.sol";
import {IStorage, Purchase} from "./IStorage.sol";
import {PackedERC721} from "./PackedERC721.sol";
import {PoolsErrors} from "./PoolsErrors.sol";
import {StorageErrors} from "./StorageErrors.sol";

/// @title Pools, as tokens: capacity with one end, whatever lies in it
/// @notice A pool is made, extended, enlarged and cut here; what lies in it is the business of the contract built on this.
abstract contract PoolRegistry is BlobRules, BlobsErrors, PoolsErrors, StorageErrors, Governed, PackedERC721 {
    using SafeCast for uint256;

    /// @notice A pool.
    struct Pool {
        /// who owns it
        address owner;
        /// encoded bytes that it can hold
        uint64 size;
        /// first epoch that it does not cover
        uint32 endEpoch;
        /// encoded bytes of the blobs in it
        uint64 used;
        /// how many blobs are in it
        uint64 blobs;
    }

    /// @dev What is in a pool; one word.
    struct Content {
        uint64 used;
        uint64 blobs;
        /// how many blobs were ever registered in it: they are numbered from 1
        uint64 registered;
    }

    /// @notice Most bytes of one pool.
    uint64 public constant MAX_POOL_BYTES = (1 << 48) - 1;
    /// @notice A whole, in basis points.
    uint16 public constant WHOLE_BPS = 10_000;

    /// @dev Packed above a pool's owner: size (48 bits), end (24).
    uint256 private constant EPOCH_BITS = 24;

    /// @notice Sells capacity and holds the money.
    IStorage public immutable treasury;
    /// @notice Answers whether a blob is available, and knows the epoch.
    IAvailabilityRecord public immutable availability;

    /// @notice How many pools there were. They are numbered from 1.
    uint256 public poolCount;
    mapping(uint256 poolId => Content) internal _contents;

    /// @notice A pool came to be.
    /// @param poolId its number
    /// @param owner who owns it
    /// @param size encoded bytes that it can hold
    /// @param endEpoch first epoch that it does not cover
    /// @param cost what was paid, in the payment token; 0 when it was made of a resource
    event PoolCreated(uint256 indexed poolId, address indexed owner, uint64 size, uint32 endEpoch, uint256 cost);
    /// @notice A pool and all blobs in it last longer.
    /// @param poolId the pool
    /// @param endEpoch first epoch that it does not cover, from now on
    /// @param cost what was paid, in the payment token
    event PoolExtended(uint256 indexed poolId, uint32 endEpoch, uint256 cost);
    /// @notice A pool can hold more or less.
    /// @param poolId the pool
    /// @param size encoded bytes that it can hold, from now on
    /// @param cost what was paid, in the payment token
    event PoolResized(uint256 indexed poolId, uint64 size, uint256 cost);
    /// @notice An empty pool was given up.
    /// @param poolId the pool
    event PoolDestroyed(uint256 indexed poolId);

    /// @param treasury_ sells capacity and holds the money
    /// @param availability_ answers whether a blob is available
    constructor(IStorage treasury_, IAvailabilityRecord availability_) {
        if (address(treasury_) == address(0) || address(availability_) == address(0)) revert ZeroAddress();
        (treasury, availability) = (treasury_, availability_);
    }

    // Pools

    /// @notice Creates a pool from the current epoch on and takes the payment from the caller's allowance to `treasury`.
    /// @param size encoded bytes that it can hold
    /// @param epochs how many epochs to pay for, the current one included
    /// @param maxCost most that may be taken
    /// @param owner who receives the token
    /// @return poolId number of the pool
    function create(uint64 size, uint32 epochs, uint256 maxCost, address owner) external returns (uint256 poolId) {
        _requireSize(size);
        (, uint32 end, uint256 cost) =
            treasury.purchase(Purchase(msg.sender, size, _units(size), 0, epochs, 0, maxCost));
        return _open(owner, size, end, cost);
    }

    /// @notice Makes a pool of a storage resource.
    /// @param resourceId a resource of the caller that covers the current epoch
    /// @param owner who receives the token
    /// @return poolId number of the pool
    function createWithResource(uint256 resourceId, address owner) external returns (uint256 poolId) {
        (uint32 epoch, uint32 start, uint32 end, uint64 size) = treasury.take(msg.sender, resourceId, 0);
        if (start > epoch || end <= epoch) revert ResourceNotCovering(epoch, start, end);
        return _open(owner, size, end, 0);
    }

    /// @notice Extends a pool, in its full size, and every blob in it. Anyone may pay.
    /// @param poolId the pool
    /// @param epochs how many epochs more
    /// @param maxCost most that may be taken from the caller's allowance
    function extend(uint256 poolId, uint32 epochs, uint256 maxCost) external {
        (address owner, uint64 size, uint32 end) = _pool(poolId);
        _requireAlive(end, availability.currentEpoch());
        uint256 cost;
        (, end, cost) = treasury.purchase(Purchase(msg.sender, size, _units(size), end, epochs, 0, maxCost));
        _setPool(poolId, owner, size, end);
        availability.setPoolEnd(poolId, end);
        emit PoolExtended(poolId, end, cost);
    }

    /// @notice Makes a pool larger until its end, and takes the payment from the caller's allowance to `treasury`.
    /// @param poolId a pool of the caller
    /// @param size encoded bytes that it can hold in addition
    /// @param maxCost most that may be taken
    function increase(uint256 poolId, uint64 size, uint256 maxCost) external {
        (address owner, uint64 before, uint32 end, uint32 epoch) = _alive(poolId);
        if (size == 0) revert SizeOutOfRange(0, MAX_POOL_BYTES);
        _requireSize(uint256(before) + size);
        (,, uint256 cost) =
            treasury.purchase(Purchase(msg.sender, size, _units(size), epoch, end - epoch, 0, maxCost));
        _resize(poolId, owner, uint256(before) + size, end, cost);
    }

    /// @notice Makes a pool larger by a storage resource that ends when the pool does.
    /// @param poolId a pool of the caller
    /// @param resourceId a resource of the caller that covers the current epoch
    function increaseWithResource(uint256 poolId, uint256 resourceId) external {
        (address owner, uint64 before, uint32 end,) = _alive(poolId);
        (uint32 epoch, uint32 start, uint32 resourceEnd, uint64 size) = treasury.take(msg.sender, resourceId, 0);
        if (start > epoch) revert ResourceNotCovering(epoch, start, resourceEnd);
        if (resourceEnd != end) revert EndsDiffer(end, resourceEnd);
        _resize(poolId, owner, uint256(before) + size, end, 0);
    }

    /// @notice Takes bytes that no blob uses out of a pool. They become a storage resource of its owner, until the pool's
    ///         end. What stays is not empty; an empty pool is destroyed instead.
    /// @param poolId a pool of the caller
    /// @param size how many bytes
    /// @return resourceId the resource
    function decrease(uint256 poolId, uint64 size) external returns (uint256 resourceId) {
        return _decrease(poolId, size, 0);
    }

    /// @notice Takes a part of what no blob uses out of a pool, as `decrease` does.
    /// @param poolId a pool of the caller
    /// @param bps the part, in basis points of the unused bytes; rounded down
    /// @return resourceId the resource
    function decreaseByPart(uint256 poolId, uint16 bps) external returns (uint256 resourceId) {
        if (bps > WHOLE_BPS) revert BasisPointsOutOfRange(bps, WHOLE_BPS);
        return _decrease(poolId, 0, bps);
    }

    /// @notice Gives an empty pool up. What it could hold becomes a storage resource of its owner, until the pool's end.
    /// @param poolId a pool of the caller
    /// @return resourceId the resource; 0 when the pool has ended
    function destroy(uint256 poolId) external returns (uint256 resourceId) {
        (address owner, uint96 data) = _tokenFor(msg.sender, poolId);
        uint64 blobs = _contents[poolId].blobs;
        if (blobs != 0) revert PoolNotEmpty(poolId, blobs);
        (uint64 size, uint32 end) = _unpack(data);
        delete _contents[poolId];
        _update(address(0), poolId, address(0));
        emit PoolDestroyed(poolId);
        return treasury.give(owner, size, end);
    }

    /// @notice A pool.
    /// @param poolId its number
    /// @return the pool
    function pool(uint256 poolId) external view returns (Pool memory) {
        (address owner, uint64 size, uint32 end) = _pool(poolId);
        Content memory content = _contents[poolId];
        return Pool(owner, size, end, content.used, content.blobs);
    }

    // Internals

    function _open(address owner, uint64 size, uint32 end, uint256 cost) private returns (uint256 poolId) {
        poolId = ++poolCount;
        _create(owner, poolId, _pack(size, end));
        _credit(owner, 1);
        availability.setPoolEnd(poolId, end);
        emit PoolCreated(poolId, owner, size, end, cost);
    }

    function _resize(uint256 poolId, address owner, uint256 size, uint32 end, uint256 cost) private {
        _requireSize(size);
        _setPool(poolId, owner, uint64(size), end);
        emit PoolResized(poolId, uint64(size), cost);
    }

    /// @dev Takes so many bytes, or such a part of what is not used, out of a pool.
    function _decrease(uint256 poolId, uint64 size, uint16 bps) private returns (uint256 resourceId) {
        (address owner, uint64 before, uint32 end,) = _alive(poolId);
        uint64 used = _contents[poolId].used;
        uint64 unused = before - used;
        if (bps != 0) size = uint64(Math.mulDiv(unused, bps, WHOLE_BPS));
        uint64 max = used == 0 ? unused - 1 : unused;
        if (size == 0 || size > max) revert DecreaseOutOfRange(size, max);
        _resize(poolId, owner, before - size, end, 0);
        return treasury.give(owner, size, end);
    }

    function _pool(uint256 poolId) internal view returns (address owner, uint64 size, uint32 end) {
        uint96 data;
        (owner, data) = _token(poolId);
        (size, end) = _unpack(data);
    }

    /// @dev A pool that the caller owns or was approved for and that has not ended.
    function _alive(uint256 poolId) private view returns (address owner, uint64 size, uint32 end, uint32 epoch) {
        uint96 data;
        (owner, data) = _tokenFor(msg.sender, poolId);
        (size, end) = _unpack(data);
        epoch = availability.currentEpoch();
        _requireAlive(end, epoch);
    }

    function _setPool(uint256 poolId, address owner, uint64 size, uint32 end) private {
        _setData(poolId, owner, _pack(size, end));
    }

    function _requireAlive(uint32 end, uint32 epoch) internal pure {
        if (end <= epoch) revert BlobExpired(end, epoch);
    }

    function _requireSize(uint256 size) private pure {
        if (size == 0 || size > MAX_POOL_BYTES) revert SizeOutOfRange(size, MAX_POOL_BYTES);
    }

    function _pack(uint64 size, uint32 end) private pure returns (uint96) {
        return uint96((uint256(size) << EPOCH_BITS) | uint256(end).toUint24());
    }

    function _unpack(uint96 data) internal pure returns (uint64 size, uint32 end) {
        return (uint64(data >> EPOCH_BITS), uint24(data));
    }
}
