//! The libraries against independent implementations: `blst` and `blake2b_simd`.

use alloy::primitives::{B256, Bytes, U256, U512};
use blst::min_pk::{AggregatePublicKey, SecretKey};
use sha2::{Digest, Sha256};

use super::bindings::Primitives;
use super::network::{Deployment, refusal};
use super::signing::{blake2b, g1, g2, secret_key, sign};
use crate::support::chains;

/// Bytes that follow from the length.
fn data(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|i| Sha256::digest([i.to_le_bytes(), length.to_le_bytes()].concat())).take(length).collect()
}

async fn deploy(chain: &crate::support::TestChain) -> Primitives::PrimitivesInstance<alloy::providers::DynProvider> {
    let net = Deployment::new(chain, 4).await;
    Primitives::deploy(net.owner.clone()).await.expect("deployed")
}

#[tokio::test(flavor = "multi_thread")]
async fn blake2b_agrees_at_every_length_around_the_block_size() {
    for chain in chains().await {
        let contract = deploy(&chain).await;
        for length in (0..=66).chain(120..=136).chain(250..=260).chain([384, 1000, 4096]) {
            let data = data(length);
            let digest = contract.blake2b(data.clone().into()).call().await.unwrap();
            assert_eq!(digest, blake2b(&data), "{length} bytes on {}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_to_curve_agrees() {
    // Signing with the key 1 gives the hashed point itself.
    let mut one = [0; 32];
    one[31] = 1;
    let one = SecretKey::from_bytes(&one).unwrap();
    for chain in chains().await {
        let contract = deploy(&chain).await;
        for length in (0..=70).chain([127, 128, 129, 500, 5000]) {
            let message = data(length);
            let point = contract.hashToG2(message.clone().into()).call().await.unwrap();
            assert_eq!(point, g2(&sign(&one, &message)), "{length} bytes on {}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_are_reduced_to_field_elements() {
    let modulus: U512 =
        "0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
            .parse()
            .unwrap();
    let largest = U512::MAX / modulus;
    let words = |integer: U512| [(integer >> 256_usize).wrapping_to::<U256>(), integer.wrapping_to()];
    // Multiples of the modulus and what is next to them, up to the largest, and integers without a pattern.
    let factors = (0..130_u32).flat_map(|bit| [U512::ONE << bit, (U512::ONE << bit) - U512::ONE, largest >> bit]);
    let edges =
        factors.flat_map(|factor| [U512::ZERO, U512::ONE, modulus - U512::ONE].map(|more| factor * modulus + more));
    let random = (0..200).map(|i| U512::from_be_slice(&data(64 + i)[..64]));
    let integers: Vec<U512> = edges.chain(random).chain([U512::MAX, U512::MAX - U512::ONE, U512::MAX << 256]).collect();
    for chain in chains().await {
        let contract = deploy(&chain).await;
        for integer in &integers {
            let reduced = contract.reduce(words(*integer)).call().await.unwrap();
            assert_eq!(reduced, words(*integer % modulus), "{integer} on {}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_and_subtraction_agree() {
    for chain in chains().await {
        let contract = deploy(&chain).await;
        let keys: Vec<_> = (0..16).map(|i| secret_key(&format!("key {i}")).sk_to_pk()).collect();
        let mut signs = [false; 2];
        for pair in keys.windows(2) {
            let compressed = contract.compress(g1(&pair[0])).call().await.unwrap();
            assert_eq!(compressed.as_ref(), pair[0].compress(), "{}", chain.name);
            signs[usize::from(compressed[0] & 0x20 != 0)] = true;

            let sum = AggregatePublicKey::aggregate(&[&pair[0], &pair[1]], true).unwrap().to_public_key();
            assert_eq!(contract.subtract(g1(&sum), g1(&pair[1])).call().await.unwrap(), g1(&pair[0]));
        }
        assert_eq!(signs, [true; 2], "both signs of y were seen");
        let key = g1(&keys[0]);
        assert_eq!(contract.subtract(key, key).call().await.unwrap(), [B256::ZERO; 4]);
        assert_eq!(contract.subtract(key, [B256::ZERO; 4]).call().await.unwrap(), key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_agrees() {
    for chain in chains().await {
        let contract = deploy(&chain).await;
        let (key, other) = (secret_key("key"), secret_key("other"));
        let point = g1(&key.sk_to_pk());
        for length in [0, 1, 40, 127, 300] {
            let message = data(length);
            let signature = g2(&sign(&key, &message));
            let verify = async |key, message: &[u8], signature| {
                contract.verify(key, Bytes::copy_from_slice(message), signature).call().await
            };
            assert!(verify(point, &message, signature).await.unwrap(), "{length} bytes on {}", chain.name);
            assert!(!verify(point, &data(length + 1), signature).await.unwrap());
            assert!(!verify(g1(&other.sk_to_pk()), &message, signature).await.unwrap());
            assert!(!verify([B256::ZERO; 4], &message, [B256::ZERO; 8]).await.unwrap(), "infinity is no key");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_signature_verifies() {
    // Checked with the reference network's client: key 1, epoch 21, blob id 07*32, permanent.
    let signature = "b8cc0fb7da472339b193b907193fb41f468eeacb5cd0b70913581a4e05131329a216623a1bd8548d58728114e18ef642\
                     152710d3c73c2d730b683ad0ecf8fa1c29423c5eec3dea085a909572d152cb7ba58938f04612b1cd4638b9e6e277d1cf";
    let signature = blst::min_pk::Signature::uncompress(&hex::decode(signature).unwrap()).unwrap();
    let mut one = [0; 32];
    one[31] = 1;
    let key = SecretKey::from_bytes(&one).unwrap().sk_to_pk();
    let message = super::signing::confirmation(21, B256::repeat_byte(7));
    for chain in chains().await {
        let contract = deploy(&chain).await;
        let valid = contract.verify(g1(&key), message.clone().into(), g2(&signature)).call().await.unwrap();
        assert!(valid, "{}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_precompile_reverts_instead_of_answering_no() {
    for chain in chains().await {
        let contract = deploy(&chain).await;
        let key = secret_key("key");
        let message = data(40);
        let mut signature = g2(&sign(&key, &message));
        signature[1][31] ^= 1;
        let result = contract.verify(g1(&key.sk_to_pk()), message.into(), signature).gas(1_000_000).call().await;
        let error = refusal::<Primitives::PrecompileFailed, _>(result);
        assert_eq!(error.precompile, 0x0f, "{}", chain.name);
    }
}
