//! The same results, row by row and one hash at a time: the oracle for the fast code, and the baseline of benchmarks.
//!
//! Follows spec/encoding.md section by section, in one thread, with the whole `n × n` matrix in memory, and
//! shares with the rest of the crate only the types and the code's underlying library.

use reed_solomon_simd::ReedSolomonDecoder;

use crate::{
    Axis, BlobMetadata, DecodeError, DecodingSymbol, EncodeError, EncodedBlob, EncodingParams, EncodingType, PairIndex,
    Sliver, SliverIndex, SliverPair, SliverPairHashes, VerifiedMetadata, VerifiedSliver,
    decode::choose,
    merkle::{Digest, EMPTY, Node, inner, leaf},
};

/// A symbol's bytes.
type Symbol = Vec<u8>;

/// Recovery symbols of one codeword (section 5.1).
fn recovery(total: u16, originals: &[Symbol]) -> Vec<Symbol> {
    let recovery = usize::from(total) - originals.len();
    reed_solomon_simd::encode(originals.len(), recovery, originals)
        .expect("the parameters are validated, all symbols have one even length")
}

/// The expanded `n × n` matrix, by rows (sections 4 and 6).
pub fn expanded_matrix(params: EncodingParams, blob: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, EncodeError> {
    let n = params.n_shards();
    let rows = usize::from(params.primary_source_symbols());
    let columns = usize::from(params.secondary_source_symbols());
    let symbol = params.symbol_size(u64::try_from(blob.len()).unwrap_or(u64::MAX))?;
    let mut padded = blob.to_vec();
    padded.resize(rows * columns * symbol.bytes(), 0);
    let mut matrix: Vec<Vec<Symbol>> = padded
        .chunks_exact(columns * symbol.bytes())
        .map(|row| row.chunks_exact(symbol.bytes()).map(Symbol::from).collect())
        .collect();
    for row in &mut matrix {
        let extra = recovery(n, row);
        row.extend(extra);
    }
    matrix.resize(usize::from(n), Vec::new());
    for column in 0..usize::from(n) {
        let top: Vec<Symbol> = matrix[..rows].iter().map(|row| row[column].clone()).collect();
        for (row, symbol) in matrix[rows..].iter_mut().zip(recovery(n, &top)) {
            row.push(symbol);
        }
    }
    Ok(matrix)
}

/// The root of a Merkle tree, one hash at a time (section 8).
pub fn merkle_root<T: AsRef<[u8]>>(leaves: &[T]) -> Digest {
    let mut level: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes.as_ref())).collect();
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.push(EMPTY);
        }
        level = level.chunks_exact(2).map(|pair| inner(&pair[0], &pair[1])).collect();
    }
    level.first().copied().unwrap_or(EMPTY)
}

/// The expanded symbols of a sliver, from the expanded matrix.
fn expanded_sliver(matrix: &[Vec<Symbol>], axis: Axis, index: SliverIndex) -> Vec<Symbol> {
    match axis {
        Axis::Primary => matrix[index.at()].clone(),
        Axis::Secondary => matrix.iter().map(|row| row[index.at()].clone()).collect(),
    }
}

fn metadata_of(params: EncodingParams, matrix: &[Vec<Symbol>], unencoded_length: usize) -> VerifiedMetadata {
    let root = |axis: Axis, pair: PairIndex| {
        let symbols = expanded_sliver(matrix, axis, pair.sliver(axis, params));
        Node::Digest(merkle_root(&symbols))
    };
    let hashes = params
        .pairs()
        .map(|pair| SliverPairHashes { primary: root(Axis::Primary, pair), secondary: root(Axis::Secondary, pair) });
    let metadata = BlobMetadata {
        encoding_type: EncodingType::Rs2,
        unencoded_length: u64::try_from(unencoded_length).unwrap_or(u64::MAX),
        hashes: hashes.collect(),
    };
    VerifiedMetadata::new(metadata, params).expect("the encoder makes well-formed metadata")
}

/// As [`crate::compute_metadata`].
///
/// # Errors
/// The blob is too large.
pub fn compute_metadata(params: EncodingParams, blob: &[u8]) -> Result<VerifiedMetadata, EncodeError> {
    let matrix = expanded_matrix(params, blob)?;
    Ok(metadata_of(params, &matrix, blob.len()))
}

