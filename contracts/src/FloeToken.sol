// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title FLOE, the token that is staked, voted with and slashed
/// @notice An ERC-20 with 18 decimals and a fixed supply: nothing mints after construction, anyone may burn their own.
///         Allowances can be given by signature (ERC-2612).
contract FloeToken is ERC20Burnable, ERC20Permit {
    /// @notice All FLOE there will ever be, in its smallest unit: one billion whole tokens.
    uint256 public constant INITIAL_SUPPLY = 1_000_000_000 ether;

    /// @param holder receives the whole supply
    constructor(address holder) ERC20("Floe", "FLOE") ERC20Permit("Floe") {
        _mint(holder, INITIAL_SUPPLY);
    }
}
