//! Reading to a file and as a stream, in as little memory as can be: the same bytes, whoever lies.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs::File, io::Read, io::Seek, time::Duration};

use floe_client::{ClientConfig, ClientError, Consistency, FloeClient, ReadOptions};
use floe_redstuff::BlobId;
use futures::StreamExt;
use support::{Behaviour, TestNetwork, bytes, inconsistent, quick};

const LIES: [Behaviour; 11] = [
    Behaviour::Silent,
    Behaviour::Refusing,
    Behaviour::FlippedBit,
    Behaviour::WrongSliver,
    Behaviour::OtherBlob,
    Behaviour::Truncated,
    Behaviour::BrokenOff,
    Behaviour::OverLong,
    Behaviour::Endless,
    Behaviour::CorruptMetadata,
    Behaviour::NoPrimaries,
];

/// Room for one sliver, and for one codeword.
fn tiny() -> ClientConfig {
    let mut config = quick();
    config.read.memory_ceiling_bytes = 0;
    config
}

fn client(network: &TestNetwork) -> FloeClient {
    FloeClient::new(tiny(), network.chain.clone())
}

fn options(consistency: Consistency) -> ReadOptions {
    ReadOptions { consistency, ..ReadOptions::default() }
}

async fn to_file(client: &FloeClient, id: &BlobId, consistency: Consistency) -> Result<Vec<u8>, ClientError> {
    let mut file = tempfile::tempfile().unwrap();
    let length = client.read_to(id, file.try_clone().unwrap(), options(consistency)).await?;
    let mut read = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut read).unwrap();
    assert_eq!(length, read.len() as u64);
    Ok(read)
}

/// The pieces, and the error that they ended with.
async fn pieces(client: &FloeClient, id: &BlobId, consistency: Consistency) -> (Vec<u8>, Option<ClientError>) {
    let mut stream = match client.read_stream(id, options(consistency)).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => read.extend_from_slice(&piece),
            Err(error) => {
                assert!(stream.next().await.is_none(), "an error is the last");
                return (read, Some(error));
            }
        }
    }
    assert_eq!(stream.length(), read.len() as u64);
    (read, None)
}

