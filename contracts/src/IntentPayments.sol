// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IAuthorizedToken} from "./IAuthorizedToken.sol";
import {Terms} from "./IntentTypes.sol";

/// @notice How an owner has agreed to an intent and to its payment.
enum Scheme {
    /// the token's `ReceiveWithAuthorization` (ERC-3009), signed by a key: its nonce is the intent's id
    Authorization,
    /// the same, by an account that is a contract (ERC-1271), for tokens that take a signature as bytes
    ContractAuthorization,
    /// a signature of the intent itself, and an allowance, if need be by the token's `Permit` (ERC-2612)
    Allowance
}

/// @notice The owner's signatures.
struct Payment {
    Scheme scheme;
    /// the authorization's, or the intent's
    bytes signature;
    /// that of a `Permit` of the budget to this contract, with the intent's `validBefore` as its deadline, 65 bytes; empty
    /// where there is an allowance already. Nothing in the other schemes.
    bytes permit;
}

/// @title The money of intents: taken from the owner, and all of it handed on within one call
/// @notice Between calls this contract owns nothing. What somebody sends it unasked goes to the owner of the next intent.
abstract contract IntentPayments is EIP712 {
    using SafeERC20 for IERC20;

    /// @notice The intent is not valid now.
    /// @param time the block's time
    /// @param validAfter it is valid after this
    /// @param validBefore and before this
    error IntentNotInForce(uint256 time, uint256 validAfter, uint256 validBefore);
    /// @notice The intent names who may submit it.
    /// @param caller who tried
    /// @param relayer who may
    error WrongRelayer(address caller, address relayer);
    /// @notice The fee is more than the owner has agreed to.
    /// @param fee what was asked for
    /// @param max what the intent allows
    error FeeTooHigh(uint256 fee, uint256 max);
    /// @notice The budget does not cover what is wanted and the fee.
    /// @param left what the fee leaves of it
    /// @param needed what is wanted
    error BudgetTooSmall(uint256 left, uint256 needed);
    /// @notice The intent was carried out before.
    /// @param intentId the intent
    error IntentUsed(bytes32 intentId);
    /// @notice The signature of the intent is not the owner's: somebody else's, or of another intent, chain or contract.
    /// @param owner who should have signed
    /// @param intentId what should have been signed
    error WrongIntentSignature(address owner, bytes32 intentId);
    /// @notice A contract address was zero.
    error ZeroAddress();

    /// @notice An intent was carried out.
    /// @param intentId its EIP-712 hash
    /// @param owner who signed and paid
    /// @param relayer who submitted it and received the fee
    /// @param subject the new resource, the new or extended or funded registration
    /// @param fee what the relayer kept
    /// @param returned what was left of the budget and went back
    event IntentExecuted(
        bytes32 indexed intentId,
        address indexed owner,
        address indexed relayer,
        uint256 subject,
        uint256 fee,
        uint256 returned
    );

    /// @notice The token that budgets and fees are in.
    IERC20 public immutable paymentToken;

    /// @dev Intents that were carried out against an allowance. The others are remembered by the token.
    mapping(bytes32 intentId => bool) private _used;

    /// @param paymentToken_ an ERC-20 that moves exactly the amount asked for
    /// @param spender takes what intents cost
    constructor(IERC20 paymentToken_, address spender) EIP712("Floe Intents", "1") {
        if (address(paymentToken_) == address(0) || spender == address(0)) revert ZeroAddress();
        paymentToken = paymentToken_;
        // Nothing is here for it to take but within a call that makes it.
        paymentToken_.forceApprove(spender, type(uint256).max);
    }

    /// @notice Whether an intent can no longer be carried out.
    /// @param owner who signed it
    /// @param intentId its EIP-712 hash
    /// @return true if it was carried out, or if its authorization was cancelled
    function isUsed(address owner, bytes32 intentId) external view returns (bool) {
        return _used[intentId] || _isAuthorizationUsed(owner, intentId);
    }

    /// @dev Checks what every intent says, and takes the budget. Returns what may be spent on the intent itself.
    function _begin(Terms calldata terms, bytes32 intentId, Payment calldata payment, uint256 fee)
        internal
        returns (uint256 maxCost)
    {
        if (terms.relayer != address(0) && terms.relayer != msg.sender) revert WrongRelayer(msg.sender, terms.relayer);
        if (block.timestamp <= terms.validAfter || block.timestamp >= terms.validBefore) {
            revert IntentNotInForce(block.timestamp, terms.validAfter, terms.validBefore);
        }
        uint256 maxFee = Math.min(terms.maxFee, terms.budget);
        if (fee > maxFee) revert FeeTooHigh(fee, maxFee);
        // One id is carried out once, also if its owner has signed it for two schemes.
        if (_used[intentId]) revert IntentUsed(intentId);
        if (payment.scheme == Scheme.Allowance) {
            if (_isAuthorizationUsed(terms.owner, intentId)) revert IntentUsed(intentId);
            _used[intentId] = true;
            _takeAllowed(terms, intentId, payment);
        } else {
            _takeAuthorized(terms, intentId, payment);
        }
        return terms.budget - fee;
    }

    /// @dev Pays the fee and gives back what is left: nothing stays.
    function _end(Terms calldata terms, bytes32 intentId, uint256 subject, uint256 fee) internal {
        if (fee != 0) paymentToken.safeTransfer(msg.sender, fee);
        uint256 left = paymentToken.balanceOf(address(this));
        if (left != 0) paymentToken.safeTransfer(terms.owner, left);
        emit IntentExecuted(intentId, terms.owner, msg.sender, subject, fee, left);
    }

    /// @dev The token checks the signature, which covers the intent as the nonce, and that the caller is the payee.
    function _takeAuthorized(Terms calldata terms, bytes32 intentId, Payment calldata payment) private {
        IAuthorizedToken token = IAuthorizedToken(address(paymentToken));
        if (payment.scheme == Scheme.ContractAuthorization) {
            token.receiveWithAuthorization(
                terms.owner, address(this), terms.budget, terms.validAfter, terms.validBefore, intentId, payment.signature
            );
        } else {
            (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(payment.signature);
            token.receiveWithAuthorization(
                terms.owner, address(this), terms.budget, terms.validAfter, terms.validBefore, intentId, v, r, s
            );
        }
    }

    function _takeAllowed(Terms calldata terms, bytes32 intentId, Payment calldata payment) private {
        if (!SignatureChecker.isValidSignatureNowCalldata(terms.owner, intentId, payment.signature)) {
            revert WrongIntentSignature(terms.owner, intentId);
        }
        if (payment.permit.length != 0) {
            (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(payment.permit);
            // Somebody may have handed it in before, which does no harm: what counts is the allowance.
            try IERC20Permit(address(paymentToken)).permit(
                terms.owner, address(this), terms.budget, terms.validBefore, v, r, s
            ) {} catch {}
        }
        paymentToken.safeTransferFrom(terms.owner, address(this), terms.budget);
    }

    /// @dev False also for tokens without authorizations.
    function _isAuthorizationUsed(address owner, bytes32 intentId) private view returns (bool) {
        (bool success, bytes memory answer) =
            address(paymentToken).staticcall(abi.encodeCall(IAuthorizedToken.authorizationState, (owner, intentId)));
        return success && answer.length == 32 && abi.decode(answer, (uint256)) != 0;
    }
}
