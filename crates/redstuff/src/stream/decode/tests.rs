use std::{collections::BTreeMap, sync::Mutex};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{BlobMetadata, EncodedBlob, EncodingParams, encode};

/// Slivers and rows in memory.
struct Memory<'e> {
    encoded: &'e EncodedBlob,
    axis: Axis,
    rows: Mutex<BTreeMap<SliverIndex, Vec<u8>>>,
    done: Mutex<Vec<u16>>,
    fails: bool,
}

impl<'e> Memory<'e> {
    fn new(encoded: &'e EncodedBlob, axis: Axis) -> Self {
        Self { encoded, axis, rows: Mutex::default(), done: Mutex::default(), fails: false }
    }

    fn sliver(&self, axis: Axis, index: SliverIndex) -> &[u8] {
        let pair = index.pair(axis, self.encoded.metadata.params());
        &self.encoded.pairs[pair.at()].sliver(axis).data
    }
}

impl DecodeSpace for Memory<'_> {
    type Error = &'static str;

    fn read_sliver(&self, index: SliverIndex, offset: u64, buffer: &mut [u8]) -> Result<(), &'static str> {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.sliver(self.axis, index)[start..start + buffer.len()]);
        Ok(())
    }

    fn write_row(&self, row: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), &'static str> {
        if self.fails {
            return Err("full");
        }
        let length = self.encoded.metadata.sliver_bytes(Axis::Primary);
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(row).or_insert_with(|| vec![0; length]);
        row[usize::try_from(offset).unwrap()..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read_row(&self, row: SliverIndex, buffer: &mut [u8]) -> Result<(), &'static str> {
        buffer.copy_from_slice(&self.rows.lock().unwrap()[&row]);
        Ok(())
    }

    fn row_done(&self, row: SliverIndex) {
        self.done.lock().unwrap().push(row.get());
    }
}

fn blob(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(i) ^ i.wrapping_mul(seed | 1) >> 7).to_le_bytes()[1]).collect()
}

/// As many indices as decoding takes, any of them.
fn some(params: EncodingParams, axis: Axis, order: &[Index]) -> Vec<SliverIndex> {
    let mut all: Vec<u16> = (0..params.n_shards()).collect();
    for (i, index) in order.iter().enumerate().take(all.len()) {
        let other = index.index(all.len());
        all.swap(i, other);
    }
    all.truncate(params.slivers_to_decode(axis).into());
    all.into_iter().map(SliverIndex::new).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_slivers_give_the_rows_that_are_wanted(
        shards in prop_oneof![Just(4u16), Just(7), Just(10), Just(31)],
        length in 0usize..60_000,
        from_columns: bool,
        is_checked: bool,
        order in prop::collection::vec(any::<Index>(), 31),
        start in 0u16..12,
        ceiling in prop_oneof![Just(0usize), 0usize..200_000, Just(1 << 30)],
        seed: u64,
    ) {
        let params = EncodingParams::new(shards).unwrap();
        let axis = if from_columns { Axis::Secondary } else { Axis::Primary };
        let encoded = encode(params, &blob(length, seed)).unwrap();
        let held = some(params, axis, &order);
        let space = Memory::new(&encoded, axis);
        let options = DecodeOptions { rows: start..u16::MAX, is_checked, ceiling };
        decode_rows(&encoded.metadata, axis, &held, &options, &space).unwrap();

        let is_held = |row: &u16| !from_columns && held.contains(&SliverIndex::new(*row));
        let expected: Vec<u16> = (start..params.primary_source_symbols()).filter(|row| !is_held(row)).collect();
        let mut done = space.done.lock().unwrap().clone();
        done.sort_unstable();
        prop_assert_eq!(&done, &expected, "each row once");
        let rows = space.rows.lock().unwrap();
        prop_assert_eq!(rows.len(), expected.len(), "nothing else is written");
        for (row, bytes) in &*rows {
            prop_assert_eq!(bytes.as_slice(), space.sliver(Axis::Primary, *row));
        }
    }
}

/// The same blob under metadata that says something else of one row.
fn with_another_row(encoded: &EncodedBlob, pair: usize) -> EncodedBlob {
    let mut metadata: BlobMetadata = encoded.metadata.metadata().clone();
    metadata.hashes[pair].primary = metadata.hashes[pair + 1].primary;
    let id = metadata.blob_id();
    EncodedBlob { metadata: metadata.verify(&id, encoded.metadata.params()).unwrap(), pairs: encoded.pairs.clone() }
}

#[test]
fn a_row_that_is_not_what_the_metadata_says_is_found_if_it_is_looked_for() {
    let params = EncodingParams::new(10).unwrap();
    let forged = with_another_row(&encode(params, &blob(28 * 100, 1)).unwrap(), 1);
    for (axis, held) in [(Axis::Primary, 5..9), (Axis::Secondary, 2..9)] {
        let held: Vec<SliverIndex> = held.map(SliverIndex::new).collect();
        let result = |rows, is_checked, ceiling| {
            let options = DecodeOptions { rows, is_checked, ceiling };
            decode_rows(&forged.metadata, axis, &held, &options, &Memory::new(&forged, axis))
        };
        for ceiling in [0, 1 << 30] {
            let expected = DecodeRowsError::Inconsistent(InconsistentBlob::Sliver { index: SliverIndex::new(1) });
            assert_eq!(result(0..4, true, ceiling), Err(expected), "{axis}");
            assert_eq!(result(2..4, true, ceiling), Ok(()), "{axis}: the others are right");
            assert_eq!(result(0..4, false, ceiling), Ok(()), "{axis}: not looked for");
        }
    }
}

#[test]
fn too_few_slivers_and_a_space_that_fails() {
    let params = EncodingParams::new(10).unwrap();
    let encoded = encode(params, &blob(1000, 1)).unwrap();
    let options = DecodeOptions { rows: 0..4, is_checked: true, ceiling: 0 };
    let held: Vec<SliverIndex> = [9, 8, 7, 8, 7].into_iter().map(SliverIndex::new).collect();
    let mut space = Memory::new(&encoded, Axis::Primary);
    let error = decode_rows(&encoded.metadata, Axis::Primary, &held, &options, &space).unwrap_err();
    assert_eq!(error, DecodeError::NotEnough { axis: Axis::Primary, got: 3, needed: 4 }.into());
    space.fails = true;
    let held: Vec<SliverIndex> = (6..10).map(SliverIndex::new).collect();
    let error = decode_rows(&encoded.metadata, Axis::Primary, &held, &options, &space).unwrap_err();
    assert_eq!(error, DecodeRowsError::Space("full"));
}
