// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Creates contracts that know each other's addresses before any of them exists
/// @notice The n-th contract created here has the address that follows from this contract's address and n alone, so the
///         contracts of a network can name each other as immutables whatever the order of their creation. Nobody else's
///         transactions move n, and a deployment that was interrupted goes on where it stopped: each creation says which
///         one it is, so none happens twice.
contract Deployer {
    /// @notice Only the owner may create.
    /// @param caller who tried
    /// @param owner who may
    error NotOwner(address caller, address owner);
    /// @notice Another creation is next: this one happened before, or comes too early.
    /// @param index the creation that was asked for
    /// @param next the one that is next
    error NotNext(uint256 index, uint256 next);
    /// @notice The creation code reverted without a reason.
    error CreationFailed();

    /// @notice Who may create.
    address public immutable owner;
    /// @notice What is to be created here, as its owner tells deployments apart.
    bytes32 public immutable plan;
    /// @notice How many contracts were created here.
    uint256 public created;

    /// @param owner_ who may create
    /// @param plan_ what is to be created here
    constructor(address owner_, bytes32 plan_) {
        owner = owner_;
        plan = plan_;
    }

    /// @notice Creates the next contract.
    /// @param index how many were created before
    /// @param code creation code, with the constructor's arguments
    /// @return location its address: the one of CREATE from here with nonce `created`
    function create(uint256 index, bytes calldata code) external returns (address location) {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        if (index != created) revert NotNext(index, created);
        created = index + 1;
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
