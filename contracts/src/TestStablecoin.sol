// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Test money: stands in for a stablecoin on local and test networks
/// @notice Worth nothing, because anyone may mint any amount. Never configure it as the payment token of a network
///         on which storage is meant to cost something. It moves by signature as the common stablecoins do: by permits
///         (ERC-2612) and by authorizations (ERC-3009), the latter also of accounts that are contracts (ERC-1271).
contract TestStablecoin is ERC20Permit, ERC3009 {
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

    /// @notice Moves tokens by an authorization. Anyone may submit it.
    /// @param from who pays, and has signed
    /// @param to who receives
    /// @param value how much
    /// @param validAfter valid after this time
    /// @param validBefore and before this one
    /// @param nonce any number that the payer has not used
    /// @param signature of a key, or as the contract `from` checks it
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 data = keccak256(
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        _requireSignature(from, data, signature);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Moves tokens to the caller, who must be the payee, by an authorization.
    /// @param from who pays, and has signed
    /// @param to who receives, and calls
    /// @param value how much
    /// @param validAfter valid after this time
    /// @param validBefore and before this one
    /// @param nonce any number that the payer has not used
    /// @param signature of a key, or as the contract `from` checks it
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 data =
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
        _requireSignature(from, data, signature);
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Cancels an authorization that was not used.
    /// @param authorizer whose it is, and who has signed
    /// @param nonce its nonce
    /// @param signature of a key, or as the contract `authorizer` checks it
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _requireSignature(
            authorizer, keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), signature
        );
        _cancelAuthorization(authorizer, nonce);
    }

    function _requireSignature(address signer, bytes32 data, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(data), signature)) {
            revert ERC3009InvalidSignature();
        }
    }
}
