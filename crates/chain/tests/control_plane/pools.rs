//! Pools and what lies in them, as the event stream and the control plane's questions show them.

use alloy::network::EthereumWallet;
use alloy::primitives::U256;
use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use floe_chain::{ChainError, ControlPlane as _, EventCursor, EventKind, Pool, RegisterBlob};
use floe_protocol::{Epoch, ObjectId};

use super::network::{MIB, Network, all_events, new_blob, refusal, wallet};
use crate::support::{CHAIN_ID, FUNDED_KEY, chains};

alloy::sol!(
    #[sol(rpc, ignore_unlinked)]
    #[allow(clippy::too_many_arguments, reason = "generated")]
    Pools,
    "../../contracts/artifacts/Pools.json"
);

impl Network {
    fn pools(&self) -> Pools::PoolsInstance<DynProvider> {
        let signer: PrivateKeySigner = FUNDED_KEY.parse().unwrap();
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .with_gas_estimation()
            .with_simple_nonce_management()
            .with_chain_id(CHAIN_ID)
            .wallet(EthereumWallet::from(signer))
            .connect_http(self.chain.rpc_url.parse().unwrap());
        provider.client().set_poll_interval(std::time::Duration::from_millis(5));
        Pools::new(self.contracts.pools.as_bytes().into(), provider.erased())
    }
}

fn pooled(blob: &RegisterBlob, deletable: bool) -> Pools::NewBlob {
    Pools::NewBlob {
        blobId: (*blob.blob_id.as_bytes()).into(),
        rootHash: blob.root_hash.into(),
        size: blob.size,
        encodingType: blob.encoding_type.number(),
        deletable,
    }
}

fn object(n: u8) -> ObjectId {
    let mut number = [0; 32];
    (number[23], number[31]) = (1, n);
    ObjectId::from_bytes(number)
}

#[tokio::test]
async fn what_happens_in_pools_is_told_and_answered() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        // A registration outside sees to the allowance.
        control.register_blobs(&[new_blob()]).await.unwrap();
        let (_, before) = all_events(&control, EventCursor::default()).await;
        let (pools, blob) = (network.pools(), new_blob());
        let number = U256::ONE;
        let mine = async |call: alloy::contract::Result<
            alloy::providers::PendingTransactionBuilder<alloy::network::Ethereum>,
        >| {
            assert!(call.unwrap().get_receipt().await.unwrap().status());
        };
        mine(pools.create(1 << 20, 2, U256::MAX, network.owner_address().as_bytes().into()).send().await).await;
        mine(pools.register(number, pooled(&blob, false), U256::MAX).send().await).await;
        mine(pools.register(number, pooled(&blob, true), U256::MAX).send().await).await;
        assert_eq!(control.certified_event(&blob.blob_id).await.unwrap(), None);
        let certificate = network.certificate(blob.blob_id).await;
        let certified = control.certify_blob(object(1), &certificate).await.unwrap();
        mine(pools.extend(number, 3, U256::MAX).send().await).await;
        control.delete_blob(object(2)).await.unwrap();

        let (events, _) = all_events(&control, before).await;
        let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
        let registered = |n, deletable| EventKind::PooledBlobRegistered {
            pool_id: 1,
            object_id: object(n),
            blob_id: blob.blob_id,
            size: blob.size,
            deletable,
            end_epoch: Epoch(3),
        };
        let expected = [
            EventKind::PoolCreated { pool_id: 1, end_epoch: Epoch(3) },
            registered(1, false),
            registered(2, true),
            EventKind::PooledBlobCertified {
                blob_id: blob.blob_id,
                object_id: object(1),
                deletable: false,
                certified_epoch: Epoch(1),
                end_epoch: Epoch(3),
            },
            EventKind::PoolExtended { pool_id: 1, end_epoch: Epoch(6) },
            EventKind::PooledBlobDeleted {
                blob_id: blob.blob_id,
                object_id: object(2),
                end_epoch: Epoch(6),
                was_certified: false,
            },
        ];
        assert_eq!(kinds, expected, "{}", network.chain.name);

        let found = control.blob_object(object(1)).await.unwrap().unwrap();
        assert_eq!((found.blob_id, found.owner, found.size), (blob.blob_id, network.owner_address(), blob.size));
        assert_eq!((found.certified_epoch, found.end_epoch), (Some(Epoch(1)), Epoch(6)));
        assert_eq!(control.blob_object(object(2)).await.unwrap(), None);
        assert_eq!(control.available_until(&blob.blob_id).await.unwrap(), Some(Epoch(6)));
        assert_eq!(control.certified_event(&blob.blob_id).await.unwrap().unwrap().tx, certified);
        let alone = control.extend_blob(object(1), 1).await;
        assert!(matches!(alone, Err(ChainError::InvalidArgument { .. })), "{alone:?}");
    }
}

