//! The hand-written codec against the `bcs` crate: the same types, declared a second time with serde.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use floe_redstuff::{
    Axis, DecodingSymbols, EncodedBlob, EncodingParams, GeneralRecoverySymbol, InconsistencyProof, RecoverySymbol,
    SliverIndex, encode, merkle,
};
use serde::Serialize;

#[derive(Serialize)]
enum Node {
    Empty,
    Digest([u8; 32]),
}

#[derive(Serialize)]
enum BlobMetadata {
    V1(BlobMetadataV1),
}

#[derive(Serialize)]
enum EncodingType {
    #[expect(dead_code)]
    RaptorQ,
    Rs2,
}

#[derive(Serialize)]
struct BlobMetadataV1 {
    encoding_type: EncodingType,
    unencoded_length: u64,
    hashes: Vec<(Node, Node)>,
}

#[derive(Serialize)]
struct SliverData {
    data: Vec<u8>,
    symbol_size: u16,
    index: u16,
}

#[derive(Serialize)]
enum Either<T> {
    Primary(T),
    Secondary(T),
}

type Decoding = (u16, Vec<u8>);

fn node(node: &merkle::Node) -> Node {
    match node {
        merkle::Node::Empty => Node::Empty,
        merkle::Node::Digest(digest) => Node::Digest(*digest),
    }
}

fn decoding(symbol: &floe_redstuff::DecodingSymbol) -> Decoding {
    (symbol.index.get(), symbol.data.clone())
}

fn either<T>(axis: Axis, value: T) -> Either<T> {
    match axis {
        Axis::Primary => Either::Primary(value),
        Axis::Secondary => Either::Secondary(value),
    }
}

fn recovery(symbol: &RecoverySymbol) -> (Decoding, Vec<Node>) {
    (decoding(&symbol.symbol), symbol.proof.path.iter().map(node).collect())
}

fn general(symbol: &GeneralRecoverySymbol) -> (Either<Decoding>, u16, Vec<Node>) {
    let source = either(symbol.symbol.axis, decoding(&symbol.symbol.symbol));
    (source, symbol.target_index.get(), symbol.proof.path.iter().map(node).collect())
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).unwrap()
}

/// Odd levels in the trees, lengths of one and of two bytes.
fn examples() -> impl Iterator<Item = EncodedBlob> {
    [(4, 0), (5, 14), (13, 3000), (130, 500), (301, 1)].into_iter().map(|(n, length)| {
        let blob: Vec<u8> = (0..length).map(|i: u32| i.to_le_bytes()[0]).collect();
        encode(EncodingParams::new(n).unwrap(), &blob).unwrap()
    })
}

#[test]
fn metadata_and_slivers() {
    for encoded in examples() {
        let metadata = encoded.metadata.metadata();
        let mirror = BlobMetadata::V1(BlobMetadataV1 {
            encoding_type: EncodingType::Rs2,
            unencoded_length: metadata.unencoded_length,
            hashes: metadata.hashes.iter().map(|pair| (node(&pair.primary), node(&pair.secondary))).collect(),
        });
        assert_eq!(metadata.to_bcs(), bytes(&mirror));
        assert_eq!(encoded.metadata.to_bcs_with_id(), bytes(&(encoded.metadata.blob_id(), mirror)));
        for pair in &encoded.pairs {
            for axis in Axis::ALL {
                let sliver = pair.sliver(axis);
                let mirror = SliverData {
                    data: sliver.data.clone(),
                    symbol_size: sliver.symbol_size.get(),
                    index: sliver.index.get(),
                };
                assert_eq!(sliver.to_bcs(), bytes(&mirror));
                assert_eq!(sliver.to_bcs_tagged(), bytes(&either(axis, mirror)));
            }
        }
    }
}

#[test]
fn symbols_and_proofs() {
    for encoded in examples() {
        for axis in Axis::ALL {
            let target = SliverIndex::new(encoded.metadata.params().n_shards() - 1);
            let sources = encoded.pairs.iter().take(3).map(|pair| pair.sliver(axis).symbols());
            let sources: Vec<_> = sources.collect();
            let symbols: Vec<_> = sources.iter().map(|source| source.recovery_symbol(target).unwrap()).collect();
            let generals: Vec<_> = sources.iter().map(|s| s.general_recovery_symbol(target).unwrap()).collect();

            assert_eq!(symbols[0].symbol.to_bcs(), bytes(&decoding(&symbols[0].symbol)));
            assert_eq!(symbols[0].to_bcs(), bytes(&recovery(&symbols[0])));
            assert_eq!(generals[0].to_bcs(), bytes(&general(&generals[0])));
            let list: Vec<_> = generals.iter().map(general).collect();
            assert_eq!(GeneralRecoverySymbol::list_to_bcs(&generals), bytes(&list));

            let proof = InconsistencyProof { target_sliver_index: target, symbols };
            let mirror = (target.get(), proof.symbols.iter().map(recovery).collect::<Vec<_>>());
            assert_eq!(proof.to_bcs(), bytes(&mirror));
            assert_eq!(proof.to_bcs_tagged(axis), bytes(&either(axis, mirror)));

            let mut map = DecodingSymbols::default();
            let mut mirror = BTreeMap::new();
            for target in [0, 1, 255, 256, 257] {
                let symbols: Vec<_> = generals.iter().map(|general| general.symbol.clone()).collect();
                let tagged = symbols.iter().map(|s| either(s.axis, decoding(&s.symbol)));
                mirror.insert(target, tagged.collect::<Vec<_>>());
                map.0.insert(SliverIndex::new(target), symbols);
            }
            assert_eq!(map.to_bcs(), bytes(&mirror));
            assert_eq!(DecodingSymbols::from_bcs(&map.to_bcs(), 10).unwrap(), map);
        }
    }
}

#[test]
fn symbols_lie_in_a_serialized_sliver_where_the_metadata_says() {
    let params = EncodingParams::new(10).unwrap();
    for size in [1usize, 500, 4000, 200_000] {
        let blob: Vec<u8> = (0..size).map(|i| (i % 251).to_le_bytes()[0]).collect();
        let encoded = encode(params, &blob).unwrap();
        for axis in Axis::ALL {
            let sliver = encoded.pairs[3].sliver(axis);
            let bytes = sliver.to_bcs();
            for position in (0..10).map(SliverIndex::new) {
                let found = encoded.metadata.symbol_in_sliver(axis, position).map(|range| {
                    bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec()
                });
                let is_stored = position.get() < params.symbols_per_sliver(axis);
                assert_eq!(found, is_stored.then(|| sliver.decoding_symbol(position).unwrap().data));
            }
        }
    }
}
