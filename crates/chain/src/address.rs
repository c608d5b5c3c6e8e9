//! Account addresses and transaction hashes, as bytes with a text form.

use std::{fmt, str::FromStr};

use alloy::primitives;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// An account or contract on an EVM chain: 20 bytes.
///
/// Text form: `0x` and 40 hex digits, capitalised by EIP-55. Parsing takes all-lower and all-upper digits as they are;
/// mixed digits must carry the right EIP-55 capitals, so that a mistyped address is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address([u8; 20]);

impl Address {
    /// Wraps the 20 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    pub(crate) const fn evm(self) -> primitives::Address {
        primitives::Address::new(self.0)
    }

    pub(crate) const fn from_evm(address: primitives::Address) -> Self {
        Self(address.into_array())
    }
}

impl From<[u8; 20]> for Address {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.evm().to_checksum(None))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no address or transaction hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HexError {
    /// Not `0x` and the right number of hex digits.
    #[error("expected 0x and {digits} hex digits")]
    Malformed {
        /// How many digits are wanted.
        digits: usize,
    },
    /// The capitals do not fit the digits.
    #[error("the capital letters do not match this address (EIP-55): mistyped? It should be {expected}")]
    Checksum {
        /// The address as given, with the right capitals.
        expected: String,
    },
}

impl FromStr for Address {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = parse_hex::<20>(text)?;
        let address = Self(bytes);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
        if mixed && address.to_string().strip_prefix("0x") != Some(digits) {
            return Err(HexError::Checksum { expected: address.to_string() });
        }
        Ok(address)
    }
}

/// The hash by which a transaction is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TxHash([u8; 32]);

impl TxHash {
    /// Wraps the 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base58, the form of transaction digests in the HTTP API.
    #[must_use]
    pub fn base58(&self) -> String {
        bs58::encode(self.0).into_string()
    }
}

impl fmt::Display for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TxHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

/// The number of a proposal: the hash of the call that it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProposalId([u8; 32]);

impl ProposalId {
    /// Wraps the 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ProposalId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let mut bytes = [0; N];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| HexError::Malformed { digits: 2 * N })?;
    Ok(bytes)
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_serde!(Address);
text_serde!(TxHash);
text_serde!(ProposalId);

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUMMED: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn addresses_print_with_their_checksum_and_parse_back() {
        let address: Address = CHECKSUMMED.to_lowercase().parse().unwrap();
        assert_eq!(address.to_string(), CHECKSUMMED);
        assert_eq!(CHECKSUMMED.parse::<Address>().unwrap(), address);
        assert_eq!(serde_json::to_string(&address).unwrap(), format!("\"{CHECKSUMMED}\""));
    }

    #[test]
    fn a_mistyped_capital_is_noticed() {
        let wrong = CHECKSUMMED.replace("Fd6", "fd6");
        assert!(matches!(wrong.parse::<Address>(), Err(HexError::Checksum { expected }) if expected == CHECKSUMMED));
        assert!(matches!("0x12".parse::<Address>(), Err(HexError::Malformed { digits: 40 })));
    }

    #[test]
    fn transaction_hashes_have_a_base58_form() {
        let hash = TxHash::from_bytes([0; 32]);
        assert_eq!(hash.base58(), "1".repeat(32));
        assert_eq!(hash.to_string().parse::<TxHash>().unwrap(), hash);
    }
}
