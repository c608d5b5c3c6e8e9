//! Registration of nodes: whose key it is has to be proven.

use alloy::primitives::{Address, B256, U256};
use alloy::providers::DynProvider;

use super::bindings::{Nodes, Staking};
use super::network::{Deployment, Network, account, description, mined, refusal, votes};
use super::signing::{self, Possession, g1, g2, secret_key};
use crate::support::{CHAIN_ID, chains};

type Attempt = alloy::contract::Result<U256>;

/// A call of `registerNode` by `from` that is not sent.
async fn attempt(
    registry: &Nodes::NodesInstance<DynProvider>,
    from: Address,
    key: [B256; 4],
    proof: [B256; 8],
) -> Attempt {
    registry.registerNode(description("a", "http://a"), key, proof, 0, votes()).from(from).call().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_registered_with_its_compressed_key() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let nodes = net.register_nodes(20).await;
        assert_eq!(net.nodes_registry.nodeCount().call().await.unwrap(), U256::from(20), "{}", chain.name);
        for (number, node) in (1..).zip(&nodes) {
            assert_eq!(node.id, U256::from(number));
            let registered = net.nodes_registry.node(node.id).call().await.unwrap();
            assert_eq!(registered.account, node.signer.address());
            // Twenty keys have both signs of y.
            assert_eq!(registered.publicKey.as_ref(), node.key.sk_to_pk().compress());
        }
        let unknown = net.nodes_registry.node(U256::from(21)).call().await;
        assert_eq!(refusal::<Nodes::UnknownNode, _>(unknown).nodeId, U256::from(21));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_is_announced() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        net.register_nodes(1).await;
        let events = net.nodes_registry.NodeRegistered_filter().from_block(0).query().await.unwrap();
        let [(event, _)] = events.as_slice() else { panic!("one event, got {events:?}") };
        assert_eq!((event.name.as_str(), event.url.as_str()), ("node-0", "http://127.0.0.1:9000"));
        assert_eq!(event.publicKey.as_ref(), secret_key("node 0").sk_to_pk().compress());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_its_own_proof_is_refused() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let me = account("me").address();
        let key = secret_key("key");
        let point = g1(&key.sk_to_pk());
        let right = Possession { epoch: 0, account: me, chain_id: CHAIN_ID, registry: *net.nodes_registry.address() };
        attempt(&net.nodes_registry, me, point, right.prove(&key)).await.unwrap();

        let wrong = [
            ("another account", Possession { account: account("other").address(), ..right }),
            ("another chain", Possession { chain_id: CHAIN_ID + 1, ..right }),
            ("another registry", Possession { registry: *net.blobs.address(), ..right }),
            ("another epoch", Possession { epoch: 1, ..right }),
        ];
        for (what, possession) in wrong {
            let result = attempt(&net.nodes_registry, me, point, possession.prove(&key)).await;
            let error = refusal::<Nodes::KeyWithoutProof, _>(result);
            assert_eq!((error.account, error.epoch), (me, 0), "proof for {what} on {}", chain.name);
        }

        let by_another = g2(&signing::sign(&secret_key("other"), &right.message(&key.sk_to_pk())));
        refusal::<Nodes::KeyWithoutProof, _>(attempt(&net.nodes_registry, me, point, by_another).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_are_no_keys_are_refused() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let me = account("me").address();
        let key = secret_key("key");
        let point = g1(&key.sk_to_pk());
        let proof = net.possession(me).await.prove(&key);

        // With the key at infinity and the signature at infinity the pairing equation holds for every message.
        let infinity = attempt(&net.nodes_registry, me, [B256::ZERO; 4], [B256::ZERO; 8]).await;
        refusal::<Nodes::KeyIsInfinity, _>(infinity);

        let mut off_curve = point;
        off_curve[3][31] ^= 1;
        refusal::<Nodes::PrecompileFailed, _>(attempt(&net.nodes_registry, me, off_curve, proof).await);

        let mut padded = point;
        padded[0][0] = 1;
        refusal::<Nodes::PrecompileFailed, _>(attempt(&net.nodes_registry, me, padded, proof).await);

        let mut off_curve_proof = proof;
        off_curve_proof[7][31] ^= 1;
        refusal::<Nodes::PrecompileFailed, _>(attempt(&net.nodes_registry, me, point, off_curve_proof).await);

        // (0, 2) lies on the curve y^2 = x^3 + 4, in a subgroup of order 3.
        let mut small_subgroup = [B256::ZERO; 4];
        small_subgroup[3][31] = 2;
        refusal::<Nodes::PrecompileFailed, _>(attempt(&net.nodes_registry, me, small_subgroup, proof).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_for_each_account_and_key() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let [node] = net.register_nodes(1).await.try_into().unwrap_or_else(|_| panic!("one node"));
        let me = node.signer.address();
        let other_key = secret_key("other");
        let proof = net.possession(me).await.prove(&other_key);
        let again = attempt(&net.nodes_registry, me, g1(&other_key.sk_to_pk()), proof).await;
        let error = refusal::<Nodes::AccountHasNode, _>(again);
        assert_eq!((error.account, error.nodeId), (me, node.id), "{}", chain.name);

        let other = account("other").address();
        let proof = net.possession(other).await.prove(&node.key);
        let taken = attempt(&net.nodes_registry, other, g1(&node.key.sk_to_pk()), proof).await;
        assert_eq!(refusal::<Nodes::KeyTaken, _>(taken).nodeId, node.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_urls_have_limits() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let me = account("me").address();
        let key = secret_key("key");
        let proof = net.possession(me).await.prove(&key);
        for (name, url, field, got) in
            [(0, 1, "name", 0_u32), (65, 1, "name", 65), (1, 0, "url", 0), (1, 257, "url", 257)]
        {
            let described = description(&"n".repeat(name), &"u".repeat(url));
            let register = net.nodes_registry.registerNode(described, g1(&key.sk_to_pk()), proof, 0, votes());
            let error = refusal::<Nodes::TextLengthOutOfRange, _>(register.from(me).call().await);
            assert_eq!((error.field.as_str(), error.got), (field, U256::from(got)), "{}", chain.name);
        }
        let mut described = description(&"n".repeat(64), &"u".repeat(256));
        (described.networkKey, described.metadata) = (vec![1; 64].into(), "m".repeat(1024));
        let register = |described| {
            net.nodes_registry.registerNode(described, g1(&key.sk_to_pk()), proof, 10_000, votes()).from(me)
        };
        register(described.clone()).call().await.unwrap();
        let longer_key = Nodes::Description { networkKey: vec![1; 65].into(), ..described.clone() };
        let error = refusal::<Nodes::TextLengthOutOfRange, _>(register(longer_key).call().await);
        assert_eq!((error.field.as_str(), error.max), ("networkKey", U256::from(64)));
        let longer_text = Nodes::Description { metadata: "m".repeat(1025), ..described.clone() };
        let error = refusal::<Nodes::TextLengthOutOfRange, _>(register(longer_text).call().await);
        assert_eq!((error.field.as_str(), error.max), ("metadata", U256::from(1024)));

        let greedy = net.nodes_registry.registerNode(described, g1(&key.sk_to_pk()), proof, 10_001, votes());
        let error = refusal::<Staking::BpsTooMany, _>(greedy.from(me).call().await);
        assert_eq!((error.got, error.max), (U256::from(10_001), U256::from(10_000)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_nodes_account_changes_its_url() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let [node] = net.register_nodes(1).await.try_into().unwrap_or_else(|_| panic!("one node"));
        let stranger = net.nodes_registry.setNodeUrl(node.id, "http://b".into()).call().await;
        let error = refusal::<Nodes::Unauthorized, _>(stranger);
        assert_eq!((error.caller, error.expected), (net.owner_address, node.signer.address()), "{}", chain.name);

        let own = net.nodes_as(&node.signer);
        mined(own.setNodeUrl(node.id, "http://b".into()).send().await).await;
        assert_eq!(net.nodes_registry.node(node.id).call().await.unwrap().description.url, "http://b");
        let events = net.nodes_registry.NodeDescribed_filter().from_block(0).query().await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].0.nodeId, events[0].0.url.as_str()), (node.id, "http://b"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_registers_after_launch_is_no_member_yet() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (late, key) = (account("late").address(), secret_key("late"));
        let mut possession = net.possession(late).await;
        assert_eq!(possession.epoch, 1, "{}", chain.name);
        attempt(&net.nodes_registry, late, g1(&key.sk_to_pk()), possession.prove(&key)).await.unwrap();
        possession.epoch = 0;
        let old = attempt(&net.nodes_registry, late, g1(&key.sk_to_pk()), possession.prove(&key)).await;
        assert_eq!(refusal::<Nodes::KeyWithoutProof, _>(old).epoch, 1);

        net.fund([late]).await;
        possession.epoch = 1;
        let register = net.nodes_as(&account("late"));
        let register =
            register.registerNode(description("l", "u"), g1(&key.sk_to_pk()), possession.prove(&key), 0, votes());
        mined(register.send().await).await;
        assert_eq!(net.nodes_registry.nodeCount().call().await.unwrap(), U256::from(5));
        assert_eq!(net.committee.members(1).call().await.unwrap().nodeIds.len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_accounts_speak_for_a_node() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let [node] = net.register_nodes(1).await.try_into().unwrap_or_else(|_| panic!("one node"));
        let (hot, cold, voter) = (node.signer.address(), account("cold"), account("voter"));
        let own = net.nodes_as(&node.signer);
        mined(own.setCommissionReceiver(node.id, cold.address()).send().await).await;
        mined(own.setGovernanceAuthority(node.id, voter.address()).send().await).await;
        let accounts = net.nodes_registry.accounts(node.id).call().await.unwrap();
        assert_eq!(
            (accounts.account, accounts.commissionReceiver, accounts.governanceAuthority),
            (hot, cold.address(), voter.address()),
            "{}",
            chain.name
        );
        // The hot key has given both away.
        let error = refusal::<Nodes::Unauthorized, _>(own.setCommissionReceiver(node.id, hot).call().await);
        assert_eq!((error.caller, error.expected), (hot, cold.address()));
        let error = refusal::<Nodes::Unauthorized, _>(own.setGovernanceAuthority(node.id, hot).call().await);
        assert_eq!((error.caller, error.expected), (hot, voter.address()));
        let nobody = net.nodes_registry.setCommissionReceiver(node.id, Address::ZERO).from(cold.address());
        refusal::<Nodes::ZeroAddress, _>(nobody.call().await);
        let nobody = net.nodes_registry.setGovernanceAuthority(node.id, Address::ZERO).from(voter.address());
        refusal::<Nodes::ZeroAddress, _>(nobody.call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_nodes_account_votes_and_describes_it() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let [node] = net.register_nodes(1).await.try_into().unwrap_or_else(|_| panic!("one node"));
        let (stranger, key) = (account("stranger").address(), secret_key("next"));
        let (registry, own) = (&net.nodes_registry, net.nodes_as(&node.signer));
        let (point, proof) = (g1(&key.sk_to_pk()), net.possession(node.signer.address()).await.prove(&key));
        refusal::<Nodes::Unauthorized, _>(registry.vote(node.id, votes()).from(stranger).call().await);
        refusal::<Nodes::Unauthorized, _>(
            registry.describe(node.id, description("a", "b")).from(stranger).call().await,
        );
        refusal::<Nodes::Unauthorized, _>(registry.setNextKey(node.id, point, proof).from(stranger).call().await);

        let terms = Nodes::Votes { capacity: 7, ..votes() };
        mined(own.vote(node.id, terms.clone()).send().await).await;
        mined(own.describe(node.id, description("a", "b")).send().await).await;
        mined(own.setNextKey(node.id, point, proof).gas(1_000_000).send().await).await;
        let entry = registry.node(node.id).call().await.unwrap();
        assert_eq!((entry.votes, entry.description), (terms, description("a", "b")), "{}", chain.name);
        assert_eq!(entry.nextKey.as_ref(), key.sk_to_pk().compress());
        assert_eq!(entry.publicKey.as_ref(), node.key.sk_to_pk().compress(), "the old one still signs");
        let used = own.setNextKey(node.id, point, proof).call().await;
        assert_eq!(refusal::<Nodes::KeyTaken, _>(used).nodeId, node.id);
        let internal = registry.takeKeys(vec![node.id]).call().await;
        assert_eq!(refusal::<Nodes::Unauthorized, _>(internal).expected, *net.committee.address());
    }
}
