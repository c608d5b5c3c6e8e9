//! A simulated disk for tests: it forgets what was not synced, tears writes, runs full and fails on demand.
//!
//! Every file has live bytes (what a running process reads) and durable bytes (what a power cut leaves), with the writes
//! in between in order. [`SimDisk::crash`] gives the disk as it would be found after a power cut now, keeping none, all, a
//! prefix or a random subset of what was not synced, in 512-byte sectors, with file lengths and names treated alike.
//! Nothing in the store knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, OpenMode};

const SECTOR: usize = 512;
/// Space is allocated in blocks of this many bytes.
const BLOCK: u64 = 4096;

/// What survives of the writes that were not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// The first so many of them, in the order they were issued; the last one torn in the middle.
    Prefix,
    /// Any subset of sectors, lengths and names.
    Subset,
}

/// The faults to inject. Operations are counted from 1, reads included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The power goes at this operation: it and all that follow fail. A write or sync then may have happened in part.
    pub power_off_at: Option<u64>,
    /// This operation alone fails with an I/O error, without effect.
    pub fail_at: Option<u64>,
    /// The fsync with this number (counted from 1 among fsyncs) fails; what it should have kept is never kept.
    pub fail_sync_at: Option<u64>,
    /// Bytes that fit on the disk.
    pub space_bytes: Option<u64>,
}

/// A simulated folder. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<u64, SimContent>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<(u64, NameChange)>,
    next_file: u64,
    operations: u64,
    syncs: u64,
    faults: FaultPlan,
    random: Random,
}

#[derive(Clone, Debug, Default)]
struct SimContent {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(u64, Change)>,
    blocks: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

/// splitmix64: small, and the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 when that is 0).
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).expect("below a usize")
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

fn apply_name(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Set(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

fn write_into(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn apply_change(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, data } => write_into(bytes, *offset, data),
        Change::SetLen(len) => bytes.resize(*len, 0),
    }
}

impl SimContent {
    /// The content after a power cut; changes numbered from `cut` on are behind the prefix that survives.
    fn after_crash(&self, retention: Retention, cut: u64, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        match retention {
            Retention::None => {}
            Retention::All => bytes.clone_from(&self.live),
            Retention::Prefix => {
                for (number, change) in self.pending.iter().filter(|(number, _)| *number <= cut) {
                    match change {
                        Change::Write { offset, data } if *number == cut => {
                            write_into(&mut bytes, *offset, &data[..random.below(data.len() + 1)]);
                        }
                        change => apply_change(&mut bytes, change),
                    }
                }
            }
            Retention::Subset => {
                for (_, change) in &self.pending {
                    match change {
                        Change::Write { offset, data } => keep_sectors(&mut bytes, *offset, data, random),
                        Change::SetLen(len) if random.coin() => bytes.truncate(*len),
                        Change::SetLen(_) => {}
                    }
                }
                let len = self.length_after_crash(random);
                bytes.resize(len, 0);
            }
        }
        bytes
    }

    /// The length is written apart from the data: any that the file had since the last sync, and within a write that
    /// made it longer any multiple of a sector. Setting a length happens or does not.
    fn length_after_crash(&self, random: &mut Random) -> usize {
        let steps = random.below(self.pending.len() + 1);
        let mut len = self.durable.len();
        for (taken, (_, change)) in self.pending.iter().take(steps).enumerate() {
            match change {
                Change::SetLen(new) => len = *new,
                Change::Write { offset, data } => {
                    let end = len.max(offset + data.len());
                    let torn = taken + 1 == steps && random.coin();
                    len = if torn { len + random.below(end - len + 1) / SECTOR * SECTOR } else { end };
                }
            }
        }
        len
    }
}

/// Writes a random subset of the sectors that `data` touches.
fn keep_sectors(bytes: &mut Vec<u8>, offset: usize, data: &[u8], random: &mut Random) {
    let mut at = 0;
    while at < data.len() {
        let end = ((offset + at) / SECTOR * SECTOR + SECTOR - offset).min(data.len());
        if random.coin() {
            write_into(bytes, offset + at, &data[at..end]);
        }
        at = end;
    }
}

impl SimDisk {
    /// An empty disk; the seed decides what a crash keeps.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, BTreeMap::new(), BTreeMap::new())
    }

    fn with(seed: u64, files: BTreeMap<u64, SimContent>, names: BTreeMap<String, u64>) -> Self {
        let next_file = files.keys().next_back().map_or(0, |id| id + 1);
        let state = State {
            files,
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            next_file,
            operations: 0,
            syncs: 0,
            faults: FaultPlan::default(),
            random: Random(seed),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Sets the faults from now on; the counts of operations go on.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.state.lock().faults = faults;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Fsyncs so far.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Bytes of allocated blocks.
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().used()
    }

    /// The disk as it is found after a power cut now. This one stays as it is.
    pub fn crash(&self, retention: Retention, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = Random(seed);
        let first = state.files.values().filter_map(|file| file.pending.first()).map(|(number, _)| *number).min();
        let span = usize::try_from(state.operations - first.unwrap_or(state.operations)).unwrap_or(usize::MAX);
        let cut = state.operations.saturating_sub(random.below(span + 2) as u64);
        let mut names = state.durable_names.clone();
        for (number, change) in &state.pending_names {
            let keep = match retention {
                Retention::None => false,
                Retention::All => true,
                Retention::Prefix => *number <= cut,
                Retention::Subset => random.coin(),
            };
            if keep {
                apply_name(&mut names, change);
            }
        }
        let kept: BTreeSet<u64> = names.values().copied().collect();
        let mut files = BTreeMap::new();
        for (id, file) in state.files.iter().filter(|(id, _)| kept.contains(id)) {
            let bytes = file.after_crash(retention, cut, &mut random);
            let blocks = (0..(bytes.len() as u64).div_ceil(BLOCK)).collect();
            files.insert(*id, SimContent { live: bytes.clone(), durable: bytes, pending: Vec::new(), blocks });
        }
        Self::with(random.next(), files, names)
    }

    /// The names in the folder.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// The live bytes of a file.
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        Some(state.files.get(state.names.get(name)?)?.live.clone())
    }

    /// Changes a file behind the store's back, durably: rot.
    pub fn rot(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let Some(id) = state.names.get(name).copied() else { return };
        if let Some(file) = state.files.get_mut(&id) {
            change(&mut file.live);
            file.durable = file.live.clone();
            file.pending.clear();
        }
    }

    /// Removes a file behind the store's back, durably.
    pub fn lose(&self, name: &str) {
        let mut state = self.state.lock();
        state.names.remove(name);
        state.durable_names.remove(name);
    }
}

