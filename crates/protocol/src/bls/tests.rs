use blst::min_pk;
use proptest::prelude::*;

use super::*;
use crate::testing::keys;

const KEY_1: &str = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";
const KEY_2: &str = "a572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e";
const KEY_3: &str = "89ece308f9d1f0131765212deca99697b112d61f9be9a5f1f3780a51335b3ff981747a0b2ca2179b96d2c0c9024e5224";
const GENERATOR_G2: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e\
                            024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";

fn infinity<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes[0] = 0xc0;
    bytes
}

/// Flips the sign of a point in its compressed form.
fn negated(mut compressed: Vec<u8>) -> Vec<u8> {
    compressed[0] ^= 0x20;
    compressed
}

/// The first points with a small x coordinate: on the curve, and not in the subgroup but with probability 2^-125.
fn on_curve_only<const N: usize, T>(parse: impl Fn(&[u8]) -> Result<T, BlsError>, wanted: impl Fn(&T) -> bool) -> T {
    (1..=u8::MAX)
        .filter_map(|x| {
            let mut bytes = [0; N];
            bytes[0] = 0x80;
            bytes[N - 1] = x;
            parse(&bytes).ok()
        })
        .find(wanted)
        .expect("half of all numbers are x coordinates")
}

#[test]
fn public_keys_of_the_spec() {
    for (key, expected) in keys(3).iter().zip([KEY_1, KEY_2, KEY_3]) {
        assert_eq!(hex::encode(key.public_key().to_bytes()), expected);
    }
    let text = "l/HTpzGX15QmlWOMT6msD8NojE+XdLkFoU46PxcbrFhsVeg/+Xoa7/s68ArbIsa7";
    let key = keys(1)[0].public_key();
    assert_eq!(key.to_string(), text);
    assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{text}\""));
    assert_eq!(text.parse::<PublicKey>().unwrap(), key);
    assert_eq!(PublicKey::from_bytes(&hex::decode(KEY_1).unwrap()), Ok(key));
}

#[test]
fn g1_generator_in_the_layout_of_the_precompiles() {
    let key = keys(1)[0].public_key();
    let x = "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";
    let y = "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";
    let pad = "00".repeat(16);
    assert_eq!(hex::encode(key.to_uncompressed()), format!("{x}{y}"));
    assert_eq!(hex::encode(key.to_eip2537()), format!("{pad}{x}{pad}{y}"));
}

#[test]
fn g2_generator_in_the_layout_of_the_precompiles() {
    let point = Signature::from_bytes(&hex::decode(GENERATOR_G2).unwrap()).unwrap();
    let x0 = "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";
    let x1 = "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e";
    let y0 = "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801";
    let y1 = "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be";
    let pad = "00".repeat(16);
    assert_eq!(hex::encode(point.to_uncompressed()), format!("{x1}{x0}{y1}{y0}"));
    assert_eq!(hex::encode(point.to_eip2537()), format!("{pad}{x0}{pad}{x1}{pad}{y0}{pad}{y1}"));
}

#[test]
fn identity_is_refused() {
    assert_eq!(PublicKey::from_bytes(&infinity::<48>()), Err(BlsError::Infinity { what: "public key" }));
    assert_eq!(Signature::from_bytes(&infinity::<96>()), Err(BlsError::Infinity { what: "signature" }));
}

#[test]
fn key_outside_the_subgroup_is_refused() {
    let error = on_curve_only::<48, _>(
        |bytes| match PublicKey::from_bytes(bytes) {
            Err(error) => Ok(error),
            Ok(_) => panic!("a small x coordinate is not in the subgroup"),
        },
        |error| !matches!(error, BlsError::NotAPoint { .. }),
    );
    assert_eq!(error, BlsError::NotInSubgroup { what: "public key" });
}

