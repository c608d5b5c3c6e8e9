//! placeholder manual
mod axis;
mod blob_id;
mod code;
mod expand;
mod hash;
mod index;
mod matrix;
pub mod merkle;
mod metadata;
mod params;
mod sliver;
mod symbol;
mod wire;

pub use axis::{Axis, AxisParseError, EncodingType, UnsupportedEncoding};
pub use blob_id::{BlobId, BlobIdParseError};
pub use hash::hash as blake2b256;
pub use index::{IndexParseError, PairIndex, ShardIndex, SliverIndex};
pub use metadata::{BlobMetadata, MetadataError, SliverPairHashes, VerifiedMetadata};
pub use params::{
    BlobTooLarge, EncodingParams, N_SHARDS_MAX, N_SHARDS_MIN, ParamsError, SYMBOL_SIZE_BYTES_MAX, SymbolSize,
};
pub use sliver::{Sliver, SliverError, SliverPair, VerifiedSliver, verify_slivers};
pub use symbol::{
    DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, GeneralRecoverySymbol, RecoverySymbol, RecoverySymbolPair,
    SliverSymbols, SymbolId,
};
pub use wire::WireError;
