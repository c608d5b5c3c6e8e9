//! The two directions of the matrix, and the one live encoding type.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::wire::{Reader, WireError};

/// Which of the two slivers of a pair: a row or a column of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Rows: `n - f` symbols each; `n - 2f` of them rebuild the blob.
    Primary,
    /// Columns: `n - 2f` symbols each; `n - f` of them rebuild the blob.
    Secondary,
}

impl Axis {
    /// Both axes, primary first.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Secondary];

    /// The axis that crosses this one.
    pub fn orthogonal(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }

    /// The tag byte in serialized forms: 0 or 1.
    pub fn tag(self) -> u8 {
        match self {
            Self::Primary => 0,
            Self::Secondary => 1,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.uleb()? {
            0 => Ok(Self::Primary),
            1 => Ok(Self::Secondary),
            got => Err(WireError::Variant { what: "axis", got }),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}

/// The text is not `primary` or `secondary`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a sliver type, expected `primary` or `secondary`")]
pub struct AxisParseError(String);

impl FromStr for Axis {
    type Err = AxisParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "primary" => Ok(Self::Primary),
            "secondary" => Ok(Self::Secondary),
            other => Err(AxisParseError(other.chars().take(32).collect())),
        }
    }
}

/// How a blob was encoded; part of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawEncodingType")]
pub enum EncodingType {
    /// Retired; the number is kept so that it is never given away again. No decoder accepts it.
    RedStuffRaptorQ,
    /// Red Stuff with Reed–Solomon: the only supported type.
    #[serde(rename = "RS2")]
    Rs2,
}

impl EncodingType {
    /// The number in metadata, in blob ids and on chain.
    pub fn number(self) -> u8 {
        match self {
            Self::RedStuffRaptorQ => 0,
            Self::Rs2 => 1,
        }
    }

    /// The supported type with this number.
    ///
    /// # Errors
    /// Everything but 1.
    pub fn from_number(number: u8) -> Result<Self, UnsupportedEncoding> {
        match number {
            1 => Ok(Self::Rs2),
            other => Err(UnsupportedEncoding(other.to_string())),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.uleb()? {
            1 => Ok(Self::Rs2),
            got => Err(WireError::Variant { what: "encoding type", got }),
        }
    }
}

impl fmt::Display for EncodingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RedStuffRaptorQ => "RedStuff",
            Self::Rs2 => "RS2",
        })
    }
}

/// An encoding type that does not exist or is retired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("encoding type {0:?} is not supported, only RS2 is")]
pub struct UnsupportedEncoding(String);

impl FromStr for EncodingType {
    type Err = UnsupportedEncoding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "rs2" | "reed-solomon" | "redstuff/reed-solomon" => Ok(Self::Rs2),
            other => Err(UnsupportedEncoding(other.chars().take(32).collect())),
        }
    }
}

/// The serialized form, retired number included, so that it can be refused by name.
#[derive(Deserialize)]
enum RawEncodingType {
    RedStuffRaptorQ,
    #[serde(rename = "RS2")]
    Rs2,
}

impl TryFrom<RawEncodingType> for EncodingType {
    type Error = UnsupportedEncoding;

    fn try_from(raw: RawEncodingType) -> Result<Self, Self::Error> {
        match raw {
            RawEncodingType::RedStuffRaptorQ => Err(UnsupportedEncoding("RedStuffRaptorQ".into())),
            RawEncodingType::Rs2 => Ok(Self::Rs2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers() {
        for axis in Axis::ALL {
            assert_eq!(axis.to_string().parse(), Ok(axis));
            assert_eq!(bcs::to_bytes(&axis).unwrap(), [axis.tag()]);
        }
        assert!("Primary".parse::<Axis>().is_err());
        for text in ["RS2", "rs2", "Reed-Solomon", "RedStuff/Reed-Solomon"] {
            assert_eq!(text.parse(), Ok(EncodingType::Rs2));
        }
        assert!("RedStuff".parse::<EncodingType>().is_err());
        assert_eq!(serde_json::to_string(&EncodingType::Rs2).unwrap(), "\"RS2\"");
        assert_eq!(serde_json::from_str::<EncodingType>("\"RS2\"").unwrap(), EncodingType::Rs2);
        assert_eq!(bcs::from_bytes::<EncodingType>(&[1]).unwrap(), EncodingType::Rs2);
        assert!(bcs::from_bytes::<EncodingType>(&[0]).is_err());
        assert!(EncodingType::from_number(0).is_err());
    }
}
