// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the committee refuses, and why
/// @notice Apart from the contract, so that whoever calls the committee from another contract inherits these names:
///         the ABI of `Blobs` then explains every refusal that passes through it.
interface CommitteeErrors {
    /// @notice The network has not been launched yet.
    error NotLaunched();
    /// @notice The network was launched before.
    /// @param epoch the current epoch
    error AlreadyLaunched(uint32 epoch);
    /// @notice Only the owner may launch.
    /// @param caller who tried
    /// @param owner who may
    error NotOwner(address caller, address owner);
    /// @notice The epoch lasts longer.
    /// @param endsAt first second at which it may be advanced
    /// @param timestamp the time of this block
    error EpochNotOver(uint64 endsAt, uint64 timestamp);

    /// @notice The number of shards is outside of what can be encoded and kept.
    error ShardCountOutOfRange(uint256 got, uint256 min, uint256 max);
    /// @notice An epoch must last for at least one second.
    error ZeroEpochDuration();
    /// @notice The owner must be able to launch.
    error ZeroOwner();

    /// @notice A node's name or URL is empty or too long.
    /// @param field "name" or "url"
    /// @param got its length in bytes
    /// @param max the longest allowed
    error TextLengthOutOfRange(string field, uint256 got, uint256 max);
    /// @notice An account runs one node only.
    /// @param account the account
    /// @param nodeId the node it has
    error AccountHasNode(address account, uint256 nodeId);
    /// @notice A public key belongs to one node only.
    /// @param nodeId the node that has it
    error KeyTaken(uint256 nodeId);
    /// @notice The point at infinity is no public key.
    error KeyIsInfinity();
    /// @notice The proof of possession does not hold for this key, account, epoch, chain and contract.
    /// @param account the account that the proof has to name
    /// @param epoch the epoch that the proof has to name
    error KeyWithoutProof(address account, uint32 epoch);
    /// @notice No node has this number.
    error UnknownNode(uint256 nodeId);
    /// @notice Only the node's own account may do this.
    /// @param caller who tried
    /// @param account who may
    error NotNodeAccount(address caller, address account);

    /// @notice A committee has at least one member and no more than fit into one data contract.
    error MemberCountOutOfRange(uint256 got, uint256 max);
    /// @notice Members are listed by ascending node number, each once.
    /// @param index position in the list
    /// @param previous the number before it
    /// @param got the number at this position
    error MembersNotAscending(uint256 index, uint256 previous, uint256 got);
    /// @notice Each shard needs exactly one owner, in two bytes.
    /// @param expected bytes for all shards
    /// @param got bytes given
    error ShardOwnersLength(uint256 expected, uint256 got);
    /// @notice A shard was given to a member that does not exist.
    /// @param shard the shard
    /// @param member the member index given
    /// @param members how many members there are
    error ShardOwnerOutOfRange(uint256 shard, uint256 member, uint256 members);
    /// @notice A member must hold at least one shard.
    /// @param member its index
    error MemberWithoutShards(uint256 member);

    /// @notice A message starts with intent type, version 0, application 3 and the epoch: seven bytes.
    /// @param header what was found, zero-padded
    /// @param length the message's length in bytes
    error MalformedMessage(bytes7 header, uint256 length);
    /// @notice The message was signed in another epoch.
    /// @param expected the current epoch
    /// @param got the epoch in the message
    error EpochMismatch(uint32 expected, uint32 got);
    /// @notice The signers' bitmap has more bytes than the committee needs.
    /// @param got its length
    /// @param max the longest allowed
    error BitmapTooLong(uint256 got, uint256 max);
    /// @notice The signers' bitmap names a member that does not exist.
    /// @param member the highest index named
    /// @param members how many members there are
    error SignerOutOfRange(uint256 member, uint256 members);
    /// @notice The signers hold too few shards.
    /// @param weight shards they hold
    /// @param needed shards they must hold
    error NoQuorum(uint256 weight, uint256 needed);
    /// @notice The signature is not that of the named signers over this message.
    error BadSignature();
}
