use floe_redstuff::BlobId;
use proptest::prelude::*;

use super::*;
use crate::{
    Epoch, Persistence,
    bls::{PublicKey, SecretKey},
    message::SignedMessage,
    testing::{committee, keys},
};

const EPOCH: Epoch = Epoch(21);

fn statement() -> StorageConfirmation {
    StorageConfirmation { epoch: EPOCH, blob_id: BlobId::from_bytes([7; 32]), persistence: Persistence::Permanent }
}

/// Ten shards: the quorum is 7.
fn four_members() -> Committee {
    committee(EPOCH, &[3, 2, 4, 1])
}

fn certify<T: Message>(message: &T, signers: &[u16]) -> Certificate {
    let keys = keys(10);
    let signatures: Vec<_> = signers.iter().map(|&s| *message.sign(&keys[usize::from(s)]).signature()).collect();
    Certificate {
        signers: signers.to_vec(),
        message: message.to_bytes(),
        signature: bls::aggregate(&signatures).unwrap(),
    }
}

#[test]
fn quorum_by_weight_not_by_heads() {
    let committee = four_members();
    let verified = certify(&statement(), &[0, 2]).verify(&committee).unwrap();
    assert_eq!(verified.weight(), 7);
    assert_eq!(*verified.message(), statement());
    assert_eq!(certify(&statement(), &[2, 1, 0]).verify(&committee).unwrap().weight(), 9, "any order");
    assert_eq!(
        certify(&statement(), &[0, 1, 3]).verify(&committee),
        Err(CertificateError::NotEnoughWeight { weight: 6, n_shards: 10 })
    );
}

#[test]
fn invalid_blob_needs_one_honest_signer() {
    let committee = four_members();
    let message = InvalidBlobId { epoch: EPOCH, blob_id: BlobId::from_bytes([7; 32]) };
    assert!(certify(&message, &[2]).verify_as::<InvalidBlobId>(&committee).is_ok());
    assert!(matches!(
        certify(&message, &[0]).verify_as::<InvalidBlobId>(&committee),
        Err(CertificateError::NotEnoughWeight { weight: 3, .. })
    ));
    // One kind of certificate is never the other.
    let all = [0, 1, 2, 3];
    assert!(matches!(
        certify(&message, &all).verify(&committee),
        Err(CertificateError::Message(MessageError::Malformed(_)))
    ));
    assert!(certify(&statement(), &all).verify_as::<InvalidBlobId>(&committee).is_err());
}

#[test]
fn signers_must_be_members_each_once_and_have_signed() {
    let committee = four_members();
    let good = certify(&statement(), &[0, 2]);
    let with = |signers: &[u16]| Certificate { signers: signers.to_vec(), ..good.clone() };
    assert_eq!(
        with(&[0, 2, 2]).verify(&committee),
        Err(CertificateError::Signers(BitmapError::DuplicateSigner { signer: 2 }))
    );
    // Also when the signature was in fact added twice.
    assert!(matches!(certify(&statement(), &[0, 2, 2]).verify(&committee), Err(CertificateError::Signers(_))));
    assert_eq!(
        with(&[0, 2, 4]).verify(&committee),
        Err(CertificateError::Signers(BitmapError::UnknownSigner { signer: 4, members: 4 }))
    );
    for claimed in [&[0, 1, 2][..], &[1, 2, 3], &[0, 1, 2, 3]] {
        assert_eq!(
            with(claimed).verify(&committee),
            Err(CertificateError::BadSignature(BlsError::WrongSignature)),
            "{claimed:?}"
        );
    }
    assert!(matches!(with(&[]).verify(&committee), Err(CertificateError::NotEnoughWeight { weight: 0, .. })));
}

#[test]
fn epoch_and_committee_bind() {
    let certificate = certify(&statement(), &[0, 2]);
    assert_eq!(
        certificate.verify(&four_members().with_epoch(Epoch(22))),
        Err(CertificateError::Message(MessageError::WrongEpoch { got: EPOCH, expected: Epoch(22) }))
    );
    // Same shape, other keys.
    let mut members = four_members().members().to_vec();
    for (member, key) in members.iter_mut().zip(&keys(8)[4..]) {
        member.public_key = key.public_key();
    }
    let others = Committee::new(EPOCH, four_members().params(), members).unwrap();
    assert_eq!(certificate.verify(&others), Err(CertificateError::BadSignature(BlsError::WrongSignature)));
}

