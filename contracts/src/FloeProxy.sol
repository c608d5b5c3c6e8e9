// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// @title The address and the storage of a contract whose code the governance can replace
contract FloeProxy is ERC1967Proxy {
    /// @param implementation the first code
    constructor(address implementation) ERC1967Proxy(implementation, "") {}

    /// @dev There is nothing to initialize: all storage starts from zeros (see `Governed`).
    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
