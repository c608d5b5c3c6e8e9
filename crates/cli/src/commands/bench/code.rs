//! The works of the code that are timed, and their inputs.

use std::cell::RefCell;

use floe_redstuff::{
    Axis, DecodingSymbol, EncodedBlob, EncodingParams, PairIndex, RecoveryError, Sliver, SliverError, SliverIndex,
    VerifiedMetadata, VerifiedSliver, blake2b256, check_default, compute_metadata, decode_into, encode, plain,
    recover_slivers_unproven, simd_level, verify_slivers,
};

use super::{
    report::Report,
    timing::{Contest, Work, compare},
};
use crate::memory;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) n_shards: u16,
    pub(super) blob_bytes: u64,
    /// Threads of this implementation; the plain one has one. `None` is one for each processor.
    pub(super) threads: Option<usize>,
    /// Most runs of each.
    pub(super) runs: usize,
    /// Whether the plain code is run.
    pub(super) baseline: bool,
}

/// Measures everything.
///
/// # Errors
/// Impossible options, or results that are not those of the plain code.
pub(super) fn run(options: Options) -> Result<Report, String> {
    let params = EncodingParams::new(options.n_shards).map_err(|e| e.to_string())?;
    let symbol_bytes = params.symbol_size(options.blob_bytes).map_err(|e| e.to_string())?.get();
    // Otherwise a small work's time is that of new pages, in turns for one implementation or the other.
    memory::keep_freed(31 << 20);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| e.to_string())?;
    let pairs = usize::from(options.n_shards / 10).max(1);
    let bench = Bench { params, blob: random(options.blob_bytes), buffer: RefCell::default(), pairs, options };
    let works = pool.install(move || bench.works())?;
    Ok(Report {
        n_shards: options.n_shards,
        blob_bytes: options.blob_bytes,
        symbol_bytes,
        threads: pool.current_num_threads(),
        simd: simd_level(),
        pairs,
        works,
    })
}

/// Bytes without structure, the same in each run.
fn random(bytes: u64) -> Vec<u8> {
    let mut state = 1u64;
    let mut blob = Vec::new();
    let words = (0..bytes.div_ceil(8)).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).to_le_bytes()
    });
    blob.extend(words);
    blob.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    blob
}

struct Bench {
    params: EncodingParams,
    blob: Vec<u8>,
    /// What blobs are decoded into, kept from run to run.
    buffer: RefCell<Vec<u8>>,
    /// Sliver pairs of one node.
    pairs: usize,
    options: Options,
}

/// A sliver to be rebuilt, and the symbols for it.
type Rebuild = (SliverIndex, Vec<DecodingSymbol>);

impl Bench {
    fn plain<F>(&self, run: F) -> Option<F> {
        self.options.baseline.then_some(run)
    }

    fn limits(&self) -> (u64, usize) {
        (self.options.blob_bytes, self.options.runs)
    }

    fn works(&self) -> Result<Vec<Work>, String> {
        let (params, blob) = (self.params, &self.blob[..]);
        let id = |metadata: VerifiedMetadata| *metadata.blob_id();
        let contest = Contest {
            work: "blob id and metadata",
            prepare: || (),
            floe: |()| compute_metadata(params, blob).expect("it fits"),
            plain: self.plain(|| plain::compute_metadata(params, blob).expect("it fits")),
            floor: None,
        };
        let mut works = vec![compare(contest, self.limits(), (id, id))?];
        let contest = Contest {
            work: "encode",
            prepare: || (),
            floe: |()| encode(params, blob).expect("it fits"),
            plain: self.plain(|| plain::encode(params, blob).expect("it fits")),
            floor: None,
        };
        works.push(compare(contest, self.limits(), (fingerprint, fingerprint))?);
        let encoded = encode(params, blob).expect("it fits");
        let rebuilds = Axis::ALL.map(|axis| self.rebuilds(&encoded, axis));
        let metadata = encoded.metadata;
        let (mut first, mut last, mut share) = (Vec::new(), Vec::new(), Vec::new());
        let needed = usize::from(params.primary_source_symbols());
        let first_of_last = usize::from(params.n_shards()) - needed;
        for (at, pair) in encoded.pairs.into_iter().enumerate() {
            if at < self.pairs {
                share.extend([pair.primary.clone().into_inner(), pair.secondary.into_inner()]);
            }
            if at < needed {
                first.push(pair.primary.clone());
            }
            if at >= first_of_last {
                last.push(pair.primary);
            }
        }
        works.push(self.read(&metadata, &first)?);
        drop(first);
        works.push(self.decode(&metadata, &last)?);
        drop(last);
        works.push(self.verify(&metadata, &share)?);
        works.push(self.rebuild(&metadata, &rebuilds)?);
        Ok(works)
    }

