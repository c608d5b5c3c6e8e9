// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Governed} from "./Governed.sol";
import {IEpochMoney} from "./IEpochMoney.sol";
import {IPrices} from "./IPrices.sol";
import {StorageErrors} from "./StorageErrors.sol";

/// @title Capacity and prepaid money of every epoch
/// @notice What is reserved and paid for is kept per epoch as *differences*: a reservation adds itself in its first epoch
///         and subtracts itself in the one after its last. So it touches two words, however long it lasts, and the
///         running totals move on by one word at each change of epoch. All money is in whole units per epoch: nothing
///         is ever divided here but gifts, whose remainder goes into the first epoch.
abstract contract EpochLedger is IEpochMoney, IPrices, StorageErrors, Governed {
    using SafeCast for uint256;
    using SafeCast for int256;
    using SafeERC20 for IERC20;

    /// @dev What every purchase reads; one word.
    struct Rules {
        uint24 epoch;
        uint80 storagePrice;
        uint80 writePrice;
        /// encoded bytes that can be reserved in every epoch: the capacity less what is reserved now and less the net
        /// increases of that in all future epochs. Some epochs may have room for more.
        int72 free;
    }

    /// @dev Of the current epoch; one word. Its money is `rate + extra`.
    struct Running {
        /// encoded bytes reserved
        uint64 used;
        /// money from reservations that cover it
        uint96 rate;
        /// money for it alone: writing, gifts, leftovers
        uint96 extra;
    }

    /// @dev What begins and ends with a future epoch; one word.
    struct Change {
        int64 used;
        int96 rate;
        uint96 extra;
    }

    /// @notice Hard ceiling of `maxEpochsAhead`.
    uint32 public constant EPOCHS_AHEAD_CEILING = 1000;
    /// @notice Prices and capacity move by this part at most at a change of epoch, once the first votes have set them.
    uint256 public constant MAX_STEP_BASIS_POINTS = 2_500;
    /// @dev The whole.
    uint256 private constant BASIS_POINTS = 10_000;

    /// @notice The ERC-20 that storage is priced and paid in.
    IERC20 public immutable paymentToken;
    /// @notice The contract that advances the epoch.
    address public immutable clock;
    /// @inheritdoc IPrices
    uint32 public immutable maxEpochsAhead;
    /// @notice Part of each epoch's money that is burned when it is closed, where the payment token can burn.
    uint16 public immutable burnBasisPoints;

    Rules private _rules;
    Running private _running;
    mapping(uint32 epoch => Change) private _changes;
    /// @inheritdoc IPrices
    uint64 public totalCapacity;
    /// @notice Money that blobs hold to renew themselves; it belongs to no epoch yet.
    uint128 public deposits;

    /// @notice An epoch was closed and its money paid out.
    /// @param epoch its number
    /// @param money all of it
    /// @param paid what the payee was sent; the rest was burned, or carried into the next epoch when there was no payee
    /// @param burned what was burned
    /// @param usedBytes encoded bytes that were reserved in it
    event EpochClosed(uint32 indexed epoch, uint256 money, uint256 paid, uint256 burned, uint64 usedBytes);
    /// @notice Prices and capacity from an epoch on.
    /// @param epoch the first epoch
    /// @param capacity encoded bytes that can be reserved
    /// @param storagePrice per MiB of encoded length and epoch
    /// @param writePrice per MiB of encoded length, once
    event PricesUpdated(uint32 indexed epoch, uint64 capacity, uint256 storagePrice, uint256 writePrice);
    /// @notice Somebody gave money to the nodes of some epochs.
    /// @param from who
    /// @param firstEpoch the first epoch that gets some
    /// @param epochs how many epochs share it
    /// @param amount all of it
    event SubsidyAdded(address indexed from, uint32 firstEpoch, uint32 epochs, uint256 amount);

    /// @param paymentToken_ an ERC-20 that moves exactly the amount asked for (none that takes a fee)
    /// @param clock_ the contract that advances the epoch
    /// @param maxEpochsAhead_ how many epochs can be bought at once, 1 to 1000
    /// @param burnBasisPoints_ part of each epoch's money that is burned; 0 where the token cannot burn
    constructor(IERC20 paymentToken_, address clock_, uint32 maxEpochsAhead_, uint16 burnBasisPoints_) {
        if (address(paymentToken_) == address(0) || clock_ == address(0)) revert ZeroAddress();
        if (maxEpochsAhead_ == 0 || maxEpochsAhead_ > EPOCHS_AHEAD_CEILING) {
            revert MaxEpochsAheadOutOfRange(maxEpochsAhead_, EPOCHS_AHEAD_CEILING);
        }
        if (burnBasisPoints_ > BASIS_POINTS) revert BasisPointsOutOfRange(burnBasisPoints_, BASIS_POINTS);
        paymentToken = paymentToken_;
        clock = clock_;
        maxEpochsAhead = maxEpochsAhead_;
        burnBasisPoints = burnBasisPoints_;
    }

    // The clock

    /// @inheritdoc IEpochMoney
    function closeEpoch(
        uint32 newEpoch,
        uint64 capacityBytes,
        uint256 storagePrice_,
        uint256 writePrice_,
        address payee
    ) external only(clock) returns (uint256 paid, uint64 usedBytes) {
        Rules memory rules = _rules;
        if (newEpoch != rules.epoch + 1) revert EpochNotNext(rules.epoch + 1, newEpoch);

        Running memory running = _running;
        usedBytes = running.used;
        uint256 money = uint256(running.rate) + running.extra;
        uint256 burned = 0;
        uint256 carried = 0;
        if (payee == address(0)) {
            carried = money;
        } else {
            burned = Math.mulDiv(money, burnBasisPoints, BASIS_POINTS);
            paid = money - burned;
        }

        Change memory change = _changes[newEpoch];
        delete _changes[newEpoch];
        uint64 capacity = totalCapacity;
        // What was reserved ahead is now reserved: only what ends makes room.
        int256 free = int256(rules.free) - (change.used < 0 ? int256(change.used) : int256(0));
        running.used = (int256(uint256(running.used)) + change.used).toUint256().toUint64();
        running.rate = (int256(uint256(running.rate)) + change.rate).toUint256().toUint96();
        running.extra = (change.extra + carried).toUint96();
        _running = running;

        emit EpochClosed(rules.epoch, money, paid, burned, usedBytes);
        if (rules.epoch != 0) {
            storagePrice_ = _step(rules.storagePrice, storagePrice_);
            writePrice_ = _step(rules.writePrice, writePrice_);
            capacityBytes = Math.max(_step(capacity, capacityBytes), running.used).toUint64();
        }
        free += int256(uint256(capacityBytes)) - int256(uint256(capacity));
        totalCapacity = capacityBytes;
        _rules = Rules(
            uint256(newEpoch).toUint24(), storagePrice_.toUint80(), writePrice_.toUint80(), free.toInt72()
        );
        emit PricesUpdated(newEpoch, capacityBytes, storagePrice_, writePrice_);

        if (burned != 0) ERC20Burnable(address(paymentToken)).burn(burned);
        if (paid != 0) paymentToken.safeTransfer(payee, paid);
    }

    // Gifts

    /// @inheritdoc IEpochMoney
    function addToCurrent(uint256 amount) external {
        _addExtra(0, amount);
        emit SubsidyAdded(msg.sender, _rules.epoch, 1, amount);
        _collect(msg.sender, amount);
    }

    /// @notice Gives money to the nodes of the next epochs, in equal parts; what does not divide goes to the first.
    /// @param amount taken from the caller's allowance
    /// @param epochs how many epochs share it, the current one included
    function addSubsidy(uint256 amount, uint32 epochs) external {
        if (epochs == 0 || epochs > maxEpochsAhead) revert EpochsAheadOutOfRange(epochs, maxEpochsAhead);
        uint256 part = amount / epochs;
        _addExtra(0, part + amount % epochs);
        for (uint32 i = 1; i < epochs; ++i) {
            _addExtra(i, part);
        }
        emit SubsidyAdded(msg.sender, _rules.epoch, epochs, amount);
        _collect(msg.sender, amount);
    }

    /// @notice Gives the nodes of each of the next epochs its own amount.
    /// @param amounts for the current epoch and those after it; the sum is taken from the caller's allowance
    function addPerEpochSubsidies(uint256[] calldata amounts) external {
        uint32 epochs = amounts.length.toUint32();
        if (epochs == 0 || epochs > maxEpochsAhead) revert EpochsAheadOutOfRange(epochs, maxEpochsAhead);
        uint256 total = 0;
        for (uint32 i = 0; i < epochs; ++i) {
            if (amounts[i] == 0) continue;
            total += amounts[i];
            _addExtra(i, amounts[i]);
        }
        emit SubsidyAdded(msg.sender, _rules.epoch, epochs, total);
        _collect(msg.sender, total);
    }

    // Questions

    /// @inheritdoc IPrices
    function currentEpoch() public view returns (uint32) {
        return _rules.epoch;
    }

    /// @inheritdoc IPrices
    function storagePrice() external view returns (uint256) {
        return _rules.storagePrice;
    }

    /// @inheritdoc IPrices
    function writePrice() external view returns (uint256) {
        return _rules.writePrice;
    }

    /// @notice What is reserved and paid for each epoch from the current one on.
    /// @param epochs how many epochs to tell of
    /// @return used encoded bytes reserved in each
    /// @return money what is kept for each
    function accounting(uint32 epochs) public view returns (uint64[] memory used, uint256[] memory money) {
        used = new uint64[](epochs);
        money = new uint256[](epochs);
        Running memory running = _running;
        uint32 epoch = _rules.epoch;
        for (uint32 i = 0; i < epochs; ++i) {
            if (i != 0) {
                Change memory change = _changes[epoch + i];
                running.used = (int256(uint256(running.used)) + change.used).toUint256().toUint64();
                running.rate = (int256(uint256(running.rate)) + change.rate).toUint256().toUint96();
                running.extra = change.extra;
            }
            used[i] = running.used;
            money[i] = uint256(running.rate) + running.extra;
        }
    }

    /// @notice All money that this contract keeps for somebody: the epochs' and the deposits. Its balance is never less.
    /// @return total in the payment token's smallest unit
    function held() external view returns (uint256 total) {
        (, uint256[] memory money) = accounting(maxEpochsAhead);
        total = deposits;
        for (uint256 i = 0; i < money.length; ++i) {
            total += money[i];
        }
    }

    // Internals

    /// @dev Reserves bytes for some epochs and charges for them and for writing, at the prices in force. The caller sees
    ///      to the payment. A start that has passed stands for the current epoch.
    function _buy(uint64 size, uint64 units, uint32 start, uint32 epochs, uint64 writeUnits)
        internal
        returns (uint32 epoch, uint32 end, uint256 cost)
    {
        Rules memory rules = _rules;
        epoch = rules.epoch;
        if (epoch == 0) revert NotLaunched();
        if (start < epoch) start = epoch;
        if (epochs > maxEpochsAhead) revert EpochsAheadOutOfRange(epochs, maxEpochsAhead);
        end = start + epochs;
        uint256 writing;
        uint256 rate;
        // 80 bits of a price, 64 of units and 32 of epochs do not overflow.
        unchecked {
            writing = uint256(rules.writePrice) * writeUnits;
            rate = uint256(rules.storagePrice) * units;
            cost = rate * epochs + writing;
        }

        if (size != 0) {
            uint32 ahead = end - epoch;
            if (epochs == 0 || ahead > maxEpochsAhead) revert EpochsAheadOutOfRange(epochs == 0 ? 0 : ahead, maxEpochsAhead);
            if (int256(uint256(size)) > rules.free) _requireCapacity(epoch, size, start, end);
            int64 signedSize = int256(uint256(size)).toInt64();
            int96 signedRate = int256(rate).toInt96();
            int256 taken = _change(end, -signedSize, -signedRate);
            taken += start == epoch ? int256(signedSize) : _change(start, signedSize, signedRate);
            if (taken != 0) _rules.free = (rules.free - taken).toInt72();
        }
        if (start == epoch && size != 0) {
            Running memory running = _running;
            running.used += size;
            running.rate = (running.rate + rate).toUint96();
            running.extra = (running.extra + writing).toUint96();
            _running = running;
        } else if (writing != 0) {
            _addExtra(0, writing);
        }
    }

    function _collect(address payer, uint256 amount) internal {
        paymentToken.safeTransferFrom(payer, address(this), amount);
    }

    /// @dev Moves money between the deposits and the current epoch or an account, or into the deposits.
    function _deposited(uint256 amount) internal {
        deposits = (deposits + amount).toUint128();
    }

    function _spendDeposit(uint256 amount) internal {
        deposits = (deposits - amount).toUint128();
    }

    function _addExtra(uint32 ahead, uint256 amount) internal {
        if (ahead == 0) {
            _running.extra = (_running.extra + amount).toUint96();
        } else {
            Change storage change = _changes[_rules.epoch + ahead];
            change.extra = (change.extra + amount).toUint96();
        }
    }

    /// @dev Adds to what begins with a future epoch. Returns by how much its net increase of `used` grew.
    function _change(uint32 epoch, int64 used, int96 rate) private returns (int256) {
        Change memory change = _changes[epoch];
        int256 before = change.used;
        change.used += used;
        change.rate += rate;
        _changes[epoch] = change;
        return (change.used > 0 ? int256(change.used) : int256(0)) - (before > 0 ? before : int256(0));
    }

    /// @dev Walks over the epochs, when the quick answer was no.
    function _requireCapacity(uint32 current, uint64 size, uint32 start, uint32 end) private view {
        uint64 capacity = totalCapacity;
        uint256 used = _running.used;
        for (uint32 epoch = current; epoch < end; ++epoch) {
            if (epoch != current) used = (int256(used) + _changes[epoch].used).toUint256();
            if (epoch >= start && used + size > capacity) revert CapacityExceeded(epoch, used + size, capacity);
        }
    }

    /// @dev The value nearest to `wanted` within a step of `old`; from a small one it gets away by one unit.
    function _step(uint256 old, uint256 wanted) private pure returns (uint256) {
        uint256 step = Math.max(Math.mulDiv(old, MAX_STEP_BASIS_POINTS, BASIS_POINTS), 1);
        return Math.min(Math.max(wanted, old - Math.min(step, old)), old + step);
    }
}