#[test]
fn signature_outside_the_subgroup_is_refused_by_verification() {
    let stray = on_curve_only::<96, _>(Signature::from_bytes, |_| true);
    let key = &keys(1)[0];
    let expected = Err(BlsError::NotInSubgroup { what: "signature" });
    assert_eq!(key.public_key().verify(b"m", &stray), expected);
    // A good signature does not hide it.
    let sum = aggregate([&stray, &key.sign(b"m")]).unwrap();
    assert_eq!(key.public_key().verify(b"m", &sum), expected);
    assert_eq!(fast_aggregate_verify([&key.public_key()], b"m", &sum), expected);
}

#[test]
fn only_canonical_compressed_points_are_read() {
    let good = hex::decode(KEY_1).unwrap();
    let not_a_point = Err(BlsError::NotAPoint { what: "public key" });
    let mut uncompressed_flag = good.clone();
    uncompressed_flag[0] &= 0x7f;
    assert_eq!(PublicKey::from_bytes(&uncompressed_flag), not_a_point);
    // x at and above the field's prime.
    assert_eq!(PublicKey::from_bytes(&[0xff; 48]), not_a_point);
    let prime = "9a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    assert_eq!(PublicKey::from_bytes(&hex::decode(prime).unwrap()), not_a_point);
    let mut dirty_infinity = infinity::<48>();
    dirty_infinity[47] = 1;
    assert_eq!(PublicKey::from_bytes(&dirty_infinity), not_a_point);
    let length = |got| Err(BlsError::Length { what: "public key", got, expected: 48 });
    assert_eq!(PublicKey::from_bytes(&keys(1)[0].public_key().to_uncompressed()), length(96));
    assert_eq!(PublicKey::from_bytes(&[]), length(0));
    assert_eq!(Signature::from_bytes(&[0; 95]), Err(BlsError::Length { what: "signature", got: 95, expected: 96 }));
}

#[test]
fn signatures_fit_one_key_one_message_one_tag() {
    let [one, two] = &keys(2)[..] else { unreachable!() };
    let signature = one.sign(b"message");
    assert_eq!(one.public_key().verify(b"message", &signature), Ok(()));
    assert_eq!(one.public_key().verify(b"massage", &signature), Err(BlsError::WrongSignature));
    assert_eq!(two.public_key().verify(b"message", &signature), Err(BlsError::WrongSignature));
    let opposite = Signature::from_bytes(&negated(signature.to_bytes().to_vec())).unwrap();
    assert_eq!(one.public_key().verify(b"message", &opposite), Err(BlsError::WrongSignature));

    let other_tag = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    let raw = min_pk::SecretKey::from_bytes(&*one.to_bytes()).unwrap().sign(b"message", other_tag, &[]);
    let tagged = Signature::from_bytes(&raw.compress()).unwrap();
    assert_eq!(one.public_key().verify(b"message", &tagged), Err(BlsError::WrongSignature));
}

#[test]
fn what_cancels_out_is_refused() {
    let key = keys(1)[0].public_key();
    let opposite = PublicKey::from_bytes(&negated(key.to_bytes().to_vec())).unwrap();
    assert_eq!(aggregate_public_keys([&key, &opposite]), Err(BlsError::Infinity { what: "aggregate key" }));
    let signature = keys(1)[0].sign(b"m");
    let minus = Signature::from_bytes(&negated(signature.to_bytes().to_vec())).unwrap();
    assert_eq!(aggregate([&signature, &minus]), Err(BlsError::Infinity { what: "aggregate signature" }));
    assert_eq!(
        fast_aggregate_verify([&key, &opposite], b"m", &signature),
        Err(BlsError::Infinity { what: "aggregate key" })
    );
    assert_eq!(aggregate([]), Err(BlsError::Empty));
    assert_eq!(fast_aggregate_verify([], b"m", &signature), Err(BlsError::Empty));
}