    /// Decodes into the kept buffer, if it is there, and checks.
    fn decode_checked(
        metadata: &VerifiedMetadata,
        slivers: &[VerifiedSliver],
        used: &[SliverIndex],
        mut blob: Vec<u8>,
    ) -> (Vec<u8>, bool) {
        decode_into(metadata, Axis::Primary, slivers, &mut blob).expect("enough slivers");
        let is_sound = check_default(metadata, &blob, used).is_ok();
        (blob, is_sound)
    }

    /// Whether the blob is right; the buffer goes back to where it was taken from.
    fn judge(&self, (blob, is_sound): (Vec<u8>, bool)) -> (bool, bool) {
        let is_right = blob[..] == self.blob[..];
        self.buffer.replace(blob);
        (is_right, is_sound)
    }

    /// The read of a healthy network: rows of the blob itself, verified as they come.
    fn read(&self, metadata: &VerifiedMetadata, first: &[VerifiedSliver]) -> Result<Work, String> {
        let received: Vec<Sliver> = first.iter().map(|sliver| sliver.clone().into_inner()).collect();
        let used: Vec<SliverIndex> = first.iter().map(|sliver| sliver.index).collect();
        self.judge(Self::decode_checked(metadata, first, &used, Vec::new()));
        let copy = RefCell::new(self.blob.clone());
        let floor = || {
            copy.borrow_mut().copy_from_slice(&self.blob);
            std::hint::black_box(blake2b256(&copy.borrow()));
        };
        let contest = Contest {
            work: "read the first rows, verified",
            prepare: || (received.clone(), self.buffer.take()),
            floe: |(slivers, buffer)| {
                let verified: Result<Vec<_>, _> = verify_slivers(metadata, slivers).into_iter().collect();
                Self::decode_checked(metadata, &verified.expect("sound slivers"), &used, buffer)
            },
            plain: self.plain(|| {
                let is_sound = received.iter().all(|sliver| root_is_right(metadata, sliver));
                (plain::decode(metadata, Axis::Primary, first).expect("enough slivers"), is_sound)
            }),
            floor: Some(("memcpy and BLAKE2b of the blob", &floor)),
        };
        compare(contest, self.limits(), (|result| self.judge(result), |result| self.judge(result)))
    }

    fn decode(&self, metadata: &VerifiedMetadata, last: &[VerifiedSliver]) -> Result<Work, String> {
        let contest = Contest {
            work: "decode the last rows, checked",
            prepare: || self.buffer.take(),
            floe: |buffer| Self::decode_checked(metadata, last, &[], buffer),
            plain: self.plain(|| {
                let blob = plain::decode(metadata, Axis::Primary, last).expect("enough slivers");
                let is_sound = plain::check_default(metadata, &blob);
                (blob, is_sound)
            }),
            floor: None,
        };
        // The plain code's buffer is as good as ours.
        compare(contest, self.limits(), (|result| self.judge(result), |result| self.judge(result)))
    }

