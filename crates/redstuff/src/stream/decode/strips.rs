//! Codewords in strips, below a ceiling on memory.

use std::ops::Range;

use rayon::prelude::*;

/// Strips for each thread, so that all are busy to the end.
const STRIPS_PER_THREAD: usize = 4;

/// How many codewords are worked on at once, and by how many workers.
pub(super) struct Strips {
    codewords: usize,
    width: usize,
    workers: usize,
}

impl Strips {
    /// Strips of codewords that take `each` bytes of memory, with symbols of `symbol` bytes.
    pub(super) fn new(codewords: usize, symbol: usize, each: usize, ceiling: usize) -> Self {
        let threads = rayon::current_num_threads();
        let affordable = ceiling / each.max(1);
        let workers = affordable.clamp(1, threads);
        // Enough symbols to fill a block of the code.
        let fair = codewords.div_ceil(STRIPS_PER_THREAD * threads).next_multiple_of(64usize.div_ceil(symbol));
        Self { codewords, width: (affordable / workers).min(fair).max(1), workers }
    }

    /// Works on all strips, given as ranges of codewords. Each worker has its own `state`.
    pub(super) fn run<W, E: Send>(
        &self,
        state: impl Fn() -> W + Sync,
        work: impl Fn(&mut W, Range<usize>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        (0..self.workers).into_par_iter().try_for_each(|worker| {
            let mut state = state();
            let own = (0..self.codewords).step_by(self.width).skip(worker).step_by(self.workers);
            own.into_iter().try_for_each(|first| {
                let end = (first + self.width).min(self.codewords);
                work(&mut state, first..end)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_codeword_once_and_below_the_ceiling() {
        for (codewords, symbol, each, ceiling) in
            [(667, 65_534, 43_700_000, 512 << 20), (667, 65_534, 43_700_000, 0), (0, 2, 1, 9), (5, 2, 10, 1 << 30)]
        {
            let strips = Strips::new(codewords, symbol, each, ceiling);
            assert!(strips.workers * strips.width * each <= ceiling.max(each));
            let seen = Mutex::new(vec![0; codewords]);
            let work = |_: &mut (), strip: Range<usize>| {
                assert!(strip.len() <= strips.width);
                seen.lock().unwrap()[strip].iter_mut().for_each(|count| *count += 1);
                Ok::<_, ()>(())
            };
            strips.run(|| (), work).unwrap();
            assert!(seen.into_inner().unwrap().iter().all(|count| *count == 1));
        }
    }

    #[test]
    fn the_first_failure_ends_it() {
        let strips = Strips::new(100, 2, 1, 1);
        assert_eq!(strips.run(|| (), |(), strip| if strip.start == 7 { Err(strip.start) } else { Ok(()) }), Err(7));
    }
}
