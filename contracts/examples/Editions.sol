// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {IAvailability} from "../src/IAvailability.sol";

/// @title Numbered copies of a blob, sold only while its bytes can be fetched long enough
/// @notice An example of a contract that consumes availability: nobody pays for bytes that are gone, and the buyer learns
///         that in the same transaction and from nobody but the chain.
contract Editions is ERC721 {
    /// @notice The price was not paid exactly.
    error WrongPrice(uint256 expected, uint256 got);

    /// @notice Where availability is asked for.
    IAvailability public immutable availability;
    /// @notice What is sold.
    bytes32 public immutable blobId;
    /// @notice A copy is sold only if the bytes stay for this many epochs more, the current one included.
    uint32 public immutable epochs;
    /// @notice What a copy costs, in the chain's own coin.
    uint256 public immutable price;
    /// @notice Who is paid.
    address payable public immutable seller;
    /// @notice How many copies were sold. They are numbered from 1.
    uint256 public sold;

    /// @param availability_ the network's `Availability` contract
    /// @param blobId_ what is sold
    /// @param epochs_ how long a buyer must be able to fetch it
    /// @param price_ what a copy costs
    constructor(IAvailability availability_, bytes32 blobId_, uint32 epochs_, uint256 price_)
        ERC721("Floe Editions", "FLOE-EDITION")
    {
        (availability, blobId, epochs, price) = (availability_, blobId_, epochs_, price_);
        seller = payable(msg.sender);
    }

    /// @notice Sells a copy to the caller. Reverts with `NotAvailable` when the bytes do not stay long enough.
    /// @return copy its number
    function buy() external payable returns (uint256 copy) {
        if (msg.value != price) revert WrongPrice(price, msg.value);
        availability.requireAvailable(blobId, availability.currentEpoch() + epochs);
        copy = ++sold;
        _mint(msg.sender, copy);
        (bool paid,) = seller.call{value: msg.value}("");
        require(paid);
    }
}
