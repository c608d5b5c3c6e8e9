//! A writer that lies: whatever it commits to, correct nodes can prove it, and nobody can prove a lie about an honest one.

#![allow(clippy::unwrap_used)]

use floe_redstuff::{
    Axis, BlobMetadata, DecodingSymbol, EncodingParams, EncodingType, InconsistencyProof, InconsistentBlob, ProofError,
    Recovered, RecoveryError, RecoverySymbol, SliverIndex, SliverPairHashes, VerifiedMetadata, check_default,
    check_strict, encode,
    merkle::{MerkleTree, Node},
    plain, recover_sliver,
};
use proptest::{prelude::*, sample::Index};

/// The trees of all rows and columns, which need not agree with each other.
struct Forged {
    params: EncodingParams,
    rows: Vec<Vec<Vec<u8>>>,
    columns: Vec<Vec<Vec<u8>>>,
}

impl Forged {
    fn honest(params: EncodingParams, blob: &[u8]) -> Self {
        let rows = plain::expanded_matrix(params, blob).unwrap();
        let columns = (0..rows.len()).map(|j| rows.iter().map(|row| row[j].clone()).collect()).collect();
        Self { params, rows, columns }
    }

    fn lines(&mut self, axis: Axis) -> &mut Vec<Vec<Vec<u8>>> {
        match axis {
            Axis::Primary => &mut self.rows,
            Axis::Secondary => &mut self.columns,
        }
    }

    fn metadata(&self, blob: &[u8]) -> VerifiedMetadata {
        let hashes = self.params.pairs().map(|pair| SliverPairHashes {
            primary: MerkleTree::build(&self.rows[at(pair.primary())]).root(),
            secondary: MerkleTree::build(&self.columns[at(pair.secondary(self.params))]).root(),
        });
        let metadata = BlobMetadata {
            encoding_type: EncodingType::Rs2,
            unencoded_length: blob.len() as u64,
            hashes: hashes.collect(),
        };
        let id = metadata.blob_id();
        metadata.verify(&id, self.params).unwrap()
    }

    /// The symbols, with proofs, that the given slivers of the other axis have for a target.
    fn symbols(&mut self, axis: Axis, target: SliverIndex, sources: &[usize]) -> Vec<RecoverySymbol> {
        let lines = self.lines(axis.orthogonal());
        let symbol = |source: &usize| RecoverySymbol {
            symbol: DecodingSymbol {
                index: SliverIndex::new(u16::try_from(*source).unwrap()),
                data: lines[*source][at(target)].clone(),
            },
            proof: MerkleTree::build(&lines[*source]).proof(at(target)).unwrap(),
        };
        sources.iter().map(symbol).collect()
    }
}

fn at(index: SliverIndex) -> usize {
    usize::from(index.get())
}

fn recover(
    metadata: &VerifiedMetadata,
    axis: Axis,
    target: SliverIndex,
    symbols: &[RecoverySymbol],
) -> Result<Recovered, RecoveryError> {
    let verified = symbols.iter().map(|symbol| symbol.clone().verify(metadata, target, axis).unwrap());
    recover_sliver(metadata, axis, target, verified)
}

fn case() -> impl Strategy<Value = (EncodingParams, Vec<u8>, Vec<usize>)> {
    (4u16..25).prop_flat_map(|n| {
        let order = Just((0..usize::from(n)).collect::<Vec<_>>()).prop_shuffle();
        (Just(EncodingParams::new(n).unwrap()), proptest::collection::vec(any::<u8>(), 0..2000), order)
    })
}

fn axis() -> impl Strategy<Value = Axis> {
    prop_oneof![Just(Axis::Primary), Just(Axis::Secondary)]
}

