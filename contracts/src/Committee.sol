// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381} from "./BLS12381.sol";
import {CodeStorage} from "./CodeStorage.sol";
import {CommitteeErrors} from "./CommitteeErrors.sol";
import {Governed} from "./Governed.sol";
import {ICommittee} from "./ICommittee.sol";
import {IEpochs} from "./IEpochs.sol";
import {LittleEndian} from "./LittleEndian.sol";
import {Nodes} from "./Nodes.sol";
import {ShardMoves} from "./ShardMoves.sol";

/// @title Who holds the shards: in the previous epoch, in the current one, and, once selected, in the next
/// @notice Certificates are checked here: an aggregate signature of members over one message, weighed by the shards
///         that they hold. Any contract may ask.
/// @dev Keys and shards of a committee are written once, as code: reading 100 keys costs little, and a committee that does
///      not change is not written again.
contract Committee is Governed, ICommittee, IEpochs, CommitteeErrors {
    /// @dev Where a committee is kept.
    struct Seats {
        /// the sum of all keys as record 0 (weight 0), then the members' records
        address keys;
        /// numbers of the members, then the owner of each shard as a two-byte member index
        address directory;
    }

    /// @notice Most members whose keys fit into one data contract beside the sum of all keys.
    uint256 public constant MAX_MEMBERS = 249;

    /// @dev Bytes before the body of each signed message.
    uint256 private constant HEADER_BYTES = 7;
    /// @dev Intent version 0, application 3 (storage).
    bytes2 private constant VERSION_AND_APP = 0x0003;
    /// @dev weight (2, big-endian) | x (48) | y (48).
    uint256 private constant KEY_RECORD_BYTES = 98;

    /// @inheritdoc IEpochs
    uint16 public immutable nShards;
    /// @notice The clock, which alone changes committees.
    address public immutable epochs;
    /// @notice The registry that keys come from.
    Nodes public immutable nodes;

    /// @dev Keys of the current committee. In one word with the epoch: a certificate needs both.
    address private _keys;
    /// @inheritdoc IEpochs
    uint32 public currentEpoch;
    address private _directory;
    Seats private _previous;
    Seats private _next;

    /// @notice A committee was selected.
    /// @param epoch the epoch that it will serve in
    /// @param members how many members it has
    event CommitteeSelected(uint32 indexed epoch, uint256 members);

    /// @param governance_ see `Governed`
    /// @param epochs_ the clock
    /// @param nodes_ the registry
    /// @param nShards_ shards of every blob
    constructor(address governance_, address epochs_, Nodes nodes_, uint16 nShards_) Governed(governance_) {
        (epochs, nodes, nShards) = (epochs_, nodes_, nShards_);
    }

    // Changes, driven by the clock

    /// @notice Fixes the next committee: its keys, and its shards with as few moves as possible. Only the clock may.
    /// @param nodeIds the members, by ascending number
    /// @param weights how many shards each gets; all of them together
    function select(uint256[] calldata nodeIds, uint256[] calldata weights) external only(epochs) {
        uint256 count = nodeIds.length;
        if (count == 0 || count > MAX_MEMBERS) revert MemberCountOutOfRange(count, MAX_MEMBERS);
        bytes memory ids = new bytes(8 * count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 id = nodeIds[i];
            assembly ("memory-safe") {
                mstore(add(add(ids, 0x20), shl(3, i)), shl(192, id))
            }
        }
        bytes memory owners;
        if (currentEpoch == 0) {
            owners = ShardMoves.first(weights, nShards);
        } else {
            (uint256[] memory before, bytes memory held) = _directoryOf(_keys, _directory);
            owners = ShardMoves.next(before, held, nodeIds, weights);
        }
        _next.keys = _write(_keyRecords(nodeIds, weights), _keys);
        _next.directory = _write(bytes.concat(ids, owners), _directory);
        emit CommitteeSelected(currentEpoch + 1, count);
    }

    /// @notice The selected committee takes over. Only the clock may.
    /// @return nodeIds the nodes that hold more or fewer shards than before
    /// @return weights how many each of them holds now
    function rotate() external only(epochs) returns (uint256[] memory nodeIds, uint256[] memory weights) {
        Seats memory incoming = _next;
        if (incoming.keys == address(0)) revert NoCommittee(currentEpoch + 1);
        (nodeIds, weights) = _changes(_keys, _directory, incoming.keys, incoming.directory);
        (_previous.keys, _previous.directory) = (_keys, _directory);
        (_keys, _directory) = (incoming.keys, incoming.directory);
        ++currentEpoch;
        delete _next;
    }

    // Views

    /// @notice The committee of an epoch: the current one, the one before, or the next if it is selected.
    /// @param epoch which
    /// @return nodeIds the members, by ascending number
    /// @return weights how many shards each holds
    /// @return shardOwners for each shard the index of its owner, two bytes big-endian
    /// @return publicKeys the keys that they sign with, compressed, 48 bytes each
    function members(uint32 epoch)
        external
        view
        returns (uint256[] memory nodeIds, uint16[] memory weights, bytes memory shardOwners, bytes memory publicKeys)
    {
        Seats memory seats = _seats(epoch);
        (nodeIds, shardOwners) = _directoryOf(seats.keys, seats.directory);
        weights = new uint16[](nodeIds.length);
        bytes32[4] memory key;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            weights[i] = uint16(_readKeyRecord(seats.keys, i + 1, key));
            publicKeys = bytes.concat(publicKeys, BLS12381.compress(key));
        }
    }

    /// @notice Who holds how many shards, for contracts that need nothing else.
    /// @param epoch of which committee, as for `members`
    /// @return nodeIds the members, by ascending number
    /// @return weights how many shards each holds
    function weightsOf(uint32 epoch) external view returns (uint256[] memory nodeIds, uint256[] memory weights) {
        Seats memory seats = _seats(epoch);
        (nodeIds,) = _directoryOf(seats.keys, seats.directory);
        weights = new uint256[](nodeIds.length);
        bytes32[4] memory key;
        for (uint256 i = 0; i < nodeIds.length; ++i) {
            weights[i] = _readKeyRecord(seats.keys, i + 1, key);
        }
    }

    /// @notice The place of a node in a committee.
    /// @param epoch of which committee, as for `members`
    /// @param nodeId the node
    /// @return member its index; 0 if it is not a member
    /// @return weight how many shards it holds; 0 if it is not a member
    function seatOf(uint32 epoch, uint256 nodeId) external view returns (uint256 member, uint256 weight) {
        Seats memory seats = _seats(epoch);
        uint256 count = _memberCount(seats.keys);
        bytes memory ids = CodeStorage.read(seats.directory, 0, 8 * count);
        (uint256 low, uint256 high) = (0, count);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint256 id = _idAt(ids, middle);
            if (id == nodeId) {
                bytes32[4] memory key;
                return (middle, _readKeyRecord(seats.keys, middle + 1, key));
            }
            if (id < nodeId) low = middle + 1;
            else high = middle;
        }
    }

    // Certificates

    /// @inheritdoc ICommittee
    function requireQuorum(bytes calldata message, bytes calldata signers, bytes32[8] calldata signature)
        external
        view
    {
        _requireCertificate(message, signers, signature, (2 * uint256(nShards) + 3) / 3);
    }

    /// @inheritdoc ICommittee
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

        uint256 count = _memberCount(keys);
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

    // How a committee is kept

    function _seats(uint32 epoch) private view returns (Seats memory seats) {
        uint32 current = currentEpoch;
        if (epoch == current) seats = Seats(_keys, _directory);
        else if (epoch == current + 1) seats = _next;
        else if (epoch + 1 == current) seats = _previous;
        if (seats.keys == address(0)) revert NoCommittee(epoch);
    }

    /// @dev Writes data, unless it is what `known` holds already.
    function _write(bytes memory data, address known) private returns (address) {
        return CodeStorage.holds(known, data) ? known : CodeStorage.write(data);
    }

    function _keyRecords(uint256[] calldata nodeIds, uint256[] calldata weights) private returns (bytes memory records) {
        bytes32[] memory words = nodes.takeKeys(nodeIds);
        uint256 count = nodeIds.length;
        records = new bytes((count + 1) * KEY_RECORD_BYTES);
        bytes32[4] memory total;
        bytes32[4] memory key;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 high = words[3 * i];
            (key[0], key[1], key[2], key[3]) = (high >> 128, words[3 * i + 1], (high << 128) >> 128, words[3 * i + 2]);
            BLS12381.addTo(total, key);
            _putKeyRecord(records, i + 1, weights[i], key);
        }
        _putKeyRecord(records, 0, 0, total);
    }

    /// @dev The nodes whose weight differs between two committees; the first may be none.
    function _changes(address keysBefore, address directoryBefore, address keys, address directory)
        private
        view
        returns (uint256[] memory nodeIds, uint256[] memory weights)
    {
        if (keysBefore == keys && directoryBefore == directory) return (nodeIds, weights);
        uint256 countBefore = keysBefore == address(0) ? 0 : _memberCount(keysBefore);
        uint256 count = _memberCount(keys);
        bytes memory idsBefore = CodeStorage.read(directoryBefore, 0, 8 * countBefore);
        bytes memory ids = CodeStorage.read(directory, 0, 8 * count);
        bytes memory recordsBefore = CodeStorage.read(keysBefore, KEY_RECORD_BYTES, KEY_RECORD_BYTES * countBefore);
        bytes memory records = CodeStorage.read(keys, KEY_RECORD_BYTES, KEY_RECORD_BYTES * count);
        nodeIds = new uint256[](countBefore + count);
        weights = new uint256[](countBefore + count);
        (uint256 i, uint256 j, uint256 found) = (0, 0, 0);
        while (i < countBefore || j < count) {
            uint256 left = i < countBefore ? _idAt(idsBefore, i) : type(uint256).max;
            uint256 right = j < count ? _idAt(ids, j) : type(uint256).max;
            uint256 weight = right <= left ? _weightAt(records, j) : 0;
            if (left != right || weight != _weightAt(recordsBefore, i)) {
                (nodeIds[found], weights[found]) = (left < right ? left : right, weight);
                ++found;
            }
            if (left <= right) ++i;
            if (right <= left) ++j;
        }
        assembly ("memory-safe") {
            mstore(nodeIds, found)
            mstore(weights, found)
        }
    }

    function _directoryOf(address keys, address directory)
        private
        view
        returns (uint256[] memory nodeIds, bytes memory shardOwners)
    {
        uint256 count = _memberCount(keys);
        bytes memory ids = CodeStorage.read(directory, 0, 8 * count);
        nodeIds = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) nodeIds[i] = _idAt(ids, i);
        shardOwners = CodeStorage.read(directory, 8 * count, 2 * uint256(nShards));
    }

    function _memberCount(address keys) private view returns (uint256) {
        return CodeStorage.length(keys) / KEY_RECORD_BYTES - 1;
    }

    function _idAt(bytes memory ids, uint256 member) private pure returns (uint256 id) {
        assembly ("memory-safe") {
            id := shr(192, mload(add(add(ids, 0x20), shl(3, member))))
        }
    }

    function _weightAt(bytes memory records, uint256 member) private pure returns (uint256 weight) {
        uint256 offset = 0x20 + member * KEY_RECORD_BYTES;
        assembly ("memory-safe") {
            weight := shr(240, mload(add(records, offset)))
        }
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
}
