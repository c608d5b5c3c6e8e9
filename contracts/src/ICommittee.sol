// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.24;

/// @title Who checks certificates: aggregate signatures of the current committee, weighed by shards
interface ICommittee {
    /// @notice Returns only if members with at least 2f + 1 shards (3w >= 2n + 1) signed `message` in the current epoch.
    /// @param message the signed bytes: header with the current epoch, then the body
    /// @param signers bit i mod 8 (least significant first) of byte i / 8 is set when member i signed; missing bytes are 0
    /// @param signature the sum of the signers' signatures, a point of G2 as EIP-2537 writes it
    function requireQuorum(bytes calldata message, bytes calldata signers, bytes32[8] calldata signature) external view;

    /// @notice Returns only if members with enough shards that one of them is honest (3w >= n + 1) signed `message` in
    ///         the current epoch.
    /// @param message the signed bytes: header with the current epoch, then the body
    /// @param signers as for `requireQuorum`
    /// @param signature as for `requireQuorum`
    function requireOneHonest(bytes calldata message, bytes calldata signers, bytes32[8] calldata signature)
        external
        view;
}
