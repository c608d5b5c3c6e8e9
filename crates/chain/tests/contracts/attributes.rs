//! What owners say about their blobs.

use alloy::primitives::U256;

use super::bindings::{Attributes, Blobs, Pools};
use super::network::{Network, account, mined, refusal};
use super::pools::MIB;
use crate::support::chains;

fn list(pairs: &[(&str, &str)]) -> Vec<Attributes::Attribute> {
    pairs.iter().map(|(key, value)| Attributes::Attribute { key: (*key).into(), value: (*value).into() }).collect()
}

impl Network {
    /// All attributes of a registration, by key.
    async fn said(&self, object: U256) -> Vec<(String, String)> {
        let found = self.attributes.attributes(object).call().await.expect("it answers");
        let mut pairs: Vec<_> = found.into_iter().map(|a| (a.key, a.value)).collect();
        pairs.sort();
        pairs
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_add_replace_and_remove_attributes() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, alone) = net.register(1, 1000, 5).await;
        let pool = net.pool(MIB, 3).await;
        let (_, pooled) = net.register_in(pool, 1, true).await;
        for object in [alone, pooled] {
            let first = list(&[("content-type", "text/plain"), ("link", ""), ("a", "b")]);
            let receipt = mined(net.attributes.add(object, first).send().await).await;
            let told: Vec<_> =
                receipt.logs().iter().filter_map(|log| log.log_decode::<Attributes::AttributeSet>().ok()).collect();
            assert_eq!((told.len(), told[0].inner.objectId), (3, object), "{}", chain.name);
            assert_eq!((told[0].inner.key.as_str(), told[0].inner.value.as_str()), ("content-type", "text/plain"));
            let long = "x".repeat(1024);
            mined(net.attributes.replace(object, list(&[("link", &long)])).send().await).await;
            let more = list(&[("a", "c"), (&"k".repeat(64), "v")]);
            mined(net.attributes.insertOrUpdate(object, more).send().await).await;
            let expected = [("a", "c"), ("content-type", "text/plain"), (&"k".repeat(64), "v"), ("link", &long)];
            assert_eq!(net.said(object).await, owned(&expected));

            let gone = vec!["content-type".to_owned(), "k".repeat(64)];
            let receipt = mined(net.attributes.remove(object, gone).send().await).await;
            assert!(receipt.decoded_log::<Attributes::AttributeRemoved>().is_some());
            assert_eq!(net.said(object).await, owned(&[("a", "c"), ("link", &long)]));
            assert_eq!(net.attributes.attribute(object, "a".into()).call().await.unwrap(), "c");
            mined(net.attributes.add(object, list(&[("content-type", "again")])).send().await).await;
            assert_eq!(net.said(object).await.len(), 3);
        }
        // They are gone with their registration.
        mined(net.blobs.burn(alone).send().await).await;
        mined(net.pools.deleteBlob(pooled).send().await).await;
        refusal::<Blobs::UnknownObject, _>(net.attributes.attributes(alone).call().await);
        refusal::<Pools::UnknownObject, _>(net.attributes.attribute(pooled, "a".into()).call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_are_bounded_and_belong_to_the_owner() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, object) = net.register(1, 1000, 5).await;
        let pool = net.pool(MIB, 3).await;
        let (_, pooled) = net.register_in(pool, 1, true).await;
        let set = async |pairs: &[(&str, &str)]| net.attributes.insertOrUpdate(object, list(pairs)).call().await;
        let error = refusal::<Attributes::KeyLengthOutOfRange, _>(set(&[("", "v")]).await);
        assert_eq!((error.got, error.max), (U256::ZERO, U256::from(64)), "{}", chain.name);
        let error = refusal::<Attributes::KeyLengthOutOfRange, _>(set(&[(&"k".repeat(65), "v")]).await);
        assert_eq!(error.got, U256::from(65));
        let error = refusal::<Attributes::ValueTooLong, _>(set(&[("k", &"v".repeat(1025))]).await);
        assert_eq!((error.got, error.max), (U256::from(1025), U256::from(1024)));
        refusal::<Attributes::EmptyBatch, _>(set(&[]).await);
        refusal::<Attributes::EmptyBatch, _>(net.attributes.remove(object, Vec::new()).call().await);
        let keys: Vec<_> = (0..33).map(|i| format!("key-{i}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
        let error = refusal::<Attributes::TooManyAttributes, _>(set(&pairs).await);
        assert_eq!(error.max, U256::from(32));
        set(&pairs[..32]).await.expect("it answers");

        mined(net.attributes.add(object, list(&[("k", "v")])).send().await).await;
        let again = net.attributes.add(object, list(&[("k", "w")])).call().await;
        let error = refusal::<Attributes::AttributeExists, _>(again);
        assert_eq!((error.objectId, error.key.as_str()), (object, "k"));
        let missing = net.attributes.replace(object, list(&[("no", "w")])).call().await;
        refusal::<Attributes::UnknownAttribute, _>(missing);
        let missing = net.attributes.remove(object, vec!["no".into()]).call().await;
        refusal::<Attributes::UnknownAttribute, _>(missing);
        refusal::<Attributes::UnknownAttribute, _>(net.attributes.attribute(object, "no".into()).call().await);
        let unknown = net.attributes.add(U256::from(9), list(&[("k", "v")])).call().await;
        refusal::<Blobs::UnknownObject, _>(unknown);
        let unknown = net.attributes.add((pool << 64) | U256::from(9), list(&[("k", "v")])).call().await;
        refusal::<Pools::UnknownObject, _>(unknown);

        let thief = account("thief").address();
        let owner = net.owner_address;
        for (object, token) in [(object, object), (pooled, pool)] {
            for refused in [
                net.attributes.add(object, list(&[("x", "v")])).from(thief).call().await.map(drop),
                net.attributes.replace(object, list(&[("k", "v")])).from(thief).call().await.map(drop),
                net.attributes.insertOrUpdate(object, list(&[("k", "v")])).from(thief).call().await.map(drop),
                net.attributes.remove(object, vec!["k".into()]).from(thief).call().await.map(drop),
            ] {
                let error = refusal::<Attributes::ERC721InsufficientApproval, _>(refused);
                assert_eq!((error.operator, error.tokenId), (thief, token));
            }
            let add = async || net.attributes.add(object, list(&[("x", "v")])).from(thief).call().await;
            // Whoever the token trusts may.
            if object == pooled {
                mined(net.pools.setApprovalForAll(thief, true).send().await).await;
                add().await.expect("it answers");
                mined(net.pools.transferFrom(owner, thief, pool).send().await).await;
            } else {
                mined(net.blobs.approve(thief, object).send().await).await;
                add().await.expect("it answers");
                mined(net.blobs.transferFrom(owner, thief, object).send().await).await;
            }
            add().await.expect("it answers");
            let before = net.attributes.add(object, list(&[("x", "v")])).call().await;
            refusal::<Attributes::ERC721InsufficientApproval, _>(before);
        }
        // A shared blob is nobody's.
        let (_, shared) = net.register(2, 1000, 5).await;
        mined(net.blobs.share(shared).send().await).await;
        let nobody = net.attributes.add(shared, list(&[("x", "v")])).call().await;
        refusal::<Attributes::ERC721InsufficientApproval, _>(nobody);
    }
}
