//! Storing what does not fit into memory: the same slivers arrive, whatever fails in between, and nothing stays behind.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use floe_client::{ClientConfig, ClientError, FileSource, FloeClient, SourceChanged, StoreOptions};
use floe_redstuff::{BlobId, BlobSource};
use proptest::prelude::*;
use support::{Behaviour, TestNetwork, bytes, quick};

/// A client that has no memory for slivers.
fn spooling(network: &TestNetwork) -> FloeClient {
    client_with(network, |_| {})
}

fn client_with(network: &TestNetwork, change: impl FnOnce(&mut ClientConfig)) -> FloeClient {
    let mut config = quick();
    config.store.memory_ceiling_bytes = 0;
    change(&mut config);
    FloeClient::new(config, network.chain.clone())
}

fn forced() -> StoreOptions {
    StoreOptions { force: true, ..StoreOptions::epochs(1) }
}

fn file_of(blob: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), blob).unwrap();
    file
}

/// What all nodes hold of a blob; each has its own part.
async fn held(network: &TestNetwork, client: &FloeClient, id: &BlobId) -> Vec<impl PartialEq + use<>> {
    client.drain(Duration::from_secs(20)).await;
    network.nodes.iter().map(|node| node.slivers(id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_same_slivers_arrive(size in 0usize..400_000, odd: bool, seed: u64) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let blob = bytes(size | usize::from(odd), seed);
            let network = TestNetwork::start(&[3, 1, 2, 4]).await;
            let client = network.client();
            let id = *client.store(blob.clone(), forced()).await.unwrap().blob_id().unwrap();
            let expected = held(&network, &client, &id).await;
            let client = spooling(&network);
            for from_file in [true, false] {
                network.nodes.iter().for_each(|node| node.forget(&id));
                let stored = match from_file {
                    true => client.store_file(file_of(&blob), forced()).await,
                    false => client.store(blob.clone(), forced()).await,
                };
                assert_eq!(*stored.unwrap().blob_id().unwrap(), id);
                assert!(held(&network, &client, &id).await == expected, "from a file: {from_file}");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_breaks_off_gets_the_same_bytes_again() {
    let network = TestNetwork::ten().await;
    network.behave([3], Behaviour::BreaksUploads(50_000));
    let client = client_with(&network, |config| config.store.attempts_max = 1000);
    let file = file_of(&bytes(1_000_000, 5));
    let store = tokio::spawn({
        let (client, path) = (client.clone(), file.path().to_owned());
        async move { client.store_file(path, forced()).await }
    });
    let node = &network.nodes[3];
    let deadline = Instant::now() + Duration::from_secs(30);
    while node.uploads.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < deadline, "no further try");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let broken = node.received.lock().unwrap().clone();
    assert!(broken.len() >= 50_000);
    node.behave(Behaviour::Honest);
    let id = *store.await.unwrap().unwrap().blob_id().unwrap();
    client.drain(Duration::from_secs(20)).await;
    assert!(node.holds(&id));
    assert!(node.received.lock().unwrap().starts_with(&broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_nodes_are_served_from_the_spool_after_the_quorum() {
    let network = TestNetwork::ten().await;
    network.behave([2, 5, 8], Behaviour::Slow(Duration::from_millis(700)));
    let client = spooling(&network);
    let file = file_of(&bytes(500_000, 6));
    let id = *client.store_file(file.path(), forced()).await.unwrap().blob_id().unwrap();
    assert!(!network.nodes[2].holds(&id));
    drop(file);
    client.drain(Duration::from_secs(10)).await;
    assert!(network.nodes.iter().all(|node| node.holds(&id)));
}

/// A file that is written to after some questions whether it was.
struct Changing(FileSource, AtomicU32);

impl BlobSource for Changing {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn unchanged(&self) -> io::Result<()> {
        match self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(SourceChanged { before: self.length(), now: 7 })),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_ends_the_store() {
    let network = TestNetwork::ten().await;
    let file = file_of(&bytes(500_000, 7));
    let source = |times| Changing(FileSource::open(file.path()).unwrap(), AtomicU32::new(times));
    // In memory, while it is encoded, and while it is sent.
    for (client, times, registrations) in
        [(network.client(), 0, 0), (spooling(&network), 0, 0), (spooling(&network), 3, 1)]
    {
        let error = client.store_from(source(times), forced()).await.unwrap_err();
        assert!(matches!(error, ClientError::SourceChanged(SourceChanged { before: 500_000, now: 7 })), "{error}");
        assert_eq!((error.code(), error.exit_code()), ("CLIENT-SOURCE-CHANGED", 1));
        assert_eq!(network.chain.registrations(), registrations, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_cannot_be_made_costs_nothing() {
    let network = TestNetwork::ten().await;
    let client = client_with(&network, |config| config.store.spool_dir = Some("/no/such/folder".into()));
    let error = client.store(bytes(1000, 1), forced()).await.unwrap_err();
    assert_eq!(error.code(), "CLIENT-SPOOL");
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
    assert_eq!(network.chain.registrations(), 0);
}

/// How many have given back what they held.
struct Counted(FileSource, Arc<AtomicU32>);

impl BlobSource for Counted {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// The bound on memory of the background ends the oldest store there, and with it its source and its spool.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_the_background_give_back_their_spool() {
    let network = TestNetwork::ten().await;
    network.behave([2, 5, 8], Behaviour::Silent);
    let client = client_with(&network, |config| config.store.tail_bytes_max = 3 * 3 * (512 << 10));
    let dropped = Arc::new(AtomicU32::new(0));
    for number in 0..3 {
        let file = file_of(&bytes(100_000, number));
        let source = Counted(FileSource::open(file.path()).unwrap(), dropped.clone());
        client.store_from(source, forced()).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while dropped.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < deadline, "{dropped:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.drain(Duration::ZERO).await;
    while dropped.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < deadline, "{dropped:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
