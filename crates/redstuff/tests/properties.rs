//! What the code promises, over random networks, blobs and losses.

#![allow(clippy::unwrap_used)]

use floe_redstuff::{
    Axis, BlobMetadata, DecodeError, EncodedBlob, EncodingParams, GeneralRecoverySymbol, InconsistentBlob, PairIndex,
    Recovered, RecoveryError, Sliver, SliverIndex, VerifiedSliver, check_default, check_strict, compute_metadata,
    decode, encode, plain, recover_sliver, recover_sliver_unproven, verify_slivers,
};
use proptest::{prelude::*, sample::Index};

/// A network and a blob; sizes around the steps of the symbol size included.
fn case() -> impl Strategy<Value = (EncodingParams, Vec<u8>)> {
    let shards = prop_oneof![4u16..14, 4u16..60];
    shards.prop_flat_map(|n| {
        let params = EncodingParams::new(n).unwrap();
        let step = 2 * usize::from(params.primary_source_symbols()) * usize::from(params.secondary_source_symbols());
        let length = prop_oneof![
            0usize..200,
            0usize..20_000,
            (0usize..40, 0usize..3).prop_map(move |(steps, more)| { (steps * step + more).saturating_sub(1) })
        ];
        (Just(params), length.prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length)))
    })
}

fn order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..60).collect::<Vec<usize>>()).prop_shuffle()
}

/// The first `count` numbers of `order` that are below `n`.
fn pick(order: &[usize], n: u16, count: u16) -> Vec<usize> {
    order.iter().copied().filter(|i| *i < usize::from(n)).take(count.into()).collect()
}

fn sliver_index(index: Index, params: EncodingParams) -> SliverIndex {
    SliverIndex::new(u16::try_from(index.index(params.n_shards().into())).unwrap())
}

