//! Red Stuff: the two-dimensional erasure code of a decentralized blob store, with the Merkle commitments that make
//! every piece of it verifiable, and the blob ids that follow from them.
//!
//! Pure: no I/O, no async, no clock, no randomness.
//!
//! ```
//! use floe_redstuff::{Axis, EncodingParams, check_default, decode, encode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A network of 10 shards, of which any 3 may lie or be silent.
//! let params = EncodingParams::new(10)?;
//! let blob = b"Any third of the network may vanish and every blob is still read.";
//! let encoded = encode(params, blob)?;
//! println!("blob id {}", encoded.metadata.blob_id());
//!
//! // A node takes a sliver off the wire: it is worth nothing until it is verified.
//! let metadata = encoded.metadata;
//! let bytes = encoded.pairs[7].primary.to_bcs();
//! let sliver = floe_redstuff::Sliver::from_bcs(Axis::Primary, &bytes, params)?;
//! let seventh = sliver.verify(&metadata)?;
//!
//! // Any 4 primary slivers give the blob back; here the last four, none of which holds bytes of it.
//! let mut last: Vec<_> = encoded.pairs.into_iter().skip(6).map(|pair| pair.primary).collect();
//! last[1] = seventh;
//! let read = decode(&metadata, Axis::Primary, &last)?;
//! assert_eq!(read, blob);
//!
//! // A reader also checks that the writer was honest: then every other reader gets the same bytes.
//! check_default(&metadata, &read, &[])?;
//! # Ok(())
//! # }
//! ```
//!
//! # The shape of it
//!
//! A blob is laid out as a matrix of `n - 2f` rows and `n - f` columns of symbols, zeros filling the end. Each row is
//! continued to `n` symbols with a Reed–Solomon code, then each column: an `n × n` matrix of which row `i` is *primary
//! sliver* `i` and column `j` is *secondary sliver* `j`. Only the first `n - f` symbols of a row and the first
//! `n - 2f` of a column are stored; the others follow from them. *Pair* `p` consists of row `p` and column
//! `n - 1 - p`, and lies on one *shard*, rotated by the blob id.
//!
//! Why two dimensions: `n - 2f` rows give the blob, as with any erasure code; but a lost row is also rebuilt from one
//! symbol of each of `n - f` columns, about `1/n` of the blob in traffic instead of all of it.
//!
//! Each sliver has a Merkle tree over its `n` expanded symbols, and the blob one over the roots of all pairs. The
//! [`BlobId`] hashes that root with the length and the encoding type.
//!
//! # Verified and unverified are different types
//!
//! | received | through | becomes |
//! |---|---|---|
//! | [`BlobMetadata`] | [`BlobMetadata::verify`] against a [`BlobId`] | [`VerifiedMetadata`] |
//! | [`Sliver`] | [`Sliver::verify`], [`verify_slivers`] | [`VerifiedSliver`] |
//! | [`RecoverySymbol`], [`GeneralRecoverySymbol`] | their `verify` | [`VerifiedSymbol`] |
//! | [`InconsistencyProof`] | [`InconsistencyProof::verify`] | a fact about the blob |
//!
//! Every `from_bcs` is strict: trailing bytes, lengths not in their shortest form, and unknown variants are errors,
//! and no length is believed before the bytes are there.
//!
//! # Where to look
//!
//! - [`EncodingParams`]: every number that follows from the number of shards.
//! - [`encode`], [`compute_metadata`], [`decode`], [`check_default`], [`check_strict`]: writing and reading.
//! - [`SliverSymbols`], [`recover_sliver`], [`InconsistencyProof`]: healing.
//! - [`plain`]: the same results computed in the simplest way; the rest must equal it.
//!
//! # Speed
//!
//! The level of vector instructions is chosen at run time ([`simd_level`]); all levels give the same bytes. Functions that
//! have more than one sliver to work on run on the current rayon pool: whoever wants fewer threads installs a smaller one.
//!
//! # Limits
//!
//! 4 to 49 155 shards. Blobs up to [`EncodingParams::max_blob_size`] (149 MB at 100 shards, 13.6 GiB at 1000). [`encode`] and
//! [`compute_metadata`] hold a blob in memory, and 4.5 times its size for the slivers; [`encode_into`],
//! [`compute_metadata_from`] and [`decode_rows`] work below a ceiling on memory, from and to what can be read and written
//! at any position; the slivers of [`encode_into`] lie in its source and in a spool of 2.5 times its size
//! ([`SpooledBlob`]).

mod axis;
mod blob_id;
mod check;
mod code;
mod decode;
mod encode;
mod expand;
mod forest;
mod hash;
mod inconsistency;
mod index;
mod matrix;
pub mod merkle;
mod metadata;
mod params;
pub mod plain;
mod rebuild;
mod recovery;
mod rows;
mod scratch;
mod simd;
mod sliver;
mod stream;
mod symbol;
mod verified_symbol;
mod verify;
mod wire;

pub use axis::{Axis, AxisParseError, EncodingType, UnsupportedEncoding};
pub use blob_id::{BlobId, BlobIdParseError};
pub use check::{InconsistentBlob, check_default, check_strict};
pub use decode::{DecodeError, decode, decode_into};
pub use encode::{EncodeError, EncodedBlob, Extension, compute_metadata, encode, extend};
pub use hash::hash as blake2b256;
pub use inconsistency::{InconsistencyProof, ProofError};
pub use index::{IndexParseError, PairIndex, ShardIndex, SliverIndex};
pub use metadata::{BlobMetadata, MetadataError, SliverPairHashes, VerifiedMetadata};
pub use params::{
    BlobTooLarge, EncodingParams, N_SHARDS_MAX, N_SHARDS_MIN, ParamsError, SYMBOL_SIZE_BYTES_MAX, SymbolSize,
};
pub use rebuild::recover_slivers_unproven;
pub use recovery::{Recovered, RecoveryError, recover_sliver, recover_sliver_unproven};
pub use simd::simd_level;
pub use sliver::{Sliver, SliverError, SliverPair, SliverView, VerifiedSliver};
pub use stream::{
    BlobSource, DecodeOptions, DecodeRowsError, DecodeSpace, MEMORY_CEILING_BYTES, SourceError, Spool, SpoolError,
    SpooledBlob, compute_metadata_from, decode_rows, encode_into, read_whole,
};
pub use symbol::{
    DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, GeneralRecoverySymbol, RecoverySymbol, RecoverySymbolPair,
    SliverSymbols, SymbolId,
};
pub use verified_symbol::{SymbolError, VerifiedSymbol};
pub use verify::{rows_past_end, verification_bytes, verify_slivers, verify_views};
pub use wire::WireError;
