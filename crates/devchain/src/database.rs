//! The database and the file below it: a full disk refuses blocks, and goes on when there is room again.
//!
//! redb refuses everything after the first failed write. That is right after a failed fsync, when nobody knows what is
//! on disk; after a full disk the file is what it was before the block, so it is opened again.

use crate::DevChainError;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use redb::{Database, StorageBackend};
use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// True for a disk or a quota without room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The chain file; its lock is held as long as this lives.
#[derive(Debug)]
pub(crate) struct LockedFile(pub(crate) File);

impl StorageBackend for LockedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, data, offset)
    }
}

/// What one opening of the medium may do, and what it went through.
#[derive(Debug, Default)]
struct Passage {
    /// Set before the medium is opened again: the old database must neither write nor read what the new one changes.
    retired: RwLock<bool>,
    sync_failed: AtomicBool,
}

#[derive(Debug)]
struct Guarded {
    medium: Arc<dyn StorageBackend>,
    passage: Arc<Passage>,
}

impl Guarded {
    fn enter(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let retired = self.passage.retired.read();
        if *retired { Err(io::Error::other("the chain file was opened again")) } else { Ok(retired) }
    }
}

impl StorageBackend for Guarded {
    fn len(&self) -> io::Result<u64> {
        let _open = self.enter()?;
        self.medium.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let _open = self.enter()?;
        self.medium.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _open = self.enter()?;
        self.medium.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let _open = self.enter()?;
        let synced = self.medium.sync_data();
        if synced.is_err() {
            self.passage.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _open = self.enter()?;
        self.medium.write(offset, data)
    }
}

/// The open database, and what it takes to open it again.
pub(crate) struct Databases {
    medium: Arc<dyn StorageBackend>,
    /// `None` while it could not be opened again.
    opened: Mutex<Option<(Arc<Database>, Arc<Passage>)>>,
}

impl Databases {
    pub(crate) fn open(medium: Arc<dyn StorageBackend>) -> Result<Self, DevChainError> {
        let opened = open(&medium)?;
        Ok(Self { medium, opened: Mutex::new(Some(opened)) })
    }

    /// The database; opened again if that failed before.
    pub(crate) fn get(&self) -> Result<Arc<Database>, DevChainError> {
        let mut slot = self.opened.lock();
        let (database, _) = match slot.take() {
            Some(opened) => slot.insert(opened),
            None => slot.insert(open(&self.medium)?),
        };
        Ok(database.clone())
    }

