//! The strict byte codec (BCS) behind every `to_bcs` and `from_bcs` of this crate.
//!
//! Hand-written instead of derived, because every length must be compared with the bytes that are
//! really there before anything is allocated, and because megabytes of sliver data are copied as one
//! slice. A test holds it against the `bcs` crate. Format: spec/encoding.md section 1 and 10.

/// Why bytes are not a valid encoding of the wanted type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a field.
    #[error("input ends early: {needed} bytes needed, {left} left")]
    Short {
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes follow the end of the value.
    #[error("{left} bytes follow the end of the value")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// A ULEB128 number is not in its shortest form.
    #[error("a length is not written in its shortest form")]
    NonMinimal,
    /// A ULEB128 number does not fit 32 bits.
    #[error("a length exceeds 32 bits")]
    Overflow,
    /// An enum variant that does not exist, or must not be used.
    #[error("unknown variant {got} of {what}")]
    Variant {
        /// The enum.
        what: &'static str,
        /// The variant number read.
        got: u32,
    },
    /// A sequence or byte string is longer than its type allows.
    #[error("{what} has {got} items, at most {max} are allowed")]
    TooLong {
        /// The sequence.
        what: &'static str,
        /// Its stated length.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A sequence does not have the one length that it must have.
    #[error("{what} has {got} items, expected {expected}")]
    WrongLength {
        /// The sequence.
        what: &'static str,
        /// Its stated length.
        got: usize,
        /// The expected length.
        expected: usize,
    },
    /// A number that must not be zero is zero.
    #[error("{what} is zero")]
    Zero {
        /// The field.
        what: &'static str,
    },
    /// Map keys are not strictly ascending in their serialized form.
    #[error("map keys are unsorted or repeated")]
    UnsortedMap,
}

/// Reads fields off the front of a slice; never allocates by itself.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let short = WireError::Short { needed: count, left: self.rest.len() };
        let (head, rest) = self.rest.split_at_checked(count).ok_or(short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A ULEB128 number of at most 32 bits, in its shortest form.
    pub(crate) fn uleb(&mut self) -> Result<u32, WireError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(WireError::NonMinimal);
                }
                return u32::try_from(value).map_err(|_| WireError::Overflow);
            }
        }
        Err(WireError::Overflow)
    }

    /// A length that is at most `max` and whose items, of at least `item_bytes` each, can be there.
    pub(crate) fn length(&mut self, what: &'static str, max: usize, item_bytes: usize) -> Result<usize, WireError> {
        let got = usize::try_from(self.uleb()?).map_err(|_| WireError::Overflow)?;
        if got > max {
            return Err(WireError::TooLong { what, got, max });
        }
        let needed = got.saturating_mul(item_bytes);
        if needed > self.left() {
            return Err(WireError::Short { needed, left: self.left() });
        }
        Ok(got)
    }

    /// A length-prefixed byte string, borrowed.
    pub(crate) fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], WireError> {
        let length = self.length(what, max, 1)?;
        self.take(length)
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing { left }),
        }
    }
}

/// Reads one whole value: anything left over is an error.
pub(crate) fn decode_all<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Appends `value` as ULEB128.
pub(crate) fn put_uleb(out: &mut Vec<u8>, value: usize) {
    let mut rest = value;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a length-prefixed byte string.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uleb(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Bytes that ULEB128 takes for `value`.
pub(crate) fn uleb_len(value: usize) -> usize {
    let mut length = 1;
    let mut rest = value >> 7;
    while rest > 0 {
        length += 1;
        rest >>= 7;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uleb_rejects_longer_forms_and_overflow() {
        let read = |bytes: &[u8]| decode_all(bytes, Reader::uleb);
        assert_eq!(read(&[0x80, 0x01]), Ok(128));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        assert_eq!(read(&[0x80, 0x00]), Err(WireError::NonMinimal));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(WireError::Overflow));
        assert_eq!(read(&[0x80; 6]), Err(WireError::Overflow));
        assert_eq!(read(&[0x80]), Err(WireError::Short { needed: 1, left: 0 }));
        assert_eq!(read(&[1, 2]), Err(WireError::Trailing { left: 1 }));
    }

    proptest! {
        #[test]
        fn uleb_round_trips(value: u32) {
            let mut out = Vec::new();
            put_uleb(&mut out, value as usize);
            prop_assert_eq!(out.len(), uleb_len(value as usize));
            prop_assert_eq!(&out, &bcs::to_bytes(&bcs_length(value)).unwrap());
            prop_assert_eq!(decode_all(&out, Reader::uleb), Ok(value));
        }
    }

    /// An enum variant number is the only bare ULEB128 that the `bcs` crate writes.
    fn bcs_length(value: u32) -> impl serde::Serialize {
        struct Variant(u32);
        impl serde::Serialize for Variant {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_unit_variant("Variant", self.0, "v")
            }
        }
        Variant(value)
    }
}
