//! Incremental parser of an upload: bytes in as they come, frames out.

use bytes::{Bytes, BytesMut};
use floe_redstuff::{Axis, BlobMetadata, EncodingParams, PairIndex, Sliver, SliverView, SymbolSize};

use super::{HEADER_BYTES, MAGIC, UploadError, VERSION, sliver_bcs_bytes};
use crate::limits;

/// First allocation for a part; it grows with what arrives, never beyond the part's length.
const FIRST_CHUNK_BYTES: usize = 64 * 1024;

/// A complete part of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The metadata, decoded and not verified. Always the first frame.
    Metadata(BlobMetadata),
    /// One sliver; the primary one of each pair comes before the secondary one.
    Sliver(SliverFrame),
}

/// A sliver as received: right length, nothing else checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliverFrame {
    /// The pair it was sent for.
    pub pair: PairIndex,
    /// Which sliver of the pair.
    pub axis: Axis,
    /// BCS without the axis, as stored and served.
    pub bytes: Bytes,
}

impl SliverFrame {
    /// Decodes it and checks that its own index belongs to the pair; still to be verified against the metadata.
    ///
    /// # Errors
    /// [`UploadError::BadSliver`].
    pub fn decode(&self, params: EncodingParams) -> Result<Sliver, UploadError> {
        Ok(self.view(params)?.to_sliver())
    }

    /// As [`decode`](Self::decode), without a copy.
    ///
    /// # Errors
    /// [`UploadError::BadSliver`].
    pub fn view(&self, params: EncodingParams) -> Result<SliverView<'_>, UploadError> {
        let bad = |reason: String| UploadError::BadSliver { pair: self.pair, axis: self.axis, reason };
        if !params.contains(self.pair.get()) {
            return Err(bad(format!("there are {} pairs", params.n_shards())));
        }
        let sliver = SliverView::from_bcs(self.axis, &self.bytes, params).map_err(|error| bad(error.to_string()))?;
        let expected = self.pair.sliver(self.axis, params);
        if sliver.index != expected {
            return Err(bad(format!("sliver index {}, expected {expected}", sliver.index)));
        }
        Ok(sliver)
    }
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Header,
    Metadata,
    PairPrefix,
    SecondaryPrefix,
    Sliver(Axis),
    End,
}

/// Parses one upload body.
///
/// Hand in each chunk with [`push`](Self::push), then take frames with [`next_frame`](Self::next_frame) until it
/// gives `None`; after the last chunk call [`finish`](Self::finish). A part that lies within one chunk is given out as a
/// slice of it; others are put together. Memory: the chunks not yet taken apart (at most
/// [`limits::UPLOAD_PENDING_BYTES_MAX`]) and the part being assembled (one metadata or one sliver, never more than
/// twice what has arrived of it). After an error the reader is of no further use.
///
/// ```
/// use floe_protocol::upload::{Frame, UploadReader};
/// use floe_redstuff::EncodingParams;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let chunks: Vec<bytes::Bytes> = vec![];
/// let mut reader = UploadReader::new(EncodingParams::new(10)?);
/// for chunk in chunks {
///     reader.push(chunk)?;
///     while let Some(frame) = reader.next_frame()? {
///         match frame {
///             Frame::Metadata(metadata) => println!("{} bytes", metadata.unencoded_length),
///             Frame::Sliver(sliver) => println!("{} of pair {}", sliver.axis, sliver.pair),
///         }
///     }
/// }
/// assert!(reader.finish().is_err(), "nothing was sent");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UploadReader {
    params: EncodingParams,
    /// What was handed in and is not taken apart yet.
    pending: Bytes,
    part: Vec<u8>,
    /// Length of the part being assembled.
    part_bytes: usize,
    expect: Expect,
    pairs: Option<u16>,
    pairs_done: u16,
    pair: Option<PairIndex>,
    /// Known once the metadata is.
    symbol_size: Option<SymbolSize>,
}

impl UploadReader {
    /// A reader for a network with these parameters.
    #[must_use]
    pub fn new(params: EncodingParams) -> Self {
        Self {
            params,
            pending: Bytes::new(),
            part: Vec::new(),
            part_bytes: HEADER_BYTES,
            expect: Expect::Header,
            pairs: None,
            pairs_done: 0,
            pair: None,
            symbol_size: None,
        }
    }

