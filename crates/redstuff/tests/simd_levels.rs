//! The vectors hold at every level of vector instructions. A process has one level, so others are run for it.

use std::process::Command;

use floe_redstuff::{
    Axis, EncodingParams, compute_metadata, compute_metadata_from, decode, encode, plain, simd_level, verify_slivers,
};

const INSIDE: &str = "FLOE_TEST_SIMD_INSIDE";

/// Sizes and shards that reach every branch: symbols of two bytes, with tails, of whole blocks, in several stripes.
const CASES: [(u16, usize); 8] =
    [(4, 0), (4, 100_000), (10, 70_000), (31, 5000), (100, 300_000), (101, 1_500_000), (334, 70_000), (601, 100)];

fn blob(length: usize) -> Vec<u8> {
    let byte = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0];
    (0..length).map(byte).collect()
}

/// Does nothing by itself: run in a process of its own by the test below.
#[test]
fn inside() {
    let Ok(level) = std::env::var(INSIDE) else { return };
    println!("{level} became {}", simd_level());
    for (shards, length) in CASES {
        let (params, blob) = (EncodingParams::new(shards).unwrap(), blob(length));
        let expected = plain::encode(params, &blob).unwrap();
        let metadata = compute_metadata(params, &blob).unwrap();
        assert_eq!(metadata, expected.metadata, "metadata, {shards} shards, {length} bytes");
        let metadata = compute_metadata_from(params, blob.as_slice(), 0).unwrap();
        assert_eq!(metadata, expected.metadata, "metadata by stripes, {shards} shards, {length} bytes");
        let encoded = encode(params, &blob).unwrap();
        assert!(encoded == expected, "slivers, {shards} shards, {length} bytes");
        for axis in Axis::ALL {
            let needed = usize::from(params.slivers_to_decode(axis));
            let mut slivers: Vec<_> = encoded.pairs.iter().map(|pair| pair.sliver(axis).clone()).collect();
            slivers.sort_by_key(|sliver| std::cmp::Reverse(sliver.index));
            // One that needs no arithmetic is among them.
            slivers[needed - 1] = slivers.last().unwrap().clone();
            slivers.truncate(needed);
            assert!(decode(&metadata, axis, &slivers).unwrap() == blob, "{axis}, {shards} shards, {length} bytes");
            let unverified = slivers.iter().map(|sliver| sliver.clone().into_inner()).collect();
            assert!(verify_slivers(&metadata, unverified).iter().all(Result::is_ok));
        }
    }
}

#[test]
fn every_level_gives_the_bytes_of_the_plain_code() {
    for level in ["portable", "avx2", "avx512"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "inside", "--nocapture"]).env("FLOE_SIMD", level).env(INSIDE, level);
        let output = output.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{level}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(&format!("{level} became")), "{text}");
    }
}
