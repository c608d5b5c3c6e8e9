//! Point layouts for the EIP-2537 precompiles and the base64 text of keys and signatures.

/// Bytes of a base-field element.
const FIELD_BYTES: usize = 48;
/// Bytes of a base-field element in calldata: 16 zero bytes, then 48 big-endian ones.
const PADDED_BYTES: usize = 64;

/// Lays out field elements for the precompile; `order[k]` is the source element of slot `k`.
fn padded<const OUT: usize>(source: &[u8], order: &[usize]) -> [u8; OUT] {
    let mut out = [0; OUT];
    let elements: Vec<&[u8]> = source.chunks_exact(FIELD_BYTES).collect();
    for (slot, &element) in out.chunks_exact_mut(PADDED_BYTES).zip(order) {
        slot[PADDED_BYTES - FIELD_BYTES..].copy_from_slice(elements[element]);
    }
    out
}

/// `x ‖ y` of a G1 point as four calldata words.
pub(super) fn g1_to_eip2537(uncompressed: &[u8; 96]) -> [u8; 128] {
    padded(uncompressed, &[0, 1])
}

/// A G2 point as eight calldata words `x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1`; blst writes `c1` before `c0`.
pub(super) fn g2_to_eip2537(uncompressed: &[u8; 192]) -> [u8; 256] {
    padded(uncompressed, &[1, 0, 3, 2])
}

/// Serde as standard base64 text with padding, `Display` and `Debug` likewise.
macro_rules! base64_text {
    ($name:ident, $what:literal, $max:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::wire::base64_encode(&self.to_bytes()))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::DecodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let bytes = crate::wire::base64_decode($what, text, $max)?;
                Ok(Self::from_bytes(&bytes)?)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use base64_text;
