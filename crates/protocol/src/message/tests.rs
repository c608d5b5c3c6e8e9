use floe_redstuff::{Axis, ShardIndex};
use proptest::prelude::*;

use super::{possession::reference_form, *};
use crate::{
    ObjectId,
    bls::{PublicKey, Signature, aggregate, fast_aggregate_verify},
    testing::keys,
};

const EPOCH: Epoch = Epoch(21);

fn blob() -> BlobId {
    BlobId::from_bytes([7; 32])
}

fn permanent() -> StorageConfirmation {
    StorageConfirmation { epoch: EPOCH, blob_id: blob(), persistence: Persistence::Permanent }
}

fn deletable() -> StorageConfirmation {
    let persistence = Persistence::Deletable(ObjectId::from_bytes([0x2a; 32]));
    StorageConfirmation { persistence, ..permanent() }
}

fn invalid() -> InvalidBlobId {
    InvalidBlobId { epoch: EPOCH, blob_id: blob() }
}

fn sync() -> SyncShardRequest {
    SyncShardRequest::new(EPOCH, ShardIndex::new(5), Axis::Secondary, blob(), 1000)
}

fn possession() -> ProofOfPossession {
    ProofOfPossession {
        epoch: EPOCH,
        account: [0x2a; 20],
        public_key: keys(1)[0].public_key(),
        chain_id: 31337,
        registry: [0x5f; 20],
    }
}

fn batch() -> BatchList {
    BatchList(vec![
        (blob(), Persistence::Permanent),
        (BlobId::from_bytes([8; 32]), Persistence::Deletable(ObjectId::from_bytes([0x2a; 32]))),
    ])
}

fn batch_confirmation() -> BatchConfirmation {
    batch().confirmation(EPOCH, BatchDomain { chain_id: 31337, contract: [0x5f; 20] })
}

fn hex_of(message: &impl Message) -> String {
    hex::encode(message.to_bytes())
}

fn signature_by_key_1(message: &impl Message) -> String {
    hex::encode(message.sign(&keys(1)[0]).signature().to_bytes())
}

#[test]
fn storage_confirmations_of_the_spec() {
    let sevens = "07".repeat(32);
    assert_eq!(hex_of(&permanent()), format!("01000315000000{sevens}00"));
    assert_eq!(hex_of(&deletable()), format!("01000315000000{sevens}01{}", "2a".repeat(32)));
    assert_eq!(
        signature_by_key_1(&permanent()),
        "b8cc0fb7da472339b193b907193fb41f468eeacb5cd0b70913581a4e05131329a216623a1bd8548d58728114e18ef642\
         152710d3c73c2d730b683ad0ecf8fa1c29423c5eec3dea085a909572d152cb7ba58938f04612b1cd4638b9e6e277d1cf"
    );
    assert_eq!(
        signature_by_key_1(&deletable()),
        "b97c8cfef26ba6d98a1008536f00632ef0ffe4675e3ba05770754cca796cfc38e411c88188e1c3609335e89cfc3cdfdd\
         09a987f32e7a655dc3f46a78cba5c5ff79884dfd90f99a13f7e6bec293c3a9c2472c10844d836d97dcdc5880d125d34f"
    );
}

#[test]
fn aggregate_of_the_spec() {
    let keys = keys(3);
    let signatures = keys.iter().map(|key| *permanent().sign(key).signature()).collect::<Vec<_>>();
    let sum = aggregate(&signatures).unwrap();
    assert_eq!(
        hex::encode(sum.to_bytes()),
        "a2984bd72b8ea2114467c9218f44291eb70ed8266b89fe846b674d3399a2fa793e2ebe951ac3e3aeb36dfee90d5cdcf1\
         095b4c35ca26bdac97cd36401092c53ae00822c7cd1f05ea43c63dfb04d9867f0f2d7179466a7dd650f24ddce4446592"
    );
    let public: Vec<_> = keys.iter().map(SecretKey::public_key).collect();
    assert_eq!(fast_aggregate_verify(&public, &permanent().to_bytes(), &sum), Ok(()));
}

#[test]
fn invalid_blob_id_of_the_spec() {
    assert_eq!(hex_of(&invalid()), format!("02000315000000{}", "07".repeat(32)));
    assert_eq!(
        signature_by_key_1(&invalid()),
        "a8f9daf6c4b733f6b3c215b26e2cc8705d710786eb8a72d3226c27ee027e356050abd224260bf28712d445a978435477\
         166619ab3a0c53a447254899bbf94b74c19660b8d13e766ad9af18ed30f070d64f2a56d28767a4f6369ee270292481f4"
    );
}