    fn verify(&self, metadata: &VerifiedMetadata, share: &[Sliver]) -> Result<Work, String> {
        let bytes = share.iter().map(|sliver| sliver.data.len() as u64).sum();
        let contest = Contest {
            work: "verify the pairs of a node",
            prepare: || share.to_vec(),
            floe: |slivers| verify_slivers(metadata, slivers),
            plain: self.plain(|| share.iter().map(|sliver| root_is_right(metadata, sliver)).collect::<Vec<bool>>()),
            floor: None,
        };
        let sound = |results: Vec<Result<VerifiedSliver, SliverError>>| {
            results.iter().map(Result::is_ok).collect::<Vec<bool>>()
        };
        compare(contest, (bytes, self.options.runs), (sound, |results| results))
    }

    /// For each of a node's slivers of this axis, symbols from slivers of other nodes.
    fn rebuilds(&self, encoded: &EncodedBlob, axis: Axis) -> Vec<Rebuild> {
        let needed = usize::from(self.params.symbols_per_sliver(axis));
        let pairs = self.params.pairs().take(self.pairs);
        let mut rebuilds: Vec<Rebuild> =
            pairs.map(|pair: PairIndex| (pair.sliver(axis, self.params), Vec::with_capacity(needed))).collect();
        for helper in encoded.pairs.iter().skip(self.pairs).take(needed) {
            let symbols = helper.sliver(axis.orthogonal()).symbols();
            for (target, taken) in &mut rebuilds {
                taken.extend(symbols.decoding_symbol(*target));
            }
        }
        rebuilds
    }

    fn rebuild(&self, metadata: &VerifiedMetadata, rebuilds: &[Vec<Rebuild>; 2]) -> Result<Work, String> {
        let axes = || Axis::ALL.into_iter().zip(rebuilds);
        let symbol = u64::from(metadata.symbol_size().get());
        let count = |axis| u64::from(self.params.symbols_per_sliver(axis));
        let bytes = self.pairs as u64 * symbol * (count(Axis::Primary) + count(Axis::Secondary));
        let contest = Contest {
            work: "rebuild the pairs of a node",
            prepare: || (),
            floe: |()| {
                let rebuilt =
                    |(axis, rebuilds): (Axis, &Vec<Rebuild>)| recover_slivers_unproven(metadata, axis, rebuilds);
                axes().map(rebuilt).collect::<Vec<_>>()
            },
            plain: self.plain(|| {
                let rebuilt = |axis, (index, symbols): &Rebuild| {
                    let data = plain::recover_data(self.params, axis, symbols);
                    let sliver = Sliver { axis, index: *index, symbol_size: metadata.symbol_size(), data };
                    root_is_right(metadata, &sliver).then_some(sliver)
                };
                axes()
                    .map(|(axis, all)| all.iter().map(|one| rebuilt(axis, one)).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            }),
            floor: None,
        };
        let slivers = |axes: Vec<Vec<Result<VerifiedSliver, RecoveryError>>>| {
            let inner = |all: Vec<Result<VerifiedSliver, _>>| {
                all.into_iter().map(|one| one.ok().map(VerifiedSliver::into_inner)).collect::<Vec<_>>()
            };
            axes.into_iter().map(inner).collect::<Vec<_>>()
        };
        compare(contest, (bytes, self.options.runs), (slivers, |axes| axes))
    }
}

fn root_is_right(metadata: &VerifiedMetadata, sliver: &Sliver) -> bool {
    let root = plain::sliver_root(metadata.params(), sliver);
    let pair = sliver.index.pair(sliver.axis, metadata.params());
    *metadata.sliver_hash(sliver.axis, pair).value() == root
}

/// All slivers as one hash, so that only one result is in memory at a time.
fn fingerprint(encoded: EncodedBlob) -> Vec<[u8; 32]> {
    let slivers = encoded.pairs.iter().flat_map(|pair| [&pair.primary, &pair.secondary]);
    let hashes = slivers.map(|sliver| blake2b256(&sliver.data));
    hashes.chain([*encoded.metadata.blob_id().as_bytes()]).collect()
}
