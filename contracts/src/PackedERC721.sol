// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title ERC-721 whose tokens carry twelve bytes of their own beside the owner
/// @notice OpenZeppelin's ERC-721 in all but where ownership is kept: owner and data share one storage slot, so that a
///         token with a small record costs one new slot instead of two. Tokens are created without a callback to
///         the receiver.
abstract contract PackedERC721 is ERC721 {
    /// @dev Bits of the owner; the data lies above.
    uint256 private constant OWNER_BITS = 160;

    /// @dev Owner in the low 160 bits, data in the upper 96.
    mapping(uint256 tokenId => uint256) private _tokens;
    mapping(address owner => uint256) private _counts;

    /// @inheritdoc ERC721
    function balanceOf(address owner) public view virtual override returns (uint256) {
        if (owner == address(0)) revert ERC721InvalidOwner(address(0));
        return _counts[owner];
    }

    /// @dev Owner and data of a token; zeros if there is none.
    function _find(uint256 tokenId) internal view returns (address owner, uint96 data) {
        uint256 word = _tokens[tokenId];
        return (address(uint160(word)), uint96(word >> OWNER_BITS));
    }

    /// @dev Owner and data of a token that must exist.
    function _token(uint256 tokenId) internal view returns (address owner, uint96 data) {
        (owner, data) = _find(tokenId);
        if (owner == address(0)) revert ERC721NonexistentToken(tokenId);
    }

    /// @dev Owner and data of a token that `caller` owns or was approved for.
    function _tokenFor(address caller, uint256 tokenId) internal view returns (address owner, uint96 data) {
        (owner, data) = _token(tokenId);
        _checkAuthorized(owner, caller, tokenId);
    }

    /// @dev Replaces the data of a token whose owner the caller has just read.
    function _setData(uint256 tokenId, address owner, uint96 data) internal {
        _tokens[tokenId] = uint160(owner) | (uint256(data) << OWNER_BITS);
    }

    /// @dev Creates a token of a number that was never used. The caller counts it with `_credit`.
    function _create(address to, uint256 tokenId, uint96 data) internal {
        if (to == address(0)) revert ERC721InvalidReceiver(address(0));
        _setData(tokenId, to, data);
        emit Transfer(address(0), to, tokenId);
    }

    /// @dev Counts tokens that were created for an account.
    function _credit(address owner, uint256 tokens) internal {
        _counts[owner] += tokens;
    }

    /// @inheritdoc ERC721
    function _ownerOf(uint256 tokenId) internal view override returns (address) {
        return address(uint160(_tokens[tokenId]));
    }

    /// @dev Moves or burns a token; a burned one loses its data.
    function _update(address to, uint256 tokenId, address auth) internal virtual override returns (address from) {
        uint256 word = _tokens[tokenId];
        from = address(uint160(word));
        if (auth != address(0)) _checkAuthorized(from, auth, tokenId);
        if (from != address(0)) {
            _approve(address(0), tokenId, address(0), false);
            --_counts[from];
        }
        if (to == address(0)) {
            delete _tokens[tokenId];
        } else {
            ++_counts[to];
            _tokens[tokenId] = uint160(to) | ((word >> OWNER_BITS) << OWNER_BITS);
        }
        emit Transfer(from, to, tokenId);
    }

    /// @dev OpenZeppelin's counter is not used.
    function _increaseBalance(address account, uint128 value) internal override {
        _counts[account] += value;
    }
}
