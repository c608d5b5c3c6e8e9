// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What `Blobs` keeps of a registration beside its owner and its blob id, in twelve bytes.
struct Registration {
    /// length of the blob in bytes
    uint64 size;
    /// epoch of the registration
    uint32 registeredEpoch;
    /// epoch of the certificate; 0 while there is none
    uint32 certifiedEpoch;
    /// first epoch that is not paid for
    uint32 endEpoch;
    /// whether its owner may delete it before its end
    bool deletable;
}

/// @title Registrations in twelve bytes
/// @notice size (41 bits) | epoch of the registration (24) | 1 + epochs until the certificate, 0 for none (10) | epochs
///         until the end (20) | deletable (1). No blob is longer than 2^41 bytes at 10,000 shards, and a certificate
///         comes within 1,000 epochs, because nothing uncertified can be extended.
library Registrations {
    /// @notice A value does not fit into a record.
    error RecordOutOfRange(string field, uint256 got, uint256 max);

    uint256 private constant MAX_SIZE = (1 << 41) - 1;
    uint256 private constant MAX_EPOCH = (1 << 24) - 1;
    uint256 private constant MAX_CERTIFIED = (1 << 10) - 1;
    uint256 private constant MAX_EPOCHS = (1 << 20) - 1;

    /// @notice The record of a registration.
    /// @param r the registration
    /// @return the record
    function pack(Registration memory r) internal pure returns (uint96) {
        uint256 certified = r.certifiedEpoch == 0 ? 0 : 1 + r.certifiedEpoch - r.registeredEpoch;
        uint256 epochs = r.endEpoch - r.registeredEpoch;
        if (r.size > MAX_SIZE) revert RecordOutOfRange("size", r.size, MAX_SIZE);
        if (r.registeredEpoch > MAX_EPOCH) revert RecordOutOfRange("epoch", r.registeredEpoch, MAX_EPOCH);
        if (certified > MAX_CERTIFIED) revert RecordOutOfRange("certified", certified, MAX_CERTIFIED);
        if (epochs > MAX_EPOCHS) revert RecordOutOfRange("epochs", epochs, MAX_EPOCHS);
        uint256 word = (uint256(r.size) << 24) | r.registeredEpoch;
        word = (((word << 10) | certified) << 20) | epochs;
        return uint96((word << 1) | (r.deletable ? 1 : 0));
    }

    /// @notice What an extension needs of a record, without taking all of it apart.
    /// @param word the record
    /// @return size length of the blob in bytes
    /// @return certifiedEpoch epoch of the certificate; 0 while there is none
    /// @return endEpoch first epoch that is not paid for
    function brief(uint96 word) internal pure returns (uint64 size, uint32 certifiedEpoch, uint32 endEpoch) {
        // No sum of an epoch and a number of epochs in a record is above 2^25.
        unchecked {
            uint256 registered = (word >> 31) & MAX_EPOCH;
            uint256 certified = (word >> 21) & MAX_CERTIFIED;
            size = uint64(word >> 55);
            certifiedEpoch = certified == 0 ? 0 : uint32(registered + certified - 1);
            endEpoch = uint32(registered + ((word >> 1) & MAX_EPOCHS));
        }
    }

    /// @notice The same record with another end.
    /// @param word the record
    /// @param endEpoch first epoch that is not paid for, after the registration
    /// @return the record
    function withEnd(uint96 word, uint32 endEpoch) internal pure returns (uint96) {
        uint256 epochs = endEpoch - ((word >> 31) & MAX_EPOCH);
        if (epochs > MAX_EPOCHS) revert RecordOutOfRange("epochs", epochs, MAX_EPOCHS);
        return uint96((word & ~(MAX_EPOCHS << 1)) | (epochs << 1));
    }

    /// @notice Whether the owner of a record may delete it.
    /// @param word the record
    /// @return true for a deletable one
    function isDeletable(uint96 word) internal pure returns (bool) {
        return word & 1 == 1;
    }

    /// @notice The registration of a record.
    /// @param word the record
    /// @return r the registration
    function unpack(uint96 word) internal pure returns (Registration memory r) {
        r.deletable = word & 1 == 1;
        r.registeredEpoch = uint32((word >> 31) & MAX_EPOCH);
        r.endEpoch = r.registeredEpoch + uint32((word >> 1) & MAX_EPOCHS);
        uint32 certified = uint32((word >> 21) & MAX_CERTIFIED);
        if (certified != 0) r.certifiedEpoch = r.registeredEpoch + certified - 1;
        r.size = uint64(word >> 55);
    }
}
