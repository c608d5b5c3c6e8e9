// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Tokens that move by a signature of their owner (ERC-3009), also by one of an owner that is a contract
/// @notice The variants that take a signature as bytes are those of the common stablecoins (FiatToken 2.2). They
///         accept ERC-1271 signatures.
interface IAuthorizedToken {
    /// @notice Moves tokens to the caller, who must be the payee, by the signature of a key.
    /// @param from who pays, and has signed
    /// @param to who receives, and calls
    /// @param value how much
    /// @param validAfter valid after this time
    /// @param validBefore and before this one
    /// @param nonce any number that the payer has not used
    /// @param v of the signature
    /// @param r of the signature
    /// @param s of the signature
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Moves tokens to the caller, who must be the payee, by the signature of an account.
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
    ) external;

    /// @notice Whether a nonce was used or cancelled.
    /// @param authorizer whose nonce
    /// @param nonce which
    /// @return true if it can no longer be used
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}
