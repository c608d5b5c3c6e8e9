//! Whether decoded rows are what the metadata commits to.

use super::{DecodeRowsError, DecodeSpace, strips::Strips};
use crate::{
    Axis, InconsistentBlob, SliverIndex, VerifiedMetadata,
    expand::Expander,
    hash::{self, Digest},
};

/// Checks rows, some at a time; one for each thread.
pub(super) struct RowCheck<'m> {
    metadata: &'m VerifiedMetadata,
    row_bytes: usize,
    expander: Expander,
}

impl<'m> RowCheck<'m> {
    pub(super) fn new(metadata: &'m VerifiedMetadata) -> Self {
        let symbol = metadata.symbol_size().bytes();
        Self {
            metadata,
            row_bytes: metadata.sliver_bytes(Axis::Primary),
            expander: Expander::new(Axis::Primary, metadata.params(), symbol),
        }
    }

    /// Reads rows back and checks them all.
    pub(super) fn all<S: DecodeSpace + ?Sized>(
        metadata: &'m VerifiedMetadata,
        rows: &[SliverIndex],
        ceiling: usize,
        space: &S,
    ) -> Result<(), DecodeRowsError<S::Error>> {
        let symbol = metadata.symbol_size().bytes();
        let row_bytes = metadata.sliver_bytes(Axis::Primary);
        let n = usize::from(metadata.params().n_shards());
        hash::expect_leaves(symbol, rows.len() * n);
        let strips = Strips::new(rows.len(), symbol, n * symbol, ceiling);
        strips.run(
            || (Self::new(metadata), Vec::new()),
            |(check, bytes), strip| {
                bytes.resize(strip.len() * row_bytes, 0);
                for (row, bytes) in rows[strip.clone()].iter().zip(bytes.chunks_exact_mut(row_bytes)) {
                    space.read_row(*row, bytes).map_err(DecodeRowsError::Space)?;
                }
                check.rows(&rows[strip.clone()], bytes)?;
                rows[strip].iter().for_each(|row| space.row_done(*row));
                Ok(())
            },
        )
    }

    /// Checks rows that lie one after the other in `bytes`. What lies past the end of the blob becomes zeros, as it is
    /// no part of what a reader returns.
    pub(super) fn rows(&mut self, rows: &[SliverIndex], bytes: &mut [u8]) -> Result<(), InconsistentBlob> {
        let row_bytes = self.row_bytes;
        for (row, bytes) in rows.iter().zip(bytes.chunks_exact_mut(row_bytes)) {
            let start = (row.at() * row_bytes) as u64;
            let inside = self.metadata.unencoded_length().saturating_sub(start);
            let inside = usize::try_from(inside).unwrap_or(usize::MAX).min(row_bytes);
            bytes[inside..].fill(0);
        }
        let slivers: Vec<&[u8]> = bytes.chunks_exact(row_bytes).collect();
        let roots = self.expander.roots_of(&slivers);
        let wrong =
            |(row, root): &(&SliverIndex, &Digest)| *root != self.metadata.hash_of(Axis::Primary, **row).value();
        match rows.iter().zip(&roots).find(wrong) {
            None => Ok(()),
            Some((index, _)) => Err(InconsistentBlob::Sliver { index: *index }),
        }
    }
}
