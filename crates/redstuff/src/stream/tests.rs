use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::{Axis, encode, plain};

fn blob(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| byte()).collect()
}

fn agrees(shards: u16, length: usize, ceiling: usize, seed: u64) {
    let params = EncodingParams::new(shards).unwrap();
    let blob = blob(length, seed);
    let expected = plain::compute_metadata(params, &blob).unwrap();
    assert_eq!(compute_metadata(params, &blob).unwrap(), expected);
    let got = compute_metadata_from(params, blob.as_slice(), ceiling).unwrap();
    assert_eq!(got, expected, "{shards} shards, {length} bytes, ceiling {ceiling}");
}

/// The shortest symbols, those of whole blocks of the code and of the hash, and their neighbours, in stripes of 128 bytes.
#[test]
fn symbol_sizes_around_all_boundaries() {
    for shards in [4u16, 7, 10, 31] {
        let params = EncodingParams::new(shards).unwrap();
        let symbols = usize::from(params.primary_source_symbols()) * usize::from(params.secondary_source_symbols());
        for symbol in [2, 62, 64, 66, 126, 128, 130, 190, 192, 194, 254, 256, 258, 320, 384, 386, 1000] {
            for missing in [0, 1, symbol, 2 * symbol + 1] {
                agrees(shards, (symbols * symbol).saturating_sub(missing), 0, symbol as u64);
            }
        }
    }
}

#[test]
fn the_empty_blob() {
    agrees(4, 0, 0, 1);
    agrees(10, 1, 0, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Longer stripes than the shortest, and several of them.
    #[test]
    fn any_size_and_ceiling(
        shards in prop_oneof![Just(4u16), Just(7), Just(10), Just(16), Just(31)],
        length in 0usize..300_000,
        extra in 0usize..2_000_000,
        seed: u64,
    ) {
        let params = EncodingParams::new(shards).unwrap();
        let length = length.min(usize::try_from(params.max_blob_size()).unwrap());
        let threads = rayon::current_num_threads();
        // From what the shortest stripes take.
        let ceiling = 65 * 32 * 32 + threads * 2 * 1024 * 1024 + extra;
        agrees(shards, length, ceiling, seed);
    }
}

/// A spool in memory; each byte must be written once.
#[derive(Default)]
struct Memory(Mutex<Vec<Option<u8>>>);

impl Spool for Memory {
    type Error = &'static str;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), &'static str> {
        let mut all = self.0.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let length = all.len().max(offset + bytes.len());
        all.resize(length, None);
        let all_new = all[offset..].iter_mut().zip(bytes).all(|(slot, byte)| slot.replace(*byte).is_none());
        if all_new { Ok(()) } else { Err("written twice") }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), &'static str> {
        let all = self.0.lock().unwrap();
        let bytes = all.get(usize::try_from(offset).unwrap()..).ok_or("past the end")?;
        for (out, byte) in buffer.iter_mut().zip(bytes) {
            *out = byte.ok_or("never written")?;
        }
        Ok(())
    }
}

fn spooled_slivers_agree(shards: u16, length: usize, ceiling: usize, symbols: usize, seed: u64) {
    let params = EncodingParams::new(shards).unwrap();
    let blob = blob(length, seed);
    let expected = encode(params, &blob).unwrap();
    let spool = Memory::default();
    let spooled = encode_into(params, blob.as_slice(), &spool, ceiling).unwrap();
    assert_eq!(*spooled.metadata(), expected.metadata);
    assert_eq!(spool.0.lock().unwrap().len() as u64, spooled.spool_bytes());
    for (pair, axis) in expected.pairs.iter().flat_map(|pair| Axis::ALL.map(|axis| (pair, axis))) {
        let sliver = pair.sliver(axis);
        let symbol = sliver.symbol_size.bytes();
        let mut got = vec![0; sliver.data.len()];
        for (number, out) in got.chunks_mut(symbols * symbol).enumerate() {
            spooled.read_symbols(blob.as_slice(), &spool, (axis, sliver.index), number * symbols, out).unwrap();
        }
        assert!(got == sliver.data, "{axis} {} of {shards}, {length} bytes, ceiling {ceiling}", sliver.index);
    }
}

