//! Symbols for recovery, inconsistency proofs, and healing between nodes.

mod support;

use floe_protocol::InvalidBlobId;
use floe_protocol::SignedMessage;
use floe_protocol::api::ErrorReason;
use floe_redstuff::merkle::Node as MerkleNode;
use floe_redstuff::{
    Axis, BlobMetadata, DecodingSymbols, EncodedBlob, GeneralRecoverySymbol, InconsistencyProof, PairIndex, Recovered,
    SliverIndex, recover_sliver,
};
use http::Method;
use support::{Net, Running, config, eventually, http as web, upload};

async fn upload_to(net: &Net, node: &Running, index: usize, blob: &EncodedBlob) {
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let answer = web::put(node.address, &path, upload::body(blob, &net.pairs(index, blob))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn stored(content: &[u8]) -> (Net, Running, EncodedBlob) {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let blob = net.encode(content);
    net.chain.register(&blob.metadata, 9);
    upload_to(&net, &node, 0, &blob).await;
    (net, node, blob)
}

fn path(blob: &EncodedBlob, rest: &str) -> String {
    format!("/v1/blobs/{}/{rest}", blob.metadata.blob_id())
}

#[tokio::test]
async fn recovery_symbols_of_a_target_verify() {
    let (net, node, blob) = stored(&[4; 4000]).await;
    let own = net.pairs(0, &blob);
    for axis in Axis::ALL {
        for target in [0, 6, 9] {
            let proof = axis.orthogonal();
            let query = format!("recoverySymbols?targetSliver={target}&targetType={axis}&proofAxis={proof}");
            let answer = web::get(node.address, &path(&blob, &query)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let symbols = GeneralRecoverySymbol::list_from_bcs(&answer.body, 10).unwrap();
            assert_eq!(symbols.len(), own.len());
            for symbol in symbols {
                symbol.verify(&blob.metadata, SliverIndex::new(target), axis).expect("verifies");
            }
        }
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn several_slivers_are_those_that_are_given_one_by_one() {
    let (net, node, blob) = stored(&[4; 4000]).await;
    let own = net.pairs(0, &blob);
    for axis in Axis::ALL {
        let mut expected = Vec::new();
        for pair in own.iter().rev() {
            expected.extend(web::get(node.address, &path(&blob, &format!("slivers/{pair}/{axis}"))).await.body);
        }
        let pairs: String = own.iter().rev().map(|pair| format!("&pair={pair}")).collect();
        let answer = web::get(node.address, &path(&blob, &format!("slivers?type={axis}{pairs}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, expected);
    }
    let get = async |query: &str| web::get(node.address, &path(&blob, &format!("slivers?{query}"))).await;
    let foreign = net.foreign_pair(0, &blob);
    let mixed = get(&format!("type=primary&pair={}&pair={foreign}", own[0])).await;
    assert_eq!(mixed.status, 400, "{mixed:?}");
    assert_eq!(get("type=primary&pair=10").await.reason(), Some(ErrorReason::IndexOutOfRange));
    for malformed in ["type=primary", "pair=1", "type=third&pair=1", "type=primary&pair=-1"] {
        assert_eq!(get(malformed).await.status, 400, "{malformed}");
    }
    let unknown = net.encode(b"never stored");
    let answer = web::get(node.address, &path(&unknown, &format!("slivers?type=primary&pair={}", own[0]))).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_with_several_slivers_has_a_limit() {
    let (net, node, blob) = stored(&vec![7; 600 << 10]).await;
    let own = net.pairs(0, &blob);
    let pairs: String = own.iter().map(|pair| format!("&pair={pair}")).collect();
    let answer = web::get(node.address, &path(&blob, &format!("slivers?type=primary{pairs}"))).await;
    assert_eq!(answer.reason(), Some(ErrorReason::InvalidFilter), "{answer:?}");
    let alone = web::get(node.address, &path(&blob, &format!("slivers?type=primary&pair={}", own[0]))).await;
    assert_eq!(alone.status, 200, "{alone:?}");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn recovery_symbols_by_id() {
    let (net, node, blob) = stored(&[4; 4000]).await;
    let (own, foreign) = (net.pairs(0, &blob)[0], net.foreign_pair(0, &blob));
    let (row, column) = (own.primary(), foreign.secondary(net.params));
    // The row is this node's: a symbol for the column, taken from the row. Named twice, given once.
    let query = format!("recoverySymbols?id={row}-{column}&id={row}-{column}");
    let answer = web::get(node.address, &path(&blob, &query)).await;
    let symbols = GeneralRecoverySymbol::list_from_bcs(&answer.body, 10).unwrap();
    assert_eq!(symbols.len(), 1);
    assert_eq!(symbols[0].source_axis(), Axis::Primary);
    symbols[0].clone().verify(&blob.metadata, column, Axis::Secondary).expect("verifies");

    let reason = async |query: String| web::get(node.address, &path(&blob, &query)).await.reason();
    let elsewhere = format!("recoverySymbols?id={row}-{column}&proofAxis=secondary");
    assert_eq!(reason(elsewhere).await, Some(ErrorReason::SymbolNotPresentAtShards));
    assert_eq!(reason("recoverySymbols?id=10-0".into()).await, Some(ErrorReason::IndexOutOfRange));
    assert_eq!(reason("recoverySymbols".into()).await, Some(ErrorReason::NoSymbolsSpecified));
    assert_eq!(reason("recoverySymbols?targetSliver=1".into()).await, Some(ErrorReason::InvalidFilter));
    let unknown = net.encode(b"unknown");
    let missing = web::get(node.address, &path(&unknown, "recoverySymbols?id=1-1")).await;
    assert_eq!((missing.status, missing.reason()), (404, Some(ErrorReason::SliverNotFound)));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn decoding_symbols_without_proofs() {
    let (net, node, blob) = stored(&[4; 4000]).await;
    let query = "decodingSymbols?targetSlivers=2&targetSlivers=0&targetType=secondary";
    let answer = web::get(node.address, &path(&blob, query)).await;
    let symbols = DecodingSymbols::from_bcs(&answer.body, 10).unwrap();
    assert_eq!(symbols.0.len(), 2);
    for (target, symbols) in symbols.0 {
        assert_eq!(symbols.len(), net.pairs(0, &blob).len());
        for symbol in symbols {
            let row = &blob.pairs[usize::from(symbol.symbol.index.get())].primary;
            assert_eq!(symbol.axis, Axis::Secondary);
            assert_eq!(Some(symbol.symbol), row.decoding_symbol(target));
        }
    }
    let reason = async |query: &str| web::get(node.address, &path(&blob, query)).await.reason();
    let beyond = format!("decodingSymbols?targetSlivers={}&targetType=primary", net.params.primary_source_symbols());
    assert_eq!(reason(&beyond).await, Some(ErrorReason::RecoverySymbolOutOfRange));
    assert_eq!(reason("decodingSymbols?targetType=primary").await, Some(ErrorReason::NoTargetSliversSpecified));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn every_symbol_of_a_sliver_verifies_however_often_it_is_asked_for() {
    let content: Vec<u8> = (0..4000u16).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
    let (net, node, blob) = stored(&content).await;
    let own = net.pairs(0, &blob)[1];
    for axis in Axis::ALL {
        let index = own.sliver(axis, net.params);
        let ids: Vec<String> = (0..10)
            .map(|other| match axis {
                Axis::Primary => format!("id={index}-{other}"),
                Axis::Secondary => format!("id={other}-{index}"),
            })
            .collect();
        let query = path(&blob, &format!("recoverySymbols?proofAxis={axis}&{}", ids.join("&")));
        // The first request expands the sliver; the later ones find its tree.
        for _ in 0..3 {
            let answer = web::get(node.address, &query).await;
            let symbols = GeneralRecoverySymbol::list_from_bcs(&answer.body, 10).unwrap();
            assert_eq!(symbols.len(), 10);
            for (position, symbol) in (0..).zip(symbols) {
                let symbol = symbol.verify(&blob.metadata, index, axis).expect("verifies");
                assert_eq!(symbol.position(), SliverIndex::new(position));
                let sliver = blob.pairs[usize::from(own.get())].sliver(axis);
                assert_eq!(symbol.data(), sliver.decoding_symbol(symbol.position()).unwrap().data);
            }
        }
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_symbol_that_rots_after_its_sliver_was_seen_whole_is_not_given_out() {
    let (net, node, blob) = stored(&[4; 4000]).await;
    let own = net.pairs(0, &blob)[0];
    let query = path(&blob, &format!("recoverySymbols?proofAxis=primary&id={own}-1&id={own}-2"));
    let answer = web::get(node.address, &query).await;
    assert_eq!(GeneralRecoverySymbol::list_from_bcs(&answer.body, 10).unwrap().len(), 2);
    rot(&net, &blob, own);
    let answer = web::get(node.address, &query).await;
    assert_eq!(answer.reason(), Some(ErrorReason::SliverNotFound), "the rest of the sliver is in doubt as well");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_sliver_is_sent_as_it_is_read_and_breaks_off_if_it_is_damaged() {
    let content: Vec<u8> = (0..1_600_000_u32).map(|at| (at / 7).to_le_bytes()[0]).collect();
    let (net, node, blob) = stored(&content).await;
    let own = net.pairs(0, &blob)[0];
    let good = blob.pairs[usize::from(own.get())].primary.to_bcs();
    let sliver = path(&blob, &format!("slivers/{own}/primary"));
    let answer = web::get(node.address, &sliver).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &good[..]));
    assert_eq!(answer.headers["content-length"], good.len().to_string().as_str());
    assert_eq!(answer.headers["content-type"], "application/octet-stream");

    rot(&net, &blob, own);
    let broken = web::try_send(node.address, web::request(node.address, Method::GET, &sliver, "")).await;
    assert!(broken.is_err(), "{broken:?}");
    let answer = web::get(node.address, &sliver).await;
    assert_eq!(answer.reason(), Some(ErrorReason::SliverNotFound), "set aside");
    node.stop().await.unwrap();
}

/// Flips a bit of the second symbol of a primary sliver on the disk of the first node.
fn rot(net: &Net, blob: &EncodedBlob, pair: PairIndex) {
    let good = blob.pairs[usize::from(pair.get())].primary.to_bcs();
    let at = good.len() - 4 - blob.pairs[0].primary.data.len() + usize::from(blob.metadata.symbol_size().get()) + 1;
    let disk = &net.seats[0].disk;
    let mut rotten = 0;
    for name in disk.names() {
        let Some(bytes) = disk.read_file(&name) else { continue };
        let Some(start) = bytes.windows(good.len()).position(|window| window == good) else { continue };
        disk.rot(&name, |bytes| bytes[start + at] ^= 1);
        rotten += 1;
    }
    assert_eq!(rotten, 1, "the sliver is on the disk once, as it is");
}

/// Metadata with one wrong hash, as a lying writer would make it: the blob has an id, and one sliver cannot be.
fn inconsistent(blob: &EncodedBlob, pair: PairIndex) -> BlobMetadata {
    let mut metadata = blob.metadata.metadata().clone();
    metadata.hashes[usize::from(pair.get())].secondary = MerkleNode::Digest([9; 32]);
    metadata
}

#[tokio::test]
async fn an_inconsistency_proof_is_checked_and_attested() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let honest = net.encode(&[6; 900]);
    let target = PairIndex::new(4);
    let metadata = inconsistent(&honest, target);
    let id = metadata.blob_id();
    let lying = metadata.clone().verify(&id, net.params).unwrap();
    net.chain.register(&lying, 9);
    let base = format!("/v1/blobs/{id}");
    eventually("metadata is stored", || async {
        web::put(node.address, &format!("{base}/metadata"), metadata.to_bcs()).await.status < 300
    })
    .await;
    let column = target.secondary(net.params);
    let symbols = honest.pairs.iter().map(|pair| {
        let symbol = pair.primary.general_recovery_symbol(column).unwrap();
        symbol.verify(&lying, column, Axis::Secondary).unwrap()
    });
    let Recovered::Inconsistent(proof) = recover_sliver(&lying, Axis::Secondary, column, symbols).unwrap() else {
        panic!("the hash is wrong")
    };
    let answer = web::post(node.address, &format!("{base}/inconsistencyProof/secondary"), proof.to_bcs()).await;
    let signed: SignedMessage<InvalidBlobId> = serde_json::from_value(answer.data()).expect("no level `signed`");
    let expected = InvalidBlobId { epoch: floe_protocol::Epoch(1), blob_id: id };
    signed.verify(&net.seats[0].secret.public_key(), &expected).expect("signed by the node");

    let post = async |path: String, bytes: Vec<u8>| {
        let answer = web::post(node.address, &path, bytes).await;
        assert_eq!(answer.status, 400);
        answer.reason()
    };
    let wrong_axis = post(format!("{base}/inconsistencyProof/primary"), proof.to_bcs()).await;
    assert_eq!(wrong_axis, Some(ErrorReason::InvalidProof));
    let nonsense = post(format!("{base}/inconsistencyProof/secondary"), vec![1]).await;
    assert_eq!(nonsense, Some(ErrorReason::InvalidContentType));
    let unknown = format!("/v1/blobs/{}/inconsistencyProof/secondary", honest.metadata.blob_id());
    assert_eq!(post(unknown, proof.to_bcs()).await, Some(ErrorReason::MetadataNotFound));
    let harmless = InconsistencyProof { target_sliver_index: SliverIndex::new(0), symbols: proof.symbols };
    let harmless = post(format!("{base}/inconsistencyProof/secondary"), harmless.to_bcs()).await;
    assert_eq!(harmless, Some(ErrorReason::InvalidProof));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_missed_an_upload_rebuilds_its_slivers() {
    let mut net = Net::new(&[3, 3, 2, 2]).await;
    let mut nodes = Vec::new();
    for index in 0..3 {
        nodes.push(net.start(index, config()).await);
    }
    let blob = net.encode(&vec![5; 20_000]);
    let id = *blob.metadata.blob_id();
    net.chain.register(&blob.metadata, 9);
    for (index, node) in nodes.iter().enumerate() {
        upload_to(&net, node, index, &blob).await;
    }
    net.chain.certify(&id, 9);
    let mut healing = config();
    healing.heal.enabled = true;
    healing.heal.delay_ms = 1;
    let late = net.start(3, healing).await;
    eventually("the last node has everything", || async {
        web::get(late.address, &format!("/v1/blobs/{id}/confirmation/permanent")).await.status == 200
    })
    .await;
    for pair in net.pairs(3, &blob) {
        for axis in Axis::ALL {
            let got = web::get(late.address, &path(&blob, &format!("slivers/{pair}/{axis}"))).await;
            assert_eq!(&got.body[..], blob.pairs[usize::from(pair.get())].sliver(axis).to_bcs());
        }
    }
    late.stop().await.unwrap();
    for node in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn rot_on_disk_is_never_served_and_heals() {
    let mut net = Net::new(&[3, 3, 2, 2]).await;
    let mut healing = config();
    healing.heal.enabled = true;
    healing.heal.delay_ms = 1;
    healing.heal.retry_ms = 1;
    let mut nodes = vec![net.start(0, healing).await];
    for index in 1..4 {
        nodes.push(net.start(index, config()).await);
    }
    let blob = net.encode(&vec![5; 20_000]);
    net.chain.register(&blob.metadata, 9);
    for (index, node) in nodes.iter().enumerate() {
        upload_to(&net, node, index, &blob).await;
    }
    net.chain.certify(blob.metadata.blob_id(), 9);
    let pair = net.pairs(0, &blob)[0];
    let good = blob.pairs[usize::from(pair.get())].primary.to_bcs();
    rot(&net, &blob, pair);
    let sliver = path(&blob, &format!("slivers/{pair}/primary"));
    eventually("the sliver is whole again", || async {
        let answer = web::get(nodes[0].address, &sliver).await;
        assert!(answer.status == 404 || answer.body[..] == good[..], "{}", answer.status);
        answer.status == 200
    })
    .await;
    for node in nodes {
        node.stop().await.unwrap();
    }
}
