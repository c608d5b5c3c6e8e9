use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use twox_hash::XxHash3_64;

use super::link::CommitLink;
use super::record::{
    Location, RECORD_ALIGN, RECORD_ALIGN_BYTES, RECORD_HEADER, RecordHeader, RecordKind, SEGMENT_HEADER, SegmentHeader,
    segment_name,
};
use super::table::{SegmentInfo, SegmentTable};
use crate::StoreError;
use crate::disk::{Disk, DiskFile, OpenMode};

/// A segment that is being or was just written. Whoever holds one keeps garbage collection away from the segment.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) id: u64,
    pub(crate) salt: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Whether the file's name is durable.
    named: AtomicBool,
}

impl SegmentFile {
    /// Makes everything written to the segments durable, names included.
    pub(crate) fn sync_all(disk: &dyn Disk, files: &[Arc<SegmentFile>]) -> io::Result<()> {
        for file in files {
            file.file.sync_data()?;
        }
        if files.iter().any(|file| !file.named.load(Ordering::Acquire)) {
            disk.sync_dir()?;
            files.iter().for_each(|file| file.named.store(true, Ordering::Release));
        }
        Ok(())
    }
}

/// Records that are written together, at offsets that become known when they are.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    headers: Vec<(usize, RecordHeader)>,
}

impl Chunk {
    /// Bytes so far; the next record begins here, relative to the first.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a record with its payload.
    pub(crate) fn push(&mut self, header: RecordHeader, payload: &[u8]) {
        self.push_header(header);
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(RECORD_ALIGN_BYTES), 0);
    }

    /// Adds only a header: its payload is written right behind the chunk from where it lies.
    pub(crate) fn push_header(&mut self, header: RecordHeader) {
        self.headers.push((self.bytes.len(), header));
        self.bytes.resize(self.bytes.len() + RECORD_HEADER, 0);
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.headers.clear();
    }

    /// The lowest version of its items.
    fn min_sequence(&self) -> u64 {
        let versions = self.headers.iter().filter(|(_, header)| matches!(header.kind, RecordKind::Item(_)));
        versions.map(|(_, header)| header.sequence).min().unwrap_or(u64::MAX)
    }

    /// Fills in the headers for the place where the chunk will lie.
    fn bind(&mut self, salt: u64, base: Location) {
        for (position, header) in &self.headers {
            let at = Location { segment: base.segment, offset: base.offset + *position as u64 };
            self.bytes[*position..*position + RECORD_HEADER].copy_from_slice(&header.encode(salt, at));
        }
    }
}

/// The log: one segment at a time takes appends.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    bytes_max: u64,
    salt: u64,
    active: Mutex<Active>,
    /// Segments that someone may still write to or commit records of.
    pinned: Mutex<HashMap<u64, Weak<SegmentFile>>>,
    /// The end of the last commit record that is durable.
    durable: Mutex<Option<Location>>,
}

#[derive(Debug)]
struct Active {
    file: Option<Arc<SegmentFile>>,
    tail: u64,
    next_id: u64,
    /// The end of the last commit record.
    committed: Option<Location>,
}

/// Where an append continues after the store was opened.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) tail: u64,
}

impl Log {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: &crate::StoreOptions,
        salt: u64,
        next_id: u64,
        end: Option<Location>,
        resume: Option<Resume>,
    ) -> Self {
        let mut pinned = HashMap::new();
        let active = match resume {
            Some(resume) => {
                let file = Arc::new(SegmentFile {
                    id: resume.header.id,
                    salt: resume.header.salt,
                    file: resume.file,
                    named: AtomicBool::new(true),
                });
                pinned.insert(file.id, Arc::downgrade(&file));
                Active { file: Some(file), tail: resume.tail, next_id, committed: end }
            }
            None => Active { file: None, tail: 0, next_id, committed: end },
        };
        Self {
            disk,
            segment_bytes: options.segment_bytes.max(SEGMENT_HEADER + 1),
            bytes_max: options.bytes_max,
            salt,
            active: Mutex::new(active),
            pinned: Mutex::new(pinned),
            durable: Mutex::new(end),
        }
    }

    /// The log was synced up to the end of a commit record.
    pub(crate) fn synced(&self, end: Location) {
        *self.durable.lock() = Some(end);
    }

    pub(crate) fn lock(&self) -> Appender<'_> {
        Appender { log: self, active: self.active.lock() }
    }

    /// Whether the segment may still gain records or rows: the active one, and those of writers that have not ended.
    pub(crate) fn is_pinned(&self, id: u64) -> bool {
        let mut pinned = self.pinned.lock();
        pinned.retain(|_, file| file.strong_count() > 0);
        pinned.contains_key(&id)
    }
}

