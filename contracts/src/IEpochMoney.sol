// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title What the clock tells the treasury, and what the treasury answers
/// @notice Implemented by `Storage`, called by the contract that advances the epoch.
interface IEpochMoney {
    /// @notice Closes the running epoch, once per change: burns its share, pays the rest out, and brings the votes into
    ///         force, the first ones as
    ///         they are, later ones moved by a bounded step at most.
    /// @param newEpoch the epoch that begins, one above the running one
    /// @param capacityBytes voted: encoded bytes that the network can hold
    /// @param storagePrice voted: per MiB of encoded length and epoch
    /// @param writePrice voted: per MiB of encoded length, once
    /// @param payee who receives the finished epoch's money; the zero address carries it into the new epoch
    /// @return paid what the payee was sent, in the payment token
    /// @return usedBytes encoded bytes that were reserved in the finished epoch
    function closeEpoch(
        uint32 newEpoch,
        uint64 capacityBytes,
        uint256 storagePrice,
        uint256 writePrice,
        address payee
    ) external returns (uint256 paid, uint64 usedBytes);

    /// @notice Takes `amount` of the payment token from the caller's allowance into the running epoch's money: what
    ///         rounding left over when the last one was shared out, or a gift.
    /// @param amount in the payment token's smallest unit
    function addToCurrent(uint256 amount) external;
}
