//! Decoding in bounded memory: slivers lie somewhere else (in files), and so do the rows that come out.
//!
//! A codeword crosses the slivers that are held, so symbols with the same number are read from each of them, a few
//! codewords at a time ([`Strips`]), and what is missing is decoded and written. From rows, codewords are columns of the
//! blob, and a missing row is whole only after the last strip: it is read back to be checked. From columns, codewords
//! are rows, which are checked while they are at hand.

mod rows;
mod strips;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::{rows::RowCheck, strips::Strips};
use crate::{
    Axis, DecodeError, InconsistentBlob, SliverIndex, VerifiedMetadata,
    code::{Code, Decoder, Erasures, Runs},
};

/// Slivers of one axis that were verified, and room for the rows of a blob; used by many threads at once.
///
/// What is read must be what was verified or written: nothing here looks at the hash of a sliver that is held.
pub trait DecodeSpace: Sync {
    /// Why reading or writing fails.
    type Error: Send;

    /// Fills `buffer` with the bytes at `offset` of the data of a sliver that is held.
    ///
    /// # Errors
    /// What the space says; it ends the decoding.
    fn read_sliver(&self, index: SliverIndex, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Puts `bytes` at `offset` of a row of the blob (a systematic primary sliver) that is not held.
    ///
    /// # Errors
    /// What the space says; it ends the decoding.
    fn write_row(&self, row: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Fills `buffer` with a row that was written.
    ///
    /// # Errors
    /// What the space says; it ends the decoding.
    fn read_row(&self, row: SliverIndex, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// A row is whole, and what the metadata commits to if that is checked. Rows come in no order.
    fn row_done(&self, _row: SliverIndex) {}
}

/// What is to be decoded, and how.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// The rows that are wanted; those of them that are held are left alone.
    pub rows: Range<u16>,
    /// Whether each row that is decoded is made into a sliver again and compared with its commitment, as
    /// [`check_default`](crate::check_default) does. Bytes past the end of the blob count as zeros.
    pub is_checked: bool,
    /// Memory to work in, in bytes. Less than what one codeword takes (at most `1.5 n` symbols, 100 MB for the largest blob
    /// at 1000 shards) acts like that.
    pub ceiling: usize,
}

/// Why rows were not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeRowsError<E> {
    /// The slivers do not suffice.
    #[error(transparent)]
    Slivers(#[from] DecodeError),
    /// The writer encoded the blob wrongly.
    #[error(transparent)]
    Inconsistent(#[from] InconsistentBlob),
    /// The space cannot be read or written.
    #[error("decoding: {0}")]
    Space(E),
}

/// As [`decode()`](crate::decode()), for a blob of any size in bounded memory: the rows of the blob that are wanted are
/// decoded from `held` slivers of one axis, as many as it takes, systematic ones preferred. Runs on the current rayon
/// pool.
///
/// # Errors
/// Too few slivers, an inconsistent blob, or the space fails; what was written then is worth nothing.
pub fn decode_rows<S: DecodeSpace + ?Sized>(
    metadata: &VerifiedMetadata,
    axis: Axis,
    held: &[SliverIndex],
    options: &DecodeOptions,
    space: &S,
) -> Result<(), DecodeRowsError<S::Error>> {
    let params = metadata.params();
    let needed = usize::from(params.slivers_to_decode(axis));
    let mut taken: Vec<SliverIndex> = held.iter().copied().filter(|index| params.contains(index.get())).collect();
    taken.sort_unstable();
    taken.dedup();
    if taken.len() < needed {
        return Err(DecodeError::NotEnough { axis, got: taken.len(), needed }.into());
    }
    taken.truncate(needed);
    let rows = options.rows.start..options.rows.end.min(params.primary_source_symbols());
    let erasures = Erasures::new(Code::of_sliver(axis.orthogonal(), params), taken.iter().map(|i| i.at()).collect());
    let work = Work { metadata, space, options, symbol: metadata.symbol_size().bytes(), erasures, taken };
    match axis {
        Axis::Primary => work.by_rows(rows),
        Axis::Secondary => work.by_columns(rows),
    }
}

struct Work<'w, S: ?Sized> {
    metadata: &'w VerifiedMetadata,
    space: &'w S,
    options: &'w DecodeOptions,
    /// Bytes in a symbol.
    symbol: usize,
    erasures: Erasures,
    /// The slivers decoded from, by slot.
    taken: Vec<SliverIndex>,
}

impl<S: DecodeSpace + ?Sized> Work<'_, S> {
    fn by_rows(&self, rows: Range<u16>) -> Result<(), DecodeRowsError<S::Error>> {
        let symbol = self.symbol;
        let missing: Vec<SliverIndex> = self.erasures.missing().iter().map(|row| index(*row)).collect();
        let wanted = || missing.iter().copied().filter(|row| rows.contains(&row.get()));
        if wanted().next().is_none() {
            return Ok(());
        }
        let columns = usize::from(self.metadata.params().secondary_source_symbols());
        let (slots, restored) = (self.taken.len() * symbol, missing.len() * symbol);
        let strips = Strips::new(columns, symbol, slots + restored, self.options.ceiling);
        let worker = || (Decoder::new(&self.erasures, symbol), Vec::new(), Vec::new());
        strips.run(worker, |(decoder, source, output), strip| {
            let (offset, width) = ((strip.start * symbol) as u64, strip.len() * symbol);
            source.resize(self.taken.len() * width, 0);
            for (sliver, bytes) in self.taken.iter().zip(source.chunks_exact_mut(width)) {
                self.space.read_sliver(*sliver, offset, bytes).map_err(DecodeRowsError::Space)?;
            }
            output.resize(missing.len() * width, 0);
            decoder.decode(strip.len(), &Runs(|slot: usize| &source[slot * width..]), |m, shard| {
                shard.write(&mut output[m * width..], symbol);
            });
            for (row, bytes) in missing.iter().zip(output.chunks_exact(width)) {
                if rows.contains(&row.get()) {
                    self.space.write_row(*row, offset, bytes).map_err(DecodeRowsError::Space)?;
                }
            }
            Ok::<_, DecodeRowsError<S::Error>>(())
        })?;
        let wanted: Vec<SliverIndex> = wanted().collect();
        match self.options.is_checked {
            true => RowCheck::all(self.metadata, &wanted, self.options.ceiling, self.space)?,
            false => wanted.iter().for_each(|row| self.space.row_done(*row)),
        }
        Ok(())
    }

    fn by_columns(&self, rows: Range<u16>) -> Result<(), DecodeRowsError<S::Error>> {
        let symbol = self.symbol;
        let columns = usize::from(self.metadata.params().secondary_source_symbols());
        let systematic = self.taken.iter().take_while(|column| column.at() < columns).count();
        let missing = self.erasures.missing();
        // The columns at hand that are no part of the rows, the row, and what it is continued by.
        let each = (missing.len() + usize::from(self.metadata.params().n_shards())) * symbol;
        let strips = Strips::new(rows.len(), symbol, each, self.options.ceiling);
        let worker = || {
            let check = self.options.is_checked.then(|| RowCheck::new(self.metadata));
            (Decoder::new(&self.erasures, symbol), check, Vec::new(), Vec::new())
        };
        strips.run(worker, |(decoder, check, source, woven), strip| {
            let first = usize::from(rows.start) + strip.start;
            let (offset, height) = ((first * symbol) as u64, strip.len() * symbol);
            source.resize(self.taken.len() * height, 0);
            for (sliver, bytes) in self.taken.iter().zip(source.chunks_exact_mut(height)) {
                self.space.read_sliver(*sliver, offset, bytes).map_err(DecodeRowsError::Space)?;
            }
            woven.resize(strip.len() * columns * symbol, 0);
            for (column, symbols) in self.taken[..systematic].iter().zip(source.chunks_exact(height)) {
                for (row, bytes) in symbols.chunks_exact(symbol).enumerate() {
                    woven[(row * columns + column.at()) * symbol..][..symbol].copy_from_slice(bytes);
                }
            }
            decoder.decode(strip.len(), &Runs(|slot: usize| &source[slot * height..]), |m, shard| {
                shard.write(&mut woven[missing[m] * symbol..], columns * symbol);
            });
            let strip: Vec<SliverIndex> = (first..first + strip.len()).map(index).collect();
            if let Some(check) = check {
                check.rows(&strip, woven)?;
            }
            for (row, bytes) in strip.iter().zip(woven.chunks_exact(columns * symbol)) {
                self.space.write_row(*row, 0, bytes).map_err(DecodeRowsError::Space)?;
                self.space.row_done(*row);
            }
            Ok(())
        })
    }
}

fn index(at: usize) -> SliverIndex {
    SliverIndex::new(u16::try_from(at).expect("below the number of shards"))
}
