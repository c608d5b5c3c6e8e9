#![no_main]

use floe_redstuff::{Axis, BlobId, EncodingType, PairIndex, SymbolId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<BlobId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Some(id) = BlobId::from_decimal(text) {
        assert_eq!(BlobId::from_decimal(&id.to_decimal()), Some(id));
    }
    if let Ok(id) = text.parse::<SymbolId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(pair) = text.parse::<PairIndex>() {
        assert_eq!(pair.to_string(), text);
    }
    if let Ok(axis) = text.parse::<Axis>() {
        assert_eq!(axis.to_string(), text);
    }
    let _ = text.parse::<EncodingType>();
});
