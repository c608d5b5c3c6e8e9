//! The worked examples and blob ids of spec/encoding.md, sections 15 to 17.

#![allow(clippy::unwrap_used)]

use floe_redstuff::{
    Axis, BlobId, EncodedBlob, EncodingParams, InconsistencyProof, PairIndex, ShardIndex, SliverIndex,
    compute_metadata, encode,
    merkle::{self, MerkleTree, Node},
    plain,
};

const HELLO: &[u8] = b"Hello, Walrus!";

fn params(n: u16) -> EncodingParams {
    EncodingParams::new(n).unwrap()
}

fn hashes(encoded: &EncodedBlob, axis: Axis) -> Vec<String> {
    let pairs = encoded.metadata.params().pairs();
    pairs.map(|pair| hex::encode(encoded.metadata.sliver_hash(axis, pair).value())).collect()
}

fn matrix_text(n: u16) -> Vec<String> {
    let matrix = plain::expanded_matrix(params(n), HELLO).unwrap();
    let row = |row: &Vec<Vec<u8>>| row.iter().map(hex::encode).collect::<Vec<_>>().join(" ");
    matrix.iter().map(row).collect()
}

#[test]
fn example_a_matrix_and_slivers() {
    assert_eq!(
        matrix_text(4),
        [
            "48656c6c 6f2c2057 616c7275 46253e4e",
            "73210000 00000000 00000000 73210000",
            "1d92e3e3 1b7619c2 85e0d7da 83042dfb",
            "26d68f8f 745a3995 e48ca5af b60013b5",
        ]
    );
    let expected = [
        ("48656c6c6f2c2057616c7275", 3, "46253e4e73210000"),
        ("732100000000000000000000", 2, "616c727500000000"),
        ("1d92e3e31b7619c285e0d7da", 1, "6f2c205700000000"),
        ("26d68f8f745a3995e48ca5af", 0, "48656c6c73210000"),
    ];
    let encoded = encode(params(4), HELLO).unwrap();
    for (pair, (primary, secondary_index, secondary)) in encoded.pairs.iter().zip(expected) {
        assert_eq!(hex::encode(&pair.primary.data), primary);
        assert_eq!(hex::encode(&pair.secondary.data), secondary);
        assert_eq!(pair.secondary.index, SliverIndex::new(secondary_index));
        assert_eq!(pair.primary.index.get(), pair.index().get());
    }
    let bytes = encoded.pairs[0].primary.to_bcs();
    assert_eq!(hex::encode(bytes), "0c48656c6c6f2c2057616c727504000000");
}

#[test]
fn example_a_trees_and_id() {
    let encoded = encode(params(4), HELLO).unwrap();
    let symbols = encoded.pairs[0].primary.expand();
    let leaves: Vec<String> = symbols.chunks(4).map(|s| hex::encode(merkle::leaf(s))).collect();
    assert_eq!(
        leaves,
        [
            "154f3e300b0828a2e295183479449ee490be9b59f5629c2363dccb67fb72e133",
            "7631a87f20a85094f3c7dbd711e01eee06469ffb1d8dcea573d7232d2de28a7c",
            "e18ef0881c30f24f65174549b3b0556880a6d87da849e487735f16eeda707f1b",
            "2330709bb61e1101c96b359301b055399ec1177c66044676456bd74edc882ff8",
        ]
    );
    let proof = MerkleTree::build(symbols.chunks(4)).proof(0).unwrap();
    let Node::Digest(right) = proof.path[1] else { panic!("a digest") };
    let right = hex::encode(right);
    assert_eq!(right, "f12ceba6dbf2aecad2c99f8e7c2f55d7525aaa3f3a42c2bbdcb7d36cb948d954");
    assert_eq!(
        hashes(&encoded, Axis::Primary),
        [
            "72532335943aba7c7a13440d697210fce36131edcfbb9cfc9ea2af3e6ab477a3",
            "352dc191eb41cabf556fe280b323447f2496fb24d8a44c569644bcbff4cad665",
            "7d74d4d195453e2c2d58ca26bb0d8c9576ea129c5f1f874c0b28d63f84abdc3e",
            "e4af34ffdf37a501024fa89cd4218058c5094c94820c7c6bf949add63aabea0c",
        ]
    );
    assert_eq!(
        hashes(&encoded, Axis::Secondary),
        [
            "2d6d15e66b8b90f30d390a04200f8ab7248aee18c2e9a8a593494ee6b315134e",
            "509b7b7865273384bd294da20c7c4fafc91f56f2095de48e29668ab9c871e6e8",
            "494a6798b0f11bd1a13342e588fcea68edad865b0fad7da12c2399087082b6c1",
            "56a45be2ac71f466a743ffda3ee70f77409d76bea75c3b4b4b61dfe3f5fe9712",
        ]
    );
    let metadata = &encoded.metadata;
    let root = "4f5391e2554e955e73c564f9f594d28c1cf5b0e01d05774028c8d658c4a3da96";
    assert_eq!(hex::encode(metadata.root_hash()), root);
    let id = metadata.blob_id();
    assert_eq!(id.to_string(), "OCPSL5aZBEkvKTbyO96C3dctIcax6AZ8NJacCk227rI");
    assert_eq!(id.to_decimal(), DECIMAL);
    assert_eq!(BlobId::from_decimal(DECIMAL), Some(*id));
    let bytes = metadata.metadata().to_bcs();
    assert_eq!(bytes.len(), 275);
    assert!(hex::encode(bytes).starts_with("00010e00000000000000040172532335"));
}