fn slivers(encoded: &EncodedBlob, axis: Axis, pairs: &[usize]) -> Vec<VerifiedSliver> {
    pairs.iter().map(|pair| encoded.pairs[*pair].sliver(axis).clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn production_equals_plain((params, blob) in case()) {
        let expected = plain::encode(params, &blob).unwrap();
        prop_assert_eq!(&encode(params, &blob).unwrap(), &expected);
        prop_assert_eq!(&compute_metadata(params, &blob).unwrap(), &expected.metadata);
        prop_assert_eq!(&plain::compute_metadata(params, &blob).unwrap(), &expected.metadata);
    }

    #[test]
    fn any_sufficient_slivers_decode((params, blob) in case(), order in order()) {
        let encoded = encode(params, &blob).unwrap();
        let metadata = &encoded.metadata;
        for axis in Axis::ALL {
            let needed = params.slivers_to_decode(axis);
            let chosen = slivers(&encoded, axis, &pick(&order, params.n_shards(), needed));
            let read = decode(metadata, axis, &chosen).unwrap();
            prop_assert_eq!(&read, &blob);
            prop_assert_eq!(&plain::decode(metadata, axis, &chosen).unwrap(), &blob);
            let used: Vec<SliverIndex> = match axis {
                Axis::Primary => chosen.iter().map(|sliver| sliver.index).collect(),
                Axis::Secondary => Vec::new(),
            };
            prop_assert_eq!(check_default(metadata, &read, &used), Ok(()));
            prop_assert_eq!(check_strict(metadata, &read), Ok(()));

            // One too few, even with repetitions and slivers of the other axis, does not.
            let mut few = chosen[1..].to_vec();
            few.extend_from_slice(&chosen[1..]);
            few.push(encoded.pairs[0].sliver(axis.orthogonal()).clone());
            let got = usize::from(needed) - 1;
            let error = DecodeError::NotEnough { axis, got, needed: needed.into() };
            prop_assert_eq!(decode(metadata, axis, &few), Err(error));
            // More than enough does.
            let all: Vec<usize> = (0..usize::from(params.n_shards())).collect();
            prop_assert_eq!(decode(metadata, axis, &slivers(&encoded, axis, &all)).unwrap(), blob.clone());
        }
    }

    #[test]
    fn slivers_survive_the_wire_and_verify((params, blob) in case(), pick: Index) {
        let encoded = encode(params, &blob).unwrap();
        for axis in Axis::ALL {
            let sliver = encoded.pairs[pick.index(encoded.pairs.len())].sliver(axis);
            let received = Sliver::from_bcs(axis, &sliver.to_bcs(), params).unwrap();
            prop_assert_eq!(&received.clone().verify(&encoded.metadata).unwrap(), sliver);
            let tagged = Sliver::from_bcs_tagged(&sliver.to_bcs_tagged(), params).unwrap();
            prop_assert_eq!(&tagged, &received);
            let root = encoded.metadata.sliver_hash(axis, sliver.pair_index()).value();
            prop_assert_eq!(&plain::sliver_root(params, sliver), root);
            let (head, data, tail) = received.clone().into_bcs_parts();
            prop_assert_eq!([&head[..], &data, &tail].concat(), received.to_bcs());
        }
    }

    #[test]
    fn a_changed_sliver_is_rejected((params, blob) in case(), pick: Index, at: Index, flip in 1u8..) {
        let encoded = encode(params, &blob).unwrap();
        for axis in Axis::ALL {
            let sliver = encoded.pairs[pick.index(encoded.pairs.len())].sliver(axis);
            let mut bytes = sliver.to_bcs();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(changed) = Sliver::from_bcs(axis, &bytes, params) {
                // Slivers with the same contents may be exchanged: there the index alone says which it is.
                let same_hash = changed.pair(params).is_some_and(|pair| {
                    encoded.metadata.sliver_hash(axis, pair)
                        == encoded.metadata.sliver_hash(axis, sliver.pair_index())
                });
                let intact = changed.data == sliver.data && changed.symbol_size == sliver.symbol_size;
                prop_assert_eq!(changed.verify_ref(&encoded.metadata).is_ok(), same_hash && intact);
                prop_assert_eq!(changed.symbols(&encoded.metadata).is_ok(), same_hash && intact);
            }
        }
    }

    #[test]
    fn a_batch_verifies_like_its_members((params, blob) in case(), damage in proptest::collection::vec(any::<(Index, u8)>(), 0..6)) {
        let encoded = encode(params, &blob).unwrap();
        let mut received: Vec<Sliver> = encoded.pairs.iter()
            .flat_map(|pair| Axis::ALL.map(|axis| pair.sliver(axis).clone().into_inner()))
            .collect();
        for (index, value) in damage {
            let sliver = &mut received[index.index(encoded.pairs.len())];
            match value % 3 {
                0 => sliver.index = SliverIndex::new(params.n_shards() + u16::from(value)),
                1 => sliver.data.truncate(usize::from(value)),
                _ => sliver.data[0] = value,
            }
        }
        let expected: Vec<_> = received.iter().map(|sliver| sliver.clone().verify(&encoded.metadata)).collect();
        prop_assert_eq!(verify_slivers(&encoded.metadata, received), expected);
    }

    #[test]
    fn changed_metadata_is_rejected((params, blob) in case(), at: Index, flip in 1u8..) {
        let metadata = compute_metadata(params, &blob).unwrap();
        let mut bytes = metadata.metadata().to_bcs();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(changed) = BlobMetadata::from_bcs(&bytes, params) {
            prop_assert!(changed.verify(metadata.blob_id(), params).is_err());
        }
    }

    #[test]
    fn any_sufficient_symbols_rebuild_a_sliver((params, blob) in case(), order in order(), target: Index, own in 0u16..5) {
        let encoded = encode(params, &blob).unwrap();
        let metadata = &encoded.metadata;
        let target = sliver_index(target, params);
        for axis in Axis::ALL {
            let needed = params.symbols_per_sliver(axis);
            let expected = encoded.pairs[usize::from(target.pair(axis, params).get())].sliver(axis);
            let sources = slivers(&encoded, axis.orthogonal(), &pick(&order, params.n_shards(), needed));

            // As they come over the network; a few are taken from the sliver itself, by a node that has it.
            let own_symbols = expected.symbols();
            let symbols = sources.iter().enumerate().map(|(at, source)| {
                let symbol = if at < usize::from(own) {
                    own_symbols.general_recovery_symbol(source.index).unwrap()
                } else {
                    source.general_recovery_symbol(target).unwrap()
                };
                let received = GeneralRecoverySymbol::from_bcs(&symbol.to_bcs()).unwrap();
                received.verify(metadata, target, axis).unwrap()
            });
            let symbols: Vec<_> = symbols.collect();
            let recovered = recover_sliver(metadata, axis, target, symbols.clone());
            prop_assert_eq!(recovered, Ok(Recovered::Sliver(expected.clone())));
            let got = usize::from(needed) - 1;
            let error = RecoveryError::NotEnough { axis, got, needed: needed.into() };
            let repeated = symbols[1..].iter().chain(&symbols[1..]).cloned();
            prop_assert_eq!(recover_sliver(metadata, axis, target, repeated), Err(error));

            let unproven = sources.iter().map(|source| source.decoding_symbol(target).unwrap());
            let unproven: Vec<_> = unproven.collect();
            let recovered = recover_sliver_unproven(metadata, axis, target, unproven.clone());
            prop_assert_eq!(&recovered.unwrap(), expected);
            let mut wrong = unproven;
            wrong[0].data[0] ^= 1;
            let recovered = recover_sliver_unproven(metadata, axis, target, wrong);
            prop_assert!(matches!(recovered, Err(RecoveryError::Unproven(_))));
        }
    }

    #[test]
    fn symbols_of_wrong_place_or_value_are_rejected((params, blob) in case(), target: Index, source: Index, other: Index, flip in 1u8..) {
        // Random contents, so that no two symbols are equal by chance.
        let blob = if blob.len() < 500 { (0..500u16).map(|i| (i * 7 % 251).to_le_bytes()[0]).collect() } else { blob };
        let encoded = encode(params, &blob).unwrap();
        let metadata = &encoded.metadata;
        let target = sliver_index(target, params);
        for axis in Axis::ALL {
            let source = encoded.pairs[source.index(encoded.pairs.len())].sliver(axis.orthogonal());
            let good = source.general_recovery_symbol(target).unwrap();
            prop_assert!(good.clone().verify(metadata, target, axis).is_ok());
            let other = sliver_index(other, params);
            prop_assert_eq!(good.clone().verify(metadata, other, axis).is_ok(), other == target);

            let mut wrong = good.clone();
            wrong.symbol.symbol.data[0] ^= flip;
            prop_assert!(wrong.verify(metadata, target, axis).is_err());
            let mut long = good.clone();
            long.symbol.symbol.data.push(0);
            prop_assert!(long.verify(metadata, target, axis).is_err());
            let mut outside = good;
            outside.symbol.symbol.index = SliverIndex::new(params.n_shards());
            prop_assert!(outside.verify(metadata, target, axis).is_err());
        }
    }
}

/// How the work is divided depends on the number of threads; the result does not.
#[test]
fn any_number_of_threads() {
    let blob: Vec<u8> = (0..70_000u64).map(|i| (i * i / 7).to_le_bytes()[0]).collect();
    for (n, length) in [(4, 70_000), (31, 5_000), (100, 30), (100, 70_000)] {
        let params = EncodingParams::new(n).unwrap();
        let blob = &blob[..length];
        let expected = plain::encode(params, blob).unwrap();
        for threads in [1, 3, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                assert_eq!(encode(params, blob).unwrap(), expected);
                let all: Vec<usize> = (0..usize::from(n)).rev().collect();
                for axis in Axis::ALL {
                    let needed = usize::from(params.slivers_to_decode(axis));
                    let chosen = slivers(&expected, axis, &all[..needed]);
                    assert_eq!(decode(&expected.metadata, axis, &chosen).unwrap(), blob);
                    assert_eq!(check_default(&expected.metadata, blob, &[]), Ok(()));
                }
            });
        }
    }
}

