// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Blobs} from "./Blobs.sol";
import {ExtendBlob, FundBlob, IntentTypes, RegisterBlob, ReserveStorage} from "./IntentTypes.sol";
import {IntentPayments, Payment} from "./IntentPayments.sol";
import {Storage} from "./Storage.sol";

/// @title Intents: storage for accounts without native coin
/// @notice The owner signs once, anybody (or the relayer that the intent names) submits it and pays the gas, and keeps a
///         fee in the payment token that the owner has agreed to. What is created belongs to the owner, and what is left
///         of the budget goes back in the same call.
///
///         An intent's id is its EIP-712 hash for this contract and chain. Where the token has authorizations (ERC-3009)
///         the owner signs that alone, with the id as its nonce: so one signature moves the money, to this contract only,
///         and only for this intent. An id is carried out once.
///
///         This contract cannot be changed: a signature means for ever what it meant when it was made.
contract Intents is IntentPayments {
    using IntentTypes for ReserveStorage;
    using IntentTypes for RegisterBlob;
    using IntentTypes for ExtendBlob;
    using IntentTypes for FundBlob;

    /// @notice Where blobs are registered, extended and funded.
    Blobs public immutable blobs;
    /// @notice Sells capacity and holds the money.
    Storage public immutable treasury;

    /// @param blobs_ where blobs are registered
    /// @param treasury_ sells capacity
    /// @param paymentToken_ the token that both are paid in
    constructor(Blobs blobs_, Storage treasury_, IERC20 paymentToken_)
        IntentPayments(paymentToken_, address(treasury_))
    {
        if (address(blobs_) == address(0)) revert ZeroAddress();
        blobs = blobs_;
        treasury = treasury_;
    }

    /// @notice Buys a storage resource for the owner.
    /// @param intent what was signed
    /// @param payment the owner's signatures
    /// @param fee what the caller keeps, at most what the intent allows
    /// @return resourceId the resource
    function reserve(ReserveStorage calldata intent, Payment calldata payment, uint256 fee)
        external
        returns (uint256 resourceId)
    {
        bytes32 id = hashReserve(intent);
        uint256 maxCost = _begin(intent.terms, id, payment, fee);
        resourceId = treasury.reserveForEpochs(intent.size, intent.start, intent.end, maxCost);
        treasury.transferFrom(address(this), intent.terms.owner, resourceId);
        _end(intent.terms, id, resourceId, fee);
    }

    /// @notice Registers a blob, whose token is created for the owner.
    /// @param intent what was signed
    /// @param payment the owner's signatures
    /// @param fee what the caller keeps, at most what the intent allows
    /// @return objectId number of the registration
    function register(RegisterBlob calldata intent, Payment calldata payment, uint256 fee)
        external
        returns (uint256 objectId)
    {
        bytes32 id = hashRegister(intent);
        uint256 maxCost = _begin(intent.terms, id, payment, fee);
        objectId = blobs.register(intent.blob, intent.epochs, maxCost, intent.terms.owner);
        _end(intent.terms, id, objectId, fee);
    }

    /// @notice Extends a certified registration.
    /// @param intent what was signed
    /// @param payment the owner's signatures
    /// @param fee what the caller keeps, at most what the intent allows
    function extend(ExtendBlob calldata intent, Payment calldata payment, uint256 fee) external {
        bytes32 id = hashExtend(intent);
        uint256 maxCost = _begin(intent.terms, id, payment, fee);
        blobs.extend(intent.objectId, intent.epochs, maxCost);
        _end(intent.terms, id, intent.objectId, fee);
    }

    /// @notice Adds money to the fund of a registration.
    /// @param intent what was signed
    /// @param payment the owner's signatures
    /// @param fee what the caller keeps, at most what the intent allows
    function fund(FundBlob calldata intent, Payment calldata payment, uint256 fee) external {
        bytes32 id = hashFund(intent);
        uint256 left = _begin(intent.terms, id, payment, fee);
        if (intent.amount > left) revert BudgetTooSmall(left, intent.amount);
        blobs.fund(intent.objectId, intent.amount);
        _end(intent.terms, id, intent.objectId, fee);
    }

    /// @notice The id of an intent to reserve.
    /// @param intent the intent
    /// @return its EIP-712 hash for this contract and chain
    function hashReserve(ReserveStorage calldata intent) public view returns (bytes32) {
        return _hashTypedDataV4(intent.hash());
    }

    /// @notice The id of an intent to register.
    /// @param intent the intent
    /// @return its EIP-712 hash for this contract and chain
    function hashRegister(RegisterBlob calldata intent) public view returns (bytes32) {
        return _hashTypedDataV4(intent.hash());
    }

    /// @notice The id of an intent to extend.
    /// @param intent the intent
    /// @return its EIP-712 hash for this contract and chain
    function hashExtend(ExtendBlob calldata intent) public view returns (bytes32) {
        return _hashTypedDataV4(intent.hash());
    }

    /// @notice The id of an intent to fund.
    /// @param intent the intent
    /// @return its EIP-712 hash for this contract and chain
    function hashFund(FundBlob calldata intent) public view returns (bytes32) {
        return _hashTypedDataV4(intent.hash());
    }
}
