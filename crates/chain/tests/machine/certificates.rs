//! Certificates, whole and damaged: what a program in Rust refuses, the contracts refuse, and the other way round.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolError;
use blst::min_pk::{AggregateSignature, SecretKey, Signature};
use floe_protocol::bls::{self, PublicKey};
use floe_protocol::certificate::bitmap::from_bitmap;
use floe_protocol::message::{InvalidBlobId, Persistence, StorageConfirmation};
use floe_protocol::{BlobId, Certificate, Committee, Epoch, Member, NodeId, ObjectId};
use floe_redstuff::ShardIndex;
use sha2::{Digest, Sha256};

use super::driver::Driver;
use super::model::blobs::NewBlob;
use super::operations::Draw;
use super::{setting, world};
use crate::bindings::{Blobs, Committee as CommitteeContract};
use crate::signing;

/// Thousands of FLOE of ten members, who hold one to six of 31 shards.
const STAKES: [u128; 10] = [1, 1, 2, 2, 3, 3, 4, 5, 6, 7];
const SHARDS: u16 = 31;
/// Bytes of a coordinate's half, and of its padding.
const FIELD: usize = 48;
const PADDING: usize = 16;

/// What is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Object { id: B256, object: u64, deletable: bool },
    Invalid { id: B256 },
}

/// A message, and what each member says to it.
struct Statement {
    message: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One thing to certify: the right statement, and wrong ones.
struct Case {
    subject: Subject,
    right: Statement,
    wrong: Vec<Statement>,
}

/// What is handed in.
struct Attempt {
    signers: Vec<u16>,
    bitmap: Vec<u8>,
    message: Vec<u8>,
    point: [B256; 8],
}

struct Setting {
    driver: Driver,
    committee: Committee,
    weights: Vec<u16>,
    cases: Vec<Case>,
    /// Points on the curve that lie outside of the group of signatures.
    strays: Vec<Signature>,
}

fn sum<'a>(signatures: impl IntoIterator<Item = &'a Signature>) -> Signature {
    let all: Vec<_> = signatures.into_iter().collect();
    AggregateSignature::aggregate(&all, false).expect("at least one").to_signature()
}