/// The writer lies about the length: the last row hides bytes where zeros belong. Readers that used that row as it is
/// do not see it by the default check, and it does no harm: they all return the same bytes. The strict check sees it.
#[test]
fn hidden_padding() {
    let params = EncodingParams::new(7).unwrap();
    let encoded = encode(params, &[7; 30]).unwrap();
    let lie = BlobMetadata { unencoded_length: 29, ..encoded.metadata.metadata().clone() };
    let id = lie.blob_id();
    let metadata = lie.verify(&id, params).unwrap();
    let rows: Vec<VerifiedSliver> =
        encoded.pairs[..3].iter().map(|pair| pair.primary.clone().into_inner().verify(&metadata).unwrap()).collect();
    let read = decode(&metadata, Axis::Primary, &rows).unwrap();
    assert_eq!(read, [7; 29]);
    let used = [0, 1, 2].map(SliverIndex::new);
    assert_eq!(check_default(&metadata, &read, &used), Ok(()));
    let wrong = InconsistentBlob::Sliver { index: SliverIndex::new(2) };
    assert_eq!(check_default(&metadata, &read, &used[..2]), Err(wrong));
    assert!(matches!(check_strict(&metadata, &read), Err(InconsistentBlob::BlobId { .. })));
    let short = InconsistentBlob::Length { got: 28, expected: 29 };
    assert_eq!(check_default(&metadata, &read[..28], &[]), Err(short.clone()));
    assert_eq!(check_strict(&metadata, &read[..28]), Err(short));
    // Slivers verified against another blob's metadata are not silently mixed in.
    let foreign = [encoded.pairs[0].primary.clone()];
    assert!(matches!(decode(&metadata, Axis::Primary, &foreign), Err(DecodeError::OtherBlob { .. })));
}

#[test]
fn byte_ranges_lie_in_their_rows() {
    let params = EncodingParams::new(10).unwrap();
    let blob: Vec<u8> = (0..1000u16).map(|i| i.to_le_bytes()[0]).collect();
    let encoded = encode(params, &blob).unwrap();
    let row = encoded.metadata.sliver_bytes(Axis::Primary);
    for (start, length) in [(0, 1), (0, 1000), (row - 1, 1), (row - 1, 2), (999, 1), (300, 450)] {
        let wanted = encoded.metadata.primaries_of_range(start as u64, length as u64).unwrap();
        let bytes: Vec<u8> = wanted.clone().flat_map(|i| encoded.pairs[usize::from(i)].primary.data.clone()).collect();
        let skip = start - usize::from(wanted.start) * row;
        assert_eq!(bytes[skip..skip + length], blob[start..start + length]);
    }
    for (start, length) in [(0, 0), (0, 1001), (1000, 1), (u64::MAX, 2)] {
        assert_eq!(encoded.metadata.primaries_of_range(start, length), None);
    }
    assert_eq!(encoded.pairs[3].index(), PairIndex::new(3));
}
