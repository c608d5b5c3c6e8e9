//! Reading records back, one by one or a whole segment in order.

use std::io;

use super::record::{
    Location, RECORD_ALIGN, RECORD_ALIGN_BYTES, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SEGMENT_HEADER_COPY,
    SegmentHeader, payload_hash,
};
use crate::disk::DiskFile;

/// Bytes that a search for the next header reads at a time.
const SEARCH_BYTES: usize = 64 * 1024;

/// What does not verify about a record. The number is the form in the quarantine table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The segment ends before the record does, or is gone.
    Missing = 1,
    /// The header does not verify.
    Header = 2,
    /// The header is of another record than the index says.
    Mismatch = 3,
    /// The payload does not have the header's checksum.
    Payload = 4,
}

impl Fault {
    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Missing,
            2 => Self::Header,
            3 => Self::Mismatch,
            _ => Self::Payload,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "the segment ends before the record does",
            Self::Header => "the record header does not have its checksum",
            Self::Mismatch => "the record is not the one the index names",
            Self::Payload => "the payload does not have its checksum",
        }
    }
}

/// Reads the header of a segment; `None` when neither copy is intact.
pub(crate) fn read_segment_header(file: &dyn DiskFile, id: u64) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; 2 * SEGMENT_HEADER_COPY];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(SegmentHeader::decode(&bytes, id)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads and verifies the record at `at`. The outer error is the disk's, the inner one says what does not verify.
///
/// The bytes begin with the record header; the payload follows it. `length` is what the index says, so that header and
/// payload are one read; nothing is allocated beyond the file's length.
pub(crate) fn read_record(
    file: &dyn DiskFile,
    salt: u64,
    at: Location,
    length: u32,
) -> io::Result<Result<(RecordHeader, Vec<u8>), Fault>> {
    let total = RECORD_HEADER as u64 + u64::from(length);
    if at.offset.checked_add(total).is_none_or(|end| file.len().map_or(true, |len| end > len)) {
        // Ask again for the error, if it was one.
        file.len()?;
        return Ok(Err(Fault::Missing));
    }
    let bytes = match file.read_vec_at(usize::try_from(total).map_err(io::Error::other)?, at.offset) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Err(Fault::Missing)),
        Err(error) => return Err(error),
    };
    let header = bytes.first_chunk().and_then(|header| RecordHeader::decode(header, salt, at));
    Ok(match header {
        None => Err(Fault::Header),
        Some(header) if header.length != length => Err(Fault::Mismatch),
        Some(header) if payload_hash(&bytes[RECORD_HEADER..]) != header.hash => Err(Fault::Payload),
        Some(header) => Ok((header, bytes)),
    })
}

/// What a scan finds at a place.
#[derive(Debug)]
pub(crate) enum Scanned {
    /// A header that verifies. Its payload was not read.
    Record(Location, RecordHeader),
    /// Bytes up to the next header (or the end) that are no record.
    Gap,
}

/// Walks the headers of a segment in order.
pub(crate) struct Scan<'a> {
    file: &'a dyn DiskFile,
    salt: u64,
    at: Location,
    end: u64,
    /// Whether to look for the next header behind bytes that are none; otherwise the walk ends there.
    resync: bool,
    stopped: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, header: SegmentHeader, from: u64, end: u64, resync: bool) -> Self {
        let at = Location { segment: header.id, offset: from.max(SEGMENT_HEADER).next_multiple_of(RECORD_ALIGN) };
        Self { file, salt: header.salt, at, end, resync, stopped: false }
    }

    fn header_at(&self, at: Location) -> io::Result<Option<RecordHeader>> {
        let mut bytes = [0; RECORD_HEADER];
        if at.offset + RECORD_HEADER as u64 > self.end {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, at.offset)?;
        let header = RecordHeader::decode(&bytes, self.salt, at);
        Ok(header.filter(|header| at.offset + RECORD_HEADER as u64 + u64::from(header.length) <= self.end))
    }

    /// The offset of the next header that verifies, or the end.
    fn search(&self) -> io::Result<u64> {
        let mut window = vec![0; SEARCH_BYTES];
        let mut start = self.at.offset + RECORD_ALIGN;
        while start + RECORD_HEADER as u64 <= self.end {
            let size = usize::try_from((self.end - start).min(SEARCH_BYTES as u64)).map_err(io::Error::other)?;
            let bytes = &mut window[..size];
            self.file.read_exact_at(bytes, start)?;
            let mut offset = start;
            for candidate in bytes.windows(RECORD_HEADER).step_by(RECORD_ALIGN_BYTES) {
                let at = Location { segment: self.at.segment, offset };
                let header = candidate.first_chunk().and_then(|header| RecordHeader::decode(header, self.salt, at));
                if header.is_some_and(|h| offset + RECORD_HEADER as u64 + u64::from(h.length) <= self.end) {
                    return Ok(offset);
                }
                offset += RECORD_ALIGN;
            }
            if offset == start {
                break;
            }
            start = offset;
        }
        Ok(self.end)
    }
}

impl Iterator for Scan<'_> {
    type Item = io::Result<Scanned>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped || self.at.offset >= self.end {
            return None;
        }
        let at = self.at;
        match self.header_at(at) {
            Err(error) => {
                self.stopped = true;
                Some(Err(error))
            }
            Ok(Some(header)) => {
                self.at.offset += header.disk_len();
                Some(Ok(Scanned::Record(at, header)))
            }
            Ok(None) if !self.resync => {
                self.stopped = true;
                Some(Ok(Scanned::Gap))
            }
            Ok(None) => match self.search() {
                Ok(offset) => {
                    self.at.offset = offset;
                    Some(Ok(Scanned::Gap))
                }
                Err(error) => {
                    self.stopped = true;
                    Some(Err(error))
                }
            },
        }
    }
}