#[test]
fn spooled_slivers_equal_those_in_memory() {
    for (shards, length) in [(4, 0), (4, 5000), (7, 1), (10, 28 * 130), (10, 20_000), (31, 231 * 386 - 5), (31, 400)] {
        for ceiling in [0, MEMORY_CEILING_BYTES] {
            spooled_slivers_agree(shards, length, ceiling, 3, 3);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// All numbers of stripes, widths of blocks, and places where reads begin.
    #[test]
    fn spooled_slivers_of_any_size_and_ceiling(
        shards in prop_oneof![Just(4u16), Just(7), Just(10), Just(16), Just(31)],
        length in 0usize..300_000,
        ceiling in 4_000_000usize..16_000_000,
        symbols in 1usize..30,
        seed: u64,
    ) {
        let params = EncodingParams::new(shards).unwrap();
        let length = length.min(usize::try_from(params.max_blob_size()).unwrap());
        spooled_slivers_agree(shards, length, ceiling, symbols, seed);
    }
}

struct Full;

impl Spool for Full {
    type Error = &'static str;

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), &'static str> {
        Err("full")
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> Result<(), &'static str> {
        Err("nothing there")
    }
}

struct Broken;

impl BlobSource for Broken {
    type Error = &'static str;

    fn length(&self) -> u64 {
        100_000
    }

    fn read_at(&self, offset: u64, _: &mut [u8]) -> Result<(), &'static str> {
        if offset < 50_000 { Ok(()) } else { Err("gone") }
    }
}

/// A blob that notices a change from some question on.
struct Changing(Vec<u8>, Mutex<u32>);

impl BlobSource for Changing {
    type Error = &'static str;

    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), &'static str> {
        self.0.as_slice().read_at(offset, buffer).map_err(|never| match never {})
    }

    fn unchanged(&self) -> Result<(), &'static str> {
        let mut left = self.1.lock().unwrap();
        *left = left.checked_sub(1).ok_or("changed")?;
        Ok(())
    }
}

#[test]
fn errors_of_the_source_and_of_the_size() {
    let params = EncodingParams::new(4).unwrap();
    let result = compute_metadata_from(params, &Broken, 0);
    assert_eq!(result.unwrap_err(), SourceError::Read("gone"));
    let blob = [1; 100].as_slice();
    assert_eq!(encode_into(params, blob, &Full, 0).unwrap_err(), SpoolError::Spool("full"));
    assert_eq!(encode_into(params, &Broken, &Full, MEMORY_CEILING_BYTES).unwrap_err(), SpoolError::Source("gone"));
    let large = vec![0; 393_205];
    let error = compute_metadata_from(params, large.as_slice(), 0).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(BlobTooLarge { size: 393_205, .. })));
}

#[test]
fn a_source_that_changes_is_noticed_before_anything_of_it_is_used() {
    let params = EncodingParams::new(4).unwrap();
    for ceiling in [0, MEMORY_CEILING_BYTES] {
        let source = |times| Changing(blob(5000, 1), Mutex::new(times));
        let result = compute_metadata_from(params, &source(0), ceiling);
        assert_eq!(result.unwrap_err(), SourceError::Read("changed"));
        let result = encode_into(params, &source(0), &Memory::default(), ceiling);
        assert_eq!(result.unwrap_err(), SpoolError::Source("changed"));
        let (source, spool) = (source(2), Memory::default());
        let spooled = encode_into(params, &source, &spool, ceiling).unwrap();
        let mut out = vec![0; spooled.metadata().symbol_size().bytes()];
        let mut read =
            |axis, index| spooled.read_symbols(&source, &spool, (axis, crate::SliverIndex::new(index)), 0, &mut out);
        read(Axis::Primary, 0).unwrap();
        assert_eq!(read(Axis::Secondary, 0).unwrap_err(), SpoolError::Source("changed"));
        read(Axis::Primary, 3).unwrap();
    }
}
