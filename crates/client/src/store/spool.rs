//! Slivers of a blob that is too large for memory: in its source, and in files without a name.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use floe_redstuff::{Axis, EncodingParams, SliverIndex, Spool, SpoolError, SpooledBlob, VerifiedMetadata, encode_into};
use tokio::sync::Semaphore;

use crate::{
    compute::compute,
    config::{Progress, StoreConfig},
    error::{ClientError, copy},
    source::{SharedSource, WatchedSource},
};

/// Reads at the same time, for all nodes together: each takes a thread.
const CONCURRENT_READS_MAX: usize = 16;
/// Longest piece of a sliver that is read at once.
const READ_BYTES_MAX: usize = 512 << 10;
/// Pieces that one upload holds: one on its way, one in the connection's queue, one read ahead.
const PIECES_PER_UPLOAD: usize = 3;

type Failure = SpoolError<io::Error, io::Error>;

/// Files that a spool is spread over: most file systems let one thread write to a file at a time.
const FILES: usize = 8;
/// What lies in one file before the next one goes on.
const STRETCH_BYTES: u64 = 1 << 20;

/// Files without a name; they vanish with the last that holds them, however that ends.
struct SpoolFiles([File; FILES]);

impl SpoolFiles {
    fn new(dir: &Path) -> io::Result<Self> {
        let files: Vec<File> = (0..FILES).map(|_| tempfile::tempfile_in(dir)).collect::<io::Result<_>>()?;
        files.try_into().map(Self).map_err(|_| io::Error::other("another number of files"))
    }

    /// The stretches of a piece: in which file, at which place, how much.
    fn stretches(&self, offset: u64, length: usize) -> impl Iterator<Item = (&File, u64, usize)> {
        let end = offset + length as u64;
        let mut at = offset;
        std::iter::from_fn(move || {
            let (stretch, within) = (at / STRETCH_BYTES, at % STRETCH_BYTES);
            let bytes = (STRETCH_BYTES - within).min(end - at);
            at += bytes;
            let file = &self.0[usize::try_from(stretch % FILES as u64).ok()?];
            let place = stretch / FILES as u64 * STRETCH_BYTES + within;
            (bytes > 0).then_some((file, place, usize::try_from(bytes).ok()?))
        })
    }
}

impl Spool for SpoolFiles {
    type Error = io::Error;

    fn write_at(&self, offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        for (file, place, length) in self.stretches(offset, bytes.len()) {
            let (stretch, rest) = bytes.split_at(length);
            file.write_all_at(stretch, place)?;
            bytes = rest;
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        for (file, place, length) in self.stretches(offset, buffer.len()) {
            let (stretch, rest) = buffer.split_at_mut(length);
            file.read_exact_at(stretch, place)?;
            buffer = rest;
        }
        Ok(())
    }
}

/// An encoded blob on disk.
pub(super) struct Spooled {
    blob: SpooledBlob,
    source: SharedSource,
    spool: SpoolFiles,
    dir: PathBuf,
    reads: Semaphore,
    /// The first read that failed.
    failure: OnceLock<Failure>,
}

/// Some symbols of a sliver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbols {
    pub(super) axis: Axis,
    pub(super) index: SliverIndex,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Spooled {
    /// Encodes; tells how much of the source was read.
    pub(super) async fn encode(
        params: EncodingParams,
        source: SharedSource,
        config: &StoreConfig,
        progress: Arc<dyn Progress>,
    ) -> Result<Arc<Self>, ClientError> {
        let dir = config.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        let ceiling = usize::try_from(config.memory_ceiling_bytes).unwrap_or(usize::MAX);
        compute(move || {
            let spool = SpoolFiles::new(&dir).map_err(|error| failed(&dir, &SpoolError::Spool(error)))?;
            let watched = WatchedSource::new(&*source, progress);
            let blob = encode_into(params, &watched, &spool, ceiling).map_err(|error| failed(&dir, &error))?;
            drop(watched);
            let reads = Semaphore::new(CONCURRENT_READS_MAX);
            Ok(Arc::new(Self { blob, source, spool, dir, reads, failure: OnceLock::new() }))
        })
        .await?
    }

    pub(super) fn metadata(&self) -> &VerifiedMetadata {
        self.blob.metadata()
    }

    pub(super) fn memory_bytes(&self, nodes: usize) -> u64 {
        (nodes * PIECES_PER_UPLOAD * READ_BYTES_MAX) as u64
    }

    pub(super) fn failure(&self) -> Option<ClientError> {
        self.failure.get().map(|failure| failed(&self.dir, failure))
    }

    /// A sliver in the pieces that are read at once, in order.
    pub(super) fn pieces(&self, axis: Axis, index: SliverIndex) -> impl Iterator<Item = Symbols> + use<> {
        let metadata = self.metadata();
        let symbols = usize::from(metadata.params().symbols_per_sliver(axis));
        let most = (READ_BYTES_MAX / usize::from(metadata.symbol_size().get())).max(1);
        (0..symbols).step_by(most).map(move |first| Symbols { axis, index, first, count: most.min(symbols - first) })
    }

    /// Reads on a thread that may block. A failure is kept: it concerns all uploads.
    pub(super) async fn read(self: Arc<Self>, Symbols { axis, index, first, count }: Symbols) -> io::Result<Bytes> {
        let symbol = usize::from(self.metadata().symbol_size().get());
        let this = self.clone();
        let read = move || {
            let mut out = vec![0; count * symbol];
            let result = this.blob.read_symbols(&*this.source, &this.spool, (axis, index), first, &mut out);
            result.map(|()| Bytes::from(out)).map_err(|error| {
                let message = error.to_string();
                this.failure.get_or_init(|| error);
                io::Error::other(message)
            })
        };
        let _place = self.reads.acquire().await;
        tokio::task::spawn_blocking(read).await?
    }
}

/// The error that a person sees.
fn failed(dir: &Path, failure: &Failure) -> ClientError {
    match failure {
        SpoolError::TooLarge(error) => ClientError::Internal(error.to_string()),
        SpoolError::Source(error) => ClientError::of_source(error),
        SpoolError::Spool(error) => ClientError::Spool { dir: dir.to_owned(), error: copy(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_across_files() {
        let spool = SpoolFiles::new(&std::env::temp_dir()).unwrap();
        let bytes: Vec<u8> = (0..3 * STRETCH_BYTES + 100).map(|at| (at % 251) as u8).collect();
        let half = bytes.len() / 2;
        let offset = 9 * STRETCH_BYTES - 30;
        spool.write_at(offset + half as u64, &bytes[half..]).unwrap();
        spool.write_at(offset, &bytes[..half]).unwrap();
        spool.write_at(0, &bytes[..10]).unwrap();
        for range in [0..bytes.len(), 20..40, 29..31, half - 5..half + 5, 7..7] {
            let mut read = vec![0; range.len()];
            spool.read_at(offset + range.start as u64, &mut read).unwrap();
            assert!(read == bytes[range.clone()], "{range:?}");
        }
        assert!(spool.read_at(offset + bytes.len() as u64, &mut [0]).is_err());
    }
}