/// Why committees take keys with proof of possession only: a key made from the others' keys signs for them all, and
/// its maker cannot sign with it alone.
#[test]
fn rogue_key_has_no_proof_of_possession() {
    let victims: Vec<_> = keys(3).iter().map(SecretKey::public_key).collect();
    let attacker = SecretKey::generate(&[9; 32]);
    let minus_victims: Vec<_> = victims
        .iter()
        .map(|key| {
            let mut bytes = key.to_bytes();
            bytes[0] ^= 0x20;
            PublicKey::from_bytes(&bytes).unwrap()
        })
        .collect();
    let rogue = bls::aggregate_public_keys(minus_victims.iter().chain([&attacker.public_key()])).unwrap();
    let forged = attacker.sign(b"signed by nobody");
    let everyone = victims.iter().chain([&rogue]);
    assert_eq!(bls::fast_aggregate_verify(everyone, b"signed by nobody", &forged), Ok(()));

    let proof =
        crate::ProofOfPossession { epoch: EPOCH, account: [1; 20], public_key: rogue, chain_id: 1, registry: [2; 20] };
    assert!(matches!(proof.sign(&attacker).verify_possession(&proof), Err(MessageError::BadSignature(_))));
    let copied: SignedMessage<crate::ProofOfPossession> = SignedMessage::from_parts(
        proof.to_bytes(),
        bls::aggregate([proof.sign(&keys(1)[0]).signature(), proof.sign(&attacker).signature()]).unwrap(),
    );
    assert!(copied.verify_possession(&proof).is_err());
}

