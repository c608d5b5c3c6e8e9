// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEpochMoney} from "../src/IEpochMoney.sol";

/// @title A treasury for tests: it pays out all that it has at each change of epochs
contract Till is IEpochMoney {
    /// @notice What it pays in.
    IERC20 public immutable token;

    /// @param token_ what it pays in
    constructor(IERC20 token_) {
        token = token_;
    }

    /// @inheritdoc IEpochMoney
    function closeEpoch(uint32, uint64, uint256, uint256, address payee)
        external
        returns (uint256 paid, uint64 usedBytes)
    {
        paid = token.balanceOf(address(this));
        usedBytes = 0;
        token.transfer(payee, paid);
    }

    /// @inheritdoc IEpochMoney
    function addToCurrent(uint256 amount) external {
        token.transferFrom(msg.sender, address(this), amount);
    }
}
