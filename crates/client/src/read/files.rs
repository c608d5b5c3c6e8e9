//! The files of a read in bounded memory: one for the rows of the blob, one for slivers that rows are decoded from.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobSource, DecodeSpace, SliverIndex, VerifiedMetadata, VerifiedSliver};
use tokio::sync::mpsc::UnboundedSender;

use crate::error::ClientError;

/// Where verified slivers lie.
pub(super) struct Files {
    /// The rows of the blob, each at its place.
    rows: File,
    /// All other slivers, one after the other; made when it is needed.
    spool: OnceLock<File>,
    spool_dir: PathBuf,
    row_bytes: u64,
    /// Told of each row that is whole and right.
    ready: Option<UnboundedSender<u16>>,
    is_cancelled: AtomicBool,
}

/// Where one sliver goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a row of the blob.
    Row,
    /// It is the sliver with this number in the spool.
    Spool(u64),
}

impl Files {
    pub(super) fn new(
        rows: File,
        spool_dir: Option<PathBuf>,
        metadata: &VerifiedMetadata,
        ready: Option<UnboundedSender<u16>>,
    ) -> Self {
        Self {
            rows,
            spool: OnceLock::new(),
            spool_dir: spool_dir.unwrap_or_else(std::env::temp_dir),
            row_bytes: metadata.sliver_bytes(Axis::Primary) as u64,
            ready,
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// With rows in a file that has no name and vanishes with the last user.
    pub(super) fn temporary(
        spool_dir: Option<PathBuf>,
        metadata: &VerifiedMetadata,
        ready: Option<UnboundedSender<u16>>,
    ) -> Result<Self, ClientError> {
        let dir = spool_dir.unwrap_or_else(std::env::temp_dir);
        match tempfile::tempfile_in(&dir) {
            Ok(rows) => Ok(Self::new(rows, Some(dir), metadata, ready)),
            Err(error) => Err(ClientError::Spool { dir, error }),
        }
    }

    /// Writes a sliver to its place.
    pub(super) fn put(&self, sliver: &VerifiedSliver, place: Place) -> Result<(), ClientError> {
        match place {
            Place::Row => {
                self.write_row(sliver.index, 0, &sliver.data)?;
                self.row_done(sliver.index);
                Ok(())
            }
            Place::Spool(slot) => {
                let offset = slot * sliver.data.len() as u64;
                self.spool()?.write_all_at(&sliver.data, offset).map_err(|error| self.spool_failed(error))
            }
        }
    }

    /// Decoding ends soon: nobody waits for it any more.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Leaves `length` bytes of rows: those of the blob.
    pub(super) fn finish(&self, length: u64) -> Result<(), ClientError> {
        self.rows.set_len(length).map_err(ClientError::Target)
    }

    /// Bytes of the blob that were written.
    pub(super) fn read_rows(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ClientError> {
        self.rows.read_exact_at(buffer, offset).map_err(ClientError::Target)
    }

    /// As [`read_rows`](Self::read_rows), off the threads that wait for the network.
    pub(super) async fn read(self: Arc<Self>, offset: u64, length: u64) -> Result<Bytes, ClientError> {
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            self.read_rows(offset, &mut bytes)?;
            Ok(Bytes::from(bytes))
        });
        read.await.map_err(|error| ClientError::Internal(error.to_string()))?
    }

    fn write_row(&self, row: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), ClientError> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(ClientError::Target(io::ErrorKind::Interrupted.into()));
        }
        let at = u64::from(row.get()) * self.row_bytes + offset;
        self.rows.write_all_at(bytes, at).map_err(ClientError::Target)
    }

    fn row_done(&self, row: SliverIndex) {
        if let Some(ready) = &self.ready {
            // Nobody listens any more if it fails: then nobody misses it.
            let _ = ready.send(row.get());
        }
    }

    fn spool(&self) -> Result<&File, ClientError> {
        if let Some(file) = self.spool.get() {
            return Ok(file);
        }
        let file = tempfile::tempfile_in(&self.spool_dir).map_err(|error| self.spool_failed(error))?;
        Ok(self.spool.get_or_init(|| file))
    }

    fn spool_failed(&self, error: io::Error) -> ClientError {
        ClientError::Spool { dir: self.spool_dir.clone(), error }
    }
}

/// Slivers of one axis in the files, to be decoded.
pub(super) struct Space<'f> {
    pub(super) files: &'f Files,
    /// Which slivers lie in the spool, by number; the others are rows.
    pub(super) slots: HashMap<SliverIndex, u64>,
    pub(super) sliver_bytes: u64,
}

impl DecodeSpace for Space<'_> {
    type Error = ClientError;

    fn read_sliver(&self, index: SliverIndex, offset: u64, buffer: &mut [u8]) -> Result<(), ClientError> {
        let Some(slot) = self.slots.get(&index) else {
            return self.files.read_rows(u64::from(index.get()) * self.files.row_bytes + offset, buffer);
        };
        let at = slot * self.sliver_bytes + offset;
        self.files.spool()?.read_exact_at(buffer, at).map_err(|error| self.files.spool_failed(error))
    }

    fn write_row(&self, row: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), ClientError> {
        self.files.write_row(row, offset, bytes)
    }

    fn read_row(&self, row: SliverIndex, buffer: &mut [u8]) -> Result<(), ClientError> {
        self.files.read_rows(u64::from(row.get()) * self.files.row_bytes, buffer)
    }

    fn row_done(&self, row: SliverIndex) {
        self.files.row_done(row);
    }
}

/// The blob in the file of rows.
pub(super) struct WholeBlob<'f> {
    pub(super) files: &'f Files,
    pub(super) length: u64,
}

impl BlobSource for WholeBlob<'_> {
    type Error = ClientError;

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ClientError> {
        self.files.read_rows(offset, buffer)
    }
}