    /// Hands in the next bytes of the body.
    ///
    /// # Errors
    /// [`UploadError::TooMuchPending`] if frames were not taken out before.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), UploadError> {
        let got = self.pending.len().saturating_add(chunk.len());
        let max = limits::UPLOAD_PENDING_BYTES_MAX;
        if got > max {
            return Err(UploadError::TooMuchPending { got, max });
        }
        self.pending = match self.pending.is_empty() {
            true => chunk,
            false => {
                let mut joined = BytesMut::from(std::mem::take(&mut self.pending));
                joined.extend_from_slice(&chunk);
                joined.freeze()
            }
        };
        Ok(())
    }

    /// The next complete part; `None` until more bytes are handed in.
    ///
    /// # Errors
    /// The body is no upload for this network, as far as it has been seen.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, UploadError> {
        while let Some(part) = self.next_part()? {
            if let Some(frame) = self.read_part(part)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Number of pairs that the header announced, once it is known.
    #[must_use]
    pub fn pairs(&self) -> Option<u16> {
        self.pairs
    }

    /// Whether every announced pair has been given out and nothing follows.
    ///
    /// # Errors
    /// [`UploadError::Truncated`] or [`UploadError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), UploadError> {
        if self.expect != Expect::End {
            return Err(UploadError::Truncated {
                missing_pairs: self.pairs.map_or(self.params.n_shards(), |pairs| pairs - self.pairs_done),
            });
        }
        if !self.pending.is_empty() {
            return Err(UploadError::TrailingBytes);
        }
        Ok(())
    }

    /// The current part, if it is complete with what is pending.
    fn next_part(&mut self) -> Result<Option<Bytes>, UploadError> {
        if self.expect == Expect::End {
            return match self.pending.is_empty() {
                true => Ok(None),
                false => Err(UploadError::TrailingBytes),
            };
        }
        let wanted = self.part_bytes - self.part.len();
        if self.part.is_empty() && wanted <= self.pending.len() {
            return Ok(Some(self.pending.split_to(wanted)));
        }
        let count = wanted.min(self.pending.len());
        let now = self.part.len() + count;
        if now > self.part.capacity() {
            let target = (2 * now).max(FIRST_CHUNK_BYTES).min(self.part_bytes);
            self.part.reserve_exact(target - self.part.len());
        }
        self.part.extend_from_slice(&self.pending.split_to(count));
        Ok((count == wanted).then(|| std::mem::take(&mut self.part).into()))
    }

    /// Interprets the complete part and says what comes next.
    fn read_part(&mut self, part: Bytes) -> Result<Option<Frame>, UploadError> {
        match self.expect {
            Expect::Header => self.read_header(&part).map(|()| None),
            Expect::Metadata => self.read_metadata(&part).map(Some),
            Expect::PairPrefix => self.read_pair_prefix(&part).map(|()| None),
            Expect::SecondaryPrefix => self.begin_sliver(Axis::Secondary, read_u32(&part)).map(|()| None),
            Expect::Sliver(axis) => Ok(self.finish_sliver(axis, part)),
            Expect::End => Ok(None),
        }
    }

    fn await_part(&mut self, expect: Expect, bytes: usize) {
        self.expect = expect;
        self.part_bytes = bytes;
    }

    fn read_header(&mut self, part: &[u8]) -> Result<(), UploadError> {
        let mut got = [0; 4];
        got.copy_from_slice(&part[..4]);
        if got != MAGIC {
            return Err(UploadError::BadMagic { got });
        }
        let (version, flags) = (part[4], part[5]);
        if version != VERSION || flags != 0 {
            return Err(UploadError::Unsupported { version, flags });
        }
        let pairs = read_u16(&part[6..]);
        let n_shards = self.params.n_shards();
        if pairs == 0 || pairs > n_shards {
            return Err(UploadError::PairCount { got: pairs, n_shards });
        }
        let expected = limits::metadata_bytes(self.params);
        let bytes = check_length("metadata", read_u32(&part[8..]), expected)?;
        self.pairs = Some(pairs);
        self.await_part(Expect::Metadata, bytes);
        Ok(())
    }

    fn read_metadata(&mut self, part: &[u8]) -> Result<Frame, UploadError> {
        let metadata =
            BlobMetadata::from_bcs(part, self.params).map_err(|error| UploadError::BadMetadata(error.to_string()))?;
        let symbol_size = self
            .params
            .symbol_size(metadata.unencoded_length)
            .map_err(|error| UploadError::BadMetadata(error.to_string()))?;
        self.symbol_size = Some(symbol_size);
        self.await_part(Expect::PairPrefix, 6);
        Ok(Frame::Metadata(metadata))
    }

    fn read_pair_prefix(&mut self, part: &[u8]) -> Result<(), UploadError> {
        let pair = PairIndex::new(read_u16(part));
        let ascends = self.pair.is_none_or(|before| before < pair);
        if !ascends || !self.params.contains(pair.get()) {
            return Err(UploadError::BadPair { got: pair.get(), n_shards: self.params.n_shards() });
        }
        self.pair = Some(pair);
        self.begin_sliver(Axis::Primary, read_u32(&part[2..]))
    }

    fn begin_sliver(&mut self, axis: Axis, length: u32) -> Result<(), UploadError> {
        let what = match axis {
            Axis::Primary => "primary sliver",
            Axis::Secondary => "secondary sliver",
        };
        let expected = self.symbol_size.map_or(0, |size| sliver_bcs_bytes(self.params, axis, size));
        let bytes = check_length(what, length, expected)?;
        self.await_part(Expect::Sliver(axis), bytes);
        Ok(())
    }

    fn finish_sliver(&mut self, axis: Axis, bytes: Bytes) -> Option<Frame> {
        match axis {
            Axis::Primary => self.await_part(Expect::SecondaryPrefix, 4),
            Axis::Secondary => {
                self.pairs_done += 1;
                match self.pairs == Some(self.pairs_done) {
                    true => self.await_part(Expect::End, 0),
                    false => self.await_part(Expect::PairPrefix, 6),
                }
            }
        }
        Some(Frame::Sliver(SliverFrame { pair: self.pair?, axis, bytes }))
    }
}