/// As [`crate::encode`].
///
/// # Errors
/// The blob is too large.
pub fn encode(params: EncodingParams, blob: &[u8]) -> Result<EncodedBlob, EncodeError> {
    let matrix = expanded_matrix(params, blob)?;
    let metadata = metadata_of(params, &matrix, blob.len());
    let sliver = |axis: Axis, pair: PairIndex| {
        let index = pair.sliver(axis, params);
        let stored = usize::from(params.symbols_per_sliver(axis));
        let sliver = Sliver {
            axis,
            index,
            symbol_size: metadata.symbol_size(),
            data: expanded_sliver(&matrix, axis, index)[..stored].concat(),
        };
        VerifiedSliver::new(sliver, &metadata)
    };
    let pairs = params
        .pairs()
        .map(|pair| SliverPair { primary: sliver(Axis::Primary, pair), secondary: sliver(Axis::Secondary, pair) });
    let pairs = pairs.collect();
    Ok(EncodedBlob { metadata, pairs })
}

/// The Merkle root that a sliver has once it is expanded: what verification compares (section 10.2).
pub fn sliver_root(params: EncodingParams, sliver: &Sliver) -> Digest {
    let mut symbols: Vec<Symbol> = sliver.data.chunks_exact(sliver.symbol_size.bytes()).map(Symbol::from).collect();
    let extra = recovery(params.n_shards(), &symbols);
    symbols.extend(extra);
    merkle_root(&symbols)
}

/// The source symbols of a sliver from exactly as many of its symbols (section 12).
pub fn recover_data(params: EncodingParams, axis: Axis, symbols: &[DecodingSymbol]) -> Vec<u8> {
    let originals = usize::from(params.symbols_per_sliver(axis));
    let known = symbols.iter().map(|symbol| (symbol.index.at(), &symbol.data[..]));
    decode_word(params, originals, known).concat()
}

/// As [`crate::check_default`] with no slivers used: every systematic primary sliver is made again (section 11.1).
pub fn check_default(metadata: &VerifiedMetadata, blob: &[u8]) -> bool {
    let (params, symbol_size) = (metadata.params(), metadata.symbol_size());
    let row_bytes = usize::from(params.secondary_source_symbols()) * symbol_size.bytes();
    (0..params.primary_source_symbols()).map(SliverIndex::new).all(|index| {
        let start = (index.at() * row_bytes).min(blob.len());
        let mut data = blob[start..(start + row_bytes).min(blob.len())].to_vec();
        data.resize(row_bytes, 0);
        let sliver = Sliver { axis: Axis::Primary, index, symbol_size, data };
        sliver_root(params, &sliver) == *metadata.hash_of(Axis::Primary, index).value()
    })
}

/// As [`crate::decode`]: one codeword after the other (section 11).
///
/// # Errors
/// Too few slivers.
pub fn decode(metadata: &VerifiedMetadata, axis: Axis, slivers: &[VerifiedSliver]) -> Result<Vec<u8>, DecodeError> {
    let params = metadata.params();
    let taken = choose(metadata, axis, slivers)?;
    let symbol = metadata.symbol_size().bytes();
    let length = usize::from(params.symbols_per_sliver(axis));
    let count = usize::from(params.slivers_to_decode(axis));
    let mut blob = vec![0; length * count * symbol];
    for t in 0..length {
        let known = taken.iter().map(|sliver| (sliver.index.at(), sliver.symbol(t)));
        for (k, bytes) in decode_word(params, count, known).into_iter().enumerate() {
            let (row, column) = match axis {
                Axis::Primary => (k, t),
                Axis::Secondary => (t, k),
            };
            let columns = usize::from(params.secondary_source_symbols());
            blob[(row * columns + column) * symbol..][..symbol].copy_from_slice(&bytes);
        }
    }
    blob.truncate(usize::try_from(metadata.unencoded_length()).unwrap_or(usize::MAX));
    Ok(blob)
}

/// The source symbols of one codeword, from exactly as many of its symbols.
fn decode_word<'s>(
    params: EncodingParams,
    originals: usize,
    known: impl Iterator<Item = (usize, &'s [u8])>,
) -> Vec<Symbol> {
    const VALID: &str = "verified slivers have distinct indices in range and symbols of one size";
    let recovery = usize::from(params.n_shards()) - originals;
    let known: Vec<(usize, &[u8])> = known.collect();
    let bytes = known.first().map_or(2, |(_, symbol)| symbol.len());
    let mut decoder = ReedSolomonDecoder::new(originals, recovery, bytes).expect(VALID);
    let mut symbols = vec![Symbol::new(); originals];
    for (index, symbol) in known {
        match index.checked_sub(originals) {
            None => {
                decoder.add_original_shard(index, symbol).expect(VALID);
                symbols[index] = symbol.to_vec();
            }
            Some(recovery) => decoder.add_recovery_shard(recovery, symbol).expect(VALID),
        }
    }
    let result = decoder.decode().expect(VALID);
    for (index, symbol) in result.restored_original_iter() {
        symbols[index] = symbol.to_vec();
    }
    symbols
}
