//! Blobs that are funded, shared, and renewed from their own money.

use floe_chain::{BlobFund, ChainError, ControlPlane as _, EvmChain};
use floe_protocol::{Epoch, ObjectId};

use super::network::{Network, new_blob, wallet};
use crate::support::chains;

fn refusal(error: ChainError) -> (String, String) {
    match error {
        ChainError::Reverted { name, detail } => (name, detail),
        other => panic!("{other}"),
    }
}

/// A certified blob that is paid for until the start of epoch 5.
async fn stored(network: &Network, control: &EvmChain) -> ObjectId {
    let blob = floe_chain::RegisterBlob { epochs_ahead: 4, ..new_blob() };
    let object = control.register_blobs(&[blob]).await.unwrap().remove(0).object;
    let certificate = network.certificate(object.blob_id).await;
    control.certify_blob(object.object_id, &certificate).await.unwrap();
    object.object_id
}

#[tokio::test]
async fn a_funded_blob_is_due_near_its_end_and_anyone_renews_it() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let (rich, poor) = (stored(&network, &control).await, stored(&network, &control).await);
        control.set_renewal(rich, 3, 7).await.unwrap();
        assert_eq!(control.fund_blob(rich, 1_000).await.unwrap(), 1_000, "{}", network.chain.name);
        assert_eq!(control.fund_blob(poor, 99).await.unwrap(), 99);
        assert_eq!(control.blob_fund(rich).await.unwrap(), BlobFund { balance: 1_000, reward: 7, epochs: 3 });
        assert!(control.due_renewals().await.unwrap().is_empty(), "four epochs are left");
        let early = refusal(control.renew_blob(rich).await.unwrap_err());
        assert_eq!(early, ("RenewalNotDue".to_owned(), "remaining: 4, window: 2".to_owned()));

        for epoch in [2, 3] {
            network.next_epoch(&control).await;
            network.report_all(Epoch(epoch)).await;
        }
        let (keeper, helper) = (wallet(6), network.connect_as(Some(wallet(6))).await);
        for view in [&control, &helper] {
            let due = view.due_renewals().await.unwrap();
            let ids: Vec<_> = due.iter().map(|renewal| (renewal.object_id, renewal.reward)).collect();
            assert_eq!(ids, [(rich, 7)], "the other one cannot pay for an epoch");
        }
        let renewed = helper.renew_blob(rich).await.unwrap();
        assert_eq!((renewed.end_epoch, renewed.cost, renewed.balance), (Epoch(8), 300, 693));
        assert_eq!(helper.balances().await.unwrap().payment, 7, "the reward of {}", keeper.address());
        assert!(control.due_renewals().await.unwrap().is_empty());
        let short = refusal(helper.renew_blob(poor).await.unwrap_err());
        assert_eq!(short, ("FundTooSmall".to_owned(), "balance: 99, needed: 100".to_owned()));
        control.fund_blob(poor, 1).await.unwrap();
        assert_eq!(helper.due_renewals().await.unwrap().len(), 1, "the fund has changed");
    }
}

#[tokio::test]
async fn a_fund_is_the_owners_until_the_blob_is_shared() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let (object, me) = (stored(&network, &control).await, network.owner_address());
        control.fund_blob(object, 500).await.unwrap();
        assert_eq!(control.withdraw_fund(object, 200, me).await.unwrap(), 300, "{}", network.chain.name);
        let stranger = network.connect_as(Some(wallet(6))).await;
        let theft = stranger.withdraw_fund(object, 1, wallet(6).address()).await.unwrap_err();
        assert_eq!(refusal(theft).0, "ERC721InsufficientApproval");

        control.share_blob(object).await.unwrap();
        let shared = control.blob_object(object).await.unwrap().unwrap();
        assert!(control.is_shared(&shared));
        assert_eq!(refusal(control.withdraw_fund(object, 1, me).await.unwrap_err()).0, "ERC721InsufficientApproval");
        assert_eq!(refusal(control.sweep_fund(object).await.unwrap_err()).0, "NotExpired");
        assert!(control.owned_blobs(me).await.unwrap().is_empty());
        assert_eq!(control.registrations_of(&shared.blob_id).await.unwrap(), [shared]);
    }
}
