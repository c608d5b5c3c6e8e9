// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title A contract behind a proxy whose code only the governance can replace
/// @notice Addresses of the other contracts and sizes that never change are constants of the implementation, so that
///         reading them costs nothing; storage starts from zeros, so that there is nothing to initialize.
abstract contract Governed is UUPSUpgradeable {
    /// @notice Only one contract or account may do this.
    /// @param caller who tried
    /// @param expected who may
    error Unauthorized(address caller, address expected);
    /// @notice A contract address was zero.
    error ZeroAddress();

    /// @notice Who may replace the code and change parameters: votes of two thirds of the shards, after a delay.
    address public immutable governance;

    /// @param governance_ the proxy of `Governance`
    constructor(address governance_) {
        if (governance_ == address(0)) revert ZeroAddress();
        governance = governance_;
    }

    /// @dev Lets only `expected` pass.
    modifier only(address expected) {
        _requireCaller(expected);
        _;
    }

    function _authorizeUpgrade(address) internal view override only(governance) {}

    function _requireCaller(address expected) internal view {
        if (msg.sender != expected) revert Unauthorized(msg.sender, expected);
    }
}