impl Setting {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut driver = runtime.block_on(world::launched(SHARDS, &STAKES));
        let seats = driver.model.committees[&1].clone();
        let keys: Vec<_> = seats.members.iter().map(|member| driver.key(member.key)).collect();
        let members = seats.members.iter().zip(&keys).map(|(member, key)| Member {
            node_id: NodeId::from_number(member.node),
            public_key: PublicKey::from_bytes(&key.sk_to_pk().compress()).unwrap(),
            address: String::new(),
            name: String::new(),
            shards: (0..SHARDS)
                .filter(|shard| seats.owners[usize::from(*shard)] == member.node)
                .map(ShardIndex::new)
                .collect(),
        });
        let committee = Committee::new(Epoch(1), driver.model.rules.encoding, members.collect()).unwrap();
        let subjects = subjects(&mut driver);
        let cases = subjects.iter().map(|subject| case(*subject, &keys)).collect();
        let weights = seats.members.iter().map(|member| member.weight).collect();
        Self { driver, committee, weights, cases, strays: strays() }
    }

    /// A certificate of some members, with something wrong in many cases.
    fn attempt(&self, case: &Case, draw: &mut Draw) -> Attempt {
        let members = self.weights.len();
        let needed = if matches!(case.subject, Subject::Invalid { .. }) { 11 } else { 21 };
        let mut order: Vec<u16> = (0..u16::try_from(members).unwrap()).collect();
        for i in (1..members).rev() {
            order.swap(i, usize::try_from(draw.below(i as u64 + 1)).unwrap());
        }
        let mut signers = Vec::new();
        let weight = |signers: &[u16]| signers.iter().map(|i| self.weights[usize::from(*i)]).sum::<u16>();
        // Mostly just enough, sometimes all, often one too few.
        while signers.len() < members && (weight(&signers) < needed || draw.percent(20)) {
            signers.push(order[signers.len()]);
        }
        if draw.percent(25) {
            signers.pop();
        }
        let said = |statement: &Statement, by: &[u16]| match by {
            [] => self.strays[0],
            by => sum(by.iter().map(|i| &statement.signatures[usize::from(*i)])),
        };
        let mut attempt = Attempt {
            bitmap: bits(&signers, members),
            message: case.right.message.clone(),
            point: signing::g2(&said(&case.right, &signers)),
            signers,
        };
        self.damage(&mut attempt, case, draw, said);
        attempt
    }

    fn damage(
        &self,
        attempt: &mut Attempt,
        case: &Case,
        draw: &mut Draw,
        said: impl Fn(&Statement, &[u16]) -> Signature,
    ) {
        let members = self.weights.len();
        let mut signers = attempt.signers.clone();
        let genuine = said(&case.right, &signers);
        match draw.below(24) {
            0 => {
                let (word, bit) = (draw.below(8), draw.below(256));
                let word = &mut attempt.point[usize::try_from(word).unwrap()];
                *word = (U256::from_be_bytes(word.0) ^ (U256::ONE << bit)).into();
            }
            1 => attempt.point.swap(0, 4),
            2 => attempt.point.rotate_left(2),
            3 => {
                // Minus the signature: the other root.
                let mut compressed = genuine.compress();
                compressed[0] ^= 0x20;
                attempt.point = signing::g2(&Signature::uncompress(&compressed).expect("on the curve"));
            }
            4 => attempt.point = signing::g2(&draw.pick(&self.strays)),
            5 => attempt.point = signing::g2(&sum([&genuine, &draw.pick(&self.strays)])),
            6 => attempt.point = [B256::ZERO; 8],
            7..=9 => {
                let wrong = &case.wrong[usize::try_from(draw.below(case.wrong.len() as u64)).unwrap()];
                attempt.point = signing::g2(&said(wrong, &signers));
                if draw.percent(50) {
                    attempt.message = wrong.message.clone();
                }
            }
            10 => attempt.bitmap.push(0),
            11 => {
                let beyond = members + usize::try_from(draw.below(6)).unwrap();
                attempt.bitmap[beyond / 8] |= 1 << (beyond % 8);
            }
            12 if !signers.is_empty() => {
                // One signs twice, and is named twice where that can be said.
                signers.push(signers[0]);
                attempt.point = signing::g2(&said(&case.right, &signers));
                attempt.signers = signers;
            }
            13 => {
                let absent = (0..u16::try_from(members).unwrap()).find(|i| !signers.contains(i));
                signers.extend(absent);
                attempt.bitmap = bits(&signers, members);
                attempt.signers = signers;
            }
            14 => {
                signers.pop();
                attempt.bitmap = bits(&signers, members);
                attempt.signers = signers;
            }
            15 if signers.len() > 1 => {
                // One in place of another.
                attempt.point = signing::g2(&said(&case.right, &[&signers[1..], &signers[1..2]].concat()));
            }
            16 => {
                while attempt.bitmap.last() == Some(&0) {
                    attempt.bitmap.pop();
                }
            }
            _ => {}
        }
    }

    /// Whether a program in Rust takes it.
    fn verdict(&self, subject: Subject, attempt: &Attempt) -> bool {
        let twice = (1..attempt.signers.len()).any(|i| attempt.signers[..i].contains(&attempt.signers[i]));
        let signers = if twice {
            attempt.signers.clone()
        } else {
            match from_bitmap(&attempt.bitmap, self.weights.len()) {
                Ok(signers) => signers,
                Err(_) => return false,
            }
        };
        let Some(signature) = parsed(&attempt.point) else { return false };
        let certificate = Certificate { signers, message: attempt.message.clone(), signature };
        match subject {
            Subject::Object { id, object, deletable } => {
                let persistence = if deletable {
                    Persistence::Deletable(ObjectId::from_number(object))
                } else {
                    Persistence::Permanent
                };
                let expected = StorageConfirmation { epoch: Epoch(1), blob_id: BlobId::from_bytes(id.0), persistence };
                certificate.verify(&self.committee).is_ok_and(|verified| *verified.message() == expected)
            }
            Subject::Invalid { id } => {
                let expected = InvalidBlobId { epoch: Epoch(1), blob_id: BlobId::from_bytes(id.0) };
                certificate
                    .verify_as::<InvalidBlobId>(&self.committee)
                    .is_ok_and(|verified| *verified.message() == expected)
            }
        }
    }
}

/// Whether the contracts take it, or the name of what they say.
fn judged(driver: &mut Driver, subject: Subject, attempt: &Attempt) -> Result<(), &'static str> {
    let (at, signers, signature) = (driver.model.at.blobs, attempt.bitmap.clone().into(), attempt.point);
    let outcome = match subject {
        Subject::Object { object, .. } => {
            let call = Blobs::certifyCall { objectId: U256::from(object), signers, signature };
            driver.evm.call_as(Address::ZERO, at, &call).map(drop)
        }
        Subject::Invalid { id } => {
            let call = Blobs::invalidateCall { blobId: id, signers, signature };
            driver.evm.call_as(Address::ZERO, at, &call).map(drop)
        }
    };
    outcome.map_err(|reason| named(&reason))
}

fn named(reason: &Bytes) -> &'static str {
    let names = [
        (CommitteeContract::NoQuorum::SELECTOR, "NoQuorum"),
        (CommitteeContract::BadSignature::SELECTOR, "BadSignature"),
        (CommitteeContract::BitmapTooLong::SELECTOR, "BitmapTooLong"),
        (CommitteeContract::SignerOutOfRange::SELECTOR, "SignerOutOfRange"),
        (CommitteeContract::PrecompileFailed::SELECTOR, "PrecompileFailed"),
    ];
    let known = names.iter().find(|(selector, _)| reason.starts_with(selector));
    known.unwrap_or_else(|| panic!("an error of another kind: {reason}")).1
}

