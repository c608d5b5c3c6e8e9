// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title An account that is a contract, for tests: one key speaks for it
contract SmartAccount is IERC1271 {
    /// @notice The key's own address.
    address public immutable key;

    /// @param key_ who speaks for the account
    constructor(address key_) {
        key = key_;
    }

    /// @notice Calls another contract as this account. Open to everyone, which is good enough for tests.
    /// @param target which
    /// @param data the call
    function execute(address target, bytes calldata data) external {
        Address.functionCall(target, data);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(hash, signature);
        return signer == key ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
