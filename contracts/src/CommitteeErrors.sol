// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the committee refuses, and why
/// @notice Apart from the contract, so that whoever calls the committee from another contract inherits these names:
///         the ABI of `Blobs` then explains every refusal that passes through it.
interface CommitteeErrors {
    /// @notice The network has not been launched yet.
    error NotLaunched();
    /// @notice No committee of this epoch is known: it is neither the previous, the current nor the selected next one.
    error NoCommittee(uint32 epoch);
    /// @notice A committee has at least one member and no more than fit into one data contract.
    error MemberCountOutOfRange(uint256 got, uint256 max);

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