async fn streamed(client: &FloeClient, id: &BlobId, consistency: Consistency) -> Vec<u8> {
    let (read, error) = pieces(client, id, consistency).await;
    assert!(error.is_none(), "{error:?}");
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sizes_and_checks() {
    let network = TestNetwork::ten().await;
    for len in [0, 1, 55, 56, 57, 2799, 2800, 2801, 100_000] {
        let blob = bytes(len, 1);
        let id = network.stored(&blob).await;
        for consistency in [Consistency::Default, Consistency::Strict, Consistency::Skip] {
            let client = client(&network);
            assert_eq!(to_file(&client, &id, consistency).await.unwrap(), blob, "{len} {consistency:?}");
            assert_eq!(streamed(&client, &id, consistency).await, blob, "{len} {consistency:?}");
            let generous = network.client();
            assert_eq!(to_file(&generous, &id, consistency).await.unwrap(), blob, "{len} {consistency:?}");
            assert_eq!(streamed(&generous, &id, consistency).await, blob, "{len} {consistency:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_nodes_may_do_whatever_they_like() {
    let network = TestNetwork::ten().await;
    network.stored(&bytes(5000, 2)).await;
    let blob = bytes(5000, 1);
    let id = network.stored(&blob).await;
    for (round, lie) in LIES.into_iter().enumerate() {
        for first in [round % 10, (round + 5) % 10] {
            let bad: Vec<usize> = (0..3).map(|k| (first + k) % 10).collect();
            network.behave(0..10, Behaviour::Honest);
            network.behave(bad.clone(), lie);
            let read = to_file(&client(&network), &id, Consistency::Default).await;
            assert_eq!(read.unwrap(), blob, "to a file, {lie:?} at {bad:?}");
            let read = streamed(&client(&network), &id, Consistency::Default).await;
            assert_eq!(read, blob, "as a stream, {lie:?} at {bad:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_mixture_gives_the_blob_or_an_error_after_good_pieces() {
    let network = TestNetwork::ten().await;
    network.stored(&bytes(3000, 2)).await;
    let blob = bytes(3000, 1);
    let id = network.stored(&blob).await;
    let mut draws = bytes(10_000, 78).into_iter().map(usize::from);
    let mut draw = |n: usize| draws.next().unwrap() % n;
    for _ in 0..20 {
        network.behave(0..10, Behaviour::Honest);
        for _ in 0..draw(10) {
            network.behave([draw(10)], LIES[draw(LIES.len())]);
        }
        let honest = network.nodes.iter().filter(|node| node.behaviour() == Behaviour::Honest).count();
        let (read, error) = pieces(&client(&network), &id, Consistency::Default).await;
        assert_eq!(read, blob[..read.len()], "good pieces only");
        let file = to_file(&client(&network), &id, Consistency::Default).await;
        for error in error.iter().chain(file.as_ref().err()) {
            assert!(matches!(error, ClientError::Unavailable { .. }), "{error}");
            assert!(honest < 4, "{honest} honest nodes are enough: {error}");
        }
        assert!(error.is_some() || read == blob);
        assert!(file.is_err() || file.unwrap() == blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secondary_slivers_help_where_primaries_are_lost() {
    let network = TestNetwork::ten().await;
    let blob = bytes(3000, 1);
    let id = network.stored(&blob).await;
    network.behave(0..7, Behaviour::NoPrimaries);
    for consistency in [Consistency::Default, Consistency::Strict, Consistency::Skip] {
        assert_eq!(to_file(&client(&network), &id, consistency).await.unwrap(), blob);
        assert_eq!(streamed(&client(&network), &id, consistency).await, blob);
    }
}

/// Rows leave one by one, so that some have left when nodes go.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_go_while_a_stream_is_taken() {
    let network = TestNetwork::start(&[10; 10]).await;
    let blob = bytes(1_000_000, 1);
    let id = network.stored(&blob).await;
    for taken in [1, 7, 20] {
        for how in [Behaviour::Refusing, Behaviour::FlippedBit, Behaviour::NoPrimaries] {
            network.behave(0..10, Behaviour::Honest);
            let mut stream = client(&network).read_stream(&id, ReadOptions::default()).await.unwrap();
            let mut read = Vec::new();
            for _ in 0..taken {
                read.extend_from_slice(&stream.next().await.unwrap().unwrap());
            }
            assert!(read.len() < blob.len());
            network.behave([1, 4, 8], how);
            while let Some(piece) = stream.next().await {
                read.extend_from_slice(&piece.unwrap());
            }
            assert!(read == blob, "{how:?} after {taken} pieces");
        }
    }
    let mut stream = client(&network).read_stream(&id, ReadOptions::default()).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first, blob[..first.len()]);
    network.behave(0..10, Behaviour::Refusing);
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece);
    }
    let error = last.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }), "never as if it were whole: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inconsistent_blob_is_the_same_for_all_or_an_error() {
    let network = TestNetwork::ten().await;
    let encoded = inconsistent(network.params);
    let id = network.plant(&encoded);
    let mut rows: Vec<u8> = bytes(2800, 1);
    rows[700..1400].copy_from_slice(&bytes(2800, 2)[700..1400]);
    let client = client(&network);
    assert_eq!(to_file(&client, &id, Consistency::Default).await.unwrap(), rows);
    assert_eq!(streamed(&client, &id, Consistency::Default).await, rows);
    for result in [
        to_file(&client, &id, Consistency::Strict).await.map(|_| ()).unwrap_err(),
        client.read_stream(&id, options(Consistency::Strict)).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(result, ClientError::Inconsistent { .. }), "{result}");
    }
    // Without the odd row the others decode to something that is not what the metadata commits to.
    network.behave([network.holder_of(&id, 1)], Behaviour::Refusing);
    let error = to_file(&client, &id, Consistency::Default).await.unwrap_err();
    assert!(matches!(error, ClientError::Inconsistent { .. }), "{error}");
    let (read, error) = pieces(&client, &id, Consistency::Default).await;
    assert_eq!(read, rows[..700], "the row before it was good");
    assert!(matches!(error, Some(ClientError::Inconsistent { .. })), "{error:?}");
    assert!(to_file(&client, &id, Consistency::Skip).await.is_ok(), "the caller said that the writer is trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_a_little_late_spares_the_decoding() {
    let network = TestNetwork::ten().await;
    // Decoding shows: without the odd row it fails.
    let id = network.plant(&inconsistent(network.params));
    let mut config = quick();
    // Too little for the whole blob, and enough for some rows at once.
    config.read.memory_ceiling_bytes = 11_000;
    config.read.hedge_first = Duration::from_secs(1);
    config.read.hedge_min = Duration::from_secs(1);
    config.read.request_timeout = Duration::from_secs(5);
    network.behave([network.holder_of(&id, 1)], Behaviour::Slow(Duration::from_millis(1100)));
    let client = FloeClient::new(config, network.chain.clone());
    let read = to_file(&client, &id, Consistency::Default).await.unwrap();
    assert_eq!(read[700..1400], bytes(2800, 2)[700..1400]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_written_are_named() {
    let network = TestNetwork::ten().await;
    let id = network.stored(&bytes(3000, 1)).await;
    let full = File::options().read(true).write(true).open("/dev/full").unwrap();
    let error = client(&network).read_to(&id, full, ReadOptions::default()).await.unwrap_err();
    let ClientError::Target(cause) = &error else { panic!("{error}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!((error.code(), error.exit_code()), ("CLIENT-TARGET", 1));

    let mut config = tiny();
    let dir = std::path::PathBuf::from("/no/such/folder");
    config.read.spool_dir = Some(dir.clone());
    let client = FloeClient::new(config, network.chain.clone());
    assert!(to_file(&client, &id, Consistency::Default).await.is_ok(), "no spool is needed");
    network.behave([network.holder_of(&id, 1)], Behaviour::Refusing);
    let error = to_file(&client, &id, Consistency::Default).await.unwrap_err();
    assert!(matches!(&error, ClientError::Spool { dir: named, .. } if *named == dir), "{error}");
    assert_eq!(error.code(), "CLIENT-SPOOL");
    let (read, error) = pieces(&client, &id, Consistency::Default).await;
    assert!(read.len() < 3000 && matches!(error, Some(ClientError::Spool { .. })), "{error:?}");
}
