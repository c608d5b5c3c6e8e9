//! Ranges of blobs whose rows are large: what moves, what is returned, whoever lies or is silent.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use floe_client::{
    Body, BoxError, ClientConfig, ClientError, ConnectionConfig, FloeClient, HyperTransport, Transport, TransportError,
};
use floe_redstuff::{Axis, BlobId, PairIndex, encode};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use support::{Behaviour, TestNetwork, bytes, quick};

/// Counts the bytes of all answers.
struct Counting {
    inner: HyperTransport<hyper_util::client::legacy::connect::HttpConnector>,
    received: Arc<AtomicU64>,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, TransportError> {
        let received = self.received.clone();
        let response = self.inner.send(request).await?;
        Ok(response.map(|body| {
            let counted = body.map_frame(move |frame| {
                received.fetch_add(frame.data_ref().map_or(0, |data| data.len() as u64), Ordering::SeqCst);
                frame
            });
            counted.map_err(BoxError::from).boxed_unsync()
        }))
    }
}

/// Ten nodes with two shards each (8 rows of 14 columns), and a blob with symbols of 32 KiB and rows of 448 KiB.
struct Large {
    network: TestNetwork,
    blob: Vec<u8>,
    id: BlobId,
}

const SYMBOL: usize = 32 << 10;
const ROW: usize = 14 * SYMBOL;
/// A proof has 5 hashes of 33 bytes.
const PROVEN_SYMBOL_MAX: u64 = (SYMBOL + 200) as u64;

impl Large {
    async fn new() -> Self {
        let network = TestNetwork::start(&[2; 10]).await;
        let blob = bytes(8 * ROW - 100, 3);
        let id = network.stored(&blob).await;
        Self { network, blob, id }
    }

    /// A client that has the metadata already, and the bytes that it receives from now on.
    async fn client(&self) -> (FloeClient, Arc<AtomicU64>) {
        self.client_with(quick()).await
    }

    /// One that never asks a second node because the first is slow: for tests that count what moves.
    async fn patient_client(&self) -> (FloeClient, Arc<AtomicU64>) {
        let mut config = ClientConfig::default();
        for wait in [&mut config.read.hedge_first, &mut config.read.hedge_min, &mut config.read.request_timeout] {
            *wait = std::time::Duration::from_secs(60);
        }
        self.client_with(config).await
    }

    async fn client_with(&self, config: ClientConfig) -> (FloeClient, Arc<AtomicU64>) {
        let received = Arc::new(AtomicU64::new(0));
        let inner = HyperTransport::tcp(&ConnectionConfig::default());
        let transport = Counting { inner, received: received.clone() };
        let client = FloeClient::with_transport(config, self.network.chain.clone(), Arc::new(transport));
        let honest = self.network.nodes.iter().position(|node| node.behaviour() == Behaviour::Honest);
        assert!(honest.is_some());
        client.size_of(&self.id).await.unwrap();
        received.store(0, Ordering::SeqCst);
        (client, received)
    }

    async fn assert_read(&self, client: &FloeClient, start: usize, len: usize) {
        let read = client.read_range(&self.id, start as u64, len as u64).await.unwrap();
        assert!(read == self.blob[start..start + len], "{start}+{len}");
    }

    /// The node that holds a pair.
    fn holder_of(&self, pair: PairIndex) -> usize {
        let shard = pair.shard(&self.id, self.network.params);
        self.network.nodes.iter().position(|node| node.shards.contains(&shard)).unwrap()
    }