const DECIMAL: &str = "80933454844107220818679263525457079202452443330232294317323003948654058939192";

#[test]
fn example_a_rotation() {
    let id: BlobId = "OCPSL5aZBEkvKTbyO96C3dctIcax6AZ8NJacCk227rI".parse().unwrap();
    let shards: Vec<ShardIndex> = params(4).pairs().map(|p| p.shard(&id, params(4))).collect();
    assert_eq!(shards, [2, 3, 0, 1].map(ShardIndex::new));
}

#[test]
fn example_a_recovery_symbols() {
    let encoded = encode(params(4), HELLO).unwrap();
    let source = &encoded.pairs[0].secondary;
    let target = SliverIndex::new(2);
    let decoding = source.decoding_symbol(target).unwrap();
    assert_eq!(hex::encode(decoding.to_bcs()), "03000483042dfb");
    let path = "026171591e59a3cb3cc1052a22a009af1f4d9dbc4a1ebb23276e2c7fcfe2bbc7e3\
        01961d5d53671424aea132fcd3f2c935897eb0576d098fad1aab012bf99af49b0e"
        .replacen("02", "0201", 1);
    let recovery = source.recovery_symbol(target).unwrap();
    assert_eq!(hex::encode(recovery.to_bcs()), format!("03000483042dfb{path}"));
    let general = source.general_recovery_symbol(target).unwrap();
    assert_eq!(hex::encode(general.to_bcs()), format!("0003000483042dfb0200{path}"));
    assert_eq!(general.to_bcs().len(), 77);
    assert_eq!(general.id().to_string(), "2-3");

    let from_row = encoded.pairs[2].primary.general_recovery_symbol(SliverIndex::new(3)).unwrap();
    assert_eq!(from_row.id(), general.id());
    let expected = "0102000483042dfb030002019d432283ba236c52bdbf4adb8637934d87cb8635723fd9728560\
        b439b7a8eeae019631457aa5ebfcb996d49aa60d13f76c0148f5c68d4a281b75030d8128219d23";
    assert_eq!(hex::encode(from_row.to_bcs()), expected);
    // The same symbol helps to rebuild either sliver that it lies on, whichever proof goes with it.
    for symbol in [general, from_row] {
        let verify = |axis, target| {
            let target = SliverIndex::new(target);
            symbol.clone().verify(&encoded.metadata, target, axis)
        };
        assert_eq!(verify(Axis::Primary, 2).unwrap().position().get(), 3);
        assert_eq!(verify(Axis::Secondary, 3).unwrap().position().get(), 2);
        assert!(verify(Axis::Primary, 3).is_err());
    }
}

#[test]
fn example_b() {
    assert_eq!(
        matrix_text(7),
        [
            "4865 6c6c 6f2c 2057 616c fde5 f7fb",
            "7275 7321 0000 0000 0000 46e1 47b5",
            "0000 0000 0000 0000 0000 0000 0000",
            "ee12 6c02 ce5a 05de 5644 1d8f 025f",
            "312e 21fb 944a 7a1c f0a7 6480 6aa4",
            "3801 31f8 2ed8 4d62 ac1f b763 713f",
            "dd2d 634c 1be4 12f7 6b90 7568 a98a",
        ]
    );
    let encoded = encode(params(7), HELLO).unwrap();
    let primary = "878e8545838e2f85fe031bf6d84680885955be44c5c9ff56ae833c2887de1b09";
    let secondary = "762ed0e166dad9e37219c6cdba854b0a2492a7f586c09cc2fe6347071dfc363f";
    assert_eq!(hashes(&encoded, Axis::Primary)[0], primary);
    assert_eq!(hashes(&encoded, Axis::Secondary)[0], secondary);
    let metadata = &encoded.metadata;
    let root = "fa0383f087760dfff535c9a049a4d086c70900d7c438f05cc0b83092c5d751d3";
    assert_eq!(hex::encode(metadata.root_hash()), root);
    let id = metadata.blob_id();
    assert_eq!(id.to_string(), "ke6CQgXLqtUeG33jGz3216xPZwPg7HKnANOWPpCho08");
    assert_eq!(PairIndex::new(0).shard(id, params(7)), ShardIndex::new(5));
    assert_eq!(ShardIndex::new(0).pair(id, params(7)), PairIndex::new(2));
}

