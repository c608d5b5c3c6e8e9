use proptest::prelude::*;

use super::*;
use crate::simd::Level;

fn encode(code: Code, symbol: usize, words: &[Vec<Vec<u8>>]) -> Vec<Vec<Vec<u8>>> {
    let results: Vec<_> = Level::available().map(|level| encode_at(level, code, symbol, words)).collect();
    assert!(results.iter().all(|result| *result == results[0]), "levels differ");
    results[0].clone()
}

fn encode_at(level: Level, code: Code, symbol: usize, words: &[Vec<Vec<u8>>]) -> Vec<Vec<Vec<u8>>> {
    let count = words.len();
    let mut recovery = vec![0xee; code.recovery * count * symbol];
    Encoder::at_level(level, code, symbol).encode(
        count,
        &Each(|i: usize, word: usize| &words[word][i][..]),
        |j, shard| {
            shard.write(&mut recovery[j * count * symbol..], symbol);
        },
    );
    // The same from symbols that lie in order of codeword, written in that order, too.
    let lines: Vec<Vec<u8>> = words.iter().map(|word| word.concat()).collect();
    let mut transposed = vec![0xee; recovery.len()];
    Encoder::at_level(level, code, symbol).encode(count, &Words(|word: usize| &lines[word][..]), |j, shard| {
        shard.write(&mut transposed[j * symbol..], code.recovery * symbol);
    });
    let at_transposed = |j: usize, word: usize| &transposed[(word * code.recovery + j) * symbol..][..symbol];
    let at = |j: usize, word: usize| recovery[(j * count + word) * symbol..][..symbol].to_vec();
    for (j, word) in (0..code.recovery).flat_map(|j| (0..count).map(move |word| (j, word))) {
        assert_eq!(at(j, word), at_transposed(j, word));
    }
    (0..count).map(|word| (0..code.recovery).map(|j| at(j, word)).collect()).collect()
}

/// The vectors of section 5.4: symbols of two bytes 0102 0304 ….
#[test]
fn vectors_of_small_symbols() {
    let table: [(usize, usize, &str); 6] = [
        (2, 2, "a20aa00c"),
        (3, 1, "0700"),
        (3, 4, "c70acf0cc70ec808"),
        (5, 2, "e50dec0f"),
        (4, 6, "ab06d70e0e037203ba016700"),
        (7, 3, "1a0fb506ce08"),
    ];
    for (originals, recovery, expected) in table {
        let word: Vec<Vec<u8>> = (0..u8::try_from(originals).unwrap()).map(|i| vec![2 * i + 1, 2 * i + 2]).collect();
        let got = encode(Code { originals, recovery }, 2, &[word]);
        assert_eq!(hex::encode(got[0].concat()), expected);
    }
}

#[test]
fn vectors_with_tails() {
    let code = Code { originals: 2, recovery: 2 };
    let word = vec![vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9, 10, 11, 12]];
    let got = encode(code, 6, &[word]);
    assert_eq!(hex::encode(got[0].concat()), "d7d1ef02030bd1dbe50c0d01");
    let long = |j: u8| (0..66u8).map(|i| i + 66 * j).collect::<Vec<u8>>();
    let got = encode(code, 66, &[vec![long(0), long(1)]]);
    let expected = "dbdaedecdfde9998d3d2e5e4d7d64041cbcafdfccfce8988c3c2f5f4c7c68e8f909199989495939\
        2989991909c9db7b68081898884858382888981808c8dcacb9516";
    assert_eq!(hex::encode(&got[0][0]), expected);
}

fn words(count: usize, code: Code, symbol: usize, seed: u64) -> Vec<Vec<Vec<u8>>> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let mut symbols = || (0..symbol).map(|_| byte()).collect::<Vec<u8>>();
    (0..count).map(|_| (0..code.originals).map(|_| symbols()).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Codewords packed together, or cut into stripes, equal codewords encoded one by one.
    #[test]
    fn batches_equal_single_codewords(
        originals in 2usize..40,
        recovery in 1usize..40,
        half in prop_oneof![1usize..200, 250usize..300],
        count in 1usize..40,
        seed: u64,
    ) {
        let code = Code { originals, recovery };
        let symbol = 2 * half;
        let words = words(count, code, symbol, seed);
        let together = encode(code, symbol, &words);
        for (word, got) in words.iter().zip(&together) {
            let expected = reed_solomon_simd::encode(originals, recovery, word).unwrap();
            prop_assert_eq!(got, &expected);
        }
    }

    #[test]
    fn any_sufficient_set_decodes(
        originals in 2usize..40,
        recovery in 1usize..40,
        half in 1usize..100,
        count in 1usize..20,
        seed: u64,
        order in Just((0..80usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let code = Code { originals, recovery };
        let symbol = 2 * half;
        let mut words = words(count, code, symbol, seed);
        for (word, recovery) in words.clone().iter().zip(words.iter_mut()) {
            recovery.extend(reed_solomon_simd::encode(code.originals, code.recovery, word).unwrap());
        }
        let positions: Vec<usize> = order
            .into_iter()
            .filter(|i| *i < code.total())
            .take(originals)
            .collect();
        let erasures = Erasures::new(code, positions.clone());
        for level in Level::available() {
            let mut decoder = Decoder::at_level(level, &erasures, symbol);
            let mut restored = vec![0; erasures.missing().len() * count * symbol];
            let each = Each(|slot: usize, word: usize| &words[word][positions[slot]][..]);
            decoder.decode(count, &each, |m, shard| shard.write(&mut restored[m * count * symbol..], symbol));
            let runs: Vec<Vec<u8>> = positions
                .iter()
                .map(|position| words.iter().flat_map(|word| word[*position].clone()).collect())
                .collect();
            let mut again = vec![0; restored.len()];
            decoder.decode(count, &Runs(|slot: usize| &runs[slot][..]), |m, shard| {
                shard.write(&mut again[m * count * symbol..], symbol);
            });
            prop_assert_eq!(&restored, &again);
            for (m, i) in erasures.missing().iter().enumerate() {
                for (word, symbols) in words.iter().enumerate() {
                    let got = &restored[(m * count + word) * symbol..][..symbol];
                    prop_assert_eq!(got, &symbols[*i], "{}", level.name());
                }
            }
        }
    }
}

/// Stripes of large symbols, where one call would not fit the cache.
#[test]
fn large_symbols_equal_one_call() {
    let code = Code { originals: 50, recovery: 50 };
    let words = words(1, code, 30_002, 7);
    let expected = reed_solomon_simd::encode(50, 50, &words[0]).unwrap();
    assert_eq!(encode(code, 30_002, &words)[0], expected);
}