#[test]
fn bcs_is_that_of_the_struct() {
    let certificate = certify(&statement(), &[0, 2, 3]);
    let bytes = certificate.signature.to_bytes();
    let [a, b, c]: [[u8; 32]; 3] = std::array::from_fn(|i| bytes[32 * i..][..32].try_into().unwrap());
    let expected = bcs::to_bytes(&(&certificate.signers, &certificate.message, a, b, c)).unwrap();
    assert_eq!(certificate.to_bcs(), expected);
    assert_eq!(hex::encode(&expected[..8]), "0300000200030028");
    assert_eq!(Certificate::from_bcs(&expected), Ok(certificate));
    for length in 0..expected.len() {
        assert!(Certificate::from_bcs(&expected[..length]).is_err());
    }
    let longer = [&expected[..], &[0]].concat();
    assert_eq!(Certificate::from_bcs(&longer), Err(DecodeError::TrailingBytes { extra: 1 }));
    // A count that the input cannot hold, and one that is not minimal.
    let huge = Certificate::from_bcs(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    assert_eq!(huge, Err(DecodeError::TooLong { field: "signers", got: u64::from(u32::MAX), max: 3 }));
    assert_eq!(Certificate::from_bcs(&[0x80, 0, 0]), Err(DecodeError::BadUleb { offset: 0 }));
    assert_eq!(Certificate::from_bcs(&[0xff; 8]), Err(DecodeError::BadUleb { offset: 0 }));
}

#[test]
fn json_is_that_of_the_upload_relay() {
    let mut certificate = certify(&statement(), &[0]);
    certificate.message = vec![1, 0, 3, 255];
    let json = concat!(
        r#"{"signers":[0],"serialized_message":[1,0,3,255],"#,
        r#""signature":"uMwPt9pHIzmxk7kHGT+0H0aO6stc0LcJE1gaTgUTEymiFmI6G9hUjVhygRThjvZCFScQ08c8LXMLaDrQ7Pj6HClCPF7sPeoIWpCVctFSy3uliTjwRhKxzUY4uebid9HP"}"#
    );
    assert_eq!(serde_json::to_string(&certificate).unwrap(), json);
    assert_eq!(serde_json::from_str::<Certificate>(json).unwrap(), certificate);
}

mod collecting {
    use super::*;

    fn signed(member: usize) -> SignedMessage<StorageConfirmation> {
        statement().sign(&keys(10)[member])
    }

    /// The right bytes under another key's signature.
    fn forged(member: usize) -> SignedMessage<StorageConfirmation> {
        SignedMessage::from_parts(statement().to_bytes(), *signed((member + 1) % 10).signature())
    }

    #[test]
    fn certificate_when_the_weight_suffices() {
        let committee = four_members();
        let mut collector = ConfirmationCollector::new(&committee, statement());
        assert_eq!(collector.certificate(), Err(CollectError::NotEnough { weight: 0, needed: 7 }));
        assert_eq!(collector.add(2, signed(2)), Ok(4));
        assert_eq!(collector.add(1, signed(1)), Ok(6));
        assert!(!collector.is_complete());
        assert_eq!(collector.add(3, signed(3)), Ok(7));
        assert!(collector.is_complete());
        let certificate = collector.certificate().unwrap();
        assert_eq!(certificate.signers, [1, 2, 3]);
        assert_eq!(certificate, certify(&statement(), &[1, 2, 3]));
        assert!(certificate.verify(&committee).is_ok());
    }

    #[test]
    fn what_is_not_the_statement_is_not_taken() {
        let mut collector = ConfirmationCollector::new(&four_members(), statement());
        let key = &keys(1)[0];
        let later = StorageConfirmation { epoch: Epoch(22), ..statement() };
        assert_eq!(
            collector.add(0, later.sign(key)),
            Err(CollectError::Message(MessageError::WrongEpoch { got: Epoch(22), expected: EPOCH }))
        );
        let other = StorageConfirmation { blob_id: BlobId::from_bytes([8; 32]), ..statement() };
        assert_eq!(collector.add(0, other.sign(key)), Err(CollectError::Message(MessageError::WrongBody)));
        let garbage = SignedMessage::from_parts(vec![1, 2, 3], *signed(0).signature());
        assert!(matches!(collector.add(0, garbage), Err(CollectError::Message(MessageError::Malformed(_)))));
        assert_eq!(collector.add(4, signed(4)), Err(CollectError::UnknownMember { member: 4, members: 4 }));
        assert_eq!(collector.weight(), 0);
        assert_eq!(collector.add(0, signed(0)), Ok(3));
        assert_eq!(collector.add(0, signed(0)), Err(CollectError::AlreadySigned { member: 0 }));
        assert_eq!(collector.weight(), 3);
    }

    #[test]
    fn bad_signers_are_named_and_may_come_back() {
        let committee = committee(EPOCH, &[1; 10]);
        let mut collector = ConfirmationCollector::new(&committee, statement());
        for member in 0..8 {
            let message = if [0, 5, 6].contains(&member) { forged(member) } else { signed(member) };
            collector.add(member, message).unwrap();
        }
        assert_eq!(collector.certificate(), Err(CollectError::BadSignatures { members: vec![0, 5, 6] }));
        assert_eq!(collector.certificate(), Err(CollectError::NotEnough { weight: 5, needed: 7 }));
        assert_eq!(collector.add(9, signed(9)), Ok(6));
        assert_eq!(collector.add(5, signed(5)), Ok(7));
        let certificate = collector.certificate().unwrap();
        assert_eq!(certificate.signers, [1, 2, 3, 4, 5, 7, 9]);
        assert!(certificate.verify(&committee).is_ok());
    }

    #[test]
    fn keys_that_cancel_out_do_not_loop() {
        let one = &keys(1)[0];
        let order_minus_one = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000";
        let minus_one = SecretKey::from_bytes(&hex::decode(order_minus_one).unwrap()).unwrap();
        let base = committee(EPOCH, &[2, 2]);
        let mut members = base.members().to_vec();
        members[1].public_key = minus_one.public_key();
        let committee = Committee::new(EPOCH, base.params(), members).unwrap();
        let mut collector = ConfirmationCollector::new(&committee, statement());
        collector.add(0, statement().sign(one)).unwrap();
        collector.add(1, statement().sign(&minus_one)).unwrap();
        assert_eq!(collector.certificate(), Err(CollectError::BadSignatures { members: vec![0, 1] }));
        assert_eq!(collector.weight(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn exactly_the_bad_ones_are_found(
            weights in prop::collection::vec(1u16..4, 4..10),
            bad in prop::collection::vec(any::<bool>(), 10),
        ) {
            let committee = committee(EPOCH, &weights);
            let mut collector = ConfirmationCollector::new(&committee, statement());
            for (member, &bad) in bad.iter().enumerate().take(weights.len()) {
                let message = if bad { forged(member) } else { signed(member) };
                collector.add(member, message).unwrap();
            }
            let expected: Vec<_> = (0..weights.len()).filter(|&member| bad[member]).collect();
            let first = collector.certificate();
            if expected.is_empty() {
                prop_assert!(first.unwrap().verify(&committee).is_ok());
                return Ok(());
            }
            prop_assert_eq!(first, Err(CollectError::BadSignatures { members: expected }));
            match collector.certificate() {
                Ok(certificate) => {
                    prop_assert!(certificate.verify(&committee).is_ok());
                }
                Err(CollectError::NotEnough { weight, needed }) => prop_assert!(weight < needed),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_changed_byte_spoils_it(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let committee = four_members();
        let mut bytes = certify(&statement(), &[0, 1, 2]).to_bcs();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(certificate) = Certificate::from_bcs(&bytes) {
            prop_assert_eq!(certificate.to_bcs(), bytes);
            prop_assert!(certificate.verify(&committee).is_err());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(certificate) = Certificate::from_bcs(&bytes) {
            prop_assert_eq!(certificate.to_bcs(), bytes);
        }
    }

    #[test]
    fn any_parts_round_trip(signers in prop::collection::vec(any::<u16>(), 0..300), message in prop::collection::vec(any::<u8>(), 0..1024)) {
        let certificate = Certificate { signers, message, ..certify(&statement(), &[0]) };
        prop_assert_eq!(Certificate::from_bcs(&certificate.to_bcs()), Ok(certificate.clone()));
        let json = serde_json::to_string(&certificate).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Certificate>(&json).unwrap(), &certificate);
        prop_assert!(certificate.verify(&four_members()).is_err());
    }
}