fn check_length(what: &'static str, got: u32, expected: u64) -> Result<usize, UploadError> {
    if u64::from(got) == expected
        && let Ok(bytes) = usize::try_from(got)
    {
        return Ok(bytes);
    }
    Err(UploadError::WrongLength { what, got: got.into(), expected })
}

/// The first two bytes; parts are complete before they are read, so they are there.
fn read_u16(part: &[u8]) -> u16 {
    part.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// The first four bytes, likewise.
fn read_u32(part: &[u8]) -> u32 {
    part.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use floe_redstuff::{EncodingType, SliverPairHashes, merkle::Node};

    use super::*;
    use crate::upload::{header, primary_prefix};

    #[test]
    fn memory_follows_what_arrived_not_what_was_announced() {
        let params = EncodingParams::new(1000).unwrap();
        let hash = Node::Digest([0; 32]);
        let metadata = BlobMetadata {
            encoding_type: EncodingType::Rs2,
            unencoded_length: params.max_blob_size(),
            hashes: vec![SliverPairHashes { primary: hash, secondary: hash }; 1000],
        };
        let metadata = metadata.to_bcs();
        let sliver_bytes = 43_711_178 + 4 + 4;
        let mut reader = UploadReader::new(params);
        reader.push(header(1, metadata.len()).unwrap().to_vec().into()).unwrap();
        reader.push(metadata.into()).unwrap();
        assert!(matches!(reader.next_frame(), Ok(Some(Frame::Metadata(_)))));
        reader.push(primary_prefix(PairIndex::new(0), sliver_bytes).unwrap().to_vec().into()).unwrap();
        assert_eq!(reader.next_frame(), Ok(None));
        assert_eq!(reader.expect, Expect::Sliver(Axis::Primary));
        let chunk = Bytes::from(vec![0; 50_000]);
        let mut arrived = 0;
        while arrived + chunk.len() < sliver_bytes {
            reader.push(chunk.clone()).unwrap();
            assert_eq!(reader.next_frame(), Ok(None));
            arrived += chunk.len();
            assert_eq!(reader.part.len(), arrived);
            assert!(reader.part.capacity() <= (2 * arrived).max(FIRST_CHUNK_BYTES).min(sliver_bytes));
            assert!(reader.pending.is_empty());
        }
    }
}
