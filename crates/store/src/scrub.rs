//! Scrub: reads everything and sets aside what does not verify, before a reader meets it.

use std::ops::ControlFlow;

use crate::StoreError;
use crate::index::Row;
use crate::key::RecordKey;
use crate::store::{Inner, ItemKey, Store};
use crate::walk::{Judged, Walk};

/// Rows that are looked at between two looks at the index.
const ROWS_AT_A_TIME: usize = 1024;

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Live records that verify.
    pub records_good: u64,
    /// Bytes of them.
    pub bytes_good: u64,
    /// Items set aside by this scrub: to be fetched again from the network.
    pub set_aside: Vec<ItemKey>,
    /// Stretches of segments that are no records. Harmless when nothing live was in them.
    pub gaps: u64,
    /// Whether it ran to the end.
    pub complete: bool,
}

impl Store {
    /// Verifies every live record, segment by segment in the order on disk. `progress` gets the bytes of each record and
    /// may slow the scrub down or end it.
    ///
    /// # Errors
    /// When the disk or the index cannot be read.
    pub fn scrub(&self, mut progress: impl FnMut(u64) -> ControlFlow<()>) -> Result<ScrubReport, StoreError> {
        let inner = &self.inner;
        inner.check_running()?;
        let _turn = inner.maintenance.lock();
        let mut report = ScrubReport::default();
        let before = inner.index.quarantine()?;
        let segments: Vec<u64> = inner.table.lock().iter().map(|(id, _)| id).collect();
        let mut suspicious = false;
        for id in segments {
            match inner.scrub_segment(id, &mut report, &mut progress)? {
                ControlFlow::Continue(all_found) => suspicious |= !all_found,
                ControlFlow::Break(()) => return Ok(report),
            }
        }
        if suspicious {
            // A damaged header hides its record from the walk, not from the index.
            inner.scrub_index()?;
        }
        let known = |key: &RecordKey, row: &Row| before.iter().any(|(k, r, _)| k == key && r == row);
        let now = inner.index.quarantine()?;
        report.set_aside =
            now.iter().filter(|(key, row, _)| !known(key, row)).map(|(key, _, _)| (*key).into()).collect();
        report.complete = true;
        Ok(report)
    }
}

impl Inner {
    /// `Continue(false)` when live records of the segment were not found.
    fn scrub_segment(
        &self,
        id: u64,
        report: &mut ScrubReport,
        progress: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(), bool>, StoreError> {
        let Some(info) = self.table.lock().get(id) else { return Ok(ControlFlow::Continue(true)) };
        let mut walk = match Walk::new(self, id) {
            Ok(walk) => walk,
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(ControlFlow::Continue(info.live == 0));
            }
            Err(error) => return Err(error),
        };
        let mut found = 0;
        let mut bad = false;
        for judged in &mut walk {
            match judged? {
                Judged::Live { row, .. } => {
                    found += row.disk_len();
                    report.records_good += 1;
                    report.bytes_good += row.disk_len();
                    if progress(row.disk_len()).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Judged::Dead { .. } => {}
                Judged::Bad => bad = true,
                Judged::Gap => report.gaps += 1,
            }
        }
        Ok(ControlFlow::Continue(!bad && found >= info.live))
    }

    /// Verifies what every row of the index points to.
    fn scrub_index(&self) -> Result<(), StoreError> {
        let mut low = [0; 35];
        loop {
            let rows = self.index.rows(&low, &[0xff; 35], ROWS_AT_A_TIME)?;
            for (key, row) in &rows {
                if self.read_row(key, row)?.is_err()
                    && let Err(fault) = self.read_row(key, row)?
                    && self.index.row(key)? == Some(*row)
                {
                    self.set_aside(key, row, fault);
                }
            }
            let Some((last, _)) = rows.last() else { return Ok(()) };
            if rows.len() < ROWS_AT_A_TIME {
                return Ok(());
            }
            low = last.to_bytes();
        }
    }
}