#[tokio::test]
async fn a_pool_is_bought_resized_extended_passed_on_and_given_up() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let (control, me) = (network.connect().await, network.owner_address());
        let money = control.balances().await.unwrap().payment;
        let made = control.create_pool(3 * MIB, 10).await.unwrap();
        let expected = Pool { id: 1, owner: me, size: 3 * MIB, used: 0, blobs: 0, end_epoch: Epoch(11) };
        assert_eq!((made.pool, made.cost), (expected, 3_000), "{}", network.chain.name);
        assert_eq!(control.balances().await.unwrap().payment, money - 3_000);
        assert_eq!(control.pool(1).await.unwrap(), Some(expected));
        assert_eq!(control.pool(2).await.unwrap(), None);

        let extended = control.extend_pool(1, 5).await.unwrap();
        assert_eq!((extended.end_epoch, extended.cost), (Epoch(16), 1_500));
        let larger = control.increase_pool(1, 2 * MIB).await.unwrap();
        assert_eq!((larger.size, larger.cost, larger.resource), (5 * MIB, 2 * 15 * 100, None));
        let smaller = control.decrease_pool(1, 4 * MIB).await.unwrap();
        assert_eq!((smaller.size, smaller.cost), (MIB, 0));
        let rest = control.resource(smaller.resource.unwrap()).await.unwrap().unwrap();
        assert_eq!((rest.start_epoch, rest.end_epoch, rest.size), (Epoch(1), Epoch(16), 4 * MIB));
        assert_eq!(refusal(control.decrease_pool(1, MIB).await.unwrap_err()), "DecreaseOutOfRange");

        let ahead = control.reserve(MIB, Some(Epoch(2)), 14).await.unwrap().resource;
        let late = control.create_pool_with_resource(ahead.id).await.unwrap_err();
        assert_eq!(refusal(late), "ResourceNotCovering");
        let half = control.split_resource_by_size(rest.id, 3 * MIB).await.unwrap();
        let back = control.increase_pool_with_resource(1, half).await.unwrap();
        assert_eq!((back.size, back.cost, back.resource), (2 * MIB, 0, None));
        let second = control.create_pool_with_resource(rest.id).await.unwrap();
        assert_eq!((second.pool.id, second.pool.size, second.cost), (2, 3 * MIB, 0));
        assert_eq!(control.resource(rest.id).await.unwrap(), None);
        let short = control.reserve(MIB, None, 3).await.unwrap().resource;
        let unfit = control.increase_pool_with_resource(1, short.id).await.unwrap_err();
        assert_eq!(refusal(unfit), "EndsDiffer");
        let ids = |pools: Vec<Pool>| pools.iter().map(|pool| pool.id).collect::<Vec<_>>();
        assert_eq!(ids(control.pools(me).await.unwrap()), [1, 2]);

        control.transfer_pool(1, wallet(6).address()).await.unwrap();
        assert_eq!(ids(control.pools(me).await.unwrap()), [2]);
        let other = network.connect_as(Some(wallet(6))).await;
        assert_eq!(ids(other.pools(wallet(6).address()).await.unwrap()), [1]);
        assert_eq!(refusal(control.destroy_pool(1).await.unwrap_err()), "ERC721InsufficientApproval");
        let gone = other.destroy_pool(1).await.unwrap();
        let left = other.resource(gone.resource.unwrap()).await.unwrap().unwrap();
        assert_eq!((left.size, left.end_epoch), (2 * MIB, Epoch(16)));
        assert_eq!(other.pool(1).await.unwrap(), None);
        for missing in [other.extend_pool(1, 1).await.unwrap_err(), other.increase_pool(1, 1).await.unwrap_err()] {
            assert!(matches!(missing, ChainError::InvalidArgument { .. }), "{missing}");
        }
    }
}

