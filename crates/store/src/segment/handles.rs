use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::segment_name;
use crate::disk::{Disk, DiskFile, OpenMode};

/// Open files of segments for reading, a bounded number of them; the least recently used one goes first.
#[derive(Debug)]
pub(crate) struct Handles {
    disk: Arc<dyn Disk>,
    limit: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    clock: u64,
    files: HashMap<u64, (u64, Arc<dyn DiskFile>)>,
}

impl Handles {
    pub(crate) fn new(disk: Arc<dyn Disk>, limit: usize) -> Self {
        Self { disk, limit: limit.max(1), open: Mutex::new(Open::default()) }
    }

    pub(crate) fn get(&self, id: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock();
        open.clock += 1;
        let now = open.clock;
        if let Some((used, file)) = open.files.get_mut(&id) {
            *used = now;
            return Ok(file.clone());
        }
        let file = self.disk.open(&segment_name(id), OpenMode::Existing)?;
        if open.files.len() >= self.limit
            && let Some(oldest) = open.files.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            open.files.remove(&oldest);
        }
        open.files.insert(id, (now, file.clone()));
        Ok(file)
    }

    pub(crate) fn forget(&self, id: u64) {
        self.open.lock().files.remove(&id);
    }
}
