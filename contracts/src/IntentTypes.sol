// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NewBlob} from "./BlobRules.sol";

/// @notice Who wants something done, what it may cost, and for how long the wish stands; part of every intent.
struct Terms {
    /// who signs, pays, and receives what is created
    address owner;
    /// the only account that may submit the intent; zero: any
    address relayer;
    /// what is taken from the owner, in the payment token's smallest unit; what is left of it comes back
    uint256 budget;
    /// most of the budget that whoever submits may keep
    uint256 maxFee;
    /// the intent is valid after this time, in seconds since 1970
    uint256 validAfter;
    /// and before this one
    uint256 validBefore;
    /// tells apart intents that are the same otherwise
    bytes32 salt;
}

/// @notice Buys a storage resource for the owner.
struct ReserveStorage {
    /// encoded bytes
    uint64 size;
    /// first epoch; one that has passed stands for the current one
    uint32 start;
    /// first epoch that is not wanted
    uint32 end;
    Terms terms;
}

/// @notice Registers a blob; its token is created for the owner.
struct RegisterBlob {
    NewBlob blob;
    /// how many epochs to pay for, the current one included
    uint32 epochs;
    Terms terms;
}

/// @notice Extends a certified registration, of the owner or of anybody.
struct ExtendBlob {
    /// number of the registration
    uint256 objectId;
    /// how many epochs more
    uint32 epochs;
    Terms terms;
}

/// @notice Adds money to the fund from which a registration, of the owner or of anybody, is renewed.
struct FundBlob {
    /// number of the registration
    uint256 objectId;
    /// how much, apart from the fee
    uint128 amount;
    Terms terms;
}

/// @title The hashes of intents as EIP-712 structures
library IntentTypes {
    bytes private constant TERMS =
        "Terms(address owner,address relayer,uint256 budget,uint256 maxFee,uint256 validAfter,uint256 validBefore,bytes32 salt)";
    bytes private constant NEW_BLOB =
        "NewBlob(bytes32 blobId,bytes32 rootHash,uint64 size,uint8 encodingType,bool deletable)";

    bytes32 private constant TERMS_TYPE = keccak256(TERMS);
    bytes32 private constant NEW_BLOB_TYPE = keccak256(NEW_BLOB);
    bytes32 private constant RESERVE_TYPE =
        keccak256(bytes.concat("ReserveStorage(uint64 size,uint32 start,uint32 end,Terms terms)", TERMS));
    bytes32 private constant REGISTER_TYPE =
        keccak256(bytes.concat("RegisterBlob(NewBlob blob,uint32 epochs,Terms terms)", NEW_BLOB, TERMS));
    bytes32 private constant EXTEND_TYPE =
        keccak256(bytes.concat("ExtendBlob(uint256 objectId,uint32 epochs,Terms terms)", TERMS));
    bytes32 private constant FUND_TYPE =
        keccak256(bytes.concat("FundBlob(uint256 objectId,uint128 amount,Terms terms)", TERMS));

    /// @notice The hash of a structure.
    /// @param intent the structure
    /// @return its hash, not yet bound to a contract and a chain
    function hash(ReserveStorage calldata intent) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESERVE_TYPE, intent.size, intent.start, intent.end, _hash(intent.terms)));
    }

    /// @notice The hash of a structure.
    /// @param intent the structure
    /// @return its hash, not yet bound to a contract and a chain
    function hash(RegisterBlob calldata intent) internal pure returns (bytes32) {
        bytes32 blob = keccak256(abi.encode(NEW_BLOB_TYPE, intent.blob));
        return keccak256(abi.encode(REGISTER_TYPE, blob, intent.epochs, _hash(intent.terms)));
    }

    /// @notice The hash of a structure.
    /// @param intent the structure
    /// @return its hash, not yet bound to a contract and a chain
    function hash(ExtendBlob calldata intent) internal pure returns (bytes32) {
        return keccak256(abi.encode(EXTEND_TYPE, intent.objectId, intent.epochs, _hash(intent.terms)));
    }

    /// @notice The hash of a structure.
    /// @param intent the structure
    /// @return its hash, not yet bound to a contract and a chain
    function hash(FundBlob calldata intent) internal pure returns (bytes32) {
        return keccak256(abi.encode(FUND_TYPE, intent.objectId, intent.amount, _hash(intent.terms)));
    }

    /// @dev All members are words, so the structure's encoding is the ABI's.
    function _hash(Terms calldata terms) private pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPE, terms));
    }
}