#[tokio::test]
async fn blobs_come_and_go_in_a_pool_and_only_writing_is_paid_for() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let (control, me) = (network.connect().await, network.owner_address());
        let [permanent, second] = [new_blob(), new_blob()];
        let deletable = RegisterBlob { deletable: true, ..second };
        let pool = control.create_pool(2 * MIB, 2).await.unwrap().pool.id;
        let kept = control.register_in_pool(&permanent, pool).await.unwrap();
        let found = control.blob_object(kept.object.object_id).await.unwrap().unwrap();
        assert_eq!((&kept.object, found.owner, found.pool()), (&found, me, Some(pool)));
        assert_eq!(
            (kept.object.object_id, kept.cost),
            (object(1), u128::from(200 * kept.encoded_length.div_ceil(MIB)))
        );
        let gone = control.register_in_pool(&deletable, pool).await.unwrap();
        let now = control.pool(pool).await.unwrap().unwrap();
        assert_eq!((now.blobs, now.used), (2, kept.encoded_length + gone.encoded_length), "{}", network.chain.name);
        let outside = control.register_blobs(std::slice::from_ref(&permanent)).await.unwrap().remove(0).object;
        assert_eq!(outside.pool(), None);
        let everywhere = control.blob_registrations(&permanent.blob_id).await.unwrap();
        assert_eq!(everywhere, [kept.object.clone(), outside.clone()]);
        let own = control.owned_registrations(&permanent.blob_id, me).await.unwrap();
        assert_eq!(own, [outside], "those outside of pools alone can be extended");

        let inside = control.pool_registrations(&permanent.blob_id, pool).await.unwrap();
        assert_eq!(inside, std::slice::from_ref(&kept.object), "neither another blob nor a registration outside");
        assert_eq!(control.pool_registrations(&permanent.blob_id, pool + 1).await.unwrap(), []);
        assert_eq!(control.pool_blobs(pool).await.unwrap(), [kept.object.clone(), gone.object.clone()]);

        assert_eq!(refusal(control.destroy_pool(pool).await.unwrap_err()), "PoolNotEmpty");
        assert_eq!(control.delete(gone.object.object_id).await.unwrap().resource, None, "its room is the pool's");
        assert_eq!(control.pool(pool).await.unwrap().unwrap().used, kept.encoded_length);
        assert_eq!(control.pool_blobs(pool).await.unwrap(), std::slice::from_ref(&kept.object));
        control.decrease_pool(pool, 2 * MIB - kept.encoded_length).await.unwrap();
        assert_eq!(refusal(control.register_in_pool(&new_blob(), pool).await.unwrap_err()), "PoolFull");
        let stranger = network.connect_as(Some(wallet(6))).await;
        let theirs = stranger.register_in_pool(&new_blob(), pool).await.unwrap_err();
        assert_eq!(refusal(theirs), "ERC721InsufficientApproval");
        let nowhere = control.register_in_pool(&new_blob(), 99).await.unwrap_err();
        assert!(matches!(nowhere, ChainError::InvalidArgument { .. }), "{nowhere}");

        let certificate = network.certificate(permanent.blob_id).await;
        control.certify_blob(kept.object.object_id, &certificate).await.unwrap();
        assert_eq!(control.available_until(&permanent.blob_id).await.unwrap(), Some(Epoch(3)));
        assert_eq!(refusal(control.burn_pool_blobs(pool).await.unwrap_err()), "NotExpired");
        for epoch in [2, 3] {
            network.next_epoch(&control).await;
            network.report_all(Epoch(epoch)).await;
        }
        assert_eq!(refusal(control.extend_pool(pool, 1).await.unwrap_err()), "BlobExpired");
        assert_eq!(control.burn_pool_blobs(pool).await.unwrap(), 1);
        assert_eq!(control.destroy_pool(pool).await.unwrap().resource, None, "it has ended");
    }
}

#[tokio::test]
async fn availability_follows_the_pool_that_is_asked_for() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let blob = new_blob();
        let certificate = network.certificate(blob.blob_id).await;
        let mut objects = Vec::new();
        for epochs in [3, 2] {
            let pool = control.create_pool(MIB, epochs).await.unwrap().pool.id;
            let object = control.register_in_pool(&blob, pool).await.unwrap().object.object_id;
            control.certify_blob(object, &certificate).await.unwrap();
            objects.push((pool, object));
        }
        assert_eq!(control.available_until(&blob.blob_id).await.unwrap(), Some(Epoch(4)), "{}", network.chain.name);
        control.extend_pool(objects[1].0, 7).await.unwrap();
        assert_eq!(control.available_until(&blob.blob_id).await.unwrap(), Some(Epoch(4)), "of the other pool");
        control.refresh_pooled_blob(objects[1].1).await.unwrap();
        assert_eq!(control.available_until(&blob.blob_id).await.unwrap(), Some(Epoch(10)));
        let unknown = control.refresh_pooled_blob(ObjectId::from_number(1)).await.unwrap_err();
        assert_eq!(refusal(unknown), "UnknownObject");
    }
}
