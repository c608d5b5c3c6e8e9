// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Apportionment} from "./Apportionment.sol";
import {Ballot} from "./Ballot.sol";
import {Committee} from "./Committee.sol";
import {Governed} from "./Governed.sol";
import {IAvailabilityEpoch} from "./IAvailabilityEpoch.sol";
import {IEpochMoney} from "./IEpochMoney.sol";
import {IEpochs} from "./IEpochs.sol";
import {Nodes} from "./Nodes.sol";
import {Staking} from "./Staking.sol";

/// @title The clock of the network: when committees are selected, when epochs begin, when a change is complete
/// @notice Sync, until members with a quorum of shards report that they hold what is theirs, or until an epoch's duration
///         has passed; Done, for half an epoch; Selected, once the next committee is fixed, for the other half. Whoever
///         wants to may take a step that is due; nobody can take one early.
contract Epochs is Governed, IEpochs {
    /// @notice Where in an epoch the network is.
    enum Phase {
        /// before the launch
        Genesis,
        /// shards move to their new owners
        Sync,
        /// everything is in its place
        Done,
        /// the next committee is fixed
        Selected
    }

    /// @dev One word.
    struct State {
        uint32 epoch;
        Phase phase;
        /// when the epoch began
        uint64 startedAt;
        /// when its change was complete
        uint64 doneAt;
        /// shards of the members that have reported
        uint16 synced;
    }

    /// @notice What the next committee has voted for. One word.
    struct Terms {
        /// encoded bytes that the network can hold
        uint64 capacity;
        /// per MiB of encoded length and epoch
        uint96 storagePrice;
        /// per MiB of encoded length, once
        uint96 writePrice;
    }

    /// @notice The number of shards is outside of what can be encoded and kept.
    error ShardCountOutOfRange(uint256 got, uint256 min, uint256 max);
    /// @notice An epoch must last for at least one second.
    error ZeroEpochDuration();
    /// @notice This step belongs to another phase.
    error WrongPhase(Phase expected, Phase got);
    /// @notice This step is not due yet.
    /// @param dueAt first second at which it is
    /// @param timestamp the time of this block
    error TooEarly(uint64 dueAt, uint64 timestamp);
    /// @notice No node has enough stake to be selected.
    error NoCandidates();
    /// @notice The report is about another epoch.
    error WrongEpoch(uint32 expected, uint32 got);
    /// @notice Only members of the current committee report.
    error NotMember(address account, uint256 nodeId);
    /// @notice The node has reported in this epoch.
    error AlreadySynced(uint256 nodeId);

    /// @notice Fewest shards: with fewer there is nothing to recover from (the code needs one faulty shard to spare).
    uint256 public constant MIN_SHARDS = 4;
    /// @notice Most shards whose owners fit into one data contract beside the members' numbers.
    uint256 public constant MAX_SHARDS = 10_000;

    /// @inheritdoc IEpochs
    uint16 public immutable nShards;
    /// @notice Shortest duration of an epoch, in seconds.
    uint64 public immutable epochDuration;
    /// @notice Who may launch the network, once.
    address public immutable launcher;
    /// @notice Who holds the shards.
    Committee public immutable committee;
    /// @notice The registry of nodes.
    Nodes public immutable nodes;
    /// @notice Stake and rewards.
    Staking public immutable staking;
    /// @notice The treasury.
    IEpochMoney public immutable money;
    /// @notice Keeps a copy of the epoch.
    IAvailabilityEpoch public immutable availability;

    State private _state;
    /// @dev Bit i: member i has reported.
    uint256 private _reports;
    /// @notice What the next committee has voted for; zeros while it is not selected.
    Terms public nextTerms;
    /// @notice Random words drawn when an epoch began.
    mapping(uint32 epoch => bytes32) public randomness;

    /// @notice An epoch has begun: its committee takes over.
    /// @param epoch its number, 1 at launch
    /// @param startedAt when, in seconds since 1970
    event EpochChangeStarted(uint32 indexed epoch, uint64 startedAt);
    /// @notice A member holds all that is its own in this epoch.
    event ShardsReceived(uint32 indexed epoch, uint256 indexed nodeId, uint256 shards);
    /// @notice The change to an epoch is complete.
    /// @param epoch its number
    /// @param doneAt when
    /// @param synced shards of the members that had reported
    event EpochChangeDone(uint32 indexed epoch, uint64 doneAt, uint16 synced);
    /// @notice The next committee and its terms are fixed.
    event EpochParametersSelected(uint32 indexed nextEpoch, uint64 capacity, uint96 storagePrice, uint96 writePrice);

    /// @param governance_ see `Governed`
    /// @param launcher_ who may launch
    /// @param nShards_ shards of every blob; 4 to 10,000, best of the form 3f + 1
    /// @param epochDuration_ shortest duration of an epoch, in seconds
    /// @param committee_ who holds the shards
    /// @param nodes_ the registry of nodes
    /// @param staking_ stake and rewards
    /// @param money_ the treasury
    /// @param availability_ keeps a copy of the epoch
    constructor(
        address governance_,
        address launcher_,
        uint16 nShards_,
        uint64 epochDuration_,
        Committee committee_,
        Nodes nodes_,
        Staking staking_,
        IEpochMoney money_,
        IAvailabilityEpoch availability_
    ) Governed(governance_) {
        if (launcher_ == address(0)) revert ZeroAddress();
        if (nShards_ < MIN_SHARDS || nShards_ > MAX_SHARDS) {
            revert ShardCountOutOfRange(nShards_, MIN_SHARDS, MAX_SHARDS);
        }
        if (epochDuration_ == 0) revert ZeroEpochDuration();
        (launcher, nShards, epochDuration) = (launcher_, nShards_, epochDuration_);
        (committee, nodes, staking, money, availability) = (committee_, nodes_, staking_, money_, availability_);
    }

    /// @notice Selects the first committee from the stake that there is, and begins epoch 1. The launcher may, once; it has
    ///         no power afterwards.
    function launch() external only(launcher) {
        State memory state = _state;
        if (state.phase != Phase.Genesis) revert WrongPhase(Phase.Genesis, state.phase);
        _select(0);
        _begin(0);
        // There is nothing to move yet.
        _state.phase = Phase.Done;
        _state.doneAt = uint64(block.timestamp);
        emit EpochChangeDone(1, uint64(block.timestamp), 0);
    }

    /// @notice Reports that the caller's node holds all of its shards.
    /// @param epoch the current epoch
    function epochSyncDone(uint32 epoch) external {
        State memory state = _state;
        if (state.epoch == 0) revert WrongPhase(Phase.Sync, state.phase);
        if (epoch != state.epoch) revert WrongEpoch(state.epoch, epoch);
        uint256 nodeId = nodes.nodeOfAccount(msg.sender);
        (uint256 member, uint256 weight) = committee.seatOf(epoch, nodeId);
        if (weight == 0) revert NotMember(msg.sender, nodeId);
        uint256 reports = _reports;
        if ((reports >> member) & 1 == 1) revert AlreadySynced(nodeId);
        _reports = reports | (1 << member);
        emit ShardsReceived(epoch, nodeId, weight);
        state.synced += uint16(weight);
        _state.synced = state.synced;
        if (state.phase == Phase.Sync && state.synced >= quorum()) _finish(state);
    }

    /// @notice Declares a change complete that has not reached its quorum within an epoch's duration: those who reported can
    ///         serve, the others recover, and the network goes on.
    function endSync() external {
        _finish(_requireDue(Phase.Sync));
    }

    /// @notice Fixes the next committee from the stake that it will have, and the terms that it votes for.
    function selectNext() external {
        _select(_requireDue(Phase.Done).epoch);
        _state.phase = Phase.Selected;
    }

    /// @notice Ends the epoch: its money is paid out, and the selected committee takes over.
    function beginNext() external {
        _begin(_requireDue(Phase.Selected).epoch);
    }

    /// @inheritdoc IEpochs
    function currentEpoch() external view returns (uint32) {
        return _state.epoch;
    }

    /// @notice When the current epoch began, in seconds since 1970; 0 before launch.
    /// @return the time
    function epochStart() external view returns (uint64) {
        return _state.startedAt;
    }

    /// @notice Where the clock is, and when its next step is due: `endSync`, `selectNext` or `beginNext`, by the phase.
    /// @return epoch the current epoch
    /// @return phase where in it the network is
    /// @return synced shards of the members that have reported
    /// @return dueAt when the step out of this phase is due; 0 before launch
    function clock() external view returns (uint32 epoch, Phase phase, uint16 synced, uint64 dueAt) {
        State memory state = _state;
        return (state.epoch, state.phase, state.synced, _dueAt(state));
    }

    /// @notice Whether a member of the current committee has reported.
    /// @param member its index
    /// @return true once it has
    function hasSynced(uint256 member) external view returns (bool) {
        return (_reports >> member) & 1 == 1;
    }

    /// @notice Shards that make a quorum: 2f + 1 of 3f + 1, the least w with 3w >= 2n + 1.
    /// @return the number of shards
    function quorum() public view returns (uint256) {
        return (2 * uint256(nShards) + 3) / 3;
    }

    function _dueAt(State memory state) private view returns (uint64) {
        if (state.phase == Phase.Sync) return state.startedAt + epochDuration;
        if (state.phase == Phase.Done) return state.doneAt + epochDuration / 2;
        return state.phase == Phase.Selected ? state.doneAt + epochDuration : 0;
    }

    function _requireDue(Phase phase) private view returns (State memory state) {
        state = _state;
        if (state.phase != phase) revert WrongPhase(phase, state.phase);
        uint64 dueAt = _dueAt(state);
        if (block.timestamp < dueAt) revert TooEarly(dueAt, uint64(block.timestamp));
    }

    function _finish(State memory state) private {
        (_state.phase, _state.doneAt) = (Phase.Done, uint64(block.timestamp));
        emit EpochChangeDone(state.epoch, uint64(block.timestamp), state.synced);
    }

    function _select(uint32 epoch) private {
        uint256[] memory nodeIds = staking.candidates();
        uint256 count = nodeIds.length;
        if (count == 0) revert NoCandidates();
        Ballot.sort(nodeIds);
        uint256[] memory stakes = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            stakes[i] = uint96(nodeIds[i]);
            nodeIds[i] >>= 96;
        }
        uint256[] memory weights = Apportionment.apportion(stakes, nShards);
        uint256 seated = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (weights[i] == 0) continue;
            (nodeIds[seated], weights[seated]) = (nodeIds[i], weights[i]);
            ++seated;
        }
        assembly ("memory-safe") {
            mstore(nodeIds, seated)
            mstore(weights, seated)
        }
        committee.select(nodeIds, weights);
        staking.closeSelection();
        Terms memory terms = _terms(nodes.votesOf(nodeIds), weights);
        nextTerms = terms;
        emit EpochParametersSelected(epoch + 1, terms.capacity, terms.storagePrice, terms.writePrice);
    }

    /// @dev What a quorum of the next committee's shards agrees on. A node's capacity counts as if all nodes had as much for
    ///      each shard.
    function _terms(Nodes.Votes[] memory votes, uint256[] memory weights) private view returns (Terms memory terms) {
        uint256 count = votes.length;
        uint256[] memory ballots = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) ballots[i] = (uint256(votes[i].storagePrice) << 16) | weights[i];
        terms.storagePrice = uint96(Ballot.lowest(ballots, quorum()));
        for (uint256 i = 0; i < count; ++i) ballots[i] = (uint256(votes[i].writePrice) << 16) | weights[i];
        terms.writePrice = uint96(Ballot.lowest(ballots, quorum()));
        for (uint256 i = 0; i < count; ++i) {
            ballots[i] = ((uint256(votes[i].capacity) * nShards / weights[i]) << 16) | weights[i];
        }
        uint256 capacity = Ballot.highest(ballots, quorum());
        terms.capacity = capacity > type(uint64).max ? type(uint64).max : uint64(capacity);
    }

    function _begin(uint32 finished) private {
        uint32 epoch = finished + 1;
        _state = State(epoch, Phase.Sync, uint64(block.timestamp), 0, 0);
        _reports = 0;
        randomness[epoch] =
            keccak256(abi.encode(block.prevrandao, blockhash(block.number - 1), epoch, randomness[finished]));

        (uint256[] memory nodeIds, uint256[] memory weights) = committee.rotate();
        Terms memory terms = nextTerms;
        delete nextTerms;
        uint256 paid = 0;
        if (address(money) != address(0)) {
            (paid,) =
                money.closeEpoch(epoch, terms.capacity, terms.storagePrice, terms.writePrice, address(staking));
        }
        staking.beginEpoch(epoch, paid, nodeIds, weights);
        if (address(availability) != address(0)) availability.setEpoch(epoch);
        emit EpochChangeStarted(epoch, uint64(block.timestamp));
    }
}