#[test]
fn a_key_may_be_counted_twice_if_it_signed_twice() {
    // Doubling must not confuse the sums; that signers are distinct is checked by certificates.
    let key = &keys(1)[0];
    let sum = aggregate([&key.sign(b"m"), &key.sign(b"m")]).unwrap();
    assert_eq!(fast_aggregate_verify(&[key.public_key(); 2], b"m", &sum), Ok(()));
    assert!(key.public_key().verify(b"m", &sum).is_err());
}

#[test]
fn secret_keys_are_checked_and_not_shown() {
    assert!(matches!(SecretKey::from_bytes(&[0; 32]), Err(BlsError::BadSecretKey)));
    let order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    assert!(matches!(SecretKey::from_bytes(&hex::decode(order).unwrap()), Err(BlsError::BadSecretKey)));
    assert!(matches!(SecretKey::from_bytes(&[1; 31]), Err(BlsError::Length { got: 31, .. })));
    let key = SecretKey::from_bytes(&[0x42; 32]).unwrap();
    assert_eq!(*key.to_bytes(), [0x42; 32]);
    assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public_key()));
}

#[test]
fn key_file_of_key_one() {
    let key = &keys(1)[0];
    let text = key.to_key_file();
    assert_eq!(*text, "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB");
    let read = SecretKey::from_key_file(&format!("  {}\n", *text)).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    for bad in ["", "BA==", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", "BAAA AAA", &"A".repeat(1000)] {
        assert!(matches!(SecretKey::from_key_file(bad), Err(BlsError::BadKeyFile)), "{bad}");
    }
    let zero = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(matches!(SecretKey::from_key_file(zero), Err(BlsError::BadSecretKey)));
}

#[test]
fn generation_is_pinned() {
    let key = SecretKey::generate(&[7; 32]);
    assert_eq!(
        hex::encode(key.public_key().to_bytes()),
        "a6ceb0760781082c1954d2a4ec868c82e81d0b2bfb6d95b28bfcae30842fc58387da58dcfed367f74d878739285cae92"
    );
}

#[test]
fn text_is_canonical_base64() {
    let text = keys(1)[0].public_key().to_string();
    for bad in [&text[..63], &format!("{text}="), &text.replace('/', "_"), &format!(" {text}")] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_refused_or_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(key) = PublicKey::from_bytes(&bytes) {
            prop_assert_eq!(&key.to_bytes()[..], &bytes[..]);
        }
        if let Ok(signature) = Signature::from_bytes(&bytes) {
            prop_assert_eq!(&signature.to_bytes()[..], &bytes[..]);
        }
    }

    #[test]
    fn points_from_any_x_are_refused_or_round_trip(mut bytes in prop::array::uniform32(any::<u8>()).prop_map(|x| [x, x, x].concat())) {
        bytes[0] = 0x80 | (bytes[0] & 0x2f);
        if let Ok(signature) = Signature::from_bytes(&bytes) {
            prop_assert_eq!(&signature.to_bytes()[..], &bytes[..]);
            prop_assert!(keys(1)[0].public_key().verify(b"m", &signature).is_err());
        }
        prop_assert!(PublicKey::from_bytes(&bytes[..48]).is_err(), "in the subgroup by chance: impossible");
    }

    #[test]
    fn aggregates_verify_and_any_change_shows(
        seeds in prop::collection::hash_set(any::<[u8; 32]>(), 1..6),
        message in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let keys: Vec<_> = seeds.iter().map(SecretKey::generate).collect();
        let public: Vec<_> = keys.iter().map(SecretKey::public_key).collect();
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(&message)).collect();
        let sum = aggregate(&signatures).unwrap();
        prop_assert_eq!(fast_aggregate_verify(&public, &message, &sum), Ok(()));
        if public.len() > 1 {
            prop_assert!(fast_aggregate_verify(&public[1..], &message, &sum).is_err());
        }
        let other = aggregate(signatures.iter().chain([&keys[0].sign(b"other")])).unwrap();
        prop_assert!(fast_aggregate_verify(&public, &message, &other).is_err());
    }
}
