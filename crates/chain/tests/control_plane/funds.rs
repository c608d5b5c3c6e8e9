//! Accounts that hold too little.

use floe_chain::{ChainError, ControlPlane as _, Wallet, deploy};

use super::network::{Network, new_blob, wallet};
use crate::support::chains;

#[tokio::test]
async fn too_little_money_is_named_with_amounts() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        let poor = wallet(7);
        deploy::mint_test_money(url, contracts, &network.owner, poor.address(), 399).await.unwrap();
        let control = network.connect_as(Some(poor.clone())).await;
        let (asset, account) = ("TUSD".to_owned(), poor.address());
        let error = control.register_blobs(&[new_blob()]).await.unwrap_err();
        assert_eq!(error, ChainError::InsufficientFunds { asset, account, needed: 400, available: 399 });
        assert!(error.to_string().contains("399"));
        deploy::mint_test_money(url, contracts, &network.owner, poor.address(), 1).await.unwrap();
        assert_eq!(control.register_blobs(&[new_blob()]).await.unwrap()[0].cost, 400);
    }
}

#[tokio::test]
async fn no_coin_for_gas_is_named_with_amounts() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        let broke = Wallet::from_bytes(&[0x5e; 32]).unwrap();
        deploy::mint_test_money(url, contracts, &network.owner, broke.address(), 10_000).await.unwrap();
        let control = network.connect_as(Some(broke.clone())).await;
        let error = control.register_blobs(&[new_blob()]).await.unwrap_err();
        let ChainError::InsufficientFunds { asset, account, needed, available } = error else { panic!("{error}") };
        assert_eq!((asset.as_str(), account, available), ("the native coin", broke.address(), 0));
        assert!(needed > 0);
        deploy::send_native(url, &network.owner, broke.address(), 1_000_000_000_000_000_000).await.unwrap();
        assert_eq!(control.register_blobs(&[new_blob()]).await.unwrap().len(), 1);

        let error = deploy::send_native(url, &broke, network.owner_address(), u128::MAX / 2).await.unwrap_err();
        assert!(matches!(error, ChainError::InsufficientFunds { .. }), "{}: {error}", network.chain.name);
    }
}
