//! Many blobs in one transaction, and one certificate over all of them.

use alloy::primitives::{B256, Bytes, U256};

use super::bindings::{Availability, Blobs, Committee};
use super::network::{Network, mined, new_blob, refusal};
use super::signing::{batch_confirmation, confirmation, invalid};
use crate::support::{CHAIN_ID, chains};

const QUORUM: [usize; 3] = [0, 1, 2];

type List = Vec<(B256, Option<U256>)>;

impl Network {
    /// Three blobs of different sizes, the second one deletable.
    async fn three(&self) -> (Vec<U256>, List) {
        let blobs = [(1, 1000, false), (2, 100_000, true), (3, 5, false)].map(|(s, size, d)| new_blob(s, size, d));
        let list = |first: U256| {
            let objects = (0..3).map(|i| first + U256::from(i));
            let list = blobs.iter().zip(objects.clone()).map(|(b, o)| (b.blobId, b.deletable.then_some(o)));
            (objects.collect(), list.collect())
        };
        let first = self.blobs.objectCount().call().await.expect("it answers") + U256::ONE;
        let receipt =
            mined(self.blobs.registerBatch(blobs.to_vec(), 4, U256::MAX, self.owner_address).send().await).await;
        let events: Vec<_> =
            receipt.logs().iter().filter_map(|log| log.log_decode::<Blobs::BlobRegistered>().ok()).collect();
        for (event, blob) in events.iter().zip(&blobs) {
            let alone = self.blobs.price(blob.size, 4).call().await.expect("it answers");
            assert_eq!(event.inner.cost, alone, "a blob costs in a batch what it costs alone");
        }
        assert_eq!(events.len(), 3);
        self.audit().await;
        list(first)
    }

    async fn certify_list(
        &self,
        objects: Vec<U256>,
        message: &[u8],
        signers: &[usize],
    ) -> alloy::contract::Result<Blobs::certifyBatchReturn> {
        let (signers, signature) = self.certificate(signers, message);
        self.blobs.certifyBatch(objects, signers, signature).call().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_makes_many_blobs_available() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (objects, list) = net.three().await;
        let message = batch_confirmation(1, CHAIN_ID, *net.blobs.address(), &list);
        let (signers, signature) = net.certificate(&QUORUM, &message);
        // One of them may have been certified alone before: the others are not held up by that.
        net.certify(list[0].0, objects[0], &QUORUM).await;
        let receipt = mined(net.blobs.certifyBatch(objects.clone(), signers, signature).send().await).await;
        let certified = receipt.logs().iter().filter(|log| log.log_decode::<Blobs::BlobCertified>().is_ok());
        assert_eq!(certified.count(), 2, "{}", chain.name);
        for (object, (id, deletable)) in objects.iter().zip(&list) {
            assert_eq!(net.blobs.blob(*object).call().await.unwrap().certifiedEpoch, 1);
            let until = if deletable.is_some() { 0 } else { 5 };
            assert_eq!(net.availability.availableUntil(*id).call().await.unwrap(), until);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_certificate_is_about_exactly_this_list_here_and_now() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (objects, list) = net.three().await;
        let here = *net.blobs.address();
        let right = batch_confirmation(1, CHAIN_ID, here, &list);
        net.certify_list(objects.clone(), &right, &QUORUM).await.unwrap();

        let mut permanent = list.clone();
        permanent[1].1 = None;
        let mut other_object = list.clone();
        other_object[1].1 = Some(U256::from(77));
        for (what, message) in [
            ("another epoch", batch_confirmation(2, CHAIN_ID, here, &list)),
            ("another chain", batch_confirmation(1, CHAIN_ID + 1, here, &list)),
            ("another network", batch_confirmation(1, CHAIN_ID, net.owner_address, &list)),
            ("a part of the list", batch_confirmation(1, CHAIN_ID, here, &list[..2])),
            ("a permanent one instead", batch_confirmation(1, CHAIN_ID, here, &permanent)),
            ("another object", batch_confirmation(1, CHAIN_ID, here, &other_object)),
            ("a single blob", confirmation(1, list[0].0)),
        ] {
            refusal::<Committee::BadSignature, _>(net.certify_list(objects.clone(), &message, &QUORUM).await);
            println!("{what}: refused on {}", chain.name);
        }
        let mut reordered = objects.clone();
        reordered.swap(0, 2);
        refusal::<Committee::BadSignature, _>(net.certify_list(reordered, &right, &QUORUM).await);
        refusal::<Committee::NoQuorum, _>(net.certify_list(objects.clone(), &right, &[0, 1]).await);
        refusal::<Blobs::UnknownObject, _>(net.certify_list(vec![U256::from(9)], &right, &QUORUM).await);
        let empty = net.blobs.certifyBatch(Vec::new(), Bytes::new(), [B256::ZERO; 8]).call().await;
        refusal::<Blobs::EmptyBatch, _>(empty);
        let empty = net.blobs.registerBatch(Vec::new(), 1, U256::MAX, net.owner_address).call().await;
        refusal::<Blobs::EmptyBatch, _>(empty);

        let (signers, signature) = net.certificate(&[0, 1], &invalid(1, list[2].0));
        mined(net.blobs.invalidate(list[2].0, signers, signature).send().await).await;
        let spoiled = net.certify_list(objects.clone(), &right, &QUORUM).await;
        assert_eq!(refusal::<Availability::BlobInvalid, _>(spoiled).blobId, list[2].0);
        for _ in 0..4 {
            net.next_epoch().await;
        }
        let late = batch_confirmation(5, CHAIN_ID, here, &list);
        refusal::<Blobs::BlobExpired, _>(net.certify_list(objects, &late, &QUORUM).await);
    }
}