/// Registers blobs of both kinds.
fn subjects(driver: &mut Driver) -> Vec<Subject> {
    let (by, at) = (driver.users[0], driver.model.at.blobs);
    let mut subjects = Vec::new();
    for seed in 1..=4 {
        let (root, size, deletable) = (B256::repeat_byte(seed), 1_000 + u64::from(seed), seed % 2 == 0);
        let id = signing::blob_id(root, size);
        let newBlob = Blobs::NewBlob { blobId: id, rootHash: root, size, encodingType: 1, deletable };
        let call = Blobs::registerCall { newBlob, epochs: 2, maxCost: U256::MAX, owner: by };
        let blob = NewBlob { id, root, size, encoding: 1, deletable };
        let object = driver.act(by, at, call, |model| model.register(by, &[blob], 2, U256::MAX, by)).unwrap();
        subjects.push(Subject::Object { id, object, deletable });
        subjects.push(Subject::Invalid { id });
    }
    subjects
}

/// The right message of a subject, and wrong ones: another epoch, blob, object, persistence and type.
fn case(subject: Subject, keys: &[SecretKey]) -> Case {
    let state = |message: Vec<u8>| {
        let signatures = keys.iter().map(|key| signing::sign(key, &message)).collect();
        Statement { message, signatures }
    };
    let other = B256::repeat_byte(0x55);
    let (right, wrong) = match subject {
        Subject::Object { id, object, deletable } => {
            let named = |object: u64| Some(U256::from(object));
            let object_of = |object| if deletable { named(object) } else { None };
            (
                signing::confirmation_of(1, id, object_of(object)),
                vec![
                    signing::confirmation_of(0, id, object_of(object)),
                    signing::confirmation_of(2, id, object_of(object)),
                    signing::confirmation_of(1, other, object_of(object)),
                    signing::confirmation_of(1, id, named(object + 1)),
                    signing::confirmation_of(1, id, if deletable { None } else { named(object) }),
                    signing::invalid(1, id),
                ],
            )
        }
        Subject::Invalid { id } => (
            signing::invalid(1, id),
            vec![
                signing::invalid(0, id),
                signing::invalid(2, id),
                signing::invalid(1, other),
                signing::confirmation(1, id),
            ],
        ),
    };
    Case { subject, right: state(right), wrong: wrong.into_iter().map(state).collect() }
}

/// Points of the curve of signatures that are not multiples of its generator.
fn strays() -> Vec<Signature> {
    let candidates = (0_u32..).filter_map(|i| {
        let bytes: Vec<u8> =
            (0_u8..3).flat_map(|part| Sha256::digest([&i.to_be_bytes()[..], &[part]].concat())).collect();
        let mut bytes: [u8; 96] = bytes.try_into().expect("three hashes");
        // A compressed point with a coordinate below the modulus.
        bytes[0] = 0x80 | (bytes[0] & 0x2f) & 0x27;
        bytes[FIELD] &= 0x0f;
        let point = Signature::uncompress(&bytes).ok()?;
        point.validate(true).is_err().then_some(point)
    });
    candidates.take(16).collect()
}

fn bits(signers: &[u16], members: usize) -> Vec<u8> {
    let mut bitmap = vec![0; members.div_ceil(8)];
    for signer in signers {
        bitmap[usize::from(*signer) / 8] |= 1_u8 << (signer % 8);
    }
    bitmap
}

/// The words as a signature, if they are a point of the curve.
fn parsed(point: &[B256; 8]) -> Option<bls::Signature> {
    let bytes: Vec<u8> = point.iter().flat_map(|word| word.0).collect();
    let fields: Vec<_> = bytes.chunks_exact(PADDING + FIELD).collect();
    if fields.iter().any(|field| field[..PADDING] != [0; PADDING]) {
        return None;
    }
    let serialized = [1, 0, 3, 2].map(|i| &fields[i][PADDING..]).concat();
    let point = Signature::deserialize(&serialized).ok()?;
    bls::Signature::from_bytes(&point.compress()).ok()
}

#[test]
fn both_sides_come_to_the_same_verdict() {
    let count = setting("FLOE_CERTIFICATES", 1_000);
    let setting = Setting::new();
    let (next, verdicts) = (AtomicU32::new(0), Mutex::new(BTreeMap::<&str, u32>::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut driver = setting.driver.clone();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let mut draw = Draw::new(number.into());
                    let case = &setting.cases[usize::try_from(draw.below(setting.cases.len() as u64)).unwrap()];
                    let attempt = setting.attempt(case, &mut draw);
                    let (rust, contracts) =
                        (setting.verdict(case.subject, &attempt), judged(&mut driver, case.subject, &attempt));
                    assert_eq!(
                        rust,
                        contracts.is_ok(),
                        "certificate {number}: {contracts:?} for {:?}, signers {:?} as {:?}, {:?}",
                        case.subject,
                        attempt.signers,
                        attempt.bitmap,
                        attempt.point
                    );
                    *verdicts.lock().unwrap().entry(contracts.err().unwrap_or("accepted")).or_default() += 1;
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    println!("{count} certificates: {verdicts:?}");
    for outcome in ["accepted", "NoQuorum", "BadSignature", "BitmapTooLong", "SignerOutOfRange", "PrecompileFailed"] {
        let seen = verdicts.get(outcome).copied().unwrap_or(0);
        assert!(seen * 200 >= count, "{outcome}: only {seen} of {count}");
    }
}
