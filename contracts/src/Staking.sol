// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Committee} from "./Committee.sol";
import {Governed} from "./Governed.sol";
import {Nodes} from "./Nodes.sol";
import {StakePools} from "./StakePools.sol";
import {StakingErrors} from "./StakingErrors.sol";

/// @title Stake in FLOE, rewards in the payment token
/// @notice Each node has a pool that anyone may stake with. Stake counts from the next epoch on whose committee is not
///         selected yet, and leaves in the same manner, so a committee's stake is there for as long as it serves. What an
///         epoch earned goes to the pools by the shards that their nodes held, less the commission. Slashing burns stake
///         of a pool, of all its delegators alike.
/// @dev The two tokens have accounts apart, also where they are the same contract.
contract Staking is Governed, StakingErrors {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using StakePools for StakePools.Pool;

    /// @dev One word that every operation reads.
    struct Clock {
        /// as the clock told it
        uint32 epoch;
        /// whether the next committee is fixed
        bool selected;
        /// positions opened so far
        uint64 positions;
        /// least stake of a node in the active set
        uint96 threshold;
    }

    /// @notice Stake of one owner with one node.
    struct Position {
        /// whose it is
        address owner;
        /// the node
        uint32 nodeId;
        /// first epoch in which it counts
        uint32 activationEpoch;
        /// first epoch in which it no longer does; 0 while it stays
        uint32 withdrawEpoch;
        /// FLOE put in
        uint96 principal;
        /// the pool's reward per share up to which it was paid; 0 for none yet
        uint160 paidPerShare;
    }

    /// @notice Smallest stake: one FLOE.
    uint96 public constant MIN_STAKE = 1 ether;
    /// @notice Most nodes that can be candidates for the next committee.
    uint256 public constant MAX_ACTIVE = 150;
    /// @notice A whole, in basis points.
    uint16 public constant WHOLE_BPS = 10_000;
    /// @notice How many epochs ahead a change of the commission is announced.
    uint32 public constant COMMISSION_NOTICE_EPOCHS = 2;

    /// @notice FLOE.
    ERC20Burnable public immutable floe;
    /// @notice What rewards are paid in.
    IERC20 public immutable paymentToken;
    /// @notice The clock.
    address public immutable epochs;
    /// @notice The registry of nodes.
    Nodes public immutable nodes;
    /// @notice Who holds the shards.
    Committee public immutable committee;
    /// @notice How many shards there are.
    uint16 public immutable nShards;

    Clock private _clock;
    /// @notice Who may lower the reward of a node that fails its audits; zero for nobody.
    address public auditor;
    /// @notice Rewards that no pool was entitled to: they join those of the next epoch.
    uint128 public carried;
    /// @dev Basis points of shards whose reward is withheld in this epoch.
    uint64 private _withheld;
    uint32[] private _active;
    /// @dev Nodes whose reward is lowered in this epoch.
    uint32[] private _lowered;
    mapping(uint256 nodeId => StakePools.Pool) private _pools;
    mapping(uint256 nodeId => mapping(uint32 epoch => StakePools.Checkpoint)) private _checkpoints;
    /// @dev Rewards for one basis point of a shard, of all epochs before this one; 64 fractional bits.
    mapping(uint32 epoch => uint256) private _rewards;
    mapping(uint256 positionId => Position) private _positions;

    /// @notice Somebody staked.
    event Staked(
        uint256 indexed positionId, uint256 indexed nodeId, address indexed owner, uint256 amount, uint32 activationEpoch
    );
    /// @notice A part of a position became a position of its own.
    event PositionSplit(uint256 indexed positionId, uint256 indexed newPositionId, uint256 amount);
    /// @notice A position was added to another one.
    event PositionsJoined(uint256 indexed positionId, uint256 indexed absorbedId);
    /// @notice A position stops counting in an epoch, and can be withdrawn from then on.
    event WithdrawalRequested(uint256 indexed positionId, uint256 indexed nodeId, uint32 withdrawEpoch);
    /// @notice A position was paid back.
    event Withdrawn(uint256 indexed positionId, uint256 indexed nodeId, address indexed owner, uint256 amount);
    /// @notice Rewards were paid to a delegator.
    event RewardsClaimed(uint256 indexed positionId, address indexed owner, uint256 amount);
    /// @notice Commission was paid to its receiver.
    event CommissionCollected(uint256 indexed nodeId, address indexed receiver, uint256 amount);
    /// @notice Somebody gave money to a node itself.
    event CommissionAdded(uint256 indexed nodeId, address indexed from, uint256 amount);
    /// @notice A node's commission will change.
    event CommissionAnnounced(uint256 indexed nodeId, uint16 bps, uint32 epoch);
    /// @notice A node is a candidate for the next committee.
    event NodeActivated(uint256 indexed nodeId);
    /// @notice A node is no longer a candidate.
    event NodeDeactivated(uint256 indexed nodeId);
    /// @notice Rewards of the epoch before were shared out.
    event RewardsShared(uint32 indexed newEpoch, uint256 paid, uint256 carried);
    /// @notice Stake of a pool was burned, and its commission went to everyone's next rewards.
    event Slashed(uint256 indexed nodeId, uint16 bps, uint256 burned, uint256 forfeitedCommission);
    /// @notice A node gets only this part of this epoch's reward.
    event RewardLowered(uint256 indexed nodeId, uint32 indexed epoch, uint16 bps);
    /// @notice The least stake of candidates changed.
    event ThresholdChanged(uint256 threshold);
    /// @notice Another contract judges audits.
    event AuditorChanged(address auditor);

    /// @param governance_ see `Governed`
    /// @param floe_ FLOE
    /// @param paymentToken_ what rewards are paid in
    /// @param epochs_ the clock
    /// @param nodes_ the registry of nodes
    /// @param committee_ who holds the shards
    /// @param nShards_ how many there are
    constructor(
        address governance_,
        ERC20Burnable floe_,
        IERC20 paymentToken_,
        address epochs_,
        Nodes nodes_,
        Committee committee_,
        uint16 nShards_
    ) Governed(governance_) {
        (floe, paymentToken, epochs, nodes, committee, nShards) =
            (floe_, paymentToken_, epochs_, nodes_, committee_, nShards_);
    }

    // Delegators

    /// @notice Stakes FLOE of the caller, from its allowance.
    /// @param nodeId with which node
    /// @param amount how much, at least `MIN_STAKE`
    /// @return positionId the new position
    function stake(uint256 nodeId, uint96 amount) public returns (uint256 positionId) {
        if (amount < MIN_STAKE) revert StakeTooSmall(amount, MIN_STAKE);
        Clock memory clock = _clock;
        StakePools.Pool storage pool = _advance(nodeId, clock.epoch);
        uint32 activation = clock.epoch + 1;
        if (clock.selected) {
            ++activation;
            pool.joiningAfter += amount;
        } else {
            pool.joining += amount;
        }
        _clock.positions = ++clock.positions;
        positionId = clock.positions;
        _positions[positionId] = Position(msg.sender, uint32(nodeId), activation, 0, amount, 0);
        IERC20(floe).safeTransferFrom(msg.sender, address(this), amount);
        emit Staked(positionId, nodeId, msg.sender, amount, activation);
        if (pool.place == 0 && _active.length < MAX_ACTIVE && pool.stakeNext(clock.selected) >= _least(clock)) {
            _activate(nodeId, pool);
        }
    }

    /// @notice Stakes like `stake`, and allows it by signature (ERC-2612).
    /// @param nodeId with which node
    /// @param amount how much
    /// @param deadline until when the permit holds
    /// @param v of the permit's signature
    /// @param r of the permit's signature
    /// @param s of the permit's signature
    /// @return positionId the new position
    function stakeWithPermit(uint256 nodeId, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 positionId)
    {
        // Whoever sees the permit can use it first; then the allowance is there already.
        try IPermit(address(floe)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        return stake(nodeId, amount);
    }

    /// @notice Takes stake back: at once where it served in no committee, otherwise at the end of the last epoch whose
    ///         committee counts on it; `withdraw` then pays it.
    /// @param positionId the position; only its owner may
    /// @param amount how much of its principal; what stays is at least `MIN_STAKE` or nothing
    /// @return leavingId the position that leaves: this one, or the part that was split off
    /// @return withdrawEpoch when it can be withdrawn; 0 if it was paid back now
    function unstake(uint256 positionId, uint96 amount) external returns (uint256 leavingId, uint32 withdrawEpoch) {
        Position storage position = _own(positionId);
        if (position.withdrawEpoch != 0) revert AlreadyLeaving(positionId, position.withdrawEpoch);
        leavingId = positionId;
        if (amount != position.principal) {
            leavingId = _split(positionId, position, amount);
            position = _positions[leavingId];
        }
        Clock memory clock = _clock;
        uint256 nodeId = position.nodeId;
        StakePools.Pool storage pool = _advance(nodeId, clock.epoch);
        bool inNext = clock.selected && _isMember(clock.epoch + 1, nodeId);
        uint32 activation = position.activationEpoch;
        if (activation > clock.epoch) {
            if (inNext && activation == clock.epoch + 1) {
                pool.leavingEarly += position.principal;
                withdrawEpoch = activation + 1;
            } else {
                if (activation == clock.epoch + 1) pool.joining -= position.principal;
                else pool.joiningAfter -= position.principal;
                _payBack(leavingId, position, position.principal, 0);
            }
        } else {
            StakePools.Checkpoint memory since = _checkpoints[nodeId][activation];
            uint128 shares = StakePools.toShares(position.principal, since.index);
            if (inNext) {
                pool.leavingAfter += shares;
                withdrawEpoch = clock.epoch + 2;
            } else if (pool.weight != 0) {
                pool.leaving += shares;
                withdrawEpoch = clock.epoch + 1;
            } else {
                uint96 value = pool.takeOut(shares);
                _payBack(leavingId, position, value, _earned(position, since, pool.rewardPerShare));
            }
        }
        if (withdrawEpoch != 0) {
            position.withdrawEpoch = withdrawEpoch;
            emit WithdrawalRequested(leavingId, nodeId, withdrawEpoch);
        }
        if (pool.place != 0 && pool.stakeNext(clock.selected) < _least(clock)) _deactivate(nodeId, pool);
    }

    /// @notice Pays back stake whose withdrawal has become due, with what it earned.
    /// @param positionId the position; only its owner may
    /// @return amount FLOE paid
    /// @return earned rewards paid, in the payment token
    function withdraw(uint256 positionId) external returns (uint256 amount, uint256 earned) {
        Position storage position = _own(positionId);
        (uint32 due, uint32 epoch, uint256 nodeId) = (position.withdrawEpoch, _clock.epoch, position.nodeId);
        if (due == 0) revert NotLeaving(positionId);
        if (epoch < due) revert WithdrawalNotDue(due, epoch);
        _advance(nodeId, epoch);
        StakePools.Checkpoint memory since = _checkpoints[nodeId][position.activationEpoch];
        StakePools.Checkpoint memory until = _checkpoints[nodeId][due];
        amount = StakePools.toStake(StakePools.toShares(position.principal, since.index), until.index);
        earned = _earned(position, since, until.rewardPerShare);
        _payBack(positionId, position, uint96(amount), earned);
    }

    /// @notice Pays what a position has earned so far.
    /// @param positionId the position; only its owner may
    /// @return earned rewards paid, in the payment token
    function claim(uint256 positionId) external returns (uint256 earned) {
        Position storage position = _own(positionId);
        (earned, position.paidPerShare) = _owed(position);
        _payRewards(positionId, position.owner, earned);
    }

    /// @notice Makes two positions of one.
    /// @param positionId the position; only its owner may
    /// @param amount principal of the new one; both keep at least `MIN_STAKE`
    /// @return newPositionId the new one, alike in all else
    function split(uint256 positionId, uint96 amount) external returns (uint256 newPositionId) {
        return _split(positionId, _own(positionId), amount);
    }

    /// @notice Makes one position of two of the same node that begin and end alike. Both are paid what they have earned.
    ///         Two that leave a pool that was slashed may lose one unit of their principal to rounding.
    /// @param positionId the one that stays; only its owner may
    /// @param otherId the one that ends; of the same owner
    function join(uint256 positionId, uint256 otherId) external {
        Position storage position = _own(positionId);
        Position storage other = _own(otherId);
        if (positionId == otherId || !_alike(position, other)) revert PositionsDiffer(positionId, otherId);
        uint256 earned;
        uint256 otherEarned;
        (earned, position.paidPerShare) = _owed(position);
        (otherEarned,) = _owed(other);
        position.principal = _joined(position, other);
        delete _positions[otherId];
        emit PositionsJoined(positionId, otherId);
        _payRewards(positionId, position.owner, earned + otherEarned);
    }

    // Nodes

    /// @notice Makes a node a candidate for the next committee, if its stake suffices: above that of the smallest one, which
    ///         it replaces, when there is no room. Anyone may ask; staking asks by itself as long as there is room.
    /// @param nodeId the node
    function joinActiveSet(uint256 nodeId) external {
        Clock memory clock = _clock;
        StakePools.Pool storage pool = _advance(nodeId, clock.epoch);
        if (pool.place != 0) revert AlreadyActive(nodeId);
        uint96 stakeOfNode = pool.stakeNext(clock.selected);
        if (stakeOfNode < _least(clock)) revert StakeTooSmall(stakeOfNode, _least(clock));
        if (_active.length == MAX_ACTIVE) {
            (uint256 smallest, uint96 least) = _smallest(clock);
            if (stakeOfNode <= least) revert StakeTooSmall(stakeOfNode, least + 1);
            _deactivate(smallest, _pools[smallest]);
        }
        _activate(nodeId, pool);
    }

    /// @notice Announces another commission; it holds from the epoch after next on. Only the node's account may. A later
    ///         announcement replaces one that is not in force yet.
    /// @param nodeId the node
    /// @param bps part of the pool's rewards, in basis points, at most 10,000
    function setNextCommission(uint256 nodeId, uint16 bps) external {
        if (bps > WHOLE_BPS) revert BpsTooMany(bps, WHOLE_BPS);
        uint32 epoch = _clock.epoch;
        StakePools.Pool storage pool = _advance(nodeId, epoch);
        (address account,,) = nodes.accounts(nodeId);
        _requireCaller(account);
        (pool.nextCommissionBps, pool.commissionEpoch) = (bps, epoch + COMMISSION_NOTICE_EPOCHS);
        emit CommissionAnnounced(nodeId, bps, epoch + COMMISSION_NOTICE_EPOCHS);
    }

    /// @notice Pays a node's commission. It is blocked in the first half of an epoch, so that a quorum can still
    ///         take it away for what the node did in the last one.
    /// @param nodeId the node; only its commission receiver may
    /// @return amount paid, in the payment token
    function collectCommission(uint256 nodeId) external returns (uint256 amount) {
        Clock memory clock = _clock;
        StakePools.Pool storage pool = _advance(nodeId, clock.epoch);
        (, address receiver,) = nodes.accounts(nodeId);
        _requireCaller(receiver);
        if (!clock.selected) revert CommissionBlocked(clock.epoch);
        amount = pool.commission;
        pool.commission = 0;
        emit CommissionCollected(nodeId, receiver, amount);
        if (amount != 0) paymentToken.safeTransfer(receiver, amount);
    }

    /// @notice Gives money to nodes themselves: it joins their commission, and their delegators get nothing of it.
    /// @param nodeIds the nodes
    /// @param amounts what each gets, in the payment token; the sum is taken from the caller's allowance
    function addCommissions(uint256[] calldata nodeIds, uint256[] calldata amounts) external {
        if (nodeIds.length != amounts.length) revert LengthsDiffer(nodeIds.length, amounts.length);
        uint256 total = 0;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            StakePools.Pool storage pool = _pool(nodeIds[i]);
            pool.commission = (pool.commission + amounts[i]).toUint96();
            total += amounts[i];
            emit CommissionAdded(nodeIds[i], msg.sender, amounts[i]);
        }
        paymentToken.safeTransferFrom(msg.sender, address(this), total);
    }

    // The other contracts

    /// @notice Opens the pool of a new node. Only the registry may.
    /// @param nodeId the node
    /// @param commissionBps its commission
    function open(uint256 nodeId, uint16 commissionBps) external only(address(nodes)) {
        if (commissionBps > WHOLE_BPS) revert BpsTooMany(commissionBps, WHOLE_BPS);
        StakePools.Pool storage pool = _pools[nodeId];
        (pool.index, pool.settledEpoch, pool.commissionBps) = (StakePools.ONE, _clock.epoch, commissionBps);
    }

    /// @notice The next committee is fixed: from now on stake counts one epoch later. Only the clock may.
    function closeSelection() external only(epochs) {
        _clock.selected = true;
    }

    /// @notice Shares out what the last epoch earned, and begins the next. Only the clock may.
    /// @param newEpoch the epoch that begins
    /// @param paid what this contract received for the last one, in the payment token
    /// @param nodeIds nodes that hold more or fewer shards from now on
    /// @param weights how many each of them holds
    function beginEpoch(uint32 newEpoch, uint256 paid, uint256[] calldata nodeIds, uint256[] calldata weights)
        external
        only(epochs)
    {
        uint256 total = paid + carried;
        uint256 all = uint256(nShards) * WHOLE_BPS;
        uint256 rate = newEpoch == 1 ? 0 : (total << 64) / all;
        _rewards[newEpoch] = _rewards[newEpoch - 1] + rate;
        // Rounded up: a pool that is brought up to date after several epochs adds up what was not rounded in each.
        uint256 left = total - Math.ceilDiv(rate * (all - _withheld), 1 << 64);
        carried = left.toUint128();
        (_clock.epoch, _clock.selected) = (newEpoch, false);
        emit RewardsShared(newEpoch, paid, left);

        for (uint256 i = 0; i < _lowered.length; ++i) {
            StakePools.Pool storage pool = _advance(_lowered[i], newEpoch);
            pool.withheldBps = 0;
        }
        delete _lowered;
        _withheld = 0;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            // Nothing was earned before the launch, so those pools can wait until somebody touches them.
            StakePools.Pool storage pool = newEpoch == 1 ? _pools[nodeIds[i]] : _advance(nodeIds[i], newEpoch);
            pool.weight = uint16(weights[i]);
        }
    }

    /// @notice Burns a part of a pool's stake in force and takes all of its commission. Only the governance may.
    /// @param nodeId the node
    /// @param bps how much of the stake, in basis points; all but a tiny rest at most
    function slash(uint256 nodeId, uint16 bps) external only(governance) {
        if (bps > WHOLE_BPS) revert BpsTooMany(bps, WHOLE_BPS);
        Clock memory clock = _clock;
        StakePools.Pool storage pool = _advance(nodeId, clock.epoch);
        uint96 burned = pool.slash(bps);
        uint96 forfeited = pool.commission;
        pool.commission = 0;
        carried += forfeited;
        emit Slashed(nodeId, bps, burned, forfeited);
        if (burned != 0) floe.burn(burned);
        if (pool.place != 0 && pool.stakeNext(clock.selected) < _least(clock)) _deactivate(nodeId, pool);
    }

    /// @notice Lowers what a node gets of this epoch's rewards; the rest joins those of the next epoch. Only the auditor may.
    /// @param nodeId a member of the current committee
    /// @param bps the part that it keeps, in basis points; it can only fall within an epoch
    function lowerReward(uint256 nodeId, uint16 bps) external only(auditor) {
        uint32 epoch = _clock.epoch;
        StakePools.Pool storage pool = _advance(nodeId, epoch);
        (uint32 full, uint32 before) = (uint32(pool.weight) * WHOLE_BPS, pool.withheldBps);
        uint32 lowered = uint32(pool.weight) * bps;
        if (lowered >= full - before) revert RewardNotLower(full - before, lowered);
        if (before == 0) _lowered.push(uint32(nodeId));
        pool.withheldBps = full - lowered;
        _withheld += full - lowered - before;
        emit RewardLowered(nodeId, epoch, bps);
    }

    /// @notice Sets the least stake of candidates. Only the governance may.
    /// @param threshold in FLOE's smallest unit
    function setThreshold(uint96 threshold) external only(governance) {
        _clock.threshold = threshold;
        emit ThresholdChanged(threshold);
    }

    /// @notice Names who judges audits. Only the governance may.
    /// @param auditor_ the contract; zero for nobody
    function setAuditor(address auditor_) external only(governance) {
        auditor = auditor_;
        emit AuditorChanged(auditor_);
    }

    // Views

    /// @notice The candidates for the next committee, those with enough stake.
    /// @return entries each node number << 96 | the stake that it has in the next epoch, in no order
    function candidates() external view returns (uint256[] memory entries) {
        Clock memory clock = _clock;
        uint256 count = _active.length;
        entries = new uint256[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 nodeId = _active[i];
            uint256 amount = _pools[nodeId].stakeAt(clock.epoch + 1);
            if (amount >= _least(clock)) entries[found++] = (nodeId << 96) | amount;
        }
        assembly ("memory-safe") {
            mstore(entries, found)
        }
    }

    /// @notice A position.
    /// @param positionId its number
    /// @return as it is
    function positionOf(uint256 positionId) external view returns (Position memory) {
        if (_positions[positionId].owner == address(0)) revert UnknownPosition(positionId);
        return _positions[positionId];
    }

    /// @notice What a position is worth now.
    /// @param positionId its number
    /// @return amount FLOE
    /// @return earned rewards not yet paid, in the payment token
    function valueOf(uint256 positionId) external view returns (uint256 amount, uint256 earned) {
        Position memory position = _positions[positionId];
        if (position.owner == address(0)) revert UnknownPosition(positionId);
        uint32 epoch = _clock.epoch;
        if (epoch < position.activationEpoch) return (position.principal, 0);
        uint32 until = position.withdrawEpoch != 0 && position.withdrawEpoch <= epoch ? position.withdrawEpoch : epoch;
        StakePools.Checkpoint memory since = _checkpointAt(position.nodeId, position.activationEpoch);
        StakePools.Checkpoint memory last = _checkpointAt(position.nodeId, until);
        if (until == epoch && position.withdrawEpoch != epoch) last.index = _pools[position.nodeId].index;
        amount = StakePools.toStake(StakePools.toShares(position.principal, since.index), last.index);
        earned = _earned(position, since, last.rewardPerShare);
    }

    /// @notice The pool of a node, as of the current epoch.
    /// @param nodeId the node
    /// @return as it would be kept if somebody touched it
    function poolOf(uint256 nodeId) external view returns (StakePools.Pool memory) {
        return _pool(nodeId).upTo(_clock.epoch, _rewards);
    }

    /// @notice The stake that a node has in an epoch, as far as it is known now.
    /// @param nodeId the node
    /// @param epoch not before the current one
    /// @return in FLOE's smallest unit
    function stakeOf(uint256 nodeId, uint32 epoch) external view returns (uint256) {
        return _pool(nodeId).stakeAt(epoch);
    }

    /// @notice The state that all operations depend on.
    /// @return epoch the current epoch
    /// @return selected whether the next committee is fixed
    /// @return positions how many positions were opened so far
    /// @return threshold the least stake of candidates
    function state() external view returns (uint32 epoch, bool selected, uint64 positions, uint96 threshold) {
        Clock memory clock = _clock;
        return (clock.epoch, clock.selected, clock.positions, clock.threshold);
    }

    /// @notice The candidates' numbers, in no order.
    /// @return all of them
    function activeSet() external view returns (uint32[] memory) {
        return _active;
    }

    // Internals

    function _pool(uint256 nodeId) private view returns (StakePools.Pool storage pool) {
        pool = _pools[nodeId];
        if (pool.index == 0) revert UnknownPool(nodeId);
    }

    function _advance(uint256 nodeId, uint32 epoch) private returns (StakePools.Pool storage pool) {
        pool = _pool(nodeId);
        if (pool.settledEpoch != epoch) pool.advance(epoch, _rewards, _checkpoints[nodeId]);
    }

    function _own(uint256 positionId) private view returns (Position storage position) {
        position = _positions[positionId];
        address owner = position.owner;
        if (owner == address(0)) revert UnknownPosition(positionId);
        _requireCaller(owner);
    }

    /// @dev What a candidate must have at least.
    function _least(Clock memory clock) private pure returns (uint96) {
        return clock.threshold < MIN_STAKE ? MIN_STAKE : clock.threshold;
    }

    function _isMember(uint32 epoch, uint256 nodeId) private view returns (bool) {
        (, uint256 weight) = committee.seatOf(epoch, nodeId);
        return weight != 0;
    }

    function _split(uint256 positionId, Position storage position, uint96 amount) private returns (uint256 newId) {
        uint96 principal = position.principal;
        if (amount < MIN_STAKE) revert StakeTooSmall(amount, MIN_STAKE);
        if (principal < amount || principal - amount < MIN_STAKE) {
            revert RemainderTooSmall(principal, amount, MIN_STAKE);
        }
        newId = ++_clock.positions;
        position.principal = principal - amount;
        _positions[newId] = position;
        _positions[newId].principal = amount;
        emit PositionSplit(positionId, newId, amount);
    }

    /// @dev Principal of both. What leaves was taken out of the pool share by share: together it must not come to more, so
    ///      that one unit is given up where the sum would round to a share that was not taken out.
    function _joined(Position storage position, Position storage other) private view returns (uint96 principal) {
        (uint96 first, uint96 second) = (position.principal, other.principal);
        principal = first + second;
        if (position.withdrawEpoch == 0) return principal;
        uint96 index = _checkpoints[position.nodeId][position.activationEpoch].index;
        // Stake that has not joined yet leaves as one sum.
        if (index == 0) return principal;
        uint256 shares = uint256(StakePools.toShares(first, index)) + StakePools.toShares(second, index);
        if (StakePools.toShares(principal, index) > shares) --principal;
    }

    function _alike(Position storage a, Position storage b) private view returns (bool) {
        return a.nodeId == b.nodeId && a.activationEpoch == b.activationEpoch && a.withdrawEpoch == b.withdrawEpoch;
    }

    /// @dev What a position has earned and not been paid, and up to which reward per share.
    function _owed(Position storage position) private returns (uint256 earned, uint160 perShare) {
        (uint256 nodeId, uint32 epoch, uint32 due) = (position.nodeId, _clock.epoch, position.withdrawEpoch);
        StakePools.Pool storage pool = _advance(nodeId, epoch);
        if (epoch < position.activationEpoch) return (0, position.paidPerShare);
        bool over = due != 0 && due <= epoch;
        perShare = over ? _checkpoints[nodeId][due].rewardPerShare : pool.rewardPerShare;
        earned = _earned(position, _checkpoints[nodeId][position.activationEpoch], perShare);
    }

    /// @dev Rewards of a position up to a reward per share.
    function _earned(Position memory position, StakePools.Checkpoint memory since, uint160 until)
        private
        pure
        returns (uint256)
    {
        uint160 from = position.paidPerShare == 0 ? since.rewardPerShare : position.paidPerShare;
        return StakePools.rewardOf(StakePools.toShares(position.principal, since.index), until - from);
    }

    /// @dev What a pool's checkpoint of a past epoch is, or will be once the pool is brought up to it.
    function _checkpointAt(uint256 nodeId, uint32 epoch) private view returns (StakePools.Checkpoint memory) {
        StakePools.Checkpoint memory written = _checkpoints[nodeId][epoch];
        if (written.index != 0) return written;
        StakePools.Pool memory pool = _pools[nodeId].upTo(epoch, _rewards);
        return StakePools.Checkpoint(pool.rewardPerShare, pool.index);
    }

    function _payBack(uint256 positionId, Position storage position, uint96 amount, uint256 earned) private {
        (address owner, uint256 nodeId) = (position.owner, position.nodeId);
        delete _positions[positionId];
        emit Withdrawn(positionId, nodeId, owner, amount);
        IERC20(floe).safeTransfer(owner, amount);
        _payRewards(positionId, owner, earned);
    }

    function _payRewards(uint256 positionId, address owner, uint256 earned) private {
        if (earned == 0) return;
        emit RewardsClaimed(positionId, owner, earned);
        paymentToken.safeTransfer(owner, earned);
    }

    function _activate(uint256 nodeId, StakePools.Pool storage pool) private {
        _active.push(uint32(nodeId));
        pool.place = uint16(_active.length);
        emit NodeActivated(nodeId);
    }

    function _deactivate(uint256 nodeId, StakePools.Pool storage pool) private {
        uint16 place = pool.place;
        uint32 last = _active[_active.length - 1];
        _active[place - 1] = last;
        _pools[last].place = place;
        pool.place = 0;
        _active.pop();
        emit NodeDeactivated(nodeId);
    }

    function _smallest(Clock memory clock) private view returns (uint256 nodeId, uint96 least) {
        least = type(uint96).max;
        for (uint256 i = 0; i < _active.length; ++i) {
            uint96 amount = _pools[_active[i]].stakeAt(clock.epoch + (clock.selected ? 2 : 1));
            if (amount < least) (nodeId, least) = (_active[i], amount);
        }
    }
}

/// @dev The one function of ERC-2612 that is called.
interface IPermit {
    /// @notice Allows by signature.
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
}
