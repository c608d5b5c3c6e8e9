// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {EpochLedger} from "./EpochLedger.sol";
import {Governed} from "./Governed.sol";
import {IStorage, Purchase} from "./IStorage.sol";
import {PackedERC721} from "./PackedERC721.sol";

/// @title Storage: capacity that can be owned, and the money that was paid for it
/// @notice A *storage resource* is the right to keep some encoded bytes in the network from one epoch until another. It is
///         an ERC-721 token: it can be bought ahead, split by size and by time, joined, sold, and turned into blobs or
///         pools. This is the only contract that holds users' money: it takes what callers owe, keeps it per epoch,
///         and pays each finished epoch out.
contract Storage is IStorage, EpochLedger, PackedERC721 {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @notice A storage resource.
    struct Resource {
        /// first epoch that it covers
        uint32 start;
        /// first epoch that it does not cover
        uint32 end;
        /// encoded bytes
        uint64 size;
    }

    /// @notice Capacity is priced by this many bytes, rounded up.
    uint64 public constant UNIT_BYTES = 1 << 20;
    /// @notice Most bytes of one resource.
    uint64 public constant MAX_RESOURCE_BYTES = (1 << 48) - 1;

    /// @dev Packed above the owner: size (48 bits), start (24), end (24).
    uint256 private constant EPOCH_BITS = 24;

    /// @notice Holds single registrations, and buys for them.
    address public immutable blobs;
    /// @notice Holds pooled registrations, and buys for them.
    address public immutable pools;

    /// @notice How many resources there were. They are numbered from 1.
    uint256 public resourceCount;

    /// @notice A resource came to be, or changed its size or period.
    /// @param resourceId its number
    /// @param start first epoch that it covers
    /// @param end first epoch that it does not cover
    /// @param size encoded bytes
    event ResourceChanged(uint256 indexed resourceId, uint32 start, uint32 end, uint64 size);

    /// @param governance_ decides on upgrades
    /// @param clock_ the contract that advances the epoch
    /// @param blobs_ holds single registrations
    /// @param pools_ holds pooled registrations
    /// @param paymentToken_ an ERC-20 that moves exactly the amount asked for (none that takes a fee)
    /// @param maxEpochsAhead_ how many epochs can be bought at once, 1 to 1000
    /// @param burnBasisPoints_ part of each epoch's money that is burned; 0 where the token cannot burn
    constructor(
        address governance_,
        address clock_,
        address blobs_,
        address pools_,
        IERC20 paymentToken_,
        uint32 maxEpochsAhead_,
        uint16 burnBasisPoints_
    )
        Governed(governance_)
        EpochLedger(paymentToken_, clock_, maxEpochsAhead_, burnBasisPoints_)
        ERC721("", "")
    {
        if (blobs_ == address(0) || pools_ == address(0)) revert ZeroAddress();
        blobs = blobs_;
        pools = pools_;
    }

    // Resources

    /// @notice Buys capacity from the current epoch on.
    /// @param size encoded bytes
    /// @param epochs how many epochs, the current one included
    /// @param maxCost most that may be taken from the caller's allowance
    /// @return resourceId the new resource
    function reserve(uint64 size, uint32 epochs, uint256 maxCost) external returns (uint256 resourceId) {
        return _reserve(size, 0, epochs, maxCost);
    }

    /// @notice Buys capacity for a window that may lie ahead.
    /// @param size encoded bytes
    /// @param start first epoch; one that has passed stands for the current one
    /// @param end first epoch that is not wanted
    /// @param maxCost most that may be taken from the caller's allowance
    /// @return resourceId the new resource
    function reserveForEpochs(uint64 size, uint32 start, uint32 end, uint256 maxCost)
        external
        returns (uint256 resourceId)
    {
        uint32 epoch = currentEpoch();
        if (start < epoch) start = epoch;
        if (end <= start) revert EndNotAfterStart(start, end);
        return _reserve(size, start, end - start, maxCost);
    }

    /// @notice Cuts a resource in time. The given one keeps the first part.
    /// @param resourceId the resource
    /// @param epoch first epoch of the second part
    /// @return laterId the second part
    function splitByEpoch(uint256 resourceId, uint32 epoch) external returns (uint256 laterId) {
        (address owner, Resource memory whole) = _resourceFor(msg.sender, resourceId);
        if (epoch <= whole.start || epoch >= whole.end) revert SplitOutOfRange(epoch, whole.start, whole.end);
        laterId = _mintResource(owner, Resource({start: epoch, end: whole.end, size: whole.size}));
        whole.end = epoch;
        _setResource(resourceId, owner, whole);
    }

    /// @notice Cuts a resource in size. The given one keeps the first part.
    /// @param resourceId the resource
    /// @param size bytes that it keeps
    /// @return restId the rest
    function splitBySize(uint256 resourceId, uint64 size) external returns (uint256 restId) {
        (address owner, Resource memory whole) = _resourceFor(msg.sender, resourceId);
        if (size == 0 || size >= whole.size) revert ResourceTooSmall(size, whole.size);
        restId = _mintResource(owner, Resource({start: whole.start, end: whole.end, size: whole.size - size}));
        whole.size = size;
        _setResource(resourceId, owner, whole);
    }

    /// @notice Joins two resources of one owner: of one size that follow each other, or of one period. The second goes up
    ///         in the first.
    /// @param first the one that stays
    /// @param second the one that goes
    function fuse(uint256 first, uint256 second) external {
        if (!_fusePeriods(first, second) && !_fuseAmount(first, second)) revert NotFusible(first, second);
    }

    /// @notice Joins two resources of one size whose periods touch, in either order.
    /// @param first the one that stays
    /// @param second the one that goes
    function fusePeriods(uint256 first, uint256 second) external {
        if (!_fusePeriods(first, second)) revert NotFusible(first, second);
    }

    /// @notice Joins two resources of one period; their sizes add.
    /// @param first the one that stays
    /// @param second the one that goes
    function fuseAmount(uint256 first, uint256 second) external {
        if (!_fuseAmount(first, second)) revert NotFusible(first, second);
    }

    /// @notice Gives a resource up. Nothing is refunded, and its capacity stays accounted until its end.
    /// @param resourceId the resource
    function destroy(uint256 resourceId) external {
        _update(address(0), resourceId, msg.sender);
    }

    /// @notice A resource.
    /// @param resourceId its number
    /// @return its period and size
    function resource(uint256 resourceId) external view returns (Resource memory) {
        (, uint96 data) = _token(resourceId);
        return _unpack(data);
    }

    /// @notice What capacity costs at the prices in force.
    /// @param size encoded bytes
    /// @param epochs how many epochs
    /// @return in the payment token's smallest unit
    function reservationPrice(uint64 size, uint32 epochs) external view returns (uint256) {
        return this.storagePrice() * _units(size) * epochs;
    }

    // What Blobs and Pools do

    /// @inheritdoc IStorage
    function purchase(Purchase calldata order) external returns (uint32 epoch, uint32 end, uint256 cost) {
        _onlyRegistrars();
        (epoch, end, cost) = _buy(order.size, order.units, order.start, order.epochs, order.writeUnits);
        if (cost > order.maxCost) revert PaymentTooSmall(cost, order.maxCost);
        if (order.payer == address(0)) {
            _spendDeposit(cost);
        } else {
            _collect(order.payer, cost);
        }
    }

    /// @inheritdoc IStorage
    function take(address holder, uint256 resourceId, uint64 size)
        external
        returns (uint32 epoch, uint32 start, uint32 end, uint64 taken)
    {
        _onlyRegistrars();
        (address owner, Resource memory whole) = _resourceFor(holder, resourceId);
        if (size > whole.size) revert ResourceTooSmall(size, whole.size);
        epoch = currentEpoch();
        (start, end) = (whole.start, whole.end);
        taken = size == 0 ? whole.size : size;
        if (taken == whole.size) {
            _update(address(0), resourceId, address(0));
        } else {
            whole.size -= taken;
            _setResource(resourceId, owner, whole);
        }
    }

    /// @inheritdoc IStorage
    function give(address to, uint64 size, uint32 end) external returns (uint256 resourceId) {
        _onlyRegistrars();
        uint32 epoch = currentEpoch();
        if (end <= epoch || size == 0) return 0;
        return _mintResource(to, Resource({start: epoch, end: end, size: size}));
    }

    /// @inheritdoc IStorage
    function deposit(address payer, uint256 amount) external {
        _onlyRegistrars();
        _deposited(amount);
        _collect(payer, amount);
    }

    /// @inheritdoc IStorage
    function release(address to, uint256 amount) external {
        _onlyRegistrars();
        _spendDeposit(amount);
        if (to == address(0)) {
            _addExtra(0, amount);
        } else {
            paymentToken.safeTransfer(to, amount);
        }
    }

    // ERC-721

    /// @inheritdoc ERC721
    function name() public pure override returns (string memory) {
        return "Floe Storage";
    }

    /// @inheritdoc ERC721
    function symbol() public pure override returns (string memory) {
        return "FLOE-STORAGE";
    }

    // Internals

    function _onlyRegistrars() private view {
        if (msg.sender != blobs && msg.sender != pools) revert NotARegistrar(msg.sender);
    }

    function _reserve(uint64 size, uint32 start, uint32 epochs, uint256 maxCost) private returns (uint256 resourceId) {
        if (size == 0 || size > MAX_RESOURCE_BYTES) revert SizeOutOfRange(size, MAX_RESOURCE_BYTES);
        (, uint32 end, uint256 cost) = _buy(size, _units(size), start, epochs, 0);
        if (cost > maxCost) revert PaymentTooSmall(cost, maxCost);
        resourceId = _mintResource(msg.sender, Resource({start: end - epochs, end: end, size: size}));
        _collect(msg.sender, cost);
    }

    function _units(uint64 size) private pure returns (uint64) {
        return size / UNIT_BYTES + (size % UNIT_BYTES == 0 ? 0 : 1);
    }

    function _fusePeriods(uint256 first, uint256 second) private returns (bool) {
        (address owner, Resource memory a, Resource memory b) = _pair(first, second);
        if (a.size != b.size) return false;
        if (a.end == b.start) a.end = b.end;
        else if (b.end == a.start) a.start = b.start;
        else return false;
        _join(first, second, owner, a);
        return true;
    }

    function _fuseAmount(uint256 first, uint256 second) private returns (bool) {
        (address owner, Resource memory a, Resource memory b) = _pair(first, second);
        if (a.start != b.start || a.end != b.end) return false;
        uint256 size = uint256(a.size) + b.size;
        if (size > MAX_RESOURCE_BYTES) revert SizeOutOfRange(size, MAX_RESOURCE_BYTES);
        a.size = uint64(size);
        _join(first, second, owner, a);
        return true;
    }

    function _pair(uint256 first, uint256 second)
        private
        view
        returns (address owner, Resource memory a, Resource memory b)
    {
        if (first == second) revert NotFusible(first, second);
        (owner, a) = _resourceFor(msg.sender, first);
        (, b) = _resourceFor(msg.sender, second);
    }

    function _join(uint256 first, uint256 second, address owner, Resource memory whole) private {
        _update(address(0), second, address(0));
        _setResource(first, owner, whole);
    }

    function _mintResource(address to, Resource memory made) private returns (uint256 resourceId) {
        resourceId = ++resourceCount;
        _create(to, resourceId, _pack(made));
        _credit(to, 1);
        emit ResourceChanged(resourceId, made.start, made.end, made.size);
    }

    function _setResource(uint256 resourceId, address owner, Resource memory changed) private {
        _setData(resourceId, owner, _pack(changed));
        emit ResourceChanged(resourceId, changed.start, changed.end, changed.size);
    }

    function _resourceFor(address caller, uint256 resourceId) private view returns (address, Resource memory) {
        (address owner, uint96 data) = _tokenFor(caller, resourceId);
        return (owner, _unpack(data));
    }

    function _pack(Resource memory r) private pure returns (uint96) {
        return uint96((uint256(r.size) << (2 * EPOCH_BITS)) | (uint256(r.start) << EPOCH_BITS) | uint256(r.end).toUint24());
    }

    function _unpack(uint96 data) private pure returns (Resource memory) {
        return Resource({
            start: uint24(data >> EPOCH_BITS),
            end: uint24(data),
            size: uint64(data >> (2 * EPOCH_BITS))
        });
    }
}