#[test]
fn sync_request_of_the_spec() {
    let expected = format!("0300031500000000050001{}e80300000000000015000000", "07".repeat(32));
    assert_eq!(hex_of(&sync()), expected);
    assert!(signature_by_key_1(&sync()).starts_with("a9dd746b71e4008f"));
    let body = sync().sign(&keys(1)[0]).to_bcs();
    assert_eq!(body.len(), crate::limits::SYNC_REQUEST_BYTES);
    assert_eq!(hex::encode(&body[..56]), format!("37{expected}"));
}

#[test]
fn proof_of_possession_of_the_spec() {
    let key = &keys(1)[0];
    let message = reference_form(EPOCH, &[0x2a; 32], &key.public_key());
    assert_eq!(message.len(), 87);
    assert!(hex::encode(key.sign(&message).to_bytes()).starts_with("8cfe46c269cc48fa"));
}

#[test]
fn proof_of_possession_on_an_evm_chain() {
    let key = hex::encode(keys(1)[0].public_key().to_bytes());
    let pad = "00".repeat(12);
    let expected = format!("00000315000000{pad}{}{key}697a000000000000{pad}{}", "2a".repeat(20), "5f".repeat(20));
    assert_eq!(hex_of(&possession()), expected);
    assert_eq!(possession().to_bytes().len(), 127);
    assert_eq!(
        signature_by_key_1(&possession()),
        "ae19066e7ce1d519f904d2f8f964e4729a98fd231802559aded14d041e78c665326449afa81b9b368044d226c1da73fa\
         0899be0abb2d088812a88fa2ce223ebccb5b8747e5ab250995ef956dbda95cb201fca61933e86f74c2318bf1daf0fa33"
    );
}

#[test]
fn json_of_a_signed_message() {
    let signed = permanent().sign(&keys(1)[0]);
    let json = concat!(
        r#"{"serializedMessage":"AQADFQAAAAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAA==","#,
        r#""signature":"uMwPt9pHIzmxk7kHGT+0H0aO6stc0LcJE1gaTgUTEymiFmI6G9hUjVhygRThjvZCFScQ08c8LXMLaDrQ7Pj6HClCPF7sPeoIWpCVctFSy3uliTjwRhKxzUY4uebid9HP"}"#
    );
    assert_eq!(serde_json::to_string(&signed).unwrap(), json);
    assert_eq!(serde_json::from_str::<SignedMessage<StorageConfirmation>>(json).unwrap(), signed);
    // Another spelling of the same bytes, and messages that are too long.
    let unpadded = json.replace("AA==\"", "AA\"");
    assert!(serde_json::from_str::<SignedMessage<StorageConfirmation>>(&unpadded).is_err());
    let stray_bits = json.replace("AA==\"", "AB==\"");
    assert!(serde_json::from_str::<SignedMessage<StorageConfirmation>>(&stray_bits).is_err());
    let long = json.replace("AA==\"", &format!("{}\"", "A".repeat(2000)));
    assert!(serde_json::from_str::<SignedMessage<StorageConfirmation>>(&long).is_err());
}

#[test]
fn verification_checks_epoch_body_and_signature() {
    let [one, two] = &keys(2)[..] else { unreachable!() };
    let key = one.public_key();
    let signed = permanent().sign(one);
    assert_eq!(*signed.verify(&key, &permanent()).unwrap().message(), permanent());
    assert_eq!(signed.verify_epoch(&key, EPOCH).unwrap().into_message(), permanent());

    let later = StorageConfirmation { epoch: Epoch(22), ..permanent() };
    let wrong_epoch = MessageError::WrongEpoch { got: EPOCH, expected: Epoch(22) };
    assert_eq!(signed.verify(&key, &later), Err(wrong_epoch));
    assert_eq!(signed.verify_epoch(&key, Epoch(22)), Err(wrong_epoch));
    assert_eq!(signed.verify(&key, &deletable()), Err(MessageError::WrongBody));
    let other_blob = StorageConfirmation { blob_id: BlobId::from_bytes([8; 32]), ..permanent() };
    assert_eq!(signed.verify(&key, &other_blob), Err(MessageError::WrongBody));
    let other_object =
        StorageConfirmation { persistence: Persistence::Deletable(ObjectId::from_bytes([0x2b; 32])), ..permanent() };
    assert_eq!(deletable().sign(one).verify(&key, &other_object), Err(MessageError::WrongBody));
    assert_eq!(
        signed.verify(&two.public_key(), &permanent()),
        Err(MessageError::BadSignature(BlsError::WrongSignature))
    );
    let moved = SignedMessage::from_parts(permanent().to_bytes(), *deletable().sign(one).signature());
    assert!(matches!(moved.verify(&key, &permanent()), Err(MessageError::BadSignature(_))));
    let other_type =
        SignedMessage::<StorageConfirmation>::from_parts(invalid().to_bytes(), *invalid().sign(one).signature());
    assert!(matches!(other_type.verify(&key, &permanent()), Err(MessageError::Malformed(_))));
}