/// Rows past the end of the blob are all alike, and still each has a commitment of its own.
#[test]
fn a_wrong_commitment_to_a_row_of_padding_is_seen() {
    let params = EncodingParams::new(31).unwrap();
    let blob = [7; 50];
    let index = |at: u16| SliverIndex::new(at);
    for wrong in 0..params.primary_source_symbols() {
        let mut forged = Forged::honest(params, &blob);
        forged.rows[usize::from(wrong)][20][1] ^= 1;
        let metadata = forged.metadata(&blob);
        for used in 0..params.primary_source_symbols() {
            let used: Vec<SliverIndex> = (0..used).map(index).collect();
            let seen = !used.contains(&index(wrong));
            let expected = if seen { Err(InconsistentBlob::Sliver { index: index(wrong) }) } else { Ok(()) };
            assert_eq!(check_default(&metadata, &blob, &used), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// One symbol differs between the sliver that is missing and the sliver that crosses it.
    #[test]
    fn a_wrong_sliver_gives_a_proof((params, blob, order) in case(), axis in axis(), target: Index, liar: Index) {
        let mut forged = Forged::honest(params, &blob);
        let target = SliverIndex::new(u16::try_from(target.index(params.n_shards().into())).unwrap());
        let needed = usize::from(params.symbols_per_sliver(axis));
        let sources = &order[..needed];
        let liar = sources[liar.index(needed)];
        forged.lines(axis.orthogonal())[liar][at(target)][0] ^= 1;
        let metadata = forged.metadata(&blob);

        let symbols = forged.symbols(axis, target, sources);
        let Ok(Recovered::Inconsistent(proof)) = recover(&metadata, axis, target, &symbols) else {
            panic!("the sliver cannot be consistent");
        };
        prop_assert_eq!(proof.verify(axis, &metadata), Ok(()));
        let read = InconsistencyProof::from_bcs(&proof.to_bcs(), params).unwrap();
        prop_assert_eq!(&read, &proof);

        // It proves nothing about another sliver, about the other axis, or with another number of symbols.
        prop_assert!(proof.verify(axis.orthogonal(), &metadata).is_err());
        let mut moved = proof.clone();
        moved.target_sliver_index = SliverIndex::new((target.get() + 1) % params.n_shards());
        prop_assert!(moved.verify(axis, &metadata).is_err());
        let mut short = proof.clone();
        let last = short.symbols.pop().unwrap();
        let count = ProofError::SymbolCount { got: needed - 1, expected: needed };
        prop_assert_eq!(short.verify(axis, &metadata), Err(count));
        short.symbols.push(short.symbols[0].clone());
        prop_assert!(matches!(short.verify(axis, &metadata), Err(ProofError::Repeated { .. })), "{last:?}");

        // Strict readers refuse the blob whichever sliver it is.
        prop_assert!(check_strict(&metadata, &blob).is_err());
    }

    /// A commitment to a sliver that is not a row of the matrix at all.
    #[test]
    fn a_wrong_commitment_gives_a_proof((params, blob, order) in case(), axis in axis(), target: Index) {
        let mut forged = Forged::honest(params, &blob);
        let target = SliverIndex::new(u16::try_from(target.index(params.n_shards().into())).unwrap());
        for symbol in &mut forged.lines(axis)[at(target)] {
            symbol[0] ^= 1;
        }
        let metadata = forged.metadata(&blob);
        let sources = &order[..usize::from(params.symbols_per_sliver(axis))];
        let symbols = forged.symbols(axis, target, sources);
        let Ok(Recovered::Inconsistent(proof)) = recover(&metadata, axis, target, &symbols) else {
            panic!("the sliver cannot be consistent");
        };
        prop_assert_eq!(proof.verify(axis, &metadata), Ok(()));

        // Default readers see it exactly where it can change what they return.
        let systematic = axis == Axis::Primary && target.get() < params.primary_source_symbols();
        let check = check_default(&metadata, &blob, &[]);
        let expected = if systematic { Err(InconsistentBlob::Sliver { index: target }) } else { Ok(()) };
        prop_assert_eq!(check, expected);
    }

    #[test]
    fn an_honest_blob_is_never_proved_inconsistent(
        (params, blob, order) in case(), axis in axis(), target: Index, damage: (Index, Index), flip in 1u8..,
    ) {
        let mut honest = Forged::honest(params, &blob);
        let metadata = honest.metadata(&blob);
        prop_assert_eq!(&metadata, &encode(params, &blob).unwrap().metadata);
        let index = SliverIndex::new(u16::try_from(target.index(params.n_shards().into())).unwrap());
        let sources = &order[..usize::from(params.symbols_per_sliver(axis))];
        let symbols = honest.symbols(axis, index, sources);
        let recovered = recover(&metadata, axis, index, &symbols);
        prop_assert!(matches!(recovered, Ok(Recovered::Sliver(_))));

        let proof = InconsistencyProof { target_sliver_index: index, symbols };
        prop_assert_eq!(proof.verify(axis, &metadata), Err(ProofError::Consistent { axis, index }));
        let mut bytes = proof.to_bcs();
        let at = damage.0.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(damaged) = InconsistencyProof::from_bcs(&bytes, params) {
            prop_assert!(damaged.verify(axis, &metadata).is_err());
        }
        let mut damaged = proof.clone();
        let symbol = &mut damaged.symbols[damage.1.index(sources.len())];
        symbol.symbol.data[0] ^= flip;
        let rejected = damaged.verify(axis, &metadata);
        prop_assert!(matches!(rejected, Err(ProofError::Symbol(_))));
    }
}

/// Symbols that a node took from the inconsistent sliver itself cannot go into a proof.
#[test]
fn own_symbols_do_not_prove() {
    let params = EncodingParams::new(7).unwrap();
    let blob = [1; 60];
    let mut forged = Forged::honest(params, &blob);
    forged.rows[6][0][0] ^= 1;
    let metadata = forged.metadata(&blob);
    let (axis, target) = (Axis::Primary, SliverIndex::new(6));
    let tree = MerkleTree::build(&forged.rows[6]);
    assert!(matches!(tree.root(), Node::Digest(_)));
    let own = floe_redstuff::GeneralRecoverySymbol {
        symbol: floe_redstuff::EitherDecodingSymbol {
            axis: Axis::Secondary,
            symbol: DecodingSymbol { index: target, data: forged.rows[6][0].clone() },
        },
        target_index: SliverIndex::new(0),
        proof: tree.proof(0).unwrap(),
    };
    let own = own.verify(&metadata, target, axis).unwrap();
    let crossing = |sources: &[usize], forged: &mut Forged| {
        let symbols = forged.symbols(axis, target, sources).into_iter();
        symbols.map(|symbol| symbol.verify(&metadata, target, axis).unwrap()).collect::<Vec<_>>()
    };
    let mut few = crossing(&[1, 2, 3, 4], &mut forged);
    few.push(own.clone());
    let unprovable = RecoveryError::Unprovable { got: 4, needed: 5 };
    assert_eq!(recover_sliver(&metadata, axis, target, few), Err(unprovable));
    // With enough of the others it is left aside.
    let mut enough = crossing(&[0, 1, 2, 3, 4], &mut forged);
    enough.insert(0, own);
    let Ok(Recovered::Inconsistent(proof)) = recover_sliver(&metadata, axis, target, enough) else {
        panic!("the sliver cannot be consistent");
    };
    assert_eq!(proof.verify(axis, &metadata), Ok(()));
}
