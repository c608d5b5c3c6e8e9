//! Times the main operations on one blob: `cargo run --example measure -p floe-redstuff -- SHARDS MIB [plain]`.
//!
//! Numbers of the optimised build need `--release`; in the dev profile this crate is optimised as well.

use std::time::Instant;

use floe_redstuff::{
    Axis, EncodingParams, SliverIndex, check_default, check_strict, compute_metadata, decode, encode, plain,
    recover_sliver, verify_slivers,
};

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let result = run();
    let cpu = cpu_seconds() - cpu;
    println!("{what:<40} {:>10.1?} {cpu:>8.2} s of processor time", start.elapsed());
    result
}

/// Processor time of all threads so far, in steps of 10 ms; 0 where there is no /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that the process has held so far, where there is a /proc.
fn print_peak_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        println!("peak memory so far, the blob included: {}", peak.trim());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let shards = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let mebibytes: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let plain_too = arguments.next().is_some();

    let params = EncodingParams::new(shards)?;
    let mut state = 1u64;
    let mut blob = Vec::new();
    while (blob.len() as f64) < mebibytes * 1_048_576.0 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        blob.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    println!("{shards} shards, {} bytes, {} threads", blob.len(), rayon::current_num_threads());

    if plain_too {
        timed("plain: encode", || plain::encode(params, &blob))?;
    }
    let metadata = timed("blob id and metadata", || compute_metadata(params, &blob))?;
    let encoded = timed("encode", || encode(params, &blob))?;
    assert_eq!(encoded.metadata, metadata);
    print_peak_memory();

    let share = usize::from(shards / 10).max(1);
    for axis in Axis::ALL {
        let sliver = encoded.pairs[share].sliver(axis);
        timed(&format!("verify a {axis} sliver"), || sliver.verify_ref(&metadata))?;
        let received = encoded.pairs.iter().take(share).map(|pair| (*pair.sliver(axis)).clone());
        let received = received.map(floe_redstuff::VerifiedSliver::into_inner).collect();
        let what = format!("verify {share} {axis} slivers");
        assert!(timed(&what, || verify_slivers(&metadata, received)).iter().all(Result::is_ok));
        timed(&format!("expand a {axis} sliver and its tree"), || sliver.symbols());
    }

    let needed = usize::from(params.symbols_per_sliver(Axis::Primary));
    let target = SliverIndex::new(shards - 1);
    let symbols = encoded.pairs.iter().take(needed).map(|pair| {
        let symbol = pair.secondary.recovery_symbol(target).expect("in range");
        symbol.verify(&metadata, target, Axis::Primary)
    });
    let symbols = symbols.collect::<Result<Vec<_>, _>>()?;
    timed("rebuild a primary sliver", || recover_sliver(&metadata, Axis::Primary, target, symbols))?;

    for axis in Axis::ALL {
        let first = axis == Axis::Secondary;
        let pairs = encoded.pairs.iter();
        let mut slivers: Vec<_> = pairs.map(|pair| pair.sliver(axis).clone()).collect();
        if !first {
            slivers.reverse();
        }
        slivers.truncate(usize::from(params.slivers_to_decode(axis)));
        let what = format!("decode from the last {axis} slivers");
        assert!(timed(&what, || decode(&metadata, axis, &slivers))? == blob);
    }
    timed("default check", || check_default(&metadata, &blob, &[]))?;
    timed("strict check", || check_strict(&metadata, &blob))?;
    Ok(())
}
