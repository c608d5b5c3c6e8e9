//! Certificates: who has to sign what, and what changes when they did.

use alloy::primitives::{B256, Bytes, U256};

use super::bindings::{Blobs, Committee};
use super::network::{Deployment, Network, mined, refusal};
use super::signing::{aggregate, bitmap, confirmation, g2, sign};
use crate::support::chains;

/// Ten members with one shard each: f = 3, seven make a quorum.
const TEN: [u16; 10] = [1; 10];

impl Network {
    /// A call of `certify` that is not sent, signed by `signers` over `message`.
    async fn attempt(&self, object: U256, signers: &[usize], message: &[u8]) -> alloy::contract::Result<()> {
        let (bitmap, signature) = self.certificate(signers, message);
        self.blobs.certify(object, bitmap, signature).call().await.map(drop)
    }
}

/// Certifies a blob and looks at everything that follows from it.
async fn certify_and_look(net: &Network, seed: u8, signers: &[usize]) {
    let (blob_id, object) = net.register(seed, 1000, 5).await;
    let epoch = net.epoch().await;
    let receipt = net.certify(blob_id, object, signers).await;
    let event = receipt.decoded_log::<Blobs::BlobCertified>().expect("the certificate is announced");
    let expected = Blobs::BlobCertified {
        blobId: blob_id,
        objectId: object,
        deletable: false,
        certifiedEpoch: epoch,
        endEpoch: epoch + 5,
    };
    assert_eq!(event.data, expected);
    assert_eq!(net.blobs.blob(object).call().await.expect("a view").certifiedEpoch, epoch);
    assert_eq!(net.availability.availableUntil(blob_id).call().await.expect("a view"), epoch + 5);
    assert!(net.availability.isAvailable(blob_id).call().await.expect("a view"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_members_certify_with_up_to_a_third_absent() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        certify_and_look(&net, 1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
        certify_and_look(&net, 2, &[0, 1, 2, 3, 4, 5, 6]).await;
        certify_and_look(&net, 3, &[3, 4, 5, 6, 7, 8, 9]).await;
        certify_and_look(&net, 4, &[0, 2, 3, 4, 5, 6, 7, 9]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_members_certify_with_up_to_a_third_absent() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[10; 100]).await;
        certify_and_look(&net, 1, &(0..100).collect::<Vec<_>>()).await;
        certify_and_look(&net, 2, &(33..100).collect::<Vec<_>>()).await;
        certify_and_look(&net, 3, &(0..67).collect::<Vec<_>>()).await;

        let (blob_id, object) = net.register(4, 1000, 5).await;
        let result = net.attempt(object, &(0..66).collect::<Vec<_>>(), &confirmation(1, blob_id)).await;
        let error = refusal::<Committee::NoQuorum, _>(result);
        assert_eq!((error.weight, error.needed), (U256::from(660), U256::from(667)), "{}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_count_not_members() {
    for chain in chains().await {
        // Two of four members hold eight of the ten shards: a quorum, and three others are none.
        let net = Network::launch(&chain, &[1, 4, 1, 4]).await;
        certify_and_look(&net, 1, &[1, 3]).await;
        let (blob_id, object) = net.register(2, 1000, 5).await;
        let error = refusal::<Committee::NoQuorum, _>(net.attempt(object, &[0, 1, 2], &confirmation(1, blob_id)).await);
        assert_eq!((error.weight, error.needed), (U256::from(6), U256::from(7)), "{}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quorum_is_two_thirds_and_more() {
    for chain in chains().await {
        // n - f shards are needed, also when n is not 3f + 1.
        for (shards, needed) in [(4, 3), (5, 4), (6, 5), (7, 5), (9, 7)] {
            let net = Network::launch(&chain, &vec![1; shards]).await;
            let (blob_id, object) = net.register(1, 100, 5).await;
            let message = confirmation(1, blob_id);
            let few: Vec<_> = (1..needed).collect();
            let error = refusal::<Committee::NoQuorum, _>(net.attempt(object, &few, &message).await);
            assert_eq!(error.needed, U256::from(needed), "{shards} shards on {}", chain.name);
            let enough: Vec<_> = (0..needed).collect();
            net.attempt(object, &enough, &message).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_no_quorum() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let (_, object) = net.register(1, 1000, 5).await;
        for signers in [Bytes::new(), vec![0].into(), vec![0, 0].into()] {
            let result = net.blobs.certify(object, signers, [B256::ZERO; 8]).call().await;
            assert_eq!(refusal::<Committee::NoQuorum, _>(result).weight, U256::ZERO, "{}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_over_anything_else_is_refused() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let (blob_id, object) = net.register(1, 1000, 5).await;
        let all: Vec<_> = (0..10).collect();
        let right = confirmation(1, blob_id);
        let deletable = [&right[..39], &[1], U256::ONE.to_be_bytes::<32>().as_slice()].concat();
        let mut other_intent = right.clone();
        other_intent[0] = 2;
        for (what, message) in [
            ("another blob", confirmation(1, B256::repeat_byte(9))),
            ("the next epoch", confirmation(2, blob_id)),
            ("the epoch before", confirmation(0, blob_id)),
            ("a deletable blob", deletable),
            ("another intent", other_intent),
            ("nothing", Vec::new()),
        ] {
            let result = net.attempt(object, &all, &message).await;
            refusal::<Committee::BadSignature, _>(result);
            println!("{what}: refused on {}", chain.name);
        }

        // A signer too few or too many in the bitmap, or one that signed twice in place of another.
        let keys: Vec<_> = net.nodes.iter().map(|node| &node.key).collect();
        let signature = g2(&aggregate(&keys[..8], &right));
        for signers in [&all[..7], &all[..9], &all[1..9]] {
            let result = net.blobs.certify(object, bitmap(signers), signature).call().await;
            refusal::<Committee::BadSignature, _>(result);
        }
        let doubled = [&keys[..6], &keys[..1]].concat();
        let result = net.blobs.certify(object, bitmap(&all[..7]), g2(&aggregate(&doubled, &right))).call().await;
        refusal::<Committee::BadSignature, _>(result);
        net.blobs.certify(object, bitmap(&all[..8]), signature).call().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_are_no_signatures_are_refused() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let (blob_id, object) = net.register(1, 1000, 5).await;
        let all: Vec<_> = (0..10).collect();
        let (signers, signature) = net.certificate(&all, &confirmation(1, blob_id));
        let mut off_curve = signature;
        off_curve[0][31] ^= 1;
        let result = net.blobs.certify(object, signers.clone(), off_curve).gas(1_000_000).call().await;
        refusal::<Committee::PrecompileFailed, _>(result);
        let infinity = net.blobs.certify(object, signers, [B256::ZERO; 8]).call().await;
        refusal::<Committee::BadSignature, _>(infinity);
        println!("refused on {}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bitmap_names_members_only() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let (blob_id, object) = net.register(1, 1000, 5).await;
        let (_, signature) = net.certificate(&(0..10).collect::<Vec<_>>(), &confirmation(1, blob_id));
        let attempt = async |bits: &[u8]| net.blobs.certify(object, bits.to_vec().into(), signature).call().await;

        let error = refusal::<Committee::BitmapTooLong, _>(attempt(&[0xff, 0x03, 0]).await);
        assert_eq!((error.got, error.max), (U256::from(3), U256::from(2)), "{}", chain.name);
        for (bits, member) in [([0xff, 0x07], 10), ([0xff, 0x83], 15)] {
            let error = refusal::<Committee::SignerOutOfRange, _>(attempt(&bits).await);
            assert_eq!((error.member, error.members), (U256::from(member), U256::from(10)));
        }
        attempt(&[0xff, 0x03]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_counts_once_for_each_object() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let quorum: Vec<_> = (0..7).collect();
        let (blob_id, object) = net.register(1, 1000, 5).await;
        net.certify(blob_id, object, &quorum).await;
        let replay = net.attempt(object, &quorum, &confirmation(1, blob_id)).await;
        let error = refusal::<Blobs::AlreadyCertified, _>(replay);
        assert_eq!((error.objectId, error.certifiedEpoch), (object, 1), "{}", chain.name);

        // The confirmation is about the blob: it also holds for the second, longer registration.
        let (_, longer) = net.register(1, 1000, 9).await;
        net.certify(blob_id, longer, &quorum).await;
        assert_eq!(net.availability.availableUntil(blob_id).call().await.unwrap(), 10);
        // A shorter one does not shorten what was promised.
        let (_, shorter) = net.register(1, 1000, 2).await;
        net.certify(blob_id, shorter, &quorum).await;
        assert_eq!(net.availability.availableUntil(blob_id).call().await.unwrap(), 10);

        let unknown = net.attempt(U256::from(99), &quorum, &confirmation(1, blob_id)).await;
        assert_eq!(refusal::<Blobs::UnknownObject, _>(unknown).objectId, U256::from(99));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_belongs_to_its_epoch() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let quorum: Vec<_> = (0..7).collect();
        let (blob_id, object) = net.register(1, 1000, 5).await;
        let old = confirmation(1, blob_id);
        net.next_epoch().await;
        refusal::<Committee::BadSignature, _>(net.attempt(object, &quorum, &old).await);

        let (signers, signature) = net.certificate(&quorum, &old);
        let result = net.committee.requireQuorum(old.into(), signers, signature).call().await;
        let error = refusal::<Committee::EpochMismatch, _>(result);
        assert_eq!((error.expected, error.got), (2, 1), "{}", chain.name);

        net.certify(blob_id, object, &quorum).await;
        assert_eq!(net.blobs.blob(object).call().await.unwrap().certifiedEpoch, 2);
        assert_eq!(net.availability.availableUntil(blob_id).call().await.unwrap(), 6, "paid from the registration on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_neither_certified_nor_available() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let quorum: Vec<_> = (0..7).collect();
        let (certified, object) = net.register(1, 1000, 1).await;
        net.certify(certified, object, &quorum).await;
        let (late, late_object) = net.register(2, 1000, 1).await;
        assert!(net.availability.isAvailable(certified).call().await.unwrap(), "{}", chain.name);
        net.next_epoch().await;

        let error = refusal::<Blobs::BlobExpired, _>(net.attempt(late_object, &quorum, &confirmation(2, late)).await);
        assert_eq!((error.endEpoch, error.currentEpoch), (2, 2));
        assert!(!net.availability.isAvailable(certified).call().await.unwrap());
        assert_eq!(net.availability.availableUntil(certified).call().await.unwrap(), 2, "the record stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_message_of_the_current_epoch_can_be_checked() {
    for chain in chains().await {
        let net = Network::launch(&chain, &TEN).await;
        let quorum: Vec<_> = (0..7).collect();
        let check = async |message: &[u8]| {
            let (signers, signature) = net.certificate(&quorum, message);
            net.committee.requireQuorum(message.to_vec().into(), signers, signature).call().await
        };
        // Intent 200, a body of another application's.
        let message = [&[200, 0, 3, 1, 0, 0, 0], "hello".repeat(50).as_bytes()].concat();
        check(&message).await.unwrap();
        check(&message[..7]).await.unwrap();

        for malformed in [&message[..6], &[], &[1, 1, 3, 1, 0, 0, 0], &[1, 0, 4, 1, 0, 0, 0]] {
            let error = refusal::<Committee::MalformedMessage, _>(check(malformed).await);
            assert_eq!(error.length, U256::from(malformed.len()), "{}", chain.name);
        }
        let mut far = message;
        far[3..7].copy_from_slice(&0x0403_0201_u32.to_le_bytes());
        assert_eq!(refusal::<Committee::EpochMismatch, _>(check(&far).await).got, 0x0403_0201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_certificates_before_launch() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let message: Bytes = confirmation(0, B256::ZERO).into();
        let result = net.committee.requireQuorum(message, bitmap(&[0]), [B256::ZERO; 8]).call().await;
        refusal::<Committee::NotLaunched, _>(result);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_submit_a_certificate() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (blob_id, object) = net.register(1, 1000, 5).await;
        let message = confirmation(1, blob_id);
        let node = &net.nodes[0];
        let one = sign(&node.key, &message);
        assert_eq!(g2(&one), g2(&aggregate(&[&node.key], &message)));
        let (signers, signature) = net.certificate(&[0, 1, 2], &message);
        let relayed = Blobs::new(*net.blobs.address(), super::network::provider(&net.rpc_url, &node.signer));
        mined(relayed.certify(object, signers, signature).send().await).await;
        assert!(net.availability.isAvailable(blob_id).call().await.unwrap(), "{}", chain.name);
    }
}
