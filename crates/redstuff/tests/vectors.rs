//! Results of the reference encoder, pinned: every line of `vectors/redstuff.jsonl`.
//!
//! Inputs are `byte i = (i*131 + seed*17 + (i >> 8)) mod 256`.

#![allow(clippy::unwrap_used)]

use floe_redstuff::{
    Axis, BlobMetadata, EncodeError, EncodingParams, MEMORY_CEILING_BYTES, RecoverySymbol, Sliver, VerifiedMetadata,
    blake2b256, compute_metadata, compute_metadata_from, encode, plain,
};
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/redstuff.jsonl");

fn input(len: u64, seed: u64) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * 131 + seed * 17 + (i >> 8)) % 256).unwrap()).collect()
}

struct Line(Value);

impl Line {
    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("{field}"))
    }

    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("{field}"))
    }

    fn params(&self) -> EncodingParams {
        EncodingParams::new(u16::try_from(self.number("n_shards")).unwrap()).unwrap()
    }

    fn blob(&self) -> Vec<u8> {
        input(self.number("len"), self.number("seed"))
    }

    /// Bytes by their hash, and whole where the line has them.
    fn bytes(&self, name: &str, got: &[u8]) {
        let hash = hex::encode(blake2b256(got));
        assert_eq!(hash, self.text(&format!("{name}_blake2b")), "{name}");
        if let Some(expected) = self.0[format!("{name}_hex")].as_str() {
            assert_eq!(hex::encode(got), expected, "{name}");
        }
    }
}

fn lines() -> impl Iterator<Item = Line> {
    VECTORS.lines().map(|line| Line(serde_json::from_str(line).unwrap()))
}

fn check_metadata(line: &Line, metadata: &VerifiedMetadata) {
    let params = line.params();
    assert_eq!(u64::from(params.primary_source_symbols()), line.number("k_primary"));
    assert_eq!(u64::from(params.secondary_source_symbols()), line.number("k_secondary"));
    assert_eq!(u64::from(metadata.symbol_size().get()), line.number("symbol_size"));
    assert_eq!(metadata.blob_id().to_string(), line.text("blob_id"));
    assert_eq!(hex::encode(metadata.blob_id()), line.text("blob_id_hex"));
    assert_eq!(hex::encode(metadata.root_hash()), line.text("root_hash"));
    let bytes = metadata.metadata().to_bcs();
    line.bytes("metadata_bcs", &bytes);
    assert_eq!(bytes.len(), BlobMetadata::bcs_len(params));
    assert_eq!(&BlobMetadata::from_bcs(&bytes, params).unwrap(), metadata.metadata());
    let bytes = metadata.to_bcs_with_id();
    let hash = hex::encode(blake2b256(&bytes));
    assert_eq!(hash, line.text("metadata_with_id_bcs_blake2b"));
    let read = VerifiedMetadata::from_bcs_with_id(&bytes, metadata.blob_id(), params);
    assert_eq!(read.as_ref(), Ok(metadata));
}

#[test]
fn every_line() {
    for line in lines() {
        let (params, blob) = (line.params(), line.blob());
        if line.0.get("error").is_some() {
            let EncodeError::TooLarge(error) = encode(params, &blob).unwrap_err();
            assert_eq!(error.size, line.number("len"));
            assert!(compute_metadata(params, &blob).is_err());
            assert!(compute_metadata_from(params, blob.as_slice(), 0).is_err());
            assert!(plain::encode(params, &blob).is_err());
            continue;
        }
        let encoded = encode(params, &blob).unwrap();
        check_metadata(&line, &encoded.metadata);
        assert_eq!(compute_metadata(params, &blob).unwrap(), encoded.metadata);
        // In one stripe if it fits, and in the shortest there are.
        for ceiling in [0, MEMORY_CEILING_BYTES] {
            assert_eq!(compute_metadata_from(params, blob.as_slice(), ceiling).unwrap(), encoded.metadata);
        }

        let pairs = &encoded.pairs;
        for (name, pair) in [("pair0", &pairs[0]), ("pairlast", &pairs[pairs.len() - 1])] {
            let hash = |axis| {
                let root = encoded.metadata.sliver_hash(axis, pair.index());
                hex::encode(root.value())
            };
            assert_eq!(hash(Axis::Primary), line.text(&format!("{name}_primary_root")));
            assert_eq!(hash(Axis::Secondary), line.text(&format!("{name}_secondary_root")));
            let index = u64::from(pair.secondary.index.get());
            assert_eq!(index, line.number(&format!("{name}_secondary_index")));
            for axis in Axis::ALL {
                let sliver = pair.sliver(axis);
                let bytes = sliver.to_bcs();
                assert_eq!(bytes.len(), sliver.bcs_len());
                assert_eq!(Sliver::from_bcs(axis, &bytes, params).as_ref(), Ok(&**sliver));
                line.bytes(&format!("{name}_{axis}_bcs"), &bytes);
            }
        }
        let primaries = pairs.iter().map(|pair| pair.primary.data.as_slice());
        let primaries = primaries.collect::<Vec<_>>().concat();
        line.bytes("all_primary_data", &primaries);
        // The secondaries were hashed in the order of their pairs.
        let secondaries = pairs.iter().map(|pair| pair.secondary.data.as_slice());
        let secondaries = secondaries.collect::<Vec<_>>().concat();
        line.bytes("all_secondary_data", &secondaries);

        // "Towards pair p" means: for that pair's sliver of the axis to be recovered.
        let n = pairs.len();
        let target = pairs[n / 2].primary.index;
        let symbol = pairs[0].secondary.recovery_symbol(target).unwrap();
        check_symbol(&line, "recsym_from_sec0_to_pair_n_div_2_bcs", &symbol);
        let target = pairs[n / 3].secondary.index;
        let symbol = pairs[n - 1].primary.recovery_symbol(target).unwrap();
        check_symbol(&line, "recsym_from_primlast_to_pair_n_div_3_bcs", &symbol);
    }
}

fn check_symbol(line: &Line, name: &str, symbol: &RecoverySymbol) {
    let bytes = symbol.to_bcs();
    line.bytes(name, &bytes);
    assert_eq!(RecoverySymbol::from_bcs(&bytes).as_ref(), Ok(symbol));
}

/// The oracle agrees with the reference too, so that equality with it means something.
#[test]
fn plain_on_small_networks() {
    for line in lines().filter(|line| line.number("n_shards") <= 10) {
        if let Ok(encoded) = plain::encode(line.params(), &line.blob()) {
            check_metadata(&line, &encoded.metadata);
        }
    }
}
