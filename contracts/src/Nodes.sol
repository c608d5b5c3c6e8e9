// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381} from "./BLS12381.sol";
import {Governed} from "./Governed.sol";
import {IEpochs} from "./IEpochs.sol";
import {LittleEndian} from "./LittleEndian.sol";
import {Staking} from "./Staking.sol";

/// @title The registry of storage nodes
/// @notice A node registers with a BLS key and a proof that it possesses it. It holds no shards until stake brings it into
///         a committee. Three accounts speak for it: the one that it runs with (a hot key), the one that receives its
///         commission, and the one that votes in the governance; at first all three are the first.
contract Nodes is Governed {
    /// @notice What a node would like the network's terms to be. One word.
    struct Votes {
        /// encoded bytes that this node alone can hold
        uint64 capacity;
        /// price of one MiB of encoded length for one epoch, in the payment token's smallest unit
        uint96 storagePrice;
        /// price of writing one MiB of encoded length, once, in the payment token's smallest unit
        uint96 writePrice;
    }

    /// @notice A node, as it presents itself.
    struct Description {
        /// what people call it, 1 to 64 bytes
        string name;
        /// where it serves, 1 to 256 bytes
        string url;
        /// the key of its transport, at most 64 bytes; empty for none
        bytes networkKey;
        /// picture, project and the like: a URI or a JSON text, at most 1024 bytes
        string metadata;
    }

    /// @dev Keys are kept uncompressed, the upper 16 bytes of x and y in the first word.
    struct Node {
        address account;
        bool rotates;
        address commissionReceiver;
        address governanceAuthority;
        Description description;
        Votes votes;
        bytes32[3] key;
        bytes32[3] nextKey;
    }

    /// @notice A text is empty where it must not be, or too long.
    /// @param field which
    /// @param got its length in bytes
    /// @param max the longest allowed
    error TextLengthOutOfRange(string field, uint256 got, uint256 max);
    /// @notice An account runs one node only.
    /// @param account the account
    /// @param nodeId the node it has
    error AccountHasNode(address account, uint256 nodeId);
    /// @notice A public key belongs to one node only, forever.
    /// @param nodeId the node that has or had it
    error KeyTaken(uint256 nodeId);
    /// @notice The point at infinity is no public key.
    error KeyIsInfinity();
    /// @notice The proof of possession does not hold for this key, account, epoch, chain and contract.
    /// @param account the account that the proof has to name
    /// @param epoch the epoch that the proof has to name
    error KeyWithoutProof(address account, uint32 epoch);
    /// @notice No node has this number.
    error UnknownNode(uint256 nodeId);

    /// @notice Longest name, in bytes.
    uint256 public constant MAX_NAME_BYTES = 64;
    /// @notice Longest URL, in bytes.
    uint256 public constant MAX_URL_BYTES = 256;
    /// @notice Longest transport key, in bytes.
    uint256 public constant MAX_NETWORK_KEY_BYTES = 64;
    /// @notice Longest metadata, in bytes.
    uint256 public constant MAX_METADATA_BYTES = 1024;

    /// @notice Tells the epoch.
    IEpochs public immutable epochs;
    /// @notice Takes the keys of those that it selects.
    address public immutable committee;
    /// @notice Keeps the nodes' pools.
    Staking public immutable staking;

    /// @notice How many nodes are registered. Nodes are numbered from 1.
    uint256 public nodeCount;
    mapping(uint256 nodeId => Node) private _nodes;
    /// @notice The node that an account runs; 0 for none.
    mapping(address account => uint256 nodeId) public nodeOfAccount;
    mapping(bytes32 keyHash => uint256 nodeId) private _nodeOfKey;

    /// @notice A node has registered. It holds nothing until it is a member of a committee.
    /// @param nodeId its number
    /// @param account the account that speaks for it
    /// @param name what people call it
    /// @param url where it serves
    /// @param publicKey its BLS key, compressed (48 bytes)
    event NodeRegistered(uint256 indexed nodeId, address indexed account, string name, string url, bytes publicKey);
    /// @notice A node presents itself otherwise.
    /// @param nodeId its number
    /// @param name what people call it
    /// @param url where it serves
    event NodeDescribed(uint256 indexed nodeId, string name, string url);
    /// @notice A node will sign with another key, from the next committee on that it is selected for.
    /// @param nodeId its number
    /// @param publicKey the key, compressed (48 bytes)
    event NodeKeyAnnounced(uint256 indexed nodeId, bytes publicKey);
    /// @notice A node votes for other terms; votes count when the next committee is selected.
    /// @param nodeId its number
    /// @param votes what it would like
    event NodeVoted(uint256 indexed nodeId, Votes votes);
    /// @notice Commission goes to another account.
    /// @param nodeId the node
    /// @param receiver who may collect from now on
    event CommissionReceiverChanged(uint256 indexed nodeId, address indexed receiver);
    /// @notice Another account votes in the governance.
    /// @param nodeId the node
    /// @param authority who may vote from now on
    event GovernanceAuthorityChanged(uint256 indexed nodeId, address indexed authority);

    /// @param governance_ see `Governed`
    /// @param epochs_ tells the epoch
    /// @param committee_ takes the keys of those that it selects
    /// @param staking_ keeps the nodes' pools
    constructor(address governance_, IEpochs epochs_, address committee_, Staking staking_) Governed(governance_) {
        epochs = epochs_;
        committee = committee_;
        staking = staking_;
    }

    /// @notice Registers a node for the calling account and opens its pool.
    /// @dev The proof is a signature by the key over: 00 00 03 | current epoch (4, LE) | account (32) | compressed key (48)
    ///      | chain id (8, LE) | this contract (32). Checking it also checks that the key is in the subgroup.
    /// @param description how it presents itself
    /// @param publicKey its BLS key, an uncompressed point of G1 as EIP-2537 writes it
    /// @param proofOfPossession a point of G2 as EIP-2537 writes it
    /// @param commissionBps its part of its pool's rewards, in basis points, at most 10,000
    /// @param terms its first votes
    /// @return nodeId the node's number
    function registerNode(
        Description calldata description,
        bytes32[4] calldata publicKey,
        bytes32[8] calldata proofOfPossession,
        uint16 commissionBps,
        Votes calldata terms
    ) external returns (uint256 nodeId) {
        _requireDescription(description);
        nodeId = nodeOfAccount[msg.sender];
        if (nodeId != 0) revert AccountHasNode(msg.sender, nodeId);
        nodeId = ++nodeCount;
        (bytes32[3] memory key, bytes memory compressed) = _claimKey(nodeId, publicKey, proofOfPossession);

        nodeOfAccount[msg.sender] = nodeId;
        Node storage entry = _nodes[nodeId];
        (entry.account, entry.commissionReceiver, entry.governanceAuthority) = (msg.sender, msg.sender, msg.sender);
        (entry.description, entry.votes, entry.key) = (description, terms, key);
        staking.open(nodeId, commissionBps);
        emit NodeRegistered(nodeId, msg.sender, description.name, description.url, compressed);
        emit NodeVoted(nodeId, terms);
    }

    /// @notice Presents the node otherwise, all of it. Only the node's account may.
    /// @param nodeId the node
    /// @param description how it presents itself from now on
    function describe(uint256 nodeId, Description calldata description) external {
        _requireDescription(description);
        _own(nodeId).description = description;
        emit NodeDescribed(nodeId, description.name, description.url);
    }

    /// @notice Announces that a node serves at another place. Only the node's account may.
    /// @param nodeId the node
    /// @param url where it serves, 1 to 256 bytes
    function setNodeUrl(uint256 nodeId, string calldata url) external {
        _requireLength("url", bytes(url).length, 1, MAX_URL_BYTES);
        Node storage entry = _own(nodeId);
        entry.description.url = url;
        emit NodeDescribed(nodeId, entry.description.name, url);
    }

    /// @notice Announces the key that the node will sign with from the next committee on that it is selected for. Only the
    ///         node's account may; a later announcement replaces this one.
    /// @param nodeId the node
    /// @param publicKey as for `registerNode`
    /// @param proofOfPossession as for `registerNode`
    function setNextKey(uint256 nodeId, bytes32[4] calldata publicKey, bytes32[8] calldata proofOfPossession) external {
        Node storage entry = _own(nodeId);
        bytes memory compressed;
        (entry.nextKey, compressed) = _claimKey(nodeId, publicKey, proofOfPossession);
        entry.rotates = true;
        emit NodeKeyAnnounced(nodeId, compressed);
    }

    /// @notice Votes for the network's terms. Only the node's account may.
    /// @param nodeId the node
    /// @param terms what it would like
    function vote(uint256 nodeId, Votes calldata terms) external {
        _own(nodeId).votes = terms;
        emit NodeVoted(nodeId, terms);
    }

    /// @notice Names who collects the commission. Only who does so now may.
    /// @param nodeId the node
    /// @param receiver who may collect from now on
    function setCommissionReceiver(uint256 nodeId, address receiver) external {
        if (receiver == address(0)) revert ZeroAddress();
        Node storage entry = _node(nodeId);
        _requireCaller(entry.commissionReceiver);
        entry.commissionReceiver = receiver;
        emit CommissionReceiverChanged(nodeId, receiver);
    }

    /// @notice Names who votes in the governance. Only who does so now may.
    /// @param nodeId the node
    /// @param authority who may vote from now on
    function setGovernanceAuthority(uint256 nodeId, address authority) external {
        if (authority == address(0)) revert ZeroAddress();
        Node storage entry = _node(nodeId);
        _requireCaller(entry.governanceAuthority);
        entry.governanceAuthority = authority;
        emit GovernanceAuthorityChanged(nodeId, authority);
    }

    /// @notice The keys of nodes that enter the next committee; announced ones take effect. Only the committee may.
    /// @param nodeIds the nodes
    /// @return keys three words for each: the upper 16 bytes of x and y, the lower 32 of x, the lower 32 of y
    function takeKeys(uint256[] calldata nodeIds) external only(committee) returns (bytes32[] memory keys) {
        keys = new bytes32[](3 * nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            Node storage entry = _nodes[nodeIds[i]];
            if (entry.rotates) {
                entry.key = entry.nextKey;
                entry.rotates = false;
                delete entry.nextKey;
            }
            for (uint256 word = 0; word < 3; ++word) keys[3 * i + word] = entry.key[word];
        }
    }

    /// @notice What some nodes vote for.
    /// @param nodeIds the nodes
    /// @return votes of each
    function votesOf(uint256[] calldata nodeIds) external view returns (Votes[] memory votes) {
        votes = new Votes[](nodeIds.length);
        for (uint256 i = 0; i < nodeIds.length; ++i) votes[i] = _nodes[nodeIds[i]].votes;
    }

    /// @notice A registered node.
    /// @param nodeId its number
    /// @return account the account that it runs with
    /// @return description how it presents itself
    /// @return publicKey its BLS key, compressed (48 bytes)
    /// @return nextKey the announced one, compressed; empty where there is none
    /// @return votes what it votes for
    function node(uint256 nodeId)
        external
        view
        returns (
            address account,
            Description memory description,
            bytes memory publicKey,
            bytes memory nextKey,
            Votes memory votes
        )
    {
        Node storage entry = _node(nodeId);
        if (entry.rotates) nextKey = _compress(entry.nextKey);
        return (entry.account, entry.description, _compress(entry.key), nextKey, entry.votes);
    }

    /// @notice The three accounts that speak for a node.
    /// @param nodeId the node
    /// @return account the one that it runs with
    /// @return commissionReceiver the one that collects its commission
    /// @return governanceAuthority the one that votes in the governance
    function accounts(uint256 nodeId)
        external
        view
        returns (address account, address commissionReceiver, address governanceAuthority)
    {
        Node storage entry = _node(nodeId);
        return (entry.account, entry.commissionReceiver, entry.governanceAuthority);
    }

    /// @dev Checks a key and its proof, and makes it this node's forever.
    function _claimKey(uint256 nodeId, bytes32[4] memory key, bytes32[8] calldata proof)
        private
        returns (bytes32[3] memory packed, bytes memory compressed)
    {
        if (BLS12381.isInfinity(key)) revert KeyIsInfinity();
        compressed = BLS12381.compress(key);
        uint32 epoch = epochs.currentEpoch();
        if (!BLS12381.verify(key, _possessionMessage(epoch, compressed), proof)) revert KeyWithoutProof(msg.sender, epoch);
        bytes32 keyHash = keccak256(compressed);
        uint256 holder = _nodeOfKey[keyHash];
        if (holder != 0) revert KeyTaken(holder);
        _nodeOfKey[keyHash] = nodeId;
        // The precompile has accepted the point, so the padding is zero.
        packed = [(key[0] << 128) | key[2], key[1], key[3]];
    }

    function _possessionMessage(uint32 epoch, bytes memory compressedKey) private view returns (bytes memory) {
        return abi.encodePacked(
            hex"000003",
            LittleEndian.le32(epoch),
            uint256(uint160(msg.sender)),
            compressedKey,
            LittleEndian.le64(uint64(block.chainid)), // EIP-2294 keeps chain ids below 2^63
            uint256(uint160(address(this)))
        );
    }

    function _compress(bytes32[3] memory key) private pure returns (bytes memory) {
        return BLS12381.compress([key[0] >> 128, key[1], (key[0] << 128) >> 128, key[2]]);
    }

    function _node(uint256 nodeId) private view returns (Node storage entry) {
        entry = _nodes[nodeId];
        if (entry.account == address(0)) revert UnknownNode(nodeId);
    }

    function _own(uint256 nodeId) private view returns (Node storage entry) {
        entry = _node(nodeId);
        _requireCaller(entry.account);
    }

    function _requireDescription(Description calldata description) private pure {
        _requireLength("name", bytes(description.name).length, 1, MAX_NAME_BYTES);
        _requireLength("url", bytes(description.url).length, 1, MAX_URL_BYTES);
        _requireLength("networkKey", description.networkKey.length, 0, MAX_NETWORK_KEY_BYTES);
        _requireLength("metadata", bytes(description.metadata).length, 0, MAX_METADATA_BYTES);
    }

    function _requireLength(string memory field, uint256 got, uint256 min, uint256 max) private pure {
        if (got < min || got > max) revert TextLengthOutOfRange(field, got, max);
    }
}
