//! A launched network without nodes, and accounts that can pay.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use floe_chain::{
    Address, ChainConfig, ControlPlane as _, EvmChain, RegisterBlob, Wallet,
    deploy::{self, DeployOptions, NewNode},
};
use floe_devchain::{ChainOptions, DevChain, dev_accounts};
use floe_protocol::{
    BlobId, Certificate, Committee, EncodingType,
    bls::SecretKey,
    certificate::{CertifiedMessage, Collector},
    message::{BatchList, Message as _, Persistence, SignedMessage, StorageConfirmation},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const MEMBERS: u8 = 10;
/// Members whose shards are a quorum.
const SIGNERS: usize = 7;
/// A thousand FLOE.
const STAKE: u128 = 1_000 * 10_u128.pow(18);
/// Ten native coins, for gas.
const COINS: u128 = 10 * 10_u128.pow(18);
const MONEY: u128 = 10_u128.pow(15);

pub(crate) struct Network {
    pub(crate) writers: Vec<EvmChain>,
    committee: Committee,
    /// Of the members, in the committee's order.
    keys: Vec<SecretKey>,
    dir: Option<PathBuf>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Network {
    pub(crate) async fn start(memory: bool, writers: usize) -> Self {
        let dir = (!memory).then(|| std::env::temp_dir().join(format!("floe-chain-throughput-{}", std::process::id())));
        let chain = DevChain::open(ChainOptions { dir: dir.clone(), ..ChainOptions::default() }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let serving = chain.serve(listener, shutdown.clone().cancelled_owned());
        let server = tokio::spawn(async move { serving.await.unwrap() });

        let accounts: Vec<Wallet> = dev_accounts().iter().map(|(key, _)| Wallet::from_key_hex(key).unwrap()).collect();
        let owner = &accounts[0];
        let contracts = deploy::deploy(&url, owner, &DeployOptions::default()).await.unwrap();
        let mut named = Vec::new();
        for index in 0..MEMBERS {
            let (key, account) = (SecretKey::generate(&[index + 1; 32]), secret(0, usize::from(index)));
            deploy::send_native(&url, owner, account.address(), COINS).await.unwrap();
            let (name, url_of_node) =
                (format!("node-{index}"), format!("http://127.0.0.1:{}", 9000 + u16::from(index)));
            let node = NewNode { name, url: url_of_node, ..NewNode::default() };
            named.push((deploy::register_node(&url, &contracts, &account, &key, &node).await.unwrap(), key));
        }
        let nodes: Vec<_> = named.iter().map(|(id, _)| *id).collect();
        deploy::stake(&url, &contracts, owner, &nodes, STAKE).await.unwrap();
        deploy::launch(&url, &contracts, owner).await.unwrap();

        let config = ChainConfig::new(&url, contracts);
        let committee = EvmChain::connect(config.clone(), None).await.unwrap().committee().await.unwrap();
        named.sort_by_key(|(id, _)| committee.index_of(id));
        let mut connected = Vec::with_capacity(writers);
        for index in 0..writers {
            let wallet = secret(1, index);
            let to: Address = wallet.address();
            deploy::send_native(&url, owner, to, COINS).await.unwrap();
            deploy::mint_test_money(&url, &contracts, owner, to, MONEY).await.unwrap();
            let writer = EvmChain::connect(config.clone(), Some(wallet)).await.unwrap();
            connected.push(writer);
        }
        let keys = named.into_iter().map(|(_, key)| key).collect();
        let network = Self { writers: connected, committee, keys, dir, shutdown, server };
        for writer in &network.writers {
            network.warm_up(writer).await;
        }
        network
    }

    /// Sees to the allowance, and to what the client keeps in mind: how much gas each kind of call takes.
    async fn warm_up(&self, writer: &EvmChain) {
        let registered = writer.register_blobs(&[new_blob()]).await.unwrap();
        let blob = &registered[0].object;
        writer.certify_blob(blob.object_id, &self.certificate(blob.blob_id)).await.unwrap();
    }

    /// The same for batches.
    pub(crate) async fn warm_up_batches(&self, writer: &EvmChain, count: usize) {
        let blobs: Vec<_> = (0..count).map(|_| new_blob()).collect();
        let registered = writer.register_batch(&blobs).await.unwrap();
        let objects: Vec<_> = registered.iter().map(|one| one.object.object_id).collect();
        let ids: Vec<_> = blobs.iter().map(|blob| blob.blob_id).collect();
        writer.certify_batch(&objects, &self.certificate_of(&ids)).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        if let Some(dir) = self.dir {
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    /// What the members of a quorum say of a blob.
    pub(crate) fn confirmations(&self, blob_id: BlobId) -> Vec<SignedMessage<StorageConfirmation>> {
        let persistence = Persistence::Permanent;
        let statement = StorageConfirmation { epoch: self.committee.epoch(), blob_id, persistence };
        self.keys.iter().take(SIGNERS).map(|key| statement.sign(key)).collect()
    }

    /// The certificate of a list of permanent registrations.
    pub(crate) fn certificate_of(&self, blobs: &[BlobId]) -> Certificate {
        let list = BatchList(blobs.iter().map(|blob| (*blob, Persistence::Permanent)).collect());
        let statement = list.confirmation(self.committee.epoch(), self.writers[0].batch_domain());
        self.collect(self.keys.iter().take(SIGNERS).map(|key| statement.sign(key)).collect())
    }

    /// Confirmations into a certificate, which is checked.
    pub(crate) fn collect<T: CertifiedMessage>(&self, confirmations: Vec<SignedMessage<T>>) -> Certificate {
        let statement = confirmations[0].decode().unwrap();
        let mut collector = Collector::new(&self.committee, statement);
        for (member, signed) in confirmations.into_iter().enumerate() {
            collector.add(member, signed).unwrap();
        }
        collector.certificate().unwrap()
    }

    pub(crate) fn certificate(&self, blob_id: BlobId) -> Certificate {
        self.collect(self.confirmations(blob_id))
    }
}

/// An account that nobody else uses here.
fn secret(kind: u8, index: usize) -> Wallet {
    let mut bytes = [1; 32];
    bytes[0] = kind;
    bytes[24..].copy_from_slice(&(index as u64 + 1).to_be_bytes());
    Wallet::from_bytes(&bytes).unwrap()
}

/// A blob that nobody has seen before.
pub(crate) fn new_blob() -> RegisterBlob {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut root_hash = [0; 32];
    root_hash[..8].copy_from_slice(&number.to_le_bytes());
    let (size, encoding_type) = (65_536, EncodingType::Rs2);
    let blob_id = BlobId::from_root(encoding_type, size, &root_hash);
    RegisterBlob { blob_id, root_hash, size, encoding_type, epochs_ahead: 2, deletable: false, owner: None }
}
