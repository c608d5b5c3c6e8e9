//! Storage resources: bought, cut, joined, passed on, used.

use floe_chain::{ControlPlane as _, StorageResource};
use floe_protocol::{Epoch, ObjectId};

use super::network::{MIB, Network, new_blob, refusal, wallet};
use crate::support::chains;

#[tokio::test]
async fn resources_are_bought_cut_joined_passed_on_and_given_up() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let me = network.owner_address();
        let money = control.balances().await.unwrap().payment;
        let bought = control.reserve(3 * MIB, None, 10).await.unwrap();
        let whole = bought.resource;
        let covers = |r: StorageResource| (r.start_epoch.0, r.end_epoch.0, r.size);
        assert_eq!((covers(whole), bought.cost), ((1, 11, 3 * MIB), 3_000), "{}", network.chain.name);
        assert_eq!(control.balances().await.unwrap().payment, money - 3_000);
        let ahead = control.reserve(MIB, Some(Epoch(5)), 2).await.unwrap();
        assert_eq!(covers(ahead.resource), (5, 7, MIB));

        let later = control.split_resource_by_epoch(whole.id, Epoch(4)).await.unwrap();
        let rest = control.split_resource_by_size(later, MIB).await.unwrap();
        let mine = control.resources(me).await.unwrap();
        let shown: Vec<_> = mine.iter().map(|r| covers(*r)).collect();
        assert_eq!(shown, [(1, 4, 3 * MIB), (5, 7, MIB), (4, 11, MIB), (4, 11, 2 * MIB)]);

        assert_eq!(refusal(control.fuse_resources(whole.id, rest).await.unwrap_err()), "NotFusible");
        control.fuse_resources(later, rest).await.unwrap();
        control.fuse_resources(whole.id, later).await.unwrap();
        assert_eq!(control.resource(whole.id).await.unwrap().map(covers), Some((1, 11, 3 * MIB)));
        assert_eq!(control.resource(later).await.unwrap(), None);

        control.transfer_resource(whole.id, wallet(6).address()).await.unwrap();
        let other = network.connect_as(Some(wallet(6))).await;
        assert_eq!(control.resources(me).await.unwrap().len(), 1);
        assert_eq!(other.resources(wallet(6).address()).await.unwrap().len(), 1);
        assert_eq!(refusal(control.destroy_resource(whole.id).await.unwrap_err()), "ERC721InsufficientApproval");
        other.destroy_resource(whole.id).await.unwrap();
        assert_eq!(control.resource(whole.id).await.unwrap(), None);
        let gone = control.split_resource_by_size(whole.id, 1).await.unwrap_err();
        assert_eq!(refusal(gone), "ERC721NonexistentToken");
    }
}

#[tokio::test]
async fn a_blob_is_extended_by_a_resource_that_fits() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let registered = control.register_blobs(&[new_blob()]).await.unwrap().remove(0);
        let (object, length) = (registered.object.clone(), registered.encoded_length);
        let certificate = network.certificate(object.blob_id).await;
        control.certify_blob(object.object_id, &certificate).await.unwrap();
        let gap = control.reserve(length, Some(Epoch(4)), 3).await.unwrap().resource;
        assert_eq!(refusal(control.extend_with_resource(object.object_id, gap.id).await.unwrap_err()), "ResourceGap");
        let large = control.reserve(length + 1, Some(Epoch(3)), 3).await.unwrap().resource;
        let unfit = control.extend_with_resource(object.object_id, large.id).await.unwrap_err();
        assert_eq!(refusal(unfit), "ResourceSizeMismatch", "{}", network.chain.name);
        control.split_resource_by_size(large.id, length).await.unwrap();
        let extended = control.extend_with_resource(object.object_id, large.id).await.unwrap();
        assert_eq!((extended.end_epoch, extended.cost), (Epoch(6), 0));
        assert_eq!(control.available_until(&object.blob_id).await.unwrap(), Some(Epoch(6)));
    }
}

#[tokio::test]
async fn deleting_gives_the_storage_back_and_the_rest_is_refused_by_name() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let deletable = floe_chain::RegisterBlob { deletable: true, ..new_blob() };
        let [first, second] = [deletable, new_blob()].map(|blob| blob);
        let registered = control.register_blobs(&[first, second]).await.unwrap();
        let (deletable, permanent) = (&registered[0], &registered[1]);
        let done = control.delete(deletable.object.object_id).await.unwrap();
        let back = control.resource(done.resource.unwrap()).await.unwrap().unwrap();
        assert_eq!((back.size, back.end_epoch), (deletable.encoded_length, deletable.object.end_epoch));
        assert!(
            control.registrations_of(&deletable.object.blob_id).await.unwrap().is_empty(),
            "{}",
            network.chain.name
        );

        let id = permanent.object.object_id;
        assert_eq!(refusal(control.delete(id).await.unwrap_err()), "NotDeletable");
        assert_eq!(refusal(control.delete(ObjectId::from_number(99)).await.unwrap_err()), "UnknownObject");
        let stranger = network.connect_as(Some(wallet(6))).await;
        assert_eq!(refusal(stranger.burn_blob(id).await.unwrap_err()), "ERC721InsufficientApproval");
        control.transfer_blob(id, wallet(6).address()).await.unwrap();
        assert_eq!(stranger.owned_blobs(wallet(6).address()).await.unwrap().len(), 1);
        stranger.burn_blob(id).await.unwrap();
        assert!(stranger.registrations_of(&permanent.object.blob_id).await.unwrap().is_empty());
    }
}
