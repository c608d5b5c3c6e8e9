//! Epochs and the 32-byte identities of nodes and blob objects.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Number of an epoch: the span during which one committee answers.
///
/// Epoch 0 is before the network was launched; the first committee serves epoch 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The epoch after this one; stays at the last number there is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not a 32-byte id in hex.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// No digit at all.
    #[error("an id needs at least one hex digit")]
    Empty,
    /// More than 64 digits.
    #[error("an id has at most 64 hex digits, got {got}")]
    TooLong {
        /// Digits given.
        got: usize,
    },
    /// Something that is no hex digit.
    #[error("an id consists of hex digits, optionally after '0x'")]
    NotHex,
}

/// Reads up to 64 hex digits, with or without `0x`; short forms are padded with zeros on the left.
fn parse_hex_id(text: &str) -> Result<[u8; 32], IdError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match digits.len() {
        0 => return Err(IdError::Empty),
        1..=64 => {}
        got => return Err(IdError::TooLong { got }),
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).map_err(|_| IdError::NotHex)?;
    Ok(bytes)
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
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

            /// The id that stands for a number on an EVM chain: 32 big-endian bytes.
            #[must_use]
            pub fn from_number(number: u64) -> Self {
                let mut bytes = [0; 32];
                bytes[24..].copy_from_slice(&number.to_be_bytes());
                Self(bytes)
            }

            /// The number, if it fits 64 bits.
            #[must_use]
            pub fn to_number(&self) -> Option<u64> {
                let (high, low) = self.0.split_last_chunk::<8>()?;
                high.iter().all(|&byte| byte == 0).then(|| u64::from_be_bytes(*low))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex_id(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// Identity of a storage node; orders the members of a committee (as byte strings).
    ///
    /// On an EVM chain it is the node's number in the registry as 32 big-endian bytes, so that order of ids and
    /// order of numbers agree. Text form: `0x` and 64 hex digits; shorter and unprefixed forms are read too.
    NodeId
}

hex_id! {
    /// Identity of a blob object, one registration of a blob on chain.
    ///
    /// On an EVM chain it is the token number as 32 big-endian bytes. Text form: `0x` and 64 hex digits; shorter
    /// and unprefixed forms are read too.
    ObjectId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian_and_order_alike() {
        let id = NodeId::from_number(258);
        assert_eq!(id.to_string(), "0x0000000000000000000000000000000000000000000000000000000000000102");
        assert_eq!(id.to_number(), Some(258));
        assert!(NodeId::from_number(255) < NodeId::from_number(256));
        assert_eq!(NodeId::from_bytes([1; 32]).to_number(), None);
        assert_eq!(ObjectId::from_number(u64::MAX).to_number(), Some(u64::MAX));
    }

    #[test]
    fn text_forms() {
        let seven = ObjectId::from_number(7);
        for text in ["7", "0x7", "07", "0x0000000000000007", &seven.to_string()] {
            assert_eq!(text.parse::<ObjectId>(), Ok(seven), "{text}");
        }
        assert_eq!("".parse::<ObjectId>(), Err(IdError::Empty));
        assert_eq!("0x".parse::<ObjectId>(), Err(IdError::Empty));
        assert_eq!("0".repeat(65).parse::<ObjectId>(), Err(IdError::TooLong { got: 65 }));
        for text in ["0xg", "+7", "0x 7", "é", "0x0x1"] {
            assert_eq!(text.parse::<ObjectId>(), Err(IdError::NotHex), "{text}");
        }
    }

    #[test]
    fn json_is_the_text_form() {
        let id = ObjectId::from_number(7);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<ObjectId>(&json).unwrap(), id);
        assert_eq!(serde_json::to_string(&Epoch(21)).unwrap(), "21");
        assert_eq!(Epoch(u32::MAX).next(), Epoch(u32::MAX));
    }
}
