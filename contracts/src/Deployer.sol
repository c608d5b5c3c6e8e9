// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Creates contracts that know each other's addresses before any of them exists
/// @notice The n-th contract created here has the address that follows from this contract's address and n alone, so the
///         contracts of a network can name each other as immutables whatever the order of their creation. Nobody else's
///         transactions move n, and a deployment that was interrupted goes on where it stopped.
contract Deployer {
    /// @notice Only the owner may create.
    /// @param caller who tried
    /// @param owner who may
    error NotOwner(address caller, address owner);
    /// @notice The creation code reverted without a reason.
    error CreationFailed();

    /// @notice Who may create.
    address public immutable owner;
    /// @notice How many contracts were created here.
    uint256 public created;

    /// @param owner_ who may create
    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Creates the next contract.
    /// @param code creation code, with the constructor's arguments
    /// @return location its address: the one of CREATE from here with nonce `created`
    function create(bytes calldata code) external returns (address location) {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        ++created;
        bytes memory creation = code;
        assembly ("memory-safe") {
            location := create(0, add(creation, 0x20), mload(creation))
            if and(iszero(location), gt(returndatasize(), 0)) {
                let reason := mload(0x40)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
        }
        if (location == address(0)) revert CreationFailed();
    }
}
