// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381} from "../src/BLS12381.sol";
import {Blake2b} from "../src/Blake2b.sol";

/// @title The libraries' internal functions, callable by tests that compare them with other implementations
contract Primitives {
    /// @notice `BLS12381.hashToG2`.
    /// @param message the bytes to hash
    /// @return a point of G2
    function hashToG2(bytes calldata message) external view returns (bytes32[8] memory) {
        return BLS12381.hashToG2(message);
    }

    /// @notice `BLS12381.reduce`.
    /// @param integer its two words, the upper first
    /// @return those of the remainder
    function reduce(uint256[2] memory integer) external pure returns (uint256[2] memory) {
        uint256 location;
        assembly ("memory-safe") {
            location := integer
        }
        BLS12381.reduce(location);
        return integer;
    }

    /// @notice `BLS12381.compress`.
    /// @param point a point of G1
    /// @return its 48-byte form
    function compress(bytes32[4] calldata point) external pure returns (bytes memory) {
        return BLS12381.compress(point);
    }

    /// @notice a - b, by `BLS12381.negate` and `BLS12381.addTo`.
    /// @param a a point of G1
    /// @param b a point of G1
    /// @return difference their difference
    function subtract(bytes32[4] calldata a, bytes32[4] calldata b) external view returns (bytes32[4] memory difference) {
        difference = b;
        BLS12381.negate(difference);
        BLS12381.addTo(difference, a);
    }

    /// @notice `BLS12381.verify`.
    /// @param key a point of G1
    /// @param message the signed bytes
    /// @param signature a point of G2
    /// @return whether the signature holds
    function verify(bytes32[4] calldata key, bytes calldata message, bytes32[8] calldata signature)
        external
        view
        returns (bool)
    {
        return BLS12381.verify(key, message, signature);
    }

    /// @notice `Blake2b.hash`.
    /// @param data any bytes
    /// @return the 32-byte digest
    function blake2b(bytes calldata data) external view returns (bytes32) {
        return Blake2b.hash(data);
    }
}