    fn holder_of_row(&self, row: u16) -> usize {
        self.holder_of(PairIndex::new(row))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_symbols_that_hold_a_range_move() {
    let large = Large::new().await;
    let (client, received) = large.patient_client().await;
    for (start, len, symbols) in [
        (0, 1, 1),
        (SYMBOL - 1, 2, 2),
        (3 * SYMBOL, 4 * SYMBOL, 4),
        (ROW + 5, 6 * SYMBOL, 7),
        (2 * ROW - 1, 2, 2),
        (3 * ROW - SYMBOL, 2 * SYMBOL, 2),
        (8 * ROW - 101, 1, 1),
    ] {
        let slivers = large.network.sliver_requests();
        received.store(0, Ordering::SeqCst);
        large.assert_read(&client, start, len).await;
        let moved = received.load(Ordering::SeqCst);
        assert!(moved <= symbols * PROVEN_SYMBOL_MAX + 64, "{start}+{len}: {moved} bytes for {symbols} symbols");
        assert_eq!(large.network.sliver_requests(), slivers, "no whole row");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_rows_move_as_rows() {
    let large = Large::new().await;
    let (client, received) = large.patient_client().await;
    let slivers = large.network.sliver_requests();
    large.assert_read(&client, ROW - 10, 3 * ROW + 20).await;
    assert_eq!(large.network.sliver_requests() - slivers, 3);
    let moved = received.load(Ordering::SeqCst);
    assert!(moved <= 3 * (ROW as u64 + 16) + 2 * PROVEN_SYMBOL_MAX + 64, "{moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_the_range_in_order() {
    let large = Large::new().await;
    let (client, _) = large.client().await;
    let (start, len) = (ROW / 2, 6 * ROW);
    let pieces = client.read_range_stream(&large.id, start as u64, len as u64).await.unwrap();
    let pieces: Vec<_> = pieces.try_collect().await.unwrap();
    assert!(pieces.len() > 6 && pieces.iter().all(|piece| piece.len() <= ROW), "one for each row");
    assert!(pieces.concat() == large.blob[start..start + len]);
    let error = client.read_range_stream(&large.id, 1, large.blob.len() as u64).await.unwrap_err();
    assert!(matches!(error, ClientError::RangeOutOfBounds { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_holder_is_gone_is_rebuilt_once() {
    let large = Large::new().await;
    for bad in [Behaviour::Refusing, Behaviour::Silent, Behaviour::NoPrimaries] {
        large.network.behave(0..10, Behaviour::Honest);
        large.network.behave([large.holder_of_row(2)], bad);
        let mut config = quick();
        config.read.attempts_max = 1;
        let (client, received) = large.client_with(config).await;
        for start in [2 * ROW, 2 * ROW + 5 * SYMBOL + 7] {
            large.assert_read(&client, start, 2 * SYMBOL).await;
        }
        // 14 of 20 symbols rebuild it; each node gives 2. The second range lies in the same row.
        let moved = received.load(Ordering::SeqCst);
        assert!(moved <= (ROW + 4 * SYMBOL) as u64, "{bad:?}: {moved} bytes for a row of {ROW}");
        assert!(moved >= ROW as u64, "{bad:?}: {moved}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_silent_nodes_hide_no_range() {
    let large = Large::new().await;
    let row = 5;
    // Its holder and two more: 6 of 20 shards.
    let holder = large.holder_of_row(row);
    large.network.behave((0..3).map(|k| (holder + k) % 10), Behaviour::Silent);
    let (client, _) = large.client().await;
    large.assert_read(&client, usize::from(row) * ROW + 100, 3 * SYMBOL).await;
    large.assert_read(&client, 0, large.blob.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_rebuilt_is_read_with_the_whole_blob() {
    let large = Large::new().await;
    // Five of ten: primaries of the others decode (8 of 10 shards), their secondaries do not (14 needed).
    let holder = large.holder_of_row(5);
    large.network.behave((0..5).map(|k| (holder + k) % 10), Behaviour::Refusing);
    let (client, _) = large.client().await;
    large.assert_read(&client, 5 * ROW + 100, 3 * SYMBOL).await;
    large.network.behave((0..7).map(|k| (holder + k) % 10), Behaviour::Refusing);
    let error = large.client().await.0.read_range(&large.id, 5 * ROW as u64, 5).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }), "{error}");
}

/// With more than `f` shards silent, in as little memory as can be: all rows of a range are decoded, once.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_rebuilt_are_decoded_on_disk() {
    let large = Large::new().await;
    let holder = large.holder_of_row(5);
    large.network.behave((0..5).map(|k| (holder + k) % 10), Behaviour::Refusing);
    let spool = tempfile::tempdir().unwrap();
    let mut config = quick();
    config.read.memory_ceiling_bytes = 0;
    config.read.spool_dir = Some(spool.path().to_owned());
    let (client, received) = large.client_with(config.clone()).await;
    large.assert_read(&client, 10, large.blob.len() - 10).await;
    let moved = received.load(Ordering::SeqCst);
    let most = 3 * large.blob.len() as u64;
    assert!(moved <= most, "{moved} bytes for {}", large.blob.len());
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "its files have no name");

    config.read.spool_dir = Some(spool.path().join("absent"));
    let error = large.client_with(config).await.0.read_range(&large.id, 5 * ROW as u64, 5).await.unwrap_err();
    assert!(matches!(error, ClientError::Spool { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_are_caught_whatever_they_give() {
    let large = Large::new().await;
    let lies = [
        Behaviour::FlippedBit,
        Behaviour::WrongSliver,
        Behaviour::OtherBlob,
        Behaviour::Truncated,
        Behaviour::BrokenOff,
        Behaviour::OverLong,
        Behaviour::Endless,
    ];
    for (round, lie) in lies.into_iter().enumerate() {
        // Rows of liars are rebuilt from columns of which liars hold some.
        large.network.behave(0..10, Behaviour::Honest);
        large.network.behave((0..3).map(|k| (round + k) % 10), lie);
        let (client, _) = large.client().await;
        for row in 0..8 {
            large.assert_read(&client, row * ROW + round * SYMBOL, SYMBOL + 1).await;
        }
        large.assert_read(&client, 10, 3 * ROW).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_holder_is_overtaken() {
    let large = Large::new().await;
    large.network.behave([large.holder_of_row(1)], Behaviour::Slow(std::time::Duration::from_secs(20)));
    let mut config = quick();
    config.read.request_timeout = std::time::Duration::from_secs(30);
    config.connections.idle_timeout = std::time::Duration::from_secs(30);
    let (client, _) = large.client_with(config).await;
    let started = std::time::Instant::now();
    large.assert_read(&client, ROW, SYMBOL).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}

/// The writer commits to a row that is no codeword. Whoever gets it from its holder gets what the row's hash stands for; whoever
/// does not is told that the blob is inconsistent: never other bytes.
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_an_inconsistent_row_agree_or_are_told() {
    let large = Large::new().await;
    let params = large.network.params;
    let mut encoded = encode(params, &large.blob).unwrap();
    let other = encode(params, &bytes(large.blob.len(), 9)).unwrap();
    let mut metadata = encoded.metadata.metadata().clone();
    metadata.hashes[1].primary = other.metadata.metadata().hashes[1].primary;
    let id = metadata.blob_id();
    let metadata = metadata.verify(&id, params).unwrap();
    encoded.pairs[1].primary = other.pairs[1].primary.clone();
    large.network.chain.force_certified(id, large.blob.len() as u64, 3);
    let holder_of = |pair: u16| {
        let shard = PairIndex::new(pair).shard(&id, params);
        large.network.nodes.iter().position(|node| node.shards.contains(&shard)).unwrap()
    };
    for pair in &encoded.pairs {
        for axis in Axis::ALL {
            let node = &large.network.nodes[holder_of(pair.index().get())];
            node.plant(&metadata, pair.index(), axis, pair.sliver(axis).to_bcs());
        }
    }
    let range = ROW as u64 + 10;
    let read = large.network.client().read_range(&id, range, 100).await.unwrap();
    assert_eq!(read, encoded.pairs[1].primary.data[10..110]);
    large.network.behave([holder_of(1)], Behaviour::Refusing);
    let error = large.network.client().read_range(&id, range, 100).await.unwrap_err();
    assert!(matches!(error, ClientError::Inconsistent { .. }), "{error}");
}
