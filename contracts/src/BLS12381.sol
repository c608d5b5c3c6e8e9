// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title BLS signatures over BLS12-381, public keys in G1 and signatures in G2
/// @notice Built on the precompiles of EIP-2537 (live since Prague) and on SHA-256. Same scheme as the storage nodes':
///         XMD:SHA-256, SSWU, random oracle, the "basic" (NUL) tag, no augmentation. All signers of an aggregate sign the
///         same message, so keys must have proven possession before they are added up.
/// @dev Points are in the encoding of the precompiles. A field element is 64 big-endian bytes, the first 16 zero.
///      G1: x, y (4 words). G2: x.c0, x.c1, y.c0, y.c1 (8 words; the compressed form has c1 first). Infinity: zeros.
library BLS12381 {
    /// @notice A precompile refused its input (a point that is not on the curve or not in the subgroup, a field element
    ///         that is not reduced), is missing on this chain, or ran out of gas.
    /// @param precompile its address
    error PrecompileFailed(uint256 precompile);

    uint256 private constant G1ADD = 0x0b;
    uint256 private constant G2ADD = 0x0d;
    uint256 private constant PAIRING_CHECK = 0x0f;
    uint256 private constant MAP_FP2_TO_G2 = 0x11;

    /// @dev The field's modulus p, upper 128 and lower 256 bits.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// @dev (p - 1) / 2.
    uint256 private constant HALF_P_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_P_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    /// @dev The generator of G1, negated.
    bytes32 private constant MINUS_G1_0 = 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f;
    bytes32 private constant MINUS_G1_1 = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    bytes32 private constant MINUS_G1_2 = 0x00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f2;
    bytes32 private constant MINUS_G1_3 = 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca;

    /// @dev The domain separation tag followed by its length (43).
    bytes private constant TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_\x2b";

    /// @notice Whether `point` is the neutral element.
    /// @param point a point of G1
    /// @return true for infinity
    function isInfinity(bytes32[4] memory point) internal pure returns (bool) {
        return point[0] | point[1] | point[2] | point[3] == 0;
    }

    /// @notice Adds `point` to `sum` in place. Checks that both are on the curve, not that they are in the subgroup.
    /// @param sum the point that changes
    /// @param point the point added
    function addTo(bytes32[4] memory sum, bytes32[4] memory point) internal view {
        uint256 input;
        uint256 output;
        assembly ("memory-safe") {
            input := mload(0x40)
            output := sum
            mcopy(input, sum, 0x80)
            mcopy(add(input, 0x80), point, 0x80)
        }
        _call(G1ADD, input, 0x100, output, 0x80);
    }

    /// @notice Replaces `point` by its inverse, in place.
    /// @param point a point of the curve
    function negate(bytes32[4] memory point) internal pure {
        uint256 high = uint256(point[2]);
        uint256 low = uint256(point[3]);
        if (high | low == 0) return; // only infinity has y = 0: the group's order is odd
        unchecked {
            point[2] = bytes32(P_HIGH - high - (low > P_LOW ? 1 : 0));
            point[3] = bytes32(P_LOW - low);
        }
    }

    /// @notice The 48-byte form in which nodes write public keys: x, with flags in the three top bits.
    /// @param point a point of the curve, not infinity
    /// @return the compressed point
    function compress(bytes32[4] memory point) internal pure returns (bytes memory) {
        uint256 high = uint256(point[2]);
        bool larger = high > HALF_P_HIGH || (high == HALF_P_HIGH && uint256(point[3]) > HALF_P_LOW);
        uint128 flags = uint128(larger ? 0xa0 : 0x80) << 120;
        return abi.encodePacked(uint128(uint256(point[0])) | flags, point[1]);
    }

    /// @notice Whether `signature` is the (aggregate) signature of `message` under the (aggregate) `key`. The signature
    ///         is checked to be in the subgroup; so is the key, which matters when it is seen for the first time.
    /// @dev Reverts when the pairing precompile fails, rather than to return false: running out of gas there must not
    ///      read as "bad signature", nor let `eth_estimateGas` settle on a limit at which the call fails quietly.
    /// @param key a point of G1
    /// @param message the signed bytes
    /// @param signature a point of G2
    /// @return valid true when e(key, H(message)) = e(generator, signature) and the key is not infinity
    function verify(bytes32[4] memory key, bytes memory message, bytes32[8] calldata signature)
        internal
        view
        returns (bool valid)
    {
        if (isInfinity(key)) return false;
        bytes32[8] memory hashed = hashToG2(message);
        uint256 input;
        assembly ("memory-safe") {
            input := mload(0x40)
            mcopy(input, key, 0x80)
            mcopy(add(input, 0x80), hashed, 0x100)
            mstore(add(input, 0x180), MINUS_G1_0)
            mstore(add(input, 0x1a0), MINUS_G1_1)
            mstore(add(input, 0x1c0), MINUS_G1_2)
            mstore(add(input, 0x1e0), MINUS_G1_3)
            calldatacopy(add(input, 0x200), signature, 0x100)
        }
        _call(PAIRING_CHECK, input, 0x300, input, 0x20);
        assembly ("memory-safe") {
            valid := eq(mload(input), 1)
        }
    }

    /// @notice RFC 9380 hash_to_curve into G2, suite BLS12381G2_XMD:SHA-256_SSWU_RO_.
    /// @param message the bytes to hash
    /// @return hashed a point of G2
    function hashToG2(bytes memory message) internal view returns (bytes32[8] memory hashed) {
        bytes32[8] memory elements = _expandMessage(message);
        uint256 u;
        uint256 output;
        uint256 scratch;
        assembly ("memory-safe") {
            u := elements
            output := hashed
            scratch := mload(0x40)
        }
        for (uint256 location = u; location < u + 0x100; location += 0x40) {
            reduce(location);
        }
        // Two elements of Fp2, each mapped to a point (the precompile clears the cofactor); their sum is the hash.
        _call(MAP_FP2_TO_G2, u, 0x80, scratch, 0x100);
        _call(MAP_FP2_TO_G2, u + 0x80, 0x80, scratch + 0x100, 0x100);
        _call(G2ADD, scratch, 0x200, output, 0x100);
    }

    /// @dev RFC 9380 expand_message_xmd to 256 bytes: four 64-byte integers.
    function _expandMessage(bytes memory message) private pure returns (bytes32[8] memory uniform) {
        bytes32 first = sha256(abi.encodePacked(new bytes(64), message, uint16(256), uint8(0), TAG));
        bytes32 previous = 0;
        for (uint8 i = 0; i < 8; ++i) {
            previous = sha256(abi.encodePacked(first ^ previous, i + 1, TAG));
            uniform[i] = previous;
        }
    }

    /// @notice Reduces a 512-bit integer modulo p, in place. Costs the same by all rules of gas, as MODEXP does not.
    /// @dev p lies between `P_HIGH` and `P_HIGH + 1`, times 2^256. So the quotient of the upper word by `P_HIGH + 1` is
    ///      not above that of the integer by p, and falls short of it by less than 2 + high / P_HIGH^2: what is left is
    ///      below 99 p the first time and below 2 p the second.
    /// @param location of its 64 bytes in memory
    function reduce(uint256 location) internal pure {
        uint256 high;
        uint256 low;
        assembly ("memory-safe") {
            high := mload(location)
            low := mload(add(location, 0x20))
        }
        unchecked {
            for (uint256 i = 0; i < 2; ++i) {
                uint256 quotient = high / (P_HIGH + 1);
                (uint256 carry, uint256 product) = Math.mul512(quotient, P_LOW);
                high -= quotient * P_HIGH + carry + SafeCast.toUint(product > low);
                low -= product;
            }
            if (high > P_HIGH || (high == P_HIGH && low >= P_LOW)) {
                high -= P_HIGH + SafeCast.toUint(P_LOW > low);
                low -= P_LOW;
            }
        }
        assembly ("memory-safe") {
            mstore(location, high)
            mstore(add(location, 0x20), low)
        }
    }

    /// @dev Calls a precompile on memory. The size of the answer is checked, since a call to an address without
    ///      a precompile succeeds with no answer.
    function _call(uint256 precompile, uint256 input, uint256 inputSize, uint256 output, uint256 outputSize)
        private
        view
    {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), precompile, input, inputSize, output, outputSize)
            ok := and(ok, eq(returndatasize(), outputSize))
        }
        if (!ok) revert PrecompileFailed(precompile);
    }
}
