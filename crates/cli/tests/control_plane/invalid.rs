//! A writer that encodes wrongly: the network finds out, and all readers agree.

use floe_chain::{ControlPlane as _, RegisterBlob};
use floe_protocol::{
    Certificate, ConfirmationCollector, Persistence, StorageConfirmation,
    api::{Confirmation, Success},
};
use floe_redstuff::{Axis, BlobId, EncodedBlob, EncodingParams, EncodingType, PairIndex, encode};

use super::{
    eventually,
    support::{Network, failure, http, noise},
};

/// One row is that of another blob, and the metadata says so: every sliver verifies, and together they are no codeword.
fn inconsistent(params: EncodingParams) -> EncodedBlob {
    let mut encoded = encode(params, &noise(2800, 1)).unwrap();
    let other = encode(params, &noise(2800, 2)).unwrap();
    let mut metadata = encoded.metadata.metadata().clone();
    metadata.hashes[1].primary = other.metadata.metadata().hashes[1].primary;
    let id = metadata.blob_id();
    encoded.metadata = metadata.verify(&id, params).unwrap();
    encoded.pairs[1].primary = other.pairs[1].primary.clone();
    encoded
}

#[test]
fn a_blob_that_is_encoded_wrongly_is_marked_invalid_by_the_network() {
    let network = Network::start(4, 10, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    let committee = runtime.block_on(chain.committee()).unwrap();
    let params = committee.params();
    let encoded = inconsistent(params);
    let id: BlobId = *encoded.metadata.blob_id();
    let order = RegisterBlob {
        blob_id: id,
        root_hash: *encoded.metadata.root_hash(),
        size: encoded.metadata.unencoded_length(),
        encoding_type: EncodingType::Rs2,
        epochs_ahead: 3,
        deletable: false,
        owner: None,
    };
    let object = runtime.block_on(chain.register_blobs(&[order])).unwrap().remove(0).object.object_id;

    // The node that would see what is wrong gets nothing; the others have no reason to complain.
    let victim = committee.member_of_shard(PairIndex::new(1).shard(&id, params)).unwrap();
    let expected = StorageConfirmation { epoch: committee.epoch(), blob_id: id, persistence: Persistence::Permanent };
    let mut collector = ConfirmationCollector::new(&committee, expected);
    for (member, pairs) in (0..4).filter(|member| *member != victim).map(|m| (m, committee.pairs_of_member(m, &id))) {
        let base = format!("{}/v1/blobs/{id}", committee.members()[member].address);
        let metadata = encoded.metadata.metadata().to_bcs();
        eventually("the node knows of the registration", || {
            let answer = http("PUT", &format!("{base}/metadata"), &[], &metadata);
            [200, 201].contains(&answer.status).then_some(())
        });
        for pair in pairs {
            let slivers = &encoded.pairs[usize::from(pair.get())];
            for axis in Axis::ALL {
                let url = format!("{base}/slivers/{pair}/{axis}");
                let answer = http("PUT", &url, &[], &slivers.sliver(axis).to_bcs());
                assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
            }
        }
        let answer = http("GET", &format!("{base}/confirmation/permanent"), &[], &[]);
        let confirmation: Success<Confirmation> = serde_json::from_slice(&answer.body).unwrap();
        collector.add(member, confirmation.into_data().into_signed()).unwrap();
    }
    let certificate: Certificate = collector.certificate().unwrap();
    runtime.block_on(chain.certify_blob(object, &certificate)).unwrap();
    assert!(runtime.block_on(chain.available_until(&id)).unwrap().is_some(), "nobody has noticed anything");

    eventually("the node that heals proves it", || {
        runtime.block_on(chain.available_until(&id)).unwrap().is_none().then_some(())
    });
    let text = id.to_string();
    eventually("all say the same", || {
        let status = network.json(&["blob-status", "--blob-id", &text]);
        status["status"].get("invalid").is_some().then_some(())
    });
    for consistency in ["--strict-consistency-check", "--skip-consistency-check"] {
        let (code, message) = failure(&network.floe(&["read", &text, consistency]));
        assert_eq!(code, 5, "{message}");
        assert!(message.contains("CLIENT-INVALID-BLOB"), "{message}");
    }
    for index in 0..4 {
        let url = format!("{}/v1/blobs/{id}/metadata/status", network.node_url(index));
        eventually("its data is dropped", || {
            (http("GET", &url, &[], &[]).json()["success"]["data"] == "nonexistent").then_some(())
        });
    }
    let log = network.node_log(&committee.members()[victim].name);
    assert!(log.contains("the blob is marked invalid on chain"), "{log}");
}
