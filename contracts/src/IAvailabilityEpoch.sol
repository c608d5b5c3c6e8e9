// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title What the clock tells `Availability`, which keeps a copy so that asking stays cheap
interface IAvailabilityEpoch {
    /// @notice The network is in this epoch from now on. Only the contract that advances the epoch may call.
    /// @param epoch its number
    function setEpoch(uint32 epoch) external;
}
