// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {Committee} from "./Committee.sol";
import {Governed} from "./Governed.sol";
import {Nodes} from "./Nodes.sol";
import {Staking} from "./Staking.sol";

/// @title Decisions by a quorum of shards: parameters, upgrades, slashing
/// @notice A proposal is a call. Members of the current committee vote for it with their shards; with two thirds of them
///         within one epoch it is approved. Some epochs later anyone may execute it: time enough for everyone who
///         disagrees to take their stake and leave. Slashing alone has no delay, since there it is the guilty who would
///         leave, and it has to be executed in the epoch of the vote.
contract Governance is Governed {
    /// @notice The votes for one call.
    struct Proposal {
        /// epoch of the votes
        uint32 epoch;
        /// shards of those who voted
        uint16 weight;
        /// first epoch in which it can be executed; 0 while it is not approved
        uint32 readyEpoch;
        /// first epoch in which it no longer can
        uint32 expiryEpoch;
        /// bit i: member i has voted
        uint256 voted;
    }

    /// @notice Epochs between approval and execution: stake that leaves at once is out before.
    uint32 public constant DELAY_EPOCHS = 3;
    /// @notice For how many epochs an approved proposal can be executed.
    uint32 public constant EXECUTION_EPOCHS = 10;

    /// @notice Only members of the current committee vote.
    error NotMember(uint256 nodeId, uint32 epoch);
    /// @notice The node has voted for this in this epoch.
    error AlreadyVoted(uint256 nodeId);
    /// @notice The proposal is approved already.
    error AlreadyApproved(uint32 readyEpoch);
    /// @notice The proposal has not got a quorum within an epoch.
    error NotApproved(uint256 weight, uint256 needed);
    /// @notice The proposal can be executed later.
    error DelayNotOver(uint32 readyEpoch, uint32 currentEpoch);
    /// @notice Nobody executed the proposal in time.
    error ProposalExpired(uint32 expiryEpoch, uint32 currentEpoch);

    /// @notice Who holds the shards.
    Committee public immutable committee;
    /// @notice Who may vote for which node.
    Nodes public immutable nodes;
    /// @notice Where stake is slashed.
    Staking public immutable staking;

    mapping(bytes32 proposalId => Proposal) private _proposals;

    /// @notice A member has voted for a call.
    event Voted(bytes32 indexed proposalId, uint256 indexed nodeId, address target, bytes data, uint16 weight);
    /// @notice A quorum has voted for it.
    event Approved(bytes32 indexed proposalId, uint32 readyEpoch);
    /// @notice It was done.
    event Executed(bytes32 indexed proposalId, address indexed target, bytes data);

    /// @param governance_ the proxy of this contract: it governs itself
    /// @param committee_ who holds the shards
    /// @param nodes_ who may vote for which node
    /// @param staking_ where stake is slashed
    constructor(address governance_, Committee committee_, Nodes nodes_, Staking staking_) Governed(governance_) {
        (committee, nodes, staking) = (committee_, nodes_, staking_);
    }

    /// @notice Votes for a call. Only the node's governance authority may, once an epoch; votes of earlier epochs lapse.
    /// @param nodeId the node, a member of the current committee
    /// @param target the contract to be called
    /// @param data the call, such as `upgradeToAndCall`, `setThreshold` or `slash`
    /// @return proposalId the proposal's number: the hash of both
    function vote(uint256 nodeId, address target, bytes calldata data) external returns (bytes32 proposalId) {
        (,, address authority) = nodes.accounts(nodeId);
        _requireCaller(authority);
        uint32 epoch = committee.currentEpoch();
        if (epoch == 0) revert NotMember(nodeId, 0);
        (uint256 member, uint256 weight) = committee.seatOf(epoch, nodeId);
        if (weight == 0) revert NotMember(nodeId, epoch);

        proposalId = idOf(target, data);
        Proposal memory proposal = _proposals[proposalId];
        if (proposal.readyEpoch != 0 && epoch < proposal.expiryEpoch) revert AlreadyApproved(proposal.readyEpoch);
        if (proposal.epoch != epoch || proposal.readyEpoch != 0) proposal = Proposal(epoch, 0, 0, 0, 0);
        if ((proposal.voted >> member) & 1 == 1) revert AlreadyVoted(nodeId);
        proposal.voted |= 1 << member;
        proposal.weight += uint16(weight);
        emit Voted(proposalId, nodeId, target, data, proposal.weight);
        if (proposal.weight >= quorum()) {
            bool slashing = target == address(staking) && bytes4(data) == Staking.slash.selector;
            proposal.readyEpoch = slashing ? epoch : epoch + DELAY_EPOCHS;
            proposal.expiryEpoch = proposal.readyEpoch + (slashing ? 1 : EXECUTION_EPOCHS);
            emit Approved(proposalId, proposal.readyEpoch);
        }
        _proposals[proposalId] = proposal;
    }

    /// @notice Does what was approved. Anyone may, between the delay and the expiry; once.
    /// @param target as in the proposal
    /// @param data as in the proposal
    /// @return result what the call returned
    function execute(address target, bytes calldata data) external returns (bytes memory result) {
        bytes32 proposalId = idOf(target, data);
        Proposal memory proposal = _proposals[proposalId];
        uint32 epoch = committee.currentEpoch();
        if (proposal.readyEpoch == 0) revert NotApproved(proposal.epoch == epoch ? proposal.weight : 0, quorum());
        if (epoch < proposal.readyEpoch) revert DelayNotOver(proposal.readyEpoch, epoch);
        if (epoch >= proposal.expiryEpoch) revert ProposalExpired(proposal.expiryEpoch, epoch);
        delete _proposals[proposalId];
        emit Executed(proposalId, target, data);
        return Address.functionCall(target, data);
    }

    /// @notice The votes for a proposal.
    /// @param proposalId as `idOf` gives it
    /// @return as they are kept: those of an earlier epoch have lapsed
    function proposalOf(bytes32 proposalId) external view returns (Proposal memory) {
        return _proposals[proposalId];
    }

    /// @notice The number of a proposal.
    /// @param target the contract to be called
    /// @param data the call
    /// @return the hash of both
    function idOf(address target, bytes calldata data) public pure returns (bytes32) {
        return keccak256(abi.encode(target, data));
    }

    /// @notice Shards that make a quorum: the least w with 3w >= 2n + 1.
    /// @return the number of shards
    function quorum() public view returns (uint256) {
        return (2 * uint256(committee.nShards()) + 3) / 3;
    }
}
