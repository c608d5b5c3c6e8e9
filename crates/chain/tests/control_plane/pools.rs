//! Pools and what lies in them, as the event stream and the control plane's questions show them.

use alloy::network::EthereumWallet;
use alloy::primitives::U256;
use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use floe_chain::{ChainError, ControlPlane as _, EventCursor, EventKind, RegisterBlob};
use floe_protocol::{Epoch, ObjectId};

use super::network::{Network, all_events, new_blob};
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
