//! The segment log: append-only files of self-describing records.

mod handles;
mod link;
mod log;
mod record;
mod scan;
mod table;
mod tombstone;

pub(crate) use handles::Handles;
pub(crate) use link::CommitLink;
pub(crate) use log::{Chunk, Log, Resume, SegmentFile};
pub(crate) use record::{
    FORMAT_VERSION, Location, PayloadHash, RECORD_HEADER, RecordHeader, RecordKind, SEGMENT_HEADER, SegmentHeader,
    parse_segment_name, payload_hash, read_u32, read_u64, record_disk_len, segment_name,
};
pub(crate) use scan::{Fault, Scan, Scanned, read_record, read_segment_header};
pub(crate) use table::{SegmentInfo, SegmentTable};
pub(crate) use tombstone::{decode_tombstone, encode_tombstone};

#[cfg(test)]
mod tests;
