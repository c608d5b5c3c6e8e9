#![no_main]

use std::sync::LazyLock;

use floe_redstuff::{
    Axis, DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, EncodingParams, GeneralRecoverySymbol, RecoverySymbol,
    RecoverySymbolPair, SliverIndex, SymbolId, VerifiedMetadata, compute_metadata,
};
use libfuzzer_sys::fuzz_target;

const BLOB: &[u8] = b"a blob whose slivers are rebuilt";
static METADATA: LazyLock<VerifiedMetadata> = LazyLock::new(|| {
    let params = EncodingParams::new(7).expect("7 shards");
    compute_metadata(params, BLOB).expect("a small blob")
});

macro_rules! round_trip {
    ($bytes:expr, $($name:ident),*) => {$(
        if let Ok(value) = $name::from_bcs($bytes) {
            assert_eq!(value.to_bcs(), $bytes);
        }
    )*};
}

fuzz_target!(|bytes: &[u8]| {
    round_trip!(bytes, DecodingSymbol, EitherDecodingSymbol, RecoverySymbolPair, SymbolId);
    let target = SliverIndex::new(3);
    for axis in Axis::ALL {
        if let Ok(symbol) = RecoverySymbol::from_bcs(bytes) {
            assert_eq!(symbol.to_bcs(), bytes);
            let _ = symbol.verify(&METADATA, target, axis);
        }
        if let Ok(symbol) = GeneralRecoverySymbol::from_bcs(bytes) {
            assert_eq!(symbol.to_bcs(), bytes);
            let _ = symbol.verify(&METADATA, target, axis);
        }
    }
    if let Ok(symbols) = GeneralRecoverySymbol::list_from_bcs(bytes, 100) {
        assert_eq!(GeneralRecoverySymbol::list_to_bcs(&symbols), bytes);
    }
    if let Ok(symbols) = DecodingSymbols::from_bcs(bytes, 100) {
        assert_eq!(symbols.to_bcs(), bytes);
    }
});
