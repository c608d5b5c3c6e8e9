// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title The clock of the network, as its other contracts read it
interface IEpochs {
    /// @notice The epoch that the network is in; 0 before launch.
    /// @return its number
    function currentEpoch() external view returns (uint32);

    /// @notice How many shards every blob is cut into, for the life of the network.
    /// @return the number of shards
    function nShards() external view returns (uint16);
}
