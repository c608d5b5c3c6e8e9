// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Test money: stands in for a stablecoin on local and test networks
/// @notice Worth nothing, because anyone may mint any amount. Never configure it as the payment token of a network
///         on which storage is meant to cost something.
contract TestStablecoin is ERC20Permit {
    constructor() ERC20("Floe Test Dollar (worthless)", "TUSD") ERC20Permit("Floe Test Dollar (worthless)") {}

    /// @notice Six decimals, as the common stablecoins have.
    /// @return 6
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Creates `amount` for `account`. Open to everyone.
    /// @param account who receives it
    /// @param amount in the smallest unit (a millionth of a dollar)
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}
