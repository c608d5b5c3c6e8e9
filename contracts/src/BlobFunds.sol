// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {BlobRegistry} from "./BlobRegistry.sol";
import {Purchase} from "./IStorage.sol";
import {Registrations} from "./Registrations.sol";

/// @title Longer lives for certified blobs: by payment, by resource, or from money that a blob holds itself
/// @notice Anyone may extend a blob and anyone may fund it. From a blob's fund anyone may renew it when its end is near, for
///         the reward that its owner has set, as long as the money lasts: a blob with a large fund is stored for ever
///         without anyone in charge of it.
abstract contract BlobFunds is BlobRegistry {
    using Registrations for uint96;
    using SafeCast for uint256;

    /// @notice What a blob holds to renew itself; one word.
    struct Fund {
        /// money, in the payment token's smallest unit; kept by `treasury`
        uint128 balance;
        /// what whoever renews it receives
        uint96 reward;
        /// how many epochs a renewal adds, at most; 0 stands for one
        uint32 epochs;
    }

    /// @notice A fund can be used when its blob has at most this many epochs left, the current one included.
    uint32 public constant RENEWAL_WINDOW = 2;

    /// @notice It is too early to renew from the fund.
    /// @param remaining epochs that the blob has left
    /// @param window epochs that it may have left at most
    error RenewalNotDue(uint32 remaining, uint32 window);
    /// @notice The fund is too small for one more epoch and the reward.
    /// @param balance what it holds
    /// @param needed what it would need
    error FundTooSmall(uint256 balance, uint256 needed);

    mapping(uint256 objectId => Fund) private _funds;

    /// @notice A certified registration lasts longer.
    /// @param blobId the blob
    /// @param objectId the registration
    /// @param certifiedEpoch epoch of its certificate, as before
    /// @param endEpoch first epoch in which it no longer covers the blob, from now on
    /// @param cost what was paid, in the payment token
    event BlobExtended(
        bytes32 indexed blobId, uint256 indexed objectId, uint32 certifiedEpoch, uint32 endEpoch, uint256 cost
    );
    /// @notice A blob's fund has changed.
    /// @param objectId the registration
    /// @param balance what it holds from now on
    event FundChanged(uint256 indexed objectId, uint256 balance);
    /// @notice A blob will be renewed in another way.
    /// @param objectId the registration
    /// @param epochs how many epochs a renewal adds, at most
    /// @param reward what whoever renews it receives
    event RenewalSet(uint256 indexed objectId, uint32 epochs, uint96 reward);

    /// @notice Extends a certified registration. Anyone may pay.
    /// @param objectId the registration
    /// @param epochs how many epochs more
    /// @param maxCost most that may be taken from the caller's allowance
    function extend(uint256 objectId, uint32 epochs, uint256 maxCost) external {
        (address owner, uint96 record, uint32 endEpoch, uint64 length) = _certifiedRecord(objectId);
        (uint32 end, uint256 cost) = _buyEpochs(endEpoch, length, msg.sender, epochs, maxCost);
        _prolong(objectId, owner, record, end, cost);
    }

    /// @notice Extends a certified registration by a storage resource of its encoded length that begins where it ends.
    /// @param objectId the registration
    /// @param resourceId a resource of the caller
    function extendWithResource(uint256 objectId, uint256 resourceId) external {
        (address owner, uint96 record, uint32 endEpoch, uint64 length) = _certifiedRecord(objectId);
        (uint32 epoch, uint32 start, uint32 end, uint64 size) = treasury.take(msg.sender, resourceId, 0);
        if (size != length) revert ResourceSizeMismatch(length, size);
        _requireAfter(endEpoch, epoch);
        if (start != endEpoch) revert ResourceGap(endEpoch, start);
        _prolong(objectId, owner, record, end, 0);
    }

    /// @notice Adds money to a blob's fund. Anyone may.
    /// @param objectId the registration
    /// @param amount taken from the caller's allowance to `treasury`
    function fund(uint256 objectId, uint128 amount) external {
        _entry(objectId);
        uint128 balance = _funds[objectId].balance + amount;
        _funds[objectId].balance = balance;
        emit FundChanged(objectId, balance);
        treasury.deposit(msg.sender, amount);
    }

    /// @notice Says how a blob renews itself. Only its owner may.
    /// @param objectId the registration, of the caller
    /// @param epochs how many epochs a renewal adds, at most
    /// @param reward what whoever renews it receives
    function setRenewal(uint256 objectId, uint32 epochs, uint96 reward) external {
        _entryFor(msg.sender, objectId);
        Fund storage own = _funds[objectId];
        (own.epochs, own.reward) = (epochs, reward);
        emit RenewalSet(objectId, epochs, reward);
    }

    /// @notice Takes money out of a blob's fund. Only its owner may, so nobody once it is shared.
    /// @param objectId the registration, of the caller
    /// @param amount how much
    /// @param to who receives it
    function withdrawFund(uint256 objectId, uint128 amount, address to) external {
        if (to == address(0)) revert ZeroAddress();
        _entryFor(msg.sender, objectId);
        uint128 balance = _funds[objectId].balance;
        if (amount > balance) revert FundTooSmall(balance, amount);
        _funds[objectId].balance = balance - amount;
        emit FundChanged(objectId, balance - amount);
        treasury.release(to, amount);
    }

    /// @notice Extends a blob from its own fund when its end is near. Anyone may, and receives the reward.
    /// @param objectId the registration
    /// @return epochs how many epochs were added: what was set, or what the money is enough for
    function renew(uint256 objectId) external returns (uint32 epochs) {
        (address owner, uint96 record, uint32 endEpoch, uint64 length) = _certifiedRecord(objectId);
        uint32 epoch = availability.currentEpoch();
        _requireAfter(endEpoch, epoch);
        Fund memory own = _funds[objectId];
        uint32 remaining = endEpoch - epoch;
        if (remaining > RENEWAL_WINDOW) revert RenewalNotDue(remaining, RENEWAL_WINDOW);
        uint256 perEpoch = _units(length) * treasury.storagePrice();
        if (own.balance < own.reward + perEpoch) revert FundTooSmall(own.balance, own.reward + perEpoch);

        uint256 most = own.epochs == 0 ? 1 : own.epochs;
        if (perEpoch != 0) {
            uint256 affordable = (own.balance - own.reward) / perEpoch;
            if (most > affordable) most = affordable;
        }
        uint32 room = treasury.maxEpochsAhead() - remaining;
        epochs = most > room ? room : uint32(most);
        uint128 left = own.balance - own.reward - (perEpoch * epochs).toUint128();
        _funds[objectId].balance = left;
        emit FundChanged(objectId, left);
        (uint32 end, uint256 cost) = _buyEpochs(endEpoch, length, address(0), epochs, perEpoch * epochs);
        _prolong(objectId, owner, record, end, cost);
        if (own.reward != 0) treasury.release(msg.sender, own.reward);
    }

    /// @notice Pays what is left in the fund of a shared blob that has ended to the nodes. Anyone may.
    /// @param objectId the registration
    function sweepFund(uint256 objectId) external {
        Entry memory entry = _entryFor(address(this), objectId);
        uint32 epoch = availability.currentEpoch();
        if (entry.record.endEpoch > epoch) revert NotExpired(entry.record.endEpoch, epoch);
        _closeFund(objectId, address(0));
    }

    /// @notice The fund of a blob.
    /// @param objectId the registration
    /// @return its money and how it is used
    function fundOf(uint256 objectId) external view returns (Fund memory) {
        return _funds[objectId];
    }

    /// @dev Hands out what a fund holds; to the nodes when `to` is zero.
    function _closeFund(uint256 objectId, address to) internal {
        uint128 balance = _funds[objectId].balance;
        if (balance == 0) return;
        delete _funds[objectId];
        emit FundChanged(objectId, 0);
        treasury.release(to, balance);
    }

    /// @dev A registration that can be extended if it has not expired: as it is stored, its end and its encoded length.
    function _certifiedRecord(uint256 objectId)
        private
        view
        returns (address owner, uint96 record, uint32 endEpoch, uint64 length)
    {
        (owner, record) = _record(objectId);
        uint64 size;
        uint32 certifiedEpoch;
        (size, certifiedEpoch, endEpoch) = record.brief();
        if (certifiedEpoch == 0) revert NotCertified(objectId);
        length = encodedLength(size);
    }

    /// @dev Pays for epochs behind an end that has not passed.
    function _buyEpochs(uint32 endEpoch, uint64 length, address payer, uint32 epochs, uint256 maxCost)
        private
        returns (uint32 end, uint256 cost)
    {
        uint32 epoch;
        // The treasury knows the epoch, so that nobody else has to be asked.
        (epoch, end, cost) =
            treasury.purchase(Purchase(payer, length, _units(length), endEpoch, epochs, 0, maxCost));
        _requireAfter(endEpoch, epoch);
    }

    function _prolong(uint256 objectId, address owner, uint96 record, uint32 end, uint256 cost) private {
        _setData(objectId, owner, record.withEnd(end));
        bytes32 blobId = _blobId(objectId);
        if (record.isDeletable()) {
            availability.requireValid(blobId);
        } else {
            availability.record(blobId, end);
        }
        (, uint32 certifiedEpoch,) = record.brief();
        emit BlobExtended(blobId, objectId, certifiedEpoch, end, cost);
    }
}
