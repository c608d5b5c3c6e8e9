//! The JSON form: amounts as decimal digits (they do not fit the numbers of JavaScript), bytes as `0x` and hex.

use floe_redstuff::{BlobId, EncodingType};
use serde::{Deserialize, Serialize};

use crate::{Address, HexError, RegisterBlob};

/// Longest signature that is read: what contracts want signed may be more than 65 bytes.
const SIGNATURE_BYTES_MAX: usize = 4096;

pub(super) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let mut bytes = [0; N];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| HexError::Malformed { digits: 2 * N })?;
    Ok(bytes)
}

pub(super) mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::intent) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(in crate::intent) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("an amount is a string of decimal digits"))
    }
}

pub(super) mod hex_word {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::intent) fn serialize<S: Serializer>(word: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(word)))
    }

    pub(in crate::intent) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        super::parse_hex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

pub(super) mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::intent) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(bytes)))
    }

    pub(in crate::intent) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if digits.len() > 2 * super::SIGNATURE_BYTES_MAX {
            let (got, max) = (digits.len() / 2, super::SIGNATURE_BYTES_MAX);
            return Err(D::Error::custom(format!("a signature of {got} bytes is longer than {max}")));
        }
        hex::decode(digits).map_err(|_| D::Error::custom("expected 0x and pairs of hex digits"))
    }
}

/// A blob to be registered.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RegisterBlob", rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RegisterBlobForm {
    blob_id: BlobId,
    #[serde(with = "hex_word")]
    root_hash: [u8; 32],
    size: u64,
    encoding_type: EncodingType,
    epochs_ahead: u32,
    #[serde(default)]
    deletable: bool,
    /// It is always the owner of the terms.
    #[serde(skip)]
    owner: Option<Address>,
}

#[cfg(test)]
mod tests {
    use floe_protocol::{Epoch, ObjectId};

    use super::*;
    use crate::{Intent, IntentAction, IntentDomain, IntentTerms, OwnerSignature, SignedIntent};

    fn signed(action: IntentAction) -> SignedIntent {
        let terms = IntentTerms {
            owner: Address::from_bytes([1; 20]),
            relayer: None,
            budget: u128::MAX,
            max_fee: 7,
            valid_after: 0,
            valid_before: 9,
            salt: [3; 32],
        };
        SignedIntent {
            domain: IntentDomain { chain_id: 5, contract: Address::from_bytes([2; 20]) },
            intent: Intent { action, terms },
            owner_signature: OwnerSignature::Allowance { signature: vec![1, 2], permit: Vec::new() },
        }
    }

    #[test]
    fn every_kind_has_a_text_form_that_is_read_back() {
        let (size, encoding_type) = (u64::MAX, EncodingType::Rs2);
        let blob_id = BlobId::from_root(encoding_type, size, &[4; 32]);
        let root_hash = [4; 32];
        let object = ObjectId::from_number(8);
        for action in [
            IntentAction::Reserve { size, start: Epoch(1), end: Epoch(2) },
            IntentAction::Register(RegisterBlob {
                blob_id,
                root_hash,
                size,
                encoding_type,
                epochs_ahead: 3,
                deletable: true,
                owner: None,
            }),
            IntentAction::Extend { object, epochs: 3 },
            IntentAction::Fund { object, amount: u128::MAX },
        ] {
            let signed = signed(action);
            let text = serde_json::to_string(&signed).unwrap();
            assert_eq!(serde_json::from_str::<SignedIntent>(&text).unwrap(), signed, "{text}");
        }
    }

    #[test]
    fn the_form_is_what_relayers_expect() {
        let signed = signed(IntentAction::Extend { object: ObjectId::from_number(8), epochs: 3 });
        let zeros = "0".repeat(63);
        let expected = serde_json::json!({
            "domain": {"chainId": 5, "contract": "0x0202020202020202020202020202020202020202"},
            "intent": {
                "action": {"extend": {"object": format!("0x{zeros}8"), "epochs": 3}},
                "terms": {
                    "owner": "0x0101010101010101010101010101010101010101",
                    "budget": "340282366920938463463374607431768211455",
                    "maxFee": "7",
                    "validAfter": 0,
                    "validBefore": 9,
                    "salt": format!("0x{}", "03".repeat(32)),
                },
            },
            "ownerSignature": {"scheme": "allowance", "signature": "0x0102", "permit": "0x"},
        });
        assert_eq!(serde_json::to_value(&signed).unwrap(), expected);
    }

    #[test]
    fn what_is_too_long_or_unknown_is_refused() {
        let mut signed = signed(IntentAction::Extend { object: ObjectId::from_number(8), epochs: 3 });
        signed.owner_signature = OwnerSignature::ContractAuthorization { signature: vec![0; SIGNATURE_BYTES_MAX + 1] };
        let text = serde_json::to_string(&signed).unwrap();
        let error = serde_json::from_str::<SignedIntent>(&text).unwrap_err();
        assert!(error.to_string().contains("4097 bytes"), "{error}");
        let unknown = text.replace("\"maxFee\"", "\"maximumFee\"");
        assert!(serde_json::from_str::<SignedIntent>(&unknown).is_err());
    }
}