    /// Opens the file again after `error`, if it was a full disk and every fsync before it went well.
    ///
    /// # Errors
    ///
    /// [`DevChainError::Stopped`] after a failed fsync, `error` itself if it is another one, a failure to open.
    pub(crate) fn recover(&self, error: DevChainError) -> Result<(), DevChainError> {
        let mut slot = self.opened.lock();
        let lost = slot.as_ref().is_some_and(|(_, passage)| passage.sync_failed.load(Ordering::Acquire));
        if lost {
            return Err(DevChainError::Stopped(error.to_string()));
        }
        if !error.is_full() {
            return Err(error);
        }
        if let Some((_, passage)) = slot.take() {
            // Waits for calls under way; readers of the old database get an error from here on.
            *passage.retired.write() = true;
        }
        *slot = Some(open(&self.medium)?);
        Ok(())
    }
}

fn open(medium: &Arc<dyn StorageBackend>) -> Result<(Arc<Database>, Arc<Passage>), DevChainError> {
    let passage = Arc::<Passage>::default();
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_repair_callback(|repair| {
        tracing::warn!(percent = repair.progress() * 100.0, "the chain file is being repaired");
    });
    let database = builder
        .create_with_backend(Guarded { medium: medium.clone(), passage: passage.clone() })
        .map_err(|error| DevChainError::Storage(Box::new(error.into())))?;
    Ok((Arc::new(database), passage))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;
    use crate::{ChainOptions, accounts::dev_accounts, chain::Core, pool::Outcome};
    use alloy::{
        consensus::{SignableTransaction, TxEip1559, TxEnvelope},
        eips::eip2718::Encodable2718,
        primitives::{Address, B256, TxKind, U256},
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use redb::backends::InMemoryBackend;
    use std::sync::atomic::AtomicU64;

    /// A disk with so much room.
    #[derive(Debug)]
    struct Small {
        memory: InMemoryBackend,
        room: AtomicU64,
        fail_sync: AtomicBool,
    }

    impl Small {
        fn check(&self, end: u64) -> io::Result<()> {
            if end > self.room.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    /// As a real file: growing is free, what is written needs room.
    #[derive(Debug, Clone)]
    struct Shared(Arc<Small>);

    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.memory.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.memory.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.memory.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            if self.0.fail_sync.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.memory.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.check(offset + data.len() as u64)?;
            self.0.memory.write(offset, data)
        }
    }

    struct Run {
        core: Arc<Core>,
        disk: Arc<Small>,
        nonce: u64,
    }

    impl Run {
        fn start(room: u64) -> (Self, std::thread::JoinHandle<()>) {
            let disk = Arc::new(Small {
                memory: InMemoryBackend::new(),
                room: AtomicU64::new(room),
                fail_sync: AtomicBool::new(false),
            });
            let core = Core::open_on(&ChainOptions::default(), Arc::new(Shared(disk.clone()))).unwrap();
            let core = Arc::new(core);
            let sealing = core.clone();
            (Self { core, disk, nonce: 0 }, std::thread::spawn(move || sealing.seal_until_stopped()))
        }

        /// Sends a transaction with 30 000 bytes of data; gives its hash, or why it was not sealed.
        fn send(&mut self) -> Result<B256, String> {
            let signer: PrivateKeySigner = dev_accounts()[0].0.parse().unwrap();
            let tx = TxEip1559 {
                chain_id: 31_337,
                nonce: self.nonce,
                gas_limit: 3_000_000,
                max_fee_per_gas: 10_000_000_000,
                to: TxKind::Call(Address::repeat_byte(7)),
                value: U256::from(1),
                input: vec![7; 30_000].into(),
                ..TxEip1559::default()
            };
            let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
            let raw = TxEnvelope::from(tx.into_signed(signature)).encoded_2718();
            let (hash, outcome) = self.core.submit(&raw).map_err(|e| e.to_string())??;
            match outcome.blocking_recv().unwrap() {
                Outcome::Sealed => {}
                Outcome::Dropped(reason) => return Err(reason),
                other => panic!("{other:?}"),
            }
            self.nonce += 1;
            Ok(hash)
        }

        fn head(&self) -> u64 {
            self.core.snapshot().unwrap().head().unwrap()
        }
    }

    #[test]
    fn a_full_disk_refuses_and_recovers() {
        let (mut run, sealer) = Run::start(u64::MAX);
        let mut sealed = vec![run.send().unwrap()];
        // Every amount of room from almost none to some blocks: the failure meets each write of a commit once.
        for spare in (0..60u64).map(|n| n * 4096) {
            run.disk.room.store(run.disk.memory.len().unwrap() / 4 + spare, Ordering::Relaxed);
            let head = run.head();
            let refused = loop {
                match run.send() {
                    Ok(hash) => sealed.push(hash),
                    Err(reason) => break reason,
                }
                if sealed.len() > 400 {
                    break "DEVCHAIN-0012".into();
                }
            };
            assert!(refused.contains("DEVCHAIN-0012"), "{spare} bytes to spare: {refused}");
            run.disk.room.store(u64::MAX, Ordering::Relaxed);
            sealed.push(run.send().unwrap_or_else(|e| panic!("{spare} bytes to spare, then room: {e}")));
            assert!(run.head() > head);
            let snapshot = run.core.snapshot().unwrap();
            for hash in &sealed {
                assert!(snapshot.place(*hash).unwrap().is_some(), "{spare} bytes to spare: a block is lost");
            }
        }
        run.core.stop();
        sealer.join().unwrap();
    }

    #[test]
    fn a_failed_fsync_stops_the_chain() {
        let (mut run, sealer) = Run::start(u64::MAX);
        run.send().unwrap();
        run.disk.fail_sync.store(true, Ordering::Relaxed);
        run.send().unwrap_err();
        run.disk.fail_sync.store(false, Ordering::Relaxed);
        let error = run.send().unwrap_err();
        assert!(error.contains("DEVCHAIN-0008"), "{error}");
        sealer.join().unwrap();
    }
}
