// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381} from "./BLS12381.sol";
import {CodeStorage} from "./CodeStorage.sol";
import {CommitteeErrors} from "./CommitteeErrors.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @title The storage nodes, the committee that holds the shards, and the epoch
/// @notice Nodes register with a BLS key and a proof that they possess it. The owner names the first committee once;
///         from then on the owner has no power and anyone may advance the epoch when it is over. The committee carries
///         over from epoch to epoch.
///
///         Certificates are checked here: an aggregate signature of members over one message, weighed by the shards
///         that they hold. Any contract may ask.
contract Committee is CommitteeErrors {
    /// @dev A registered node. The key is kept uncompressed, the upper 16 bytes of x and y in one word.
    struct Node {
        address account;
        string name;
        string url;
        bytes32 keyHigh;
        bytes32 keyXLow;
        bytes32 keyYLow;
    }

    /// @notice Fewest shards: with fewer there is nothing to recover from (the code needs one faulty shard to spare).
    uint256 public constant MIN_SHARDS = 4;
    /// @notice Most shards whose owners fit into one data contract beside the members' numbers.
    uint256 public constant MAX_SHARDS = 10_000;
    /// @notice Most members whose keys fit into one data contract beside the sum of all keys.
    uint256 public constant MAX_MEMBERS = 249;
    /// @notice Longest name of a node, in bytes.
    uint256 public constant MAX_NAME_BYTES = 64;
    /// @notice Longest URL of a node, in bytes.
    uint256 public constant MAX_URL_BYTES = 256;

    /// @dev Bytes before the body of each signed message.
    uint256 private constant HEADER_BYTES = 7;
    /// @dev Intent version 0, application 3 (storage).
    bytes2 private constant VERSION_AND_APP = 0x0003;
    /// @dev weight (2, big-endian) | x (48) | y (48).
    uint256 private constant KEY_RECORD_BYTES = 98;
    /// @dev node number (8, big-endian).
    uint256 private constant ID_RECORD_BYTES = 8;

    /// @notice How many shards every blob is cut into, for the life of the network.
    uint16 public immutable nShards;
    /// @notice Shortest duration of an epoch, in seconds.
    uint64 public immutable epochDuration;

    /// @dev Keys of the committee, in code: the sum of all keys as record 0 (weight 0), then the members' records.
    address private _keys;
    /// @notice The epoch that the network is in; 0 before launch.
    uint32 public currentEpoch;
    /// @notice When the current epoch began, in seconds since 1970; 0 before launch.
    uint64 public epochStart;

    /// @dev Numbers of the members, then the owner of each shard as a two-byte member index, in code.
    address private _directory;
    /// @notice Who may launch; zero afterwards.
    address public owner;

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
    /// @notice A node serves at another place.
    /// @param nodeId its number
    /// @param url the new place
    event NodeUrlChanged(uint256 indexed nodeId, string url);
    /// @notice An epoch has begun.
    /// @param epoch its number, 1 at launch
    /// @param startedAt when, in seconds since 1970
    event EpochChanged(uint32 indexed epoch, uint64 startedAt);

    /// @param owner_ who may launch the network
    /// @param nShards_ shards of every blob; 4 to 10,000, best of the form 3f + 1
    /// @param epochDuration_ shortest duration of an epoch, in seconds
    constructor(address owner_, uint16 nShards_, uint64 epochDuration_) {
        if (owner_ == address(0)) revert ZeroOwner();
        if (nShards_ < MIN_SHARDS || nShards_ > MAX_SHARDS) {
            revert ShardCountOutOfRange(nShards_, MIN_SHARDS, MAX_SHARDS);
        }
        if (epochDuration_ == 0) revert ZeroEpochDuration();
        owner = owner_;
        nShards = nShards_;
        epochDuration = epochDuration_;
    }

    // Nodes

    /// @notice Registers a node for the calling account.
    /// @dev The proof is a signature by the key over: 00 00 03 | current epoch (4, LE) | account (32) | compressed key (48)
    ///      | chain id (8, LE) | this contract (32). Checking it also checks that the key is in the subgroup.
    /// @param name what people call the node, 1 to 64 bytes
    /// @param url where it serves, 1 to 256 bytes
    /// @param publicKey its BLS key, an uncompressed point of G1 as EIP-2537 writes it
    /// @param proofOfPossession a point of G2 as EIP-2537 writes it
    /// @return nodeId the node's number
    function registerNode(
        string calldata name,
        string calldata url,
        bytes32[4] calldata publicKey,
        bytes32[8] calldata proofOfPossession
    ) external returns (uint256 nodeId) {
        _requireTextLength("name", bytes(name).length, MAX_NAME_BYTES);
        _requireTextLength("url", bytes(url).length, MAX_URL_BYTES);
        nodeId = nodeOfAccount[msg.sender];
        if (nodeId != 0) revert AccountHasNode(msg.sender, nodeId);

        bytes32[4] memory key = publicKey;
        if (BLS12381.isInfinity(key)) revert KeyIsInfinity();
        bytes memory compressed = BLS12381.compress(key);
        if (!BLS12381.verify(key, _possessionMessage(compressed), proofOfPossession)) {
            revert KeyWithoutProof(msg.sender, currentEpoch);
        }
        bytes32 keyHash = keccak256(compressed);
        nodeId = _nodeOfKey[keyHash];
        if (nodeId != 0) revert KeyTaken(nodeId);

        nodeId = ++nodeCount;
        nodeOfAccount[msg.sender] = nodeId;
        _nodeOfKey[keyHash] = nodeId;
        Node storage entry = _nodes[nodeId];
        entry.account = msg.sender;
        entry.name = name;
        entry.url = url;
        // The precompile has accepted the point, so the padding is zero.
        entry.keyHigh = (key[0] << 128) | key[2];
        entry.keyXLow = key[1];
        entry.keyYLow = key[3];
        emit NodeRegistered(nodeId, msg.sender, name, url, compressed);
    }

    /// @notice Announces that a node serves at another place. Only the node's account may.
    /// @param nodeId the node
    /// @param url where it serves, 1 to 256 bytes
    function setNodeUrl(uint256 nodeId, string calldata url) external {
        Node storage entry = _node(nodeId);
        if (msg.sender != entry.account) revert NotNodeAccount(msg.sender, entry.account);
        _requireTextLength("url", bytes(url).length, MAX_URL_BYTES);
        entry.url = url;
        emit NodeUrlChanged(nodeId, url);
    }

    /// @notice A registered node.
    /// @param nodeId its number
    /// @return account the account that speaks for it
    /// @return name what people call it
    /// @return url where it serves
    /// @return publicKey its BLS key, compressed (48 bytes)
    function node(uint256 nodeId)
        external
        view
        returns (address account, string memory name, string memory url, bytes memory publicKey)
    {
        Node storage entry = _node(nodeId);
        return (entry.account, entry.name, entry.url, BLS12381.compress(_keyOf(entry)));
    }

    // Epochs

    /// @notice Names the first committee and begins epoch 1. The owner may do it once and has no power afterwards.
    /// @param nodeIds the members, by ascending number
    /// @param shardOwners for each shard the index of its owner in `nodeIds`, two bytes big-endian
    function launch(uint256[] calldata nodeIds, bytes calldata shardOwners) external {
        if (currentEpoch != 0) revert AlreadyLaunched(currentEpoch);
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        uint256 count = nodeIds.length;
        if (count == 0 || count > MAX_MEMBERS) revert MemberCountOutOfRange(count, MAX_MEMBERS);

        uint256[] memory weights = _weigh(shardOwners, count);
        bytes memory records = new bytes((count + 1) * KEY_RECORD_BYTES);
        bytes memory ids = new bytes(count * ID_RECORD_BYTES);
        bytes32[4] memory total;
        uint256 previous = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 nodeId = nodeIds[i];
            if (nodeId <= previous) revert MembersNotAscending(i, previous, nodeId);
            previous = nodeId;
            bytes32[4] memory key = _keyOf(_node(nodeId));
            BLS12381.addTo(total, key);
            _putKeyRecord(records, i + 1, weights[i], key);
            for (uint256 b = 0; b < ID_RECORD_BYTES; ++b) {
                ids[i * ID_RECORD_BYTES + b] = bytes8(uint64(nodeId))[b];
            }
        }
        _putKeyRecord(records, 0, 0, total);
        _keys = CodeStorage.write(records);
        _directory = CodeStorage.write(bytes.concat(ids, shardOwners));
        owner = address(0);
        _beginEpoch(1);
    }

    /// @notice Begins the next epoch with the same committee. Anyone may, once the current one has lasted its time.
    function advanceEpoch() external {
        if (currentEpoch == 0) revert NotLaunched();
        uint64 endsAt = epochStart + epochDuration;
        if (block.timestamp < endsAt) revert EpochNotOver(endsAt, uint64(block.timestamp));
        _beginEpoch(currentEpoch + 1);
    }

    /// @notice The current committee; empty before launch.
    /// @return nodeIds the members, by ascending number
    /// @return weights how many shards each holds
    /// @return shardOwners for each shard the index of its owner, two bytes big-endian
    function members()
        external
        view
        returns (uint256[] memory nodeIds, uint16[] memory weights, bytes memory shardOwners)
    {
        if (currentEpoch == 0) return (nodeIds, weights, shardOwners);
        uint256 count = _memberCount();
        nodeIds = new uint256[](count);
        weights = new uint16[](count);
        bytes32[4] memory key;
        for (uint256 i = 0; i < count; ++i) {
            nodeIds[i] = uint64(bytes8(CodeStorage.read(_directory, i * ID_RECORD_BYTES, ID_RECORD_BYTES)));
            weights[i] = uint16(_readKeyRecord(_keys, i + 1, key));
        }
        shardOwners = CodeStorage.read(_directory, count * ID_RECORD_BYTES, 2 * uint256(nShards));
    }

    // Certificates

    /// @notice Returns only if members with at least 2f + 1 shards (3w >= 2n + 1) signed `message` in the current epoch.
    /// @param message the signed bytes: header with the current epoch, then the body
    /// @param signers bit i mod 8 (least significant first) of byte i / 8 is set when member i signed; missing bytes are 0
    /// @param signature the sum of the signers' signatures, a point of G2 as EIP-2537 writes it
    function requireQuorum(bytes calldata message, bytes calldata signers, bytes32[8] calldata signature)
        external
        view
    {
        _requireCertificate(message, signers, signature, (2 * uint256(nShards) + 3) / 3);
    }

    /// @notice Returns only if members with enough shards that one of them is honest (3w >= n + 1) signed `message` in
    ///         the current epoch.
    /// @param message the signed bytes: header with the current epoch, then the body
    /// @param signers as for `requireQuorum`
    /// @param signature as for `requireQuorum`
    function requireOneHonest(bytes calldata message, bytes calldata signers, bytes32[8] calldata signature)
        external
        view
    {
        _requireCertificate(message, signers, signature, (uint256(nShards) + 3) / 3);
    }

    /// @dev The key of a certificate is the sum of all keys less those of the absent: few, when a quorum signed.
    function _requireCertificate(
        bytes calldata message,
        bytes calldata signers,
        bytes32[8] calldata signature,
        uint256 needed
    ) private view {
        (address keys, uint32 epoch) = (_keys, currentEpoch);
        if (epoch == 0) revert NotLaunched();
        _requireHeader(message, epoch);

        uint256 count = _memberCount();
        uint256 absent = ~_signerMask(signers, count) & ((1 << count) - 1);
        bytes32[4] memory absentKeys;
        bytes32[4] memory key;
        uint256 weight = nShards;
        for (uint256 record = 1; absent != 0; ++record) {
            if (absent & 1 == 1) {
                weight -= _readKeyRecord(keys, record, key);
                BLS12381.addTo(absentKeys, key);
            }
            absent >>= 1;
        }
        if (weight < needed) revert NoQuorum(weight, needed);

        BLS12381.negate(absentKeys);
        _readKeyRecord(keys, 0, key);
        BLS12381.addTo(key, absentKeys);
        if (!BLS12381.verify(key, message, signature)) revert BadSignature();
    }

    function _requireHeader(bytes calldata message, uint32 epoch) private pure {
        bytes7 header = bytes7(message);
        if (message.length < HEADER_BYTES || bytes2(header << 8) != VERSION_AND_APP) {
            revert MalformedMessage(header, message.length);
        }
        bytes4 got = bytes4(header << 24);
        if (got != LittleEndian.le32(epoch)) revert EpochMismatch(epoch, uint32(LittleEndian.le32(uint32(got))));
    }

    /// @dev The bitmap as a word, member i at bit i.
    function _signerMask(bytes calldata signers, uint256 count) private pure returns (uint256 mask) {
        uint256 max = (count + 7) / 8;
        if (signers.length > max) revert BitmapTooLong(signers.length, max);
        for (uint256 i = signers.length; i != 0; --i) {
            mask = (mask << 8) | uint8(signers[i - 1]);
        }
        if (mask >> count != 0) {
            uint256 member = count;
            while (mask >> (member + 1) != 0) ++member;
            revert SignerOutOfRange(member, count);
        }
    }

    // Internals

    function _beginEpoch(uint32 epoch) private {
        currentEpoch = epoch;
        epochStart = uint64(block.timestamp);
        emit EpochChanged(epoch, uint64(block.timestamp));
    }

    /// @dev Checks the owners of the shards and counts how many each member holds.
    function _weigh(bytes calldata shardOwners, uint256 count) private view returns (uint256[] memory weights) {
        uint256 shards = nShards;
        if (shardOwners.length != 2 * shards) revert ShardOwnersLength(2 * shards, shardOwners.length);
        weights = new uint256[](count);
        for (uint256 shard = 0; shard < shards; ++shard) {
            uint256 member = uint16(bytes2(shardOwners[2 * shard:2 * shard + 2]));
            if (member >= count) revert ShardOwnerOutOfRange(shard, member, count);
            ++weights[member];
        }
        for (uint256 member = 0; member < count; ++member) {
            if (weights[member] == 0) revert MemberWithoutShards(member);
        }
    }

    function _possessionMessage(bytes memory compressedKey) private view returns (bytes memory) {
        return abi.encodePacked(
            hex"000003",
            LittleEndian.le32(currentEpoch),
            uint256(uint160(msg.sender)),
            compressedKey,
            LittleEndian.le64(uint64(block.chainid)), // EIP-2294 keeps chain ids below 2^63
            uint256(uint160(address(this)))
        );
    }

    function _memberCount() private view returns (uint256) {
        return CodeStorage.length(_keys) / KEY_RECORD_BYTES - 1;
    }

    function _node(uint256 nodeId) private view returns (Node storage entry) {
        entry = _nodes[nodeId];
        if (entry.account == address(0)) revert UnknownNode(nodeId);
    }

    function _keyOf(Node storage entry) private view returns (bytes32[4] memory) {
        bytes32 high = entry.keyHigh;
        return [high >> 128, entry.keyXLow, (high << 128) >> 128, entry.keyYLow];
    }

    function _putKeyRecord(bytes memory records, uint256 record, uint256 weight, bytes32[4] memory key) private pure {
        uint256 offset = 0x20 + record * KEY_RECORD_BYTES;
        assembly ("memory-safe") {
            let target := add(records, offset)
            mstore8(target, shr(8, weight))
            mstore8(add(target, 1), weight)
            mcopy(add(target, 2), add(key, 0x10), 48)
            mcopy(add(target, 50), add(key, 0x50), 48)
        }
    }

    /// @dev Reads a record into `key`, whose padding is and stays zero, and returns the weight.
    function _readKeyRecord(address keys, uint256 record, bytes32[4] memory key) private view returns (uint256 weight) {
        uint256 offset = 1 + record * KEY_RECORD_BYTES; // past the STOP byte
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            extcodecopy(keys, scratch, offset, KEY_RECORD_BYTES)
            weight := shr(240, mload(scratch))
            mcopy(add(key, 0x10), add(scratch, 2), 48)
            mcopy(add(key, 0x50), add(scratch, 50), 48)
        }
    }

    function _requireTextLength(string memory field, uint256 got, uint256 max) private pure {
        if (got == 0 || got > max) revert TextLengthOutOfRange(field, got, max);
    }
}
