// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPrices} from "./IPrices.sol";
import {StorageErrors} from "./StorageErrors.sol";

/// @notice What a contract that holds registrations buys for somebody.
struct Purchase {
    /// whose allowance pays; the zero address: money that the caller has deposited
    address payer;
    /// encoded bytes to reserve; 0 for writing alone
    uint64 size;
    /// billed units of it, for each epoch
    uint64 units;
    /// first epoch; one that has passed stands for the current one
    uint32 start;
    /// number of epochs
    uint32 epochs;
    /// units that are written, billed once
    uint64 writeUnits;
    /// most that may be taken
    uint256 maxCost;
}

/// @title What `Storage` does for the contracts that hold registrations, `Blobs` and `Pools`
/// @notice All of these refuse any other caller.
interface IStorage is IPrices, StorageErrors {
    /// @notice Reserves capacity, charges for it and for writing.
    /// @param order what is bought
    /// @return epoch the current epoch
    /// @return end first epoch that was not bought
    /// @return cost what was taken, in the payment token
    function purchase(Purchase calldata order) external returns (uint32 epoch, uint32 end, uint256 cost);

    /// @notice Takes bytes out of somebody's resource, whole or in part, for as long as it lasts.
    /// @param holder who has to own the resource or be approved for it
    /// @param resourceId the resource
    /// @param size how many bytes; 0 for all
    /// @return epoch the current epoch
    /// @return start first epoch of the resource
    /// @return end first epoch that it does not cover
    /// @return taken bytes that were taken
    function take(address holder, uint256 resourceId, uint64 size)
        external
        returns (uint32 epoch, uint32 start, uint32 end, uint64 taken);

    /// @notice Makes a resource of capacity that was accounted before.
    /// @param to who receives it
    /// @param size its bytes
    /// @param end first epoch that it does not cover; it starts now
    /// @return resourceId its number; 0 when nothing is left of it
    function give(address to, uint64 size, uint32 end) external returns (uint256 resourceId);

    /// @notice Takes money into safe keeping, to be spent by the caller's purchases.
    /// @param payer whose allowance pays
    /// @param amount how much
    function deposit(address payer, uint256 amount) external;

    /// @notice Hands out deposited money.
    /// @param to who receives it; the zero address stands for the nodes, in the current epoch
    /// @param amount how much
    function release(address to, uint256 amount) external;
}
