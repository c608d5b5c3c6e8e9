// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What `Pools` refuses, beside what it shares with `Blobs`
interface PoolsErrors {
    /// @notice There is no room for the blob.
    /// @param poolId the pool
    /// @param needed encoded bytes that it would have to hold
    /// @param size encoded bytes that it can
    error PoolFull(uint256 poolId, uint64 needed, uint64 size);
    /// @notice Only an empty pool can be destroyed.
    /// @param poolId the pool
    /// @param blobs how many are in it
    error PoolNotEmpty(uint256 poolId, uint64 blobs);
    /// @notice A resource that a pool takes up ends when the pool does.
    /// @param expected the pool's end
    /// @param got the resource's end
    error EndsDiffer(uint32 expected, uint32 got);
    /// @notice Only what no blob uses can be taken out of a pool, and something has to stay.
    /// @param got bytes
    /// @param max the most
    error DecreaseOutOfRange(uint64 got, uint64 max);
}