impl State {
    fn used(&self) -> u64 {
        let named: BTreeSet<&u64> = self.names.values().collect();
        let blocks = self.files.iter().filter(|(id, _)| named.contains(id)).map(|(_, file)| file.blocks.len() as u64);
        blocks.sum::<u64>() * BLOCK
    }

    /// Counts an operation and fails it when the plan says so. `Ok(true)`: the power goes during this operation.
    fn begin(&mut self) -> io::Result<bool> {
        self.operations += 1;
        if let Some(at) = self.faults.power_off_at {
            if self.operations > at {
                return Err(io::Error::other("simulated: the power is off"));
            }
            if self.operations == at {
                return Ok(true);
            }
        }
        if self.faults.fail_at == Some(self.operations) {
            return Err(io::Error::other("simulated: I/O error"));
        }
        Ok(false)
    }

    /// An operation that is all or nothing: when the power goes it did not happen.
    fn begin_whole(&mut self) -> io::Result<()> {
        if self.begin()? { Err(io::Error::other("simulated: the power went")) } else { Ok(()) }
    }

    fn begin_sync(&mut self) -> io::Result<bool> {
        self.begin_whole()?;
        self.syncs += 1;
        Ok(self.faults.fail_sync_at == Some(self.syncs))
    }

    fn rename_pending(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.pending_names.push((self.operations, change));
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    id: u64,
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

impl Disk for SimDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        let id = match (state.names.get(name).copied(), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, OpenMode::Existing) => return Err(not_found()),
            (Some(id), _) => id,
            (None, _) => {
                let id = state.next_file;
                state.next_file += 1;
                state.files.insert(id, SimContent::default());
                state.rename_pending(NameChange::Set(name.to_owned(), id));
                id
            }
        };
        Ok(Arc::new(SimFile { state: self.state.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        if !state.names.contains_key(from) {
            return Err(not_found());
        }
        state.rename_pending(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        if !state.names.contains_key(name) {
            return Err(not_found());
        }
        state.rename_pending(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let fail = state.begin_sync()?;
        let pending = std::mem::take(&mut state.pending_names);
        if fail {
            return Err(io::Error::other("simulated: fsync of the folder failed"));
        }
        pending.iter().for_each(|(_, change)| apply_name(&mut state.durable_names, change));
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        let offset = index(offset)?;
        let file = state.files.get(&self.id).ok_or_else(not_found)?;
        let bytes = file.live.get(offset..).and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let power_off = state.begin()?;
        let free = state.faults.space_bytes.map(|space| space.saturating_sub(state.used()) / BLOCK);
        let number = state.operations;
        let file = state.files.get_mut(&self.id).ok_or_else(not_found)?;
        let needed: Vec<u64> = (offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK))
            .filter(|block| !file.blocks.contains(block))
            .collect();
        // A full disk takes what fits and refuses the rest.
        let refused = free.and_then(|free| needed.get(usize::try_from(free).ok()?)).copied();
        let fits = refused.map_or(data.len() as u64, |block| (block * BLOCK).saturating_sub(offset));
        let data = &data[..index(fits)?.min(data.len())];
        file.blocks.extend(needed.iter().filter(|block| refused.is_none_or(|refused| **block < refused)));
        let offset = index(offset)?;
        if !data.is_empty() {
            write_into(&mut file.live, offset, data);
            file.pending.push((number, Change::Write { offset, data: data.to_vec() }));
        }
        if refused.is_some() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if power_off { Err(io::Error::other("simulated: the power went")) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let fail = state.begin_sync()?;
        let mut random = state.random.clone();
        let file = state.files.get_mut(&self.id).ok_or_else(not_found)?;
        let pending = std::mem::take(&mut file.pending);
        if fail {
            // As on Linux: some of it is on disk, the rest counts as clean and is never written.
            for (_, change) in pending.iter().filter(|_| random.coin()) {
                apply_change(&mut file.durable, change);
            }
            state.random = random;
            return Err(io::Error::other("simulated: fsync failed"));
        }
        pending.iter().for_each(|(_, change)| apply_change(&mut file.durable, change));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin_whole()?;
        let number = state.operations;
        let file = state.files.get_mut(&self.id).ok_or_else(not_found)?;
        file.blocks.retain(|block| block * BLOCK < len);
        let len = index(len)?;
        file.live.resize(len, 0);
        file.pending.push((number, Change::SetLen(len)));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        let off = state.faults.power_off_at.is_some_and(|at| state.operations >= at);
        let file = state.files.get_mut(&self.id).ok_or_else(not_found)?;
        if off { Err(io::Error::other("simulated: the power is off")) } else { Ok(file.live.len() as u64) }
    }
}
