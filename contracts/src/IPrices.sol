// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title What storage costs now
interface IPrices {
    /// @notice The epoch that the network is in; 0 before launch.
    /// @return its number
    function currentEpoch() external view returns (uint32);

    /// @notice Price of one MiB of encoded length for one epoch, in the payment token's smallest unit.
    /// @return the price in force
    function storagePrice() external view returns (uint256);

    /// @notice Price of writing one MiB of encoded length, once, in the payment token's smallest unit.
    /// @return the price in force
    function writePrice() external view returns (uint256);

    /// @notice How many epochs can be bought at once, the current one included.
    /// @return the limit
    function maxEpochsAhead() external view returns (uint32);

    /// @notice Encoded bytes that can be reserved in any epoch.
    /// @return the capacity in force
    function totalCapacity() external view returns (uint64);
}