/// The right to append. Between [`Appender::reserve`] and [`Appender::write`] nobody else can.
pub(crate) struct Appender<'a> {
    log: &'a Log,
    active: MutexGuard<'a, Active>,
}

/// A reserved place at the tail of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) at: Location,
}

impl Appender<'_> {
    /// Finds room for `len` bytes, in a new segment when the active one would grow too large.
    pub(crate) fn reserve(
        &mut self,
        table: &Mutex<SegmentTable>,
        len: u64,
        checked: bool,
    ) -> Result<Place, StoreError> {
        if checked && table.lock().total_bytes().saturating_add(len) > self.log.bytes_max {
            return Err(StoreError::Full { operation: "append within the configured size" });
        }
        let fits = self.active.tail + len <= self.log.segment_bytes || self.active.tail <= SEGMENT_HEADER;
        let file = match &self.active.file {
            Some(file) if fits => file.clone(),
            _ => self.roll(table)?,
        };
        let at = Location { segment: file.id, offset: self.active.tail };
        Ok(Place { file, at })
    }

    /// What the next commit record says of those before it.
    pub(crate) fn link(&self) -> CommitLink {
        CommitLink { previous: self.active.committed, durable: *self.log.durable.lock() }
    }

    /// A commit record was written.
    pub(crate) fn committed(&mut self, end: Location) {
        self.active.committed = Some(end);
    }

    /// Closes the segment that takes appends if `wanted` says so: the next append begins a new one.
    pub(crate) fn close_active(&mut self, wanted: impl FnOnce(u64) -> bool) {
        if self.active.file.as_ref().is_some_and(|file| wanted(file.id)) {
            self.active.file = None;
        }
    }

    fn roll(&mut self, table: &Mutex<SegmentTable>) -> Result<Arc<SegmentFile>, StoreError> {
        let id = self.active.next_id;
        // Never used again, whatever happens next: a name means one segment for ever.
        self.active.next_id += 1;
        let name = segment_name(id);
        let file = self
            .log
            .disk
            .open(&name, OpenMode::CreateNew)
            .map_err(|source| StoreError::io("create a segment", source))?;
        let header = SegmentHeader { id, salt: XxHash3_64::oneshot_with_seed(self.log.salt, &id.to_le_bytes()) };
        if let Err(source) = file.write_all_at(&header.encode(), 0) {
            // Best effort: an empty file without a row in the index is removed at the next open.
            let _ = self.log.disk.unlink(&name);
            return Err(StoreError::io("begin a segment", source));
        }
        let file = Arc::new(SegmentFile { id, salt: header.salt, file, named: AtomicBool::new(false) });
        self.log.pinned.lock().insert(id, Arc::downgrade(&file));
        let info = SegmentInfo { salt: header.salt, end: SEGMENT_HEADER, live: 0, min_sequence: u64::MAX };
        table.lock().insert(id, info);
        self.active.tail = SEGMENT_HEADER;
        self.active.file = Some(file.clone());
        Ok(file)
    }

    /// Writes a chunk, and a payload behind it, at a reserved place; returns the end.
    ///
    /// When the disk refuses, nothing is kept: the tail stays where it was and the next append overwrites what landed.
    pub(crate) fn write(
        &mut self,
        table: &Mutex<SegmentTable>,
        place: &Place,
        chunk: &mut Chunk,
        payload: Option<&[u8]>,
    ) -> Result<Location, StoreError> {
        assert_eq!(place.at.offset, self.active.tail, "a place is written before the next one is reserved");
        chunk.bind(place.file.salt, place.at);
        let file = &place.file.file;
        let written = file.write_all_at(&chunk.bytes, place.at.offset).and_then(|()| match payload {
            Some(payload) => file.write_all_at(payload, place.at.offset + chunk.bytes.len() as u64),
            None => Ok(()),
        });
        if let Err(source) = written {
            // Gives the space back; when that fails too, the bytes beyond the tail are overwritten or cut off later.
            let _ = file.set_len(place.at.offset);
            return Err(StoreError::io("append to a segment", source));
        }
        let len = chunk.bytes.len() + payload.map_or(0, <[u8]>::len);
        let end = (place.at.offset + len as u64).next_multiple_of(RECORD_ALIGN);
        self.active.tail = end;
        table.lock().grow(place.at.segment, end, chunk.min_sequence());
        Ok(Location { segment: place.at.segment, offset: end })
    }
}