#[test]
fn sync_request_is_judged_by_its_own_epoch() {
    let key = &keys(1)[0];
    let odd = SyncShardRequest { header_epoch: Epoch(3), ..sync() };
    let verified = odd.sign(key).verify_epoch(&key.public_key(), EPOCH).unwrap();
    assert_eq!(verified.header_epoch, Epoch(3));
}

#[test]
fn possession_is_proved_by_the_key_itself() {
    let [one, two] = &keys(2)[..] else { unreachable!() };
    assert!(possession().sign(one).verify_possession(&possession()).is_ok());
    assert!(matches!(possession().sign(two).verify_possession(&possession()), Err(MessageError::BadSignature(_))));
    for moved in [
        ProofOfPossession { chain_id: 1, ..possession() },
        ProofOfPossession { registry: [0; 20], ..possession() },
        ProofOfPossession { account: [0; 20], ..possession() },
    ] {
        assert_eq!(possession().sign(one).verify_possession(&moved), Err(MessageError::WrongBody));
    }
}

/// Every proper prefix, every extension, and every change of a header byte is refused.
fn assert_strict<T: Message>(message: &T) {
    let bytes = message.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(message));
    for length in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..length]).is_err(), "{message:?} cut to {length}");
    }
    assert_eq!(
        T::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(DecodeError::TrailingBytes { extra: 1 }),
        "{message:?}"
    );
    for (at, field) in ["intent type", "intent version", "application id"].into_iter().enumerate() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        let got = wrong[at].into();
        assert_eq!(T::from_bytes(&wrong), Err(DecodeError::BadValue { field, got }), "{message:?}");
    }
}

#[test]
fn decoding_is_strict() {
    assert_strict(&permanent());
    assert_strict(&deletable());
    assert_strict(&invalid());
    assert_strict(&sync());
    assert_strict(&possession());
    assert_strict(&batch_confirmation());
    let tags = [(39, permanent().to_bytes())];
    for (at, mut bytes) in tags {
        bytes[at] = 2;
        assert!(StorageConfirmation::from_bytes(&bytes).is_err());
    }
    for (at, value) in [(7, 1), (10, 2)] {
        let mut bytes = sync().to_bytes();
        bytes[at] = value;
        assert!(SyncShardRequest::from_bytes(&bytes).is_err(), "byte {at}");
    }
    // Padding of both addresses, and the key between them.
    for at in [7, 18, 95, 106] {
        let mut bytes = possession().to_bytes();
        bytes[at] = 1;
        assert!(ProofOfPossession::from_bytes(&bytes).is_err(), "byte {at}");
    }
    let mut no_key = possession().to_bytes();
    no_key[39] = 0;
    assert!(matches!(ProofOfPossession::from_bytes(&no_key), Err(DecodeError::Bls(_))));
}

/// The bcs crate must agree with our own encoding of the length-prefixed form.
#[test]
fn signed_message_is_bcs() {
    let signed = permanent().sign(&keys(1)[0]);
    let [a, b, c]: [[u8; 32]; 3] =
        std::array::from_fn(|i| signed.signature().to_bytes()[32 * i..][..32].try_into().unwrap());
    let expected = bcs::to_bytes(&(signed.serialized_message(), a, b, c)).unwrap();
    assert_eq!(signed.to_bcs(), expected);
    assert_eq!(SignedMessage::from_bcs(&expected), Ok(signed));
    let too_long = SignedMessage::<InvalidBlobId>::from_parts(vec![0; 1025], *invalid().sign(&keys(1)[0]).signature());
    assert_eq!(
        SignedMessage::<InvalidBlobId>::from_bcs(&too_long.to_bcs()),
        Err(DecodeError::TooLong { field: "message", got: 1025, max: 1024 })
    );
}

fn refused_or_round_trips<T: Message>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = T::from_bytes(bytes) {
        prop_assert_eq!(message.to_bytes(), bytes);
    }
    Ok(())
}

