//! Cursor over untrusted bytes and the few BCS primitives that the formats of this crate need.
//!
//! Lengths are compared with what is left of the input before anything is allocated, so a decoder never
//! reserves more than the bytes it was given. ULEB128 numbers must be minimal, as BCS demands.

use thiserror::Error;

/// Why bytes are not a value of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside a field.
    #[error("input too short: {needed} bytes needed at offset {offset}, {left} left")]
    TooShort {
        /// Where the field begins.
        offset: usize,
        /// Size of the field in bytes.
        needed: usize,
        /// Bytes left at that offset.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{extra} bytes follow the end of the value")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// A field holds a value that the format does not know.
    #[error("field '{field}' is {got}, which is not a legal value")]
    BadValue {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        got: u64,
    },
    /// A length field exceeds its limit.
    #[error("field '{field}' has length {got}, the limit is {max}")]
    TooLong {
        /// Name of the field.
        field: &'static str,
        /// The length given.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// A ULEB128 number is longer than needed, or exceeds 32 bits.
    #[error("malformed ULEB128 number at offset {offset}")]
    BadUleb {
        /// Where the number begins.
        offset: usize,
    },
    /// Text is not canonical, padded standard base64.
    #[error("field '{field}' is not standard base64 with padding")]
    BadBase64 {
        /// Name of the field.
        field: &'static str,
    },
    /// A key or signature inside is not acceptable.
    #[error(transparent)]
    Bls(#[from] crate::bls::BlsError),
}

/// Reads fields from the front of a byte slice; never panics, never indexes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(DecodeError::TooShort {
            offset: self.offset,
            needed: count,
            left: self.rest.len(),
        })?;
        self.rest = tail;
        self.offset += count;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A byte that must have one value.
    pub(crate) fn expect(&mut self, field: &'static str, value: u8) -> Result<(), DecodeError> {
        match self.u8()? {
            got if got == value => Ok(()),
            got => Err(DecodeError::BadValue { field, got: got.into() }),
        }
    }

    /// A BCS sequence length: minimal ULEB128 of at most 32 bits, no more than `max`.
    pub(crate) fn length(&mut self, field: &'static str, max: usize) -> Result<usize, DecodeError> {
        let offset = self.offset;
        let bad = DecodeError::BadUleb { offset };
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 || value > u64::from(u32::MAX) {
                    return Err(bad);
                }
                return usize::try_from(value).ok().filter(|&length| length <= max).ok_or(DecodeError::TooLong {
                    field,
                    got: value,
                    max: max as u64,
                });
            }
        }
        Err(bad)
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes { extra }),
        }
    }
}

/// Appends a BCS sequence length.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits fit a byte");
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Number of bytes that [`put_length`] writes.
pub(crate) fn length_size(length: u64) -> u64 {
    let bits = u64::from(u64::BITS - length.leading_zeros());
    bits.div_ceil(7).max(1)
}

/// Decodes canonical padded base64 of at most `max` bytes; the length is checked before anything is decoded.
pub(crate) fn base64_decode(field: &'static str, text: &str, max: usize) -> Result<Vec<u8>, DecodeError> {
    use base64::Engine as _;
    if text.len() > max.div_ceil(3) * 4 {
        return Err(DecodeError::TooLong { field, got: text.len() as u64, max: (max.div_ceil(3) * 4) as u64 });
    }
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| DecodeError::BadBase64 { field })
}

/// Standard base64 with padding.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_length(bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = reader.length("length", usize::MAX)?;
        reader.finish()?;
        Ok(length)
    }

    #[test]
    fn lengths_have_one_form() {
        let forms: [(&[u8], usize); 5] = [
            (&[0], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], 0xffff_ffff),
        ];
        for (bytes, length) in forms {
            assert_eq!(read_length(bytes), Ok(length));
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(out, bytes);
            assert_eq!(length_size(length as u64), bytes.len() as u64);
        }
        let bad: [&[u8]; 4] =
            [&[0x80, 0], &[0xff, 0x80, 0], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80, 0x80, 0x80, 0x80, 0x80, 1]];
        for bytes in bad {
            assert_eq!(read_length(bytes), Err(DecodeError::BadUleb { offset: 0 }), "{bytes:?}");
        }
        assert_eq!(read_length(&[0x80]), Err(DecodeError::TooShort { offset: 1, needed: 1, left: 0 }));
    }

    proptest! {
        #[test]
        fn lengths_agree_with_bcs(length in 0usize..70_000) {
            let mut out = Vec::new();
            put_length(&mut out, length);
            let expected = bcs::to_bytes(&vec![0u8; length]).unwrap();
            prop_assert_eq!(&out[..], &expected[..expected.len() - length]);
            prop_assert_eq!(length_size(length as u64), out.len() as u64);
            prop_assert_eq!(read_length(&out), Ok(length));
        }

        #[test]
        fn any_length_is_refused_or_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..7)) {
            if let Ok(length) = read_length(&bytes) {
                let mut out = Vec::new();
                put_length(&mut out, length);
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
