use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::{Axis, SliverIndex, encode, plain};

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

/// All slivers of both axes; each byte must be written once.
struct Slivers([Vec<Mutex<Vec<Option<u8>>>>; 2]);

impl Slivers {
    fn new(params: EncodingParams, symbol: usize) -> Self {
        let sliver = |axis| Mutex::new(vec![None; usize::from(params.symbols_per_sliver(axis)) * symbol]);
        Self(Axis::ALL.map(|axis| (0..params.n_shards()).map(|_| sliver(axis)).collect()))
    }

    fn get(&self, axis: Axis, index: SliverIndex) -> &Mutex<Vec<Option<u8>>> {
        &self.0[usize::from(axis != Axis::ALL[0])][usize::from(index.get())]
    }
}

impl SliverSink for Slivers {
    type Error = &'static str;

    fn write_at(&self, axis: Axis, index: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), &'static str> {
        let mut sliver = self.get(axis, index).lock().unwrap();
        let room = sliver[usize::try_from(offset).unwrap()..].iter_mut();
        for (slot, byte) in room.zip(bytes) {
            if slot.replace(*byte).is_some() {
                return Err("written twice");
            }
        }
        Ok(())
    }
}

#[test]
fn slivers_in_a_sink_equal_those_in_memory() {
    for (shards, length) in [(4, 0), (4, 5000), (7, 1), (10, 28 * 130), (10, 20_000), (31, 231 * 386 - 5), (31, 400)] {
        let params = EncodingParams::new(shards).unwrap();
        let blob = blob(length, 3);
        let expected = encode(params, &blob).unwrap();
        for ceiling in [0, MEMORY_CEILING_BYTES] {
            let sink = Slivers::new(params, expected.metadata.symbol_size().bytes());
            let metadata = encode_into(params, blob.as_slice(), &sink, ceiling).unwrap();
            assert_eq!(metadata, expected.metadata);
            for (pair, axis) in expected.pairs.iter().flat_map(|pair| Axis::ALL.map(|axis| (pair, axis))) {
                let sliver = pair.sliver(axis);
                let got: Option<Vec<u8>> = sink.get(axis, sliver.index).lock().unwrap().iter().copied().collect();
                assert_eq!(got.as_ref(), Some(&sliver.data), "{axis} {} of {shards}", sliver.index);
            }
        }
    }
}

struct Full;

impl SliverSink for Full {
    type Error = &'static str;

    fn write_at(&self, _: Axis, _: SliverIndex, _: u64, _: &[u8]) -> Result<(), &'static str> {
        Err("full")
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

#[test]
fn errors_of_the_source_and_of_the_size() {
    let params = EncodingParams::new(4).unwrap();
    let result = compute_metadata_from(params, &Broken, 0);
    assert_eq!(result.unwrap_err(), SourceError::Read("gone"));
    let blob = [1; 100].as_slice();
    assert_eq!(encode_into(params, blob, &Full, 0).unwrap_err(), SinkError::Write("full"));
    assert_eq!(encode_into(params, &Broken, &Full, MEMORY_CEILING_BYTES).unwrap_err(), SinkError::Read("gone"));
    let large = vec![0; 393_205];
    let error = compute_metadata_from(params, large.as_slice(), 0).unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(BlobTooLarge { size: 393_205, .. })));
}
