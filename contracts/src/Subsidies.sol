// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Committee} from "./Committee.sol";
import {Governed} from "./Governed.sol";
import {Staking} from "./Staking.sol";
import {Storage} from "./Storage.sol";
import {StorageErrors} from "./StorageErrors.sol";

/// @title Subsidies: a pot that adds to what users pay
/// @notice Anyone fills the pot. Once an epoch anyone has it paid out: whatever money came in for the current and each later
///         epoch since the last time is multiplied by the usage rate, and added for that epoch; and each member of the
///         committee before gets a fixed part, into its commission, so that its delegators get nothing of that. The
///         governance sets the rates; they are zero at first.
/// @dev Money that comes in for an epoch after its payout is not subsidized, so it is best called late in each epoch. Gifts
///      to the nodes count as money that came in.
contract Subsidies is Governed {
    using SafeERC20 for IERC20;

    /// @notice How much is added; one word.
    struct Rates {
        /// for what users paid, in basis points
        uint32 usageBps;
        /// for each node, an epoch
        uint112 perNode;
        /// for each shard, an epoch
        uint112 perShard;
    }

    /// @notice Highest usage rate: a hundred times what users paid.
    uint32 public constant MAX_USAGE_BPS = 1_000_000;
    /// @dev The whole.
    uint256 private constant WHOLE_BPS = 10_000;

    /// @notice The usage rate is too high.
    /// @param got in basis points
    /// @param max the most
    error RateTooHigh(uint32 got, uint32 max);
    /// @notice The pot was paid out in this epoch.
    error AlreadyProcessed(uint32 epoch);
    /// @notice The pot has less than would have to be paid.
    /// @param pot what it has
    /// @param needed what it would need
    error PotTooSmall(uint256 pot, uint256 needed);

    /// @notice What subsidies are paid in.
    IERC20 public immutable paymentToken;
    /// @notice Where the usage part goes.
    Storage public immutable treasury;
    /// @notice Where the fixed part goes.
    Staking public immutable staking;
    /// @notice Who served.
    Committee public immutable committee;

    /// @notice How much is added.
    Rates public rates;
    /// @notice What there is to pay out.
    uint256 public pot;
    /// @notice The epoch of the last payout; 0 for none.
    uint32 public processedEpoch;
    /// @dev Money of an epoch after the last payout; at the epoch modulo the number of epochs that can be bought ahead, so
    ///      that words are used again.
    mapping(uint256 place => uint256) private _counted;

    /// @notice Somebody added to the pot.
    event Funded(address indexed from, uint256 amount, uint256 pot);
    /// @notice Other rates hold from now on.
    event RatesChanged(uint32 usageBps, uint256 perNode, uint256 perShard);
    /// @notice The pot was paid out.
    /// @param epoch the current epoch
    /// @param usagePart what was added to what users paid
    /// @param fixedPart what the nodes got
    event Processed(uint32 indexed epoch, uint256 usagePart, uint256 fixedPart);

    /// @param governance_ sets the rates
    /// @param paymentToken_ what subsidies are paid in
    /// @param treasury_ where the usage part goes
    /// @param staking_ where the fixed part goes
    /// @param committee_ who served
    constructor(
        address governance_,
        IERC20 paymentToken_,
        Storage treasury_,
        Staking staking_,
        Committee committee_
    ) Governed(governance_) {
        if (
            address(paymentToken_) == address(0) || address(treasury_) == address(0)
                || address(staking_) == address(0) || address(committee_) == address(0)
        ) revert ZeroAddress();
        (paymentToken, treasury, staking, committee) = (paymentToken_, treasury_, staking_, committee_);
    }

    /// @notice Adds to the pot. Nothing comes back.
    /// @param amount taken from the caller's allowance
    function fund(uint256 amount) external {
        pot += amount;
        emit Funded(msg.sender, amount, pot);
        paymentToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Sets the rates. Only the governance may.
    /// @param usageBps for what users pay, in basis points, at most `MAX_USAGE_BPS`
    /// @param perNode for each node, an epoch, in the payment token's smallest unit
    /// @param perShard for each shard, an epoch, in the payment token's smallest unit
    function setRates(uint32 usageBps, uint112 perNode, uint112 perShard) external only(governance) {
        if (usageBps > MAX_USAGE_BPS) revert RateTooHigh(usageBps, MAX_USAGE_BPS);
        rates = Rates(usageBps, perNode, perShard);
        emit RatesChanged(usageBps, perNode, perShard);
    }

    /// @notice Pays the pot out for this epoch, all of it or nothing. Anyone may, once.
    /// @return usagePart what was added to what users paid
    /// @return fixedPart what the nodes got
    function process() external returns (uint256 usagePart, uint256 fixedPart) {
        uint32 epoch = treasury.currentEpoch();
        if (epoch == 0) revert StorageErrors.NotLaunched();
        uint32 last = processedEpoch;
        if (epoch == last) revert AlreadyProcessed(epoch);
        processedEpoch = epoch;
        Rates memory current = rates;
        uint256[] memory added;
        (added, usagePart) = _usage(epoch, last, current.usageBps);
        uint256[] memory nodeIds;
        uint256[] memory amounts;
        (nodeIds, amounts, fixedPart) = _fixed(epoch, current);
        uint256 needed = usagePart + fixedPart;
        if (needed > pot) revert PotTooSmall(pot, needed);
        pot -= needed;
        emit Processed(epoch, usagePart, fixedPart);

        if (usagePart != 0) {
            paymentToken.forceApprove(address(treasury), usagePart);
            treasury.addPerEpochSubsidies(added);
        }
        if (fixedPart != 0) {
            paymentToken.forceApprove(address(staking), fixedPart);
            staking.addCommissions(nodeIds, amounts);
        }
    }

    /// @dev What is added for the current epoch and those after it, and the sum. Remembers what there is then.
    function _usage(uint32 epoch, uint32 last, uint32 bps) private returns (uint256[] memory added, uint256 total) {
        uint32 ahead = treasury.maxEpochsAhead();
        (, added) = treasury.accounting(ahead);
        for (uint256 i = 0; i < ahead; ++i) {
            uint256 place = (epoch + i) % ahead;
            // Beyond what could be bought at the last payout, the word is of an epoch that is over.
            uint256 counted = last != 0 && epoch + i < uint256(last) + ahead ? _counted[place] : 0;
            uint256 money = added[i];
            uint256 part = money > counted ? Math.mulDiv(money - counted, bps, WHOLE_BPS) : 0;
            _counted[place] = money + part;
            added[i] = part;
            total += part;
        }
    }

    /// @dev What each member of the committee before gets, and the sum. Nobody served before the first epoch.
    function _fixed(uint32 epoch, Rates memory current)
        private
        view
        returns (uint256[] memory nodeIds, uint256[] memory amounts, uint256 total)
    {
        if (epoch == 1 || (current.perNode == 0 && current.perShard == 0)) return (nodeIds, amounts, 0);
        (nodeIds, amounts) = committee.weightsOf(epoch - 1);
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            amounts[i] = current.perNode + amounts[i] * current.perShard;
            total += amounts[i];
        }
    }
}
