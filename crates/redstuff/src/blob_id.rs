//! The name of a blob: a hash over what it contains and how it is encoded.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{EncodingType, hash};

/// Identifies a blob (spec/encoding.md section 9). The same bytes in networks with the same number of
/// shards have the same id.
///
/// As text it is URL-safe base64 without padding, always 43 characters; serde writes the text in
/// human-readable formats and the 32 raw bytes in others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; BlobId::LENGTH]);

impl BlobId {
    /// Length in bytes.
    pub const LENGTH: usize = 32;
    /// Length of the text form in characters.
    pub const TEXT_LENGTH: usize = 43;

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes, in memory order.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The id of a blob of `unencoded_length` bytes whose pair tree has this root.
    pub fn from_root(encoding_type: EncodingType, unencoded_length: u64, root_hash: &[u8; 32]) -> Self {
        let mut preimage = [0; 41];
        preimage[0] = encoding_type.number();
        preimage[1..9].copy_from_slice(&unencoded_length.to_le_bytes());
        preimage[9..].copy_from_slice(root_hash);
        Self(hash::hash(&preimage))
    }

    /// The id that block explorers show as this decimal number: the bytes read as a little-endian
    /// integer. `None` if the text is not a decimal number below 2^256.
    pub fn from_decimal(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 78 {
            return None;
        }
        let mut bytes = [0u8; Self::LENGTH];
        for digit in text.bytes() {
            let mut carry = u16::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
            for byte in &mut bytes {
                let [low, high] = (u16::from(*byte) * 10 + carry).to_le_bytes();
                *byte = low;
                carry = u16::from(high);
            }
            if carry > 0 {
                return None;
            }
        }
        Some(Self(bytes))
    }

    /// The bytes read as a little-endian integer, in decimal: the form that block explorers show.
    pub fn to_decimal(&self) -> String {
        let mut rest = self.0;
        let mut digits = Vec::new();
        while rest.iter().any(|byte| *byte != 0) {
            let remainder = rest.iter_mut().rev().fold(0u16, |remainder, byte| {
                let value = remainder * 256 + u16::from(*byte);
                *byte = u8::try_from(value / 10).expect("remainder is below 10");
                value % 10
            });
            digits.push(char::from(b'0' + u8::try_from(remainder).expect("one digit")));
        }
        if digits.is_empty() {
            digits.push('0');
        }
        digits.iter().rev().collect()
    }
}

impl AsRef<[u8]> for BlobId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::TEXT_LENGTH];
        let length = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// The text is not a blob id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobIdParseError {
    /// Not 43 characters of URL-safe base64, or the last character has bits that no byte owns.
    #[error("{text:?} is not a blob id: expected 43 characters of URL-safe base64")]
    Invalid {
        /// The beginning of the text.
        text: String,
    },
    /// A decimal number, as block explorers show ids.
    #[error("{text:?} looks like a decimal blob id; its base64 form is {base64}")]
    Decimal {
        /// The text.
        text: String,
        /// The same id in the form that is expected.
        base64: BlobId,
    },
}

impl FromStr for BlobId {
    type Err = BlobIdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One byte more than an id, so that longer texts overflow instead of being cut.
        let mut bytes = [0; Self::LENGTH + 1];
        if text.len() == Self::TEXT_LENGTH
            && let Ok(Self::LENGTH) = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes)
            && let Some((id, _)) = bytes.split_first_chunk()
        {
            return Ok(Self(*id));
        }
        let shown = text.chars().take(80).collect();
        Err(match Self::from_decimal(text) {
            Some(base64) => BlobIdParseError::Decimal { text: shown, base64 },
            None => BlobIdParseError::Invalid { text: shown },
        })
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            <[u8; Self::LENGTH]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "OCPSL5aZBEkvKTbyO96C3dctIcax6AZ8NJacCk227rI";
    const DECIMAL: &str = "80933454844107220818679263525457079202452443330232294317323003948654058939192";

    #[test]
    fn decimal_is_refused_with_the_base64_form() {
        let id: BlobId = TEXT.parse().unwrap();
        assert_eq!(id.to_decimal(), DECIMAL);
        let error = DECIMAL.parse::<BlobId>().unwrap_err();
        assert!(error.to_string().contains(TEXT), "{error}");
        assert_eq!(BlobId::from_decimal(&"9".repeat(78)), None);
        assert_eq!(BlobId::from_decimal("0").unwrap().to_decimal(), "0");
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let changed_tail = format!("{}J", &TEXT[..42]);
        for bad in ["", "abc", &TEXT[1..], &format!("{TEXT}="), &format!("{TEXT}A"), &changed_tail] {
            let error = bad.parse::<BlobId>().unwrap_err();
            assert!(matches!(error, BlobIdParseError::Invalid { .. }), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_json_bcs_and_decimal_round_trip(bytes: [u8; 32]) {
            let id = BlobId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<BlobId>(), Ok(id));
            prop_assert_eq!(BlobId::from_decimal(&id.to_decimal()), Some(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<BlobId>(&json).unwrap(), id);
            prop_assert_eq!(bcs::to_bytes(&id).unwrap(), bytes);
            prop_assert_eq!(bcs::from_bytes::<BlobId>(&bytes).unwrap(), id);
        }
    }
}