#[test]
fn blob_ids() {
    let rule = |len: usize| (0..len).map(|i| u8::try_from((7 * i + 3) % 256).unwrap()).collect();
    let cases: [(u16, Vec<u8>, &str); 11] = [
        (4, vec![], "CmzciFdWJP1IIM-rD3cqXlVBXYM0fpAfHahZBvkaZUI"),
        (10, vec![], "gLzpD29smKZiYJIWwKatudKr76kEprQeMPyAhuMbWd4"),
        (1000, vec![], "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4"),
        (4, b"a".to_vec(), "3Bb96KCyrx4cByJxDTvgo52kkrVzvUESMnoqqSrXxCg"),
        (10, b"a".to_vec(), "s870LQCYc3csgK55PJL7reOpAn-hxgDlveuvfPVyQXs"),
        (5, HELLO.to_vec(), "Jqgw2oVIqTmN6UV9ShWccHRfj1E6d04c0fhPFdPjdAU"),
        (100, HELLO.to_vec(), "12qs1WYzcF2J-KuYI55Qh1NHiGpPiXzurCa0MrfLJsQ"),
        (1000, HELLO.to_vec(), "a7wmADgKiwLDFnpjyu6NBTkCS-1zLblj3TfmXZWxnew"),
        (301, rule(5_000), "HglTPnExVC_sRyLFUKUfAZngD3i26O5x1TPlhNnHgnA"),
        (667, rule(10), "5DHs453yz8Fbogtur9G7zFDiWqk-5aHSpjWo0ArSyk8"),
        (1000, rule(12_345), "sprinYemXq17TvT7pV2BEt7ssMWPRRfQbP2E1I4ZfNs"),
    ];
    for (n, blob, id) in cases {
        let metadata = compute_metadata(params(n), &blob).unwrap();
        assert_eq!(metadata.blob_id().to_string(), id, "n = {n}, {} bytes", blob.len());
    }
}

#[test]
fn empty_blob_and_odd_tree() {
    let encoded = encode(params(10), b"").unwrap();
    let root = "1b47c1f6e53ac3314f910d610e1a3e961dcf22184c8a969d6552e48cc26d1ac8";
    assert_eq!(hex::encode(encoded.metadata.root_hash()), root);
    let hash = "db58f368d9bc3234adaa423ddfadfc96debcfa47a72d873ecb8f5207c1b6938c";
    for axis in Axis::ALL {
        assert!(hashes(&encoded, axis).iter().all(|got| got == hash));
    }
    let encoded = encode(params(5), HELLO).unwrap();
    let proof = encoded.pairs[0].primary.recovery_symbol(SliverIndex::new(4)).unwrap().proof;
    assert!(matches!(proof.path[..], [Node::Empty, Node::Empty, Node::Digest(_)]));
}

/// The wrapped form of a proof is the plain one behind an axis byte.
#[test]
fn inconsistency_proof_forms() {
    let encoded = encode(params(4), HELLO).unwrap();
    let target = SliverIndex::new(2);
    let symbols = encoded.pairs.iter().take(3);
    let proof = InconsistencyProof {
        target_sliver_index: target,
        symbols: symbols.map(|pair| pair.secondary.recovery_symbol(target).unwrap()).collect(),
    };
    let bytes = proof.to_bcs();
    assert!(hex::encode(&bytes).starts_with("02000303000483042dfb0201617159"));
    let tagged = proof.to_bcs_tagged(Axis::Primary);
    assert_eq!((tagged[0], &tagged[1..]), (0, &bytes[..]));
    assert_eq!(InconsistencyProof::from_bcs(&bytes, params(4)).unwrap(), proof);
    let read = InconsistencyProof::from_bcs_tagged(&tagged, params(4)).unwrap();
    assert_eq!(read, (Axis::Primary, proof));
}
