// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What `Storage` refuses
/// @notice Apart, so that the contracts that call it have these errors in their ABI too.
interface StorageErrors {
    /// @notice The network has not been launched.
    error NotLaunched();
    /// @notice Only the contracts that hold registrations may do this.
    /// @param caller who tried
    error NotARegistrar(address caller);
    /// @notice A size of zero, or one that does not fit into a resource.
    /// @param got bytes
    /// @param max the most
    error SizeOutOfRange(uint256 got, uint256 max);
    /// @notice Storage is sold for at least one epoch and not too far ahead.
    /// @param got epochs from the current one on
    /// @param max how many can be bought
    error EpochsAheadOutOfRange(uint32 got, uint32 max);
    /// @notice The end has to come after the start.
    error EndNotAfterStart(uint32 start, uint32 end);
    /// @notice The network's capacity is sold out in an epoch.
    /// @param epoch the first such epoch
    /// @param wanted bytes that would be reserved in it
    /// @param capacity bytes that can be
    error CapacityExceeded(uint32 epoch, uint256 wanted, uint64 capacity);
    /// @notice It costs more than the caller agreed to.
    /// @param cost what it costs
    /// @param max what the caller agreed to
    error PaymentTooSmall(uint256 cost, uint256 max);
    /// @notice The limit of epochs is outside of 1 to 1000.
    error MaxEpochsAheadOutOfRange(uint32 got, uint32 max);
    /// @notice More than the whole.
    error BasisPointsOutOfRange(uint256 got, uint256 max);
    /// @notice Epochs are closed in order.
    error EpochNotNext(uint32 expected, uint32 got);

    /// @notice A resource is cut inside of its period.
    /// @param epoch where it should be cut
    /// @param start its first epoch
    /// @param end first epoch that it does not cover
    error SplitOutOfRange(uint32 epoch, uint32 start, uint32 end);
    /// @notice A resource is cut into two parts that are not empty, or is too small for what it should hold.
    /// @param got bytes asked of it
    /// @param size bytes that it has
    error ResourceTooSmall(uint256 got, uint256 size);
    /// @notice A resource does not cover the epoch.
    /// @param epoch the epoch that it has to cover
    /// @param start its first epoch
    /// @param end first epoch that it does not cover
    error ResourceNotCovering(uint32 epoch, uint32 start, uint32 end);
    /// @notice Resources with one size are joined along time, those with one period along size; these share neither, or
    ///         do not touch.
    error NotFusible(uint256 first, uint256 second);
}
