//! Deployment, nodes and the first committee.

use floe_chain::{
    ChainError, ControlPlane as _, EvmChain,
    deploy::{self, NewNode},
};
use floe_protocol::Epoch;

use super::network::{Network, OPTIONS, SHARDS, wallet};
use crate::support::{CHAIN_ID, chains};

#[tokio::test]
async fn a_network_is_deployed_joined_and_launched() {
    for chain in chains().await {
        let network = Network::prepare(chain).await;
        let url = network.chain.rpc_url.clone();
        let control = network.connect().await;
        assert_eq!(control.network().await.unwrap().epoch, Epoch(0));
        assert!(matches!(control.committee().await, Err(ChainError::BadCommittee { .. })), "{}", network.chain.name);

        let moved = "http://127.0.0.1:9999";
        deploy::set_node_url(&url, &network.contracts, &wallet(1), network.nodes[0], moved).await.unwrap();
        deploy::launch(&url, &network.contracts, &network.owner).await.unwrap();

        let info = control.network().await.unwrap();
        assert_eq!((info.epoch, info.n_shards, info.chain_id), (Epoch(1), OPTIONS.n_shards, CHAIN_ID));
        assert_eq!((info.epoch_duration_secs, info.max_epochs_ahead), (3600, 53));
        assert_eq!((info.storage_price, info.write_price), (OPTIONS.storage_price, OPTIONS.write_price));
        assert_eq!((info.payment_token_symbol.as_str(), info.payment_token_decimals), ("TUSD", 6));
        assert!(info.epoch_started_at > 1_700_000_000);

        let committee = control.committee().await.unwrap();
        assert_eq!((committee.epoch(), committee.n_shards()), (Epoch(1), 10));
        for (index, member) in committee.members().iter().enumerate() {
            assert_eq!(member.node_id, network.nodes[index]);
            assert_eq!(member.name, format!("node-{index}"));
            assert_eq!(member.public_key, network.keys[index].public_key());
            assert!(member.shards.iter().map(|shard| shard.get()).eq(SHARDS[index].iter().copied()));
        }
        assert_eq!(committee.members()[0].address, moved);
        assert_eq!(committee.members()[1].address, "http://127.0.0.1:9001");
    }
}

#[tokio::test]
async fn the_contracts_refuse_by_name() {
    for chain in chains().await {
        let network = Network::prepare(chain).await;
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        let refused = |error: ChainError| match error {
            ChainError::Reverted { name, detail } => (name, detail),
            other => panic!("{other}"),
        };

        let node = NewNode { name: "again".to_owned(), url: "http://x".to_owned(), ..NewNode::default() };
        let again = deploy::register_node(url, contracts, &wallet(1), &network.keys[0], &node).await;
        assert_eq!(refused(again.unwrap_err()).0, "AccountHasNode");
        let stolen = deploy::register_node(url, contracts, &wallet(6), &network.keys[0], &node).await;
        assert_eq!(refused(stolen.unwrap_err()), ("KeyTaken".to_owned(), "nodeId: 1".to_owned()));
        let foreign = deploy::set_node_url(url, contracts, &wallet(2), network.nodes[0], "http://x").await;
        assert_eq!(refused(foreign.unwrap_err()).0, "Unauthorized");
        let stranger = deploy::launch(url, contracts, &wallet(3)).await;
        let (name, detail) = refused(stranger.unwrap_err());
        assert_eq!(name, "Unauthorized");
        assert!(detail.contains(&wallet(3).address().to_string().to_lowercase()), "{detail}");

        let dust = deploy::stake(url, contracts, &network.owner, &network.nodes[..1], 1).await;
        assert_eq!(refused(dust.unwrap_err()).0, "StakeTooSmall");
        let endless = deploy::stake(url, contracts, &network.owner, &network.nodes[..1], u128::MAX).await;
        assert!(matches!(endless, Err(ChainError::InvalidArgument { .. })));
    }
}

#[tokio::test]
async fn another_chain_and_missing_contracts_are_noticed() {
    for chain in chains().await {
        let network = Network::prepare(chain).await;
        let other = floe_chain::ChainConfig { chain_id: Some(1), ..network.config() };
        let error = EvmChain::connect(other, None).await.unwrap_err();
        assert_eq!(error, ChainError::WrongChain { got: CHAIN_ID, expected: 1 });

        let mut elsewhere = network.config();
        elsewhere.contracts.blobs = network.owner_address();
        let error = EvmChain::connect(elsewhere, None).await.unwrap_err();
        assert!(matches!(error, ChainError::NoContract { contract: "Blobs", .. }), "{error}");

        for url in ["ftp://127.0.0.1", "nonsense", "/etc/passwd"] {
            let nowhere = floe_chain::ChainConfig { rpc_url: url.to_owned(), ..network.config() };
            assert!(matches!(EvmChain::connect(nowhere, None).await, Err(ChainError::InvalidUrl { .. })), "{url}");
        }
    }
}
