//! The steps of an epoch.

use floe_chain::{ControlPlane as _, EpochPhase, EpochStep};
use floe_protocol::Epoch;

use super::network::{Network, OPTIONS, new_blob, wallet};
use crate::support::chains;

#[tokio::test]
async fn each_step_is_taken_once_when_it_is_due_and_not_before() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let info = control.network().await.unwrap();
        assert_eq!((info.epoch, info.phase), (Epoch(1), EpochPhase::Done));
        assert_eq!(info.next_step_at, info.epoch_started_at + OPTIONS.epoch_duration_secs / 2);
        assert_eq!(control.advance_epoch_if_due().await.unwrap(), None);
        let object = control.register_blobs(&[new_blob()]).await.unwrap()[0].object.clone();
        let certificate = network.certificate(object.blob_id).await;

        let others = [network.connect_as(Some(wallet(8))).await, network.connect_as(Some(wallet(9))).await];
        for step in [EpochStep::CommitteeSelected, EpochStep::EpochBegun] {
            network.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
            let turns = tokio::join!(
                control.advance_epoch_if_due(),
                others[0].advance_epoch_if_due(),
                others[1].advance_epoch_if_due(),
            );
            let taken = [turns.0.unwrap(), turns.1.unwrap(), turns.2.unwrap()];
            let taken: Vec<_> = taken.into_iter().flatten().collect();
            assert_eq!(taken, [step], "{}", network.chain.name);
        }
        let info = control.network().await.unwrap();
        assert_eq!((info.epoch, info.phase), (Epoch(2), EpochPhase::Sync));

        // Last epoch's certificate is worth nothing any more; a new one is.
        let stale = control.certify_blob(object.object_id, &certificate).await.unwrap_err();
        assert!(matches!(&stale, floe_chain::ChainError::Reverted { name, .. } if name == "BadSignature"), "{stale}");
        let fresh = network.certificate(object.blob_id).await;
        control.certify_blob(object.object_id, &fresh).await.unwrap();
        assert_eq!(control.available_until(&object.blob_id).await.unwrap(), Some(Epoch(3)));
    }
}

#[tokio::test]
async fn committees_of_three_epochs_are_known() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let first = control.committee().await.unwrap();
        assert_eq!(control.committee_of(Epoch(1)).await.unwrap(), Some(first.clone()), "{}", network.chain.name);
        assert_eq!(control.committee_of(Epoch(0)).await.unwrap(), None);
        assert_eq!(control.committee_of(Epoch(2)).await.unwrap(), None, "not selected yet");

        network.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
        control.advance_epoch_if_due().await.unwrap();
        let next = control.committee_of(Epoch(2)).await.unwrap().expect("selected");
        assert_eq!(next, first.with_epoch(Epoch(2)), "equal stake moves nothing");
        network.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
        control.advance_epoch_if_due().await.unwrap();
        assert_eq!(control.committee().await.unwrap(), next);
        assert_eq!(control.committee_of(Epoch(1)).await.unwrap(), Some(first));
    }
}

#[tokio::test]
async fn members_report_once_and_a_quorum_completes_the_change() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        network.next_epoch(&control).await;
        for (member, phase) in [(1, EpochPhase::Sync), (2, EpochPhase::Sync), (3, EpochPhase::Done)] {
            let node = network.connect_as(Some(wallet(member))).await;
            assert!(!node.report_synced(Epoch(1)).await.unwrap(), "{}: an epoch that is over", network.chain.name);
            assert!(node.report_synced(Epoch(2)).await.unwrap());
            assert!(!node.report_synced(Epoch(2)).await.unwrap(), "a second time");
            assert_eq!(control.network().await.unwrap().phase, phase, "3, 6 and 8 of 10 shards");
        }
        assert!(!control.report_synced(Epoch(2)).await.unwrap(), "the owner runs no node");
    }
}

#[tokio::test]
async fn a_change_without_a_quorum_ends_after_the_duration_of_an_epoch() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        network.next_epoch(&control).await;
        assert_eq!(control.advance_epoch_if_due().await.unwrap(), None, "{}", network.chain.name);
        network.chain.increase_time(OPTIONS.epoch_duration_secs).await;
        assert_eq!(control.advance_epoch_if_due().await.unwrap(), Some(EpochStep::SyncEnded));
        network.next_epoch(&control).await;
        assert_eq!(control.network().await.unwrap().epoch, Epoch(3));
    }
}