fn all_decoders(bytes: &[u8]) -> Result<(), TestCaseError> {
    refused_or_round_trips::<StorageConfirmation>(bytes)?;
    refused_or_round_trips::<InvalidBlobId>(bytes)?;
    refused_or_round_trips::<SyncShardRequest>(bytes)?;
    refused_or_round_trips::<ProofOfPossession>(bytes)?;
    refused_or_round_trips::<BatchConfirmation>(bytes)?;
    if let Ok(list) = BatchList::from_bytes(bytes, 8) {
        prop_assert_eq!(list.to_bytes(), bytes);
    }
    if let Ok(signed) = SignedMessage::<SyncShardRequest>::from_bcs(bytes) {
        prop_assert_eq!(signed.to_bcs(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        all_decoders(&bytes)?;
    }

    #[test]
    fn any_bytes_after_a_good_header(intent in prop::sample::select(&[0u8, 1, 2, 3, 0x80]), body in prop::collection::vec(any::<u8>(), 0..130)) {
        all_decoders(&[&[intent, 0, 3], &body[..]].concat())?;
    }

    #[test]
    fn any_change_of_a_good_message(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let (batch, possession) = (batch_confirmation().to_bytes(), possession().to_bytes());
        for mut bytes in [permanent().to_bytes(), deletable().to_bytes(), sync().to_bytes(), possession, batch] {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            all_decoders(&bytes)?;
        }
        let mut bcs = sync().sign(&keys(1)[0]).to_bcs();
        let at = at.index(bcs.len());
        bcs[at] ^= flip;
        all_decoders(&bcs)?;
        let key = keys(1)[0].public_key();
        if let Ok(signed) = SignedMessage::<SyncShardRequest>::from_bcs(&bcs) {
            prop_assert!(signed.verify_epoch(&key, EPOCH).is_err());
        }
    }

    #[test]
    fn any_json_is_refused_or_round_trips(text in "[A-Za-z0-9+/=]{0,160}", signature in prop::collection::vec(any::<u8>(), 96)) {
        let signature = crate::wire::base64_encode(&signature);
        let json = serde_json::json!({"serializedMessage": text, "signature": signature});
        if let Ok(signed) = serde_json::from_value::<SignedMessage<InvalidBlobId>>(json.clone()) {
            prop_assert_eq!(serde_json::to_value(&signed).unwrap(), json);
        }
    }

    #[test]
    fn all_values_round_trip(
        epoch: u32, id: [u8; 32], object: Option<[u8; 32]>, shard: u16, count: u64, chain_id: u64, account: [u8; 20],
    ) {
        let epoch = Epoch(epoch);
        let blob_id = BlobId::from_bytes(id);
        let persistence = object.map_or(Persistence::Permanent, |id| Persistence::Deletable(ObjectId::from_bytes(id)));
        let confirmation = StorageConfirmation { epoch, blob_id, persistence };
        prop_assert_eq!(StorageConfirmation::from_bytes(&confirmation.to_bytes()), Ok(confirmation));
        let request = SyncShardRequest::new(epoch, ShardIndex::new(shard), Axis::Primary, blob_id, count);
        prop_assert_eq!(SyncShardRequest::from_bytes(&request.to_bytes()), Ok(request));
        let proof = ProofOfPossession { epoch, account, chain_id, registry: account, ..possession() };
        prop_assert_eq!(ProofOfPossession::from_bytes(&proof.to_bytes()), Ok(proof));
    }
}

#[test]
fn keys_and_signatures_in_messages_are_checked_points() {
    let signed = sync().sign(&keys(1)[0]);
    let mut bcs = signed.to_bcs();
    bcs.truncate(56);
    bcs.push(0xc0);
    bcs.extend([0; 95]);
    assert!(matches!(SignedMessage::<SyncShardRequest>::from_bcs(&bcs), Err(DecodeError::Bls(_))));
    assert!(Signature::from_bytes(&signed.signature().to_bytes()).is_ok());
    assert!(PublicKey::from_bytes(&possession().to_bytes()[39..87]).is_ok());
}

#[test]
fn layout_of_batches() {
    let list = batch().to_bytes();
    let (sevens, eights) = ("07".repeat(32), "08".repeat(32));
    assert_eq!(hex::encode(&list), format!("{sevens}{}{eights}{}", "00".repeat(32), "2a".repeat(32)));
    assert_eq!(BatchList::from_bytes(&list, 2), Ok(batch()));
    for bad in [&list[..0], &list[..63], &list[..127]] {
        assert!(BatchList::from_bytes(bad, 2).is_err(), "{} bytes", bad.len());
    }
    assert!(BatchList::from_bytes(&list, 1).is_err(), "more than are allowed");

    let message = batch_confirmation();
    let expected = format!(
        "80000315000000697a000000000000{}{}{}",
        "00".repeat(12),
        "5f".repeat(20),
        hex::encode(floe_redstuff::blake2b256(&list))
    );
    assert_eq!(hex_of(&message), expected);
    assert_eq!(message.to_bytes().len(), 79);
    assert_eq!(BatchConfirmation::from_bytes(&message.to_bytes()), Ok(message));
    let other = BatchList(batch().0.into_iter().rev().collect());
    assert_ne!(other.confirmation(EPOCH, message.domain), message, "the order counts");
    for at in 15..27 {
        let mut bytes = message.to_bytes();
        bytes[at] = 1;
        assert!(BatchConfirmation::from_bytes(&bytes).is_err(), "padding at {at}");
    }
}
