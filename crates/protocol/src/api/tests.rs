//! Every shape as literal JSON: what is written, and what is read.

use std::{fmt::Debug, time::Duration};

use floe_redstuff::{BlobId, EncodingType, ShardIndex};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::{query::*, *};
use crate::{Epoch, Message, ObjectId, Persistence, testing::keys};

fn pinned<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

const BLOB: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const OBJECT: &str = "0x0000000000000000000000000000000000000000000000000000000000000007";

fn blob() -> BlobId {
    BlobId::from_bytes([7; 32])
}

fn event() -> EventId {
    EventId { tx_digest: TxDigest::from_bytes([1; 32]), event_seq: 18_446_744_073_709_551_615 }
}

const EVENT: &str = r#"{"txDigest":"4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","eventSeq":"18446744073709551615"}"#;

#[test]
fn success_envelope() {
    pinned(&Success::ok(StoredStatus::Stored), r#"{"success":{"code":200,"data":"stored"}}"#);
    pinned(&Success::ok(StoredStatus::Buffered), r#"{"success":{"code":200,"data":"buffered"}}"#);
    pinned(&Success::ok(StoredStatus::Nonexistent), r#"{"success":{"code":200,"data":"nonexistent"}}"#);
    let text = "metadata successfully stored".to_owned();
    pinned(&Success::new(201, text), r#"{"success":{"code":201,"data":"metadata successfully stored"}}"#);
}

#[test]
fn confirmation() {
    let message = StorageConfirmation { epoch: Epoch(21), blob_id: blob(), persistence: Persistence::Permanent };
    let signed = message.sign(&keys(1)[0]);
    let inner = concat!(
        r#"{"serializedMessage":"AQADFQAAAAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAA==","#,
        r#""signature":"uMwPt9pHIzmxk7kHGT+0H0aO6stc0LcJE1gaTgUTEymiFmI6G9hUjVhygRThjvZCFScQ08c8LXMLaDrQ7Pj6HClCPF7sPeoIWpCVctFSy3uliTjwRhKxzUY4uebid9HP"}"#
    );
    pinned(
        &Success::ok(Confirmation::Signed(signed.clone())),
        &format!(r#"{{"success":{{"code":200,"data":{{"signed":{inner}}}}}}}"#),
    );
    // The answer to an inconsistency proof lacks the inner level.
    pinned(&Success::ok(signed), &format!(r#"{{"success":{{"code":200,"data":{inner}}}}}"#));
}

mod errors {
    use super::*;

    #[test]
    fn plain() {
        let body = ErrorBody::new(ErrorReason::NotRegistered, DOMAIN_STORAGE, "not yet");
        pinned(
            &body,
            concat!(
                r#"{"error":{"status":"FAILED_PRECONDITION","code":400,"message":"not yet","#,
                r#""details":[{"@type":"ErrorInfo","reason":"NOT_REGISTERED","domain":"storage.walrus.space","metadata":{}}]}}"#
            ),
        );
        assert_eq!(body.code(), 400);
        assert_eq!(body.reason(), Some(ErrorReason::NotRegistered));
        assert_eq!(body.to_string(), "NOT_REGISTERED: not yet");
    }

    #[test]
    fn internal() {
        pinned(
            &ErrorBody::internal(DOMAIN_DAEMON, "abc"),
            concat!(
                r#"{"error":{"status":"INTERNAL","code":500,"message":"an internal error has occurred, please report it","#,
                r#""details":[{"@type":"ErrorInfo","reason":"INTERNAL_ERROR","domain":"daemon.walrus.space","metadata":{}},"#,
                r#"{"@type":"DebugInfo","stackEntries":[],"detail":"TraceID: abc"}]}}"#
            ),
        );
    }

    #[test]
    fn invalid_epoch_has_metadata() {
        pinned(
            &ErrorBody::invalid_epoch(Epoch(3), Epoch(5)),
            concat!(
                r#"{"error":{"status":"FAILED_PRECONDITION","code":400,"message":"the request is for epoch 3, the server is in epoch 5","#,
                r#""details":[{"@type":"ErrorInfo","reason":"INVALID_EPOCH","domain":"storage.walrus.space","metadata":{"request_epoch":3,"server_epoch":5}}]}}"#
            ),
        );
    }

    #[test]
    fn one_reason_with_two_statuses() {
        let reason = ErrorReason::MetadataNotFound;
        assert_eq!(ErrorBody::new(reason, DOMAIN_STORAGE, "").code(), 404);
        let on_put = ErrorBody::with_status(ErrorStatus::FailedPrecondition, reason, DOMAIN_STORAGE, "");
        assert_eq!(on_put.code(), 400);
        let range = ErrorReason::InvalidByteRange;
        assert_eq!(range.statuses(), [ErrorStatus::RangeNotSatisfiable, ErrorStatus::InvalidArgument]);
    }

    #[test]
    fn statuses_of_the_spec() {
        let table = [
            ("INVALID_ARGUMENT", 400),
            ("FAILED_PRECONDITION", 400),
            ("UNAUTHENTICATED", 401),
            ("PERMISSION_DENIED", 403),
            ("SIZE_EXCEEDED", 403),
            ("NOT_FOUND", 404),
            ("RANGE_NOT_SATISFIABLE", 416),
            ("RESOURCE_EXHAUSTED", 429),
            ("UNAVAILABLE_FOR_LEGAL_REASONS", 451),
            ("INTERNAL", 500),
            ("UNAVAILABLE", 503),
            ("DEADLINE_EXCEEDED", 504),
            ("INSUFFICIENT_STORAGE", 507),
        ];
        assert_eq!(ErrorStatus::ALL.len(), table.len());
        for (status, (text, code)) in ErrorStatus::ALL.iter().zip(table) {
            assert_eq!((status.as_str(), status.http()), (text, code));
            assert_eq!(text.parse(), Ok(*status));
        }
    }

    /// The tables of sections 2.2 to 2.10, 3.3, 4.4 and 4.5.
    #[test]
    fn reasons_of_the_spec() {
        let table = "METADATA_NOT_FOUND 404 400, FORBIDDEN_BLOB 451, NOT_REGISTERED 400, CACHE_SATURATED 400, \
            INVALID_METADATA 400, INVALID_BLOB 400, UNSUPPORTED_ENCODING_TYPE 400, INVALID_CONTENT_TYPE 400, \
            INTERNAL_ERROR 500, SLIVER_NOT_FOUND 404, INDEX_OUT_OF_RANGE 400, SHARD_NOT_ASSIGNED 400, \
            INVALID_SLIVER 400, SLIVER_INDEX_MISMATCH 400, SLIVER_TOO_LARGE 400, MISSING_SLIVERS 400, \
            NO_SYMBOLS_SPECIFIED 400, INVALID_FILTER 400, SYMBOL_NOT_PRESENT_AT_SHARDS 400, UNAVAILABLE 503, \
            RECOVERY_SYMBOL_OUT_OF_RANGE 400, NO_TARGET_SLIVERS_SPECIFIED 400, INVALID_PROOF 400, \
            REQUEST_UNAUTHORIZED 403, MESSAGE_VERIFICATION_FAILED 400, INVALID_EPOCH 400, \
            SLIVER_COUNT_EXCEEDS_LIMIT 400, BLOB_NOT_FOUND 404, QUILT_PATCH_NOT_FOUND 404, BLOB_TOO_LARGE 403, \
            BLOB_UNAVAILABLE 503, INVALID_BYTE_RANGE 416 400, INVALID_CONSISTENCY_CHECK 400, INVALID_ID_FORMAT 400, \
            OBJECT_ID_RESOLUTION_FAILED 404, BLOB_READ_FAILED 500, SLIVER_RETRIEVAL_FAILED 500, \
            INSUFFICIENT_CONFIRMATIONS 504, MALFORMED_REQUEST 400, INVALID_BLOB_PERSISTENCE 400, \
            INVALID_EXPIRATION 400, INVALID_EPOCHS 400, INVALID_SIZE 400, INVALID_SEND_OBJECT_TO 400, \
            INCONSISTENT_TOKEN 400, INVALID_TOKEN 400, INVALID_TIMESTAMP 400, EXPIRED_SIGNATURE 504, \
            INVALID_SIGNATURE 401, TOKEN_ALREADY_USED 429, MALFORMED_UPLOAD 400, STORAGE_FULL 507";
        assert_eq!(ErrorReason::ALL.len(), table.split(", ").count());
        for row in table.split(", ") {
            let (name, codes) = row.trim().split_once(' ').unwrap();
            let reason: ErrorReason = name.parse().unwrap();
            let mut expected: Vec<u16> = codes.split(' ').map(|code| code.parse().unwrap()).collect();
            let mut got: Vec<u16> = reason.statuses().iter().map(|status| status.http()).collect();
            got.dedup();
            expected.dedup();
            assert_eq!(got, expected, "{name}");
            assert_eq!(reason.statuses()[0], reason.status());
        }
    }

    #[test]
    fn status_and_code_must_be_a_pair() {
        let json = |status: &str, code: u16| {
            format!(r#"{{"error":{{"status":"{status}","code":{code},"message":"m","details":[]}}}}"#)
        };
        assert!(serde_json::from_str::<ErrorBody>(&json("NOT_FOUND", 404)).is_ok());
        for (status, code) in [("NOT_FOUND", 400), ("NOT_FOUND", 200), ("UNKNOWN", 404), ("not_found", 404)] {
            assert!(serde_json::from_str::<ErrorBody>(&json(status, code)).is_err(), "{status} {code}");
        }
    }

    #[test]
    fn foreign_details_are_tolerated() {
        let json = r#"{"error":{"status":"UNAVAILABLE","code":503,"message":"m","details":[
            {"@type":"ErrorInfo","reason":"OF_TOMORROW","domain":"global","metadata":{"a":[1]},"more":1},
            {"@type":"Hint","text":"x"}]}}"#;
        let body: ErrorBody = serde_json::from_str(json).unwrap();
        assert_eq!(body.reason_text(), Some("OF_TOMORROW"));
        assert_eq!(body.reason(), None);
        assert_eq!(body.details[1], ErrorDetail::Unknown);
        let bare: ErrorBody =
            serde_json::from_str(r#"{"error":{"status":"UNAVAILABLE","code":503,"message":"m"}}"#).unwrap();
        assert_eq!(bare.reason_text(), None);
    }
}

#[test]
fn blob_status() {
    pinned(&BlobStatus::Nonexistent, r#""nonexistent""#);
    pinned(&BlobStatus::Invalid { event: event() }, &format!(r#"{{"invalid":{{"event":{EVENT}}}}}"#));
    pinned(
        &BlobStatus::Permanent {
            end_epoch: Epoch(10),
            is_certified: true,
            status_event: event(),
            deletable_counts: DeletableCounts::default(),
            initial_certified_epoch: Some(Epoch(1)),
        },
        &format!(
            r#"{{"permanent":{{"endEpoch":10,"isCertified":true,"statusEvent":{EVENT},"deletableCounts":{{"count_deletable_total":0,"count_deletable_certified":0}},"initialCertifiedEpoch":1}}}}"#
        ),
    );
    let deletable = BlobStatus::Deletable {
        initial_certified_epoch: None,
        deletable_counts: DeletableCounts { count_deletable_total: 1, count_deletable_certified: 0 },
    };
    pinned(
        &deletable,
        r#"{"deletable":{"initialCertifiedEpoch":null,"deletableCounts":{"count_deletable_total":1,"count_deletable_certified":0}}}"#,
    );
    assert!(BlobStatus::Nonexistent.rank() < deletable.rank());
    assert_eq!(deletable.initial_certified_epoch(), None);
}

fn newly_created() -> NewlyCreated {
    let id = ObjectId::from_number(7);
    NewlyCreated {
        blob_object: BlobObject {
            id,
            registered_epoch: Epoch(34),
            blob_id: blob(),
            size: 17,
            encoding_type: EncodingType::Rs2,
            certified_epoch: Some(Epoch(34)),
            storage: StorageResource { id, start_epoch: Epoch(34), end_epoch: Epoch(35), storage_size: 66_034_000 },
            deletable: false,
        },
        resource_operation: ResourceOperation::RegisterFromScratch { encoded_length: 66_034_000, epochs_ahead: 1 },
        cost: 132_300,
        shared_blob_object: None,
    }
}

fn newly_created_json(certified: &str, operation: &str, tail: &str) -> String {
    format!(
        r#"{{"newlyCreated":{{"blobObject":{{"id":"{OBJECT}","registeredEpoch":34,"blobId":"{BLOB}","size":17,"encodingType":"RS2","certifiedEpoch":{certified},"storage":{{"id":"{OBJECT}","startEpoch":34,"endEpoch":35,"storageSize":66034000}},"deletable":false}},"resourceOperation":{operation},"cost":132300{tail}}}}}"#
    )
}

#[test]
fn store_result_newly_created() {
    let from_scratch = r#"{"registerFromScratch":{"encodedLength":66034000,"epochsAhead":1}}"#;
    let result = BlobStoreResult::NewlyCreated(newly_created());
    pinned(&result, &newly_created_json("34", from_scratch, ""));
    assert_eq!(result.blob_id(), Some(&blob()));
    assert_eq!(result.end_epoch(), Some(Epoch(35)));

    let mut shared = newly_created();
    shared.blob_object.certified_epoch = None;
    shared.shared_blob_object = Some(ObjectId::from_number(7));
    let tail = format!(r#","sharedBlobObject":"{OBJECT}""#);
    pinned(&BlobStoreResult::NewlyCreated(shared), &newly_created_json("null", from_scratch, &tail));
}

#[test]
fn store_result_resource_operations() {
    let encoded_length = 5;
    let epochs_extended = 2;
    let operations = [
        (ResourceOperation::ReuseStorage { encoded_length }, r#"{"reuseStorage":{"encodedLength":5}}"#),
        (ResourceOperation::ReuseRegistration { encoded_length }, r#"{"reuseRegistration":{"encodedLength":5}}"#),
        (
            ResourceOperation::ReuseAndExtend { encoded_length, epochs_extended },
            r#"{"reuseAndExtend":{"encodedLength":5,"epochsExtended":2}}"#,
        ),
        (
            ResourceOperation::ReuseAndExtendNonCertified { encoded_length, epochs_extended },
            r#"{"reuseAndExtendNonCertified":{"encodedLength":5,"epochsExtended":2}}"#,
        ),
    ];
    for (operation, json) in operations {
        pinned(&operation, json);
    }
}

#[test]
fn store_result_already_certified() {
    let mut certified =
        AlreadyCertified { blob_id: blob(), certified_by: CertifiedBy::Event(event()), end_epoch: Epoch(35) };
    pinned(
        &BlobStoreResult::AlreadyCertified(certified.clone()),
        &format!(r#"{{"alreadyCertified":{{"blobId":"{BLOB}","event":{EVENT},"endEpoch":35}}}}"#),
    );
    certified.certified_by = CertifiedBy::Object(ObjectId::from_number(7));
    pinned(
        &BlobStoreResult::AlreadyCertified(certified),
        &format!(r#"{{"alreadyCertified":{{"blobId":"{BLOB}","object":"{OBJECT}","endEpoch":35}}}}"#),
    );
}

#[test]
fn store_result_failures() {
    pinned(
        &BlobStoreResult::MarkedInvalid { blob_id: blob(), event: event() },
        &format!(r#"{{"markedInvalid":{{"blobId":"{BLOB}","event":{EVENT}}}}}"#),
    );
    let mut failure = StoreFailure { blob_id: None, failure_phase: "encode".into(), error_msg: "too large".into() };
    pinned(
        &BlobStoreResult::Error(failure.clone()),
        r#"{"error":{"blobId":null,"failurePhase":"encode","errorMsg":"too large"}}"#,
    );
    failure.blob_id = Some(blob());
    pinned(
        &BlobStoreResult::Error(failure),
        &format!(r#"{{"error":{{"blobId":"{BLOB}","failurePhase":"encode","errorMsg":"too large"}}}}"#),
    );
}

#[test]
fn health() {
    let key = "l/HTpzGX15QmlWOMT6msD8NojE+XdLkFoU46PxcbrFhsVeg/+Xoa7/s68ArbIsa7";
    let mut health = Health {
        uptime: Duration::new(12, 345).into(),
        epoch: Epoch(5),
        public_key: keys(1)[0].public_key(),
        node_status: NodeStatus::Active,
        event_progress: EventProgress { persisted: 100, pending: 0, highest_finished_event_index: Some(99) },
        shard_summary: ShardSummary {
            owned: 10,
            owned_shard_status: ShardStatusCounts { ready: 10, ..Default::default() },
            read_only: 0,
        },
        shard_detail: Some(ShardDetail {
            owned: vec![ShardHealth { shard: ShardIndex::new(0), status: ShardStatus::Ready }],
            other: vec![],
        }),
        latest_checkpoint_sequence_number: Some(123),
    };
    let json = |tail: &str| {
        format!(
            r#"{{"success":{{"code":200,"data":{{"uptime":{{"secs":12,"nanos":345}},"epoch":5,"publicKey":"{key}","nodeStatus":"Active","eventProgress":{{"persisted":100,"pending":0,"highestFinishedEventIndex":99}},"shardSummary":{{"owned":10,"ownedShardStatus":{{"unknown":0,"ready":10,"inTransfer":0,"inRecovery":0}},"readOnly":0}}{tail}}}}}}}"#
        )
    };
    let detail =
        r#","shardDetail":{"owned":[{"shard":0,"status":"ready"}],"other":[]},"latestCheckpointSequenceNumber":123"#;
    pinned(&Success::ok(health.clone()), &json(detail));
    health.shard_detail = None;
    health.latest_checkpoint_sequence_number = None;
    pinned(&Success::ok(health), &json(""));
}

#[test]
fn node_and_shard_status_texts() {
    let texts = [
        (NodeStatus::Standby, "Standby"),
        (NodeStatus::Active, "Active"),
        (NodeStatus::RecoverMetadata, "RecoverMetadata"),
        (NodeStatus::RecoveryCatchUp, "RecoveryCatchUp"),
        (NodeStatus::RecoveryInProgress(Epoch(7)), "RecoveryInProgress (7)"),
        (
            NodeStatus::RecoveryCatchUpWithIncompleteHistory {
                first_complete_epoch: Epoch(3),
                epoch_at_start: Epoch(9),
            },
            "RecoveryCatchUpWithIncompleteHistory (first complete epoch: 3, epoch at start: 9)",
        ),
    ];
    for (status, text) in texts {
        pinned(&status, &format!("\"{text}\""));
    }
    for bad in ["", "active", "Active (1)", "RecoveryInProgress", "RecoveryInProgress (x)", "RecoveryInProgress (7"] {
        assert_eq!(bad.parse::<NodeStatus>(), Err(NodeStatusError), "{bad}");
    }
    for (status, text) in [
        (ShardStatus::Unknown, "unknown"),
        (ShardStatus::Ready, "ready"),
        (ShardStatus::InTransfer, "inTransfer"),
        (ShardStatus::InRecovery, "inRecovery"),
        (ShardStatus::ReadOnly, "readOnly"),
    ] {
        pinned(&status, &format!("\"{text}\""));
    }
}

#[test]
fn queries() {
    pinned(&PendingQuery { pending: true }, r#"{"pending":true}"#);
    assert_eq!(serde_json::from_str::<PendingQuery>("{}").unwrap(), PendingQuery::default());
    assert!(serde_json::from_str::<PendingQuery>(r#"{"other":true}"#).is_err());

    let patient = ConfirmationQuery { wait_for_registration: true, wait_millis: None };
    assert_eq!(patient.wait_millis_bounded(), 5000);
    assert_eq!(ConfirmationQuery { wait_millis: Some(10), ..patient }.wait_millis_bounded(), 10);
    assert_eq!(ConfirmationQuery { wait_millis: Some(99_999), ..patient }.wait_millis_bounded(), 5000);
    assert_eq!(ConfirmationQuery { wait_millis: Some(10), ..Default::default() }.wait_millis_bounded(), 0);

    let object = Persistence::Deletable(ObjectId::from_number(7)).into();
    pinned(
        &UploadQuery { persistence: PersistenceText(Confirms::Permanent), wait_millis: Some(5000) },
        r#"{"persistence":"permanent","wait_millis":5000}"#,
    );
    pinned(
        &UploadQuery { persistence: PersistenceText(object), wait_millis: None },
        &format!(r#"{{"persistence":"deletable:{OBJECT}"}}"#),
    );
    let empty: UploadQuery = serde_json::from_str("{}").unwrap();
    assert_eq!((empty.persistence.0, empty.wait_millis_bounded()), (Confirms::Permanent, 5000));
    assert_eq!("deletable".parse(), Ok(PersistenceText(Confirms::LatestDeletable)));
    assert_eq!("none".parse(), Ok(PersistenceText(Confirms::Nothing)));
    for bad in ["", "None", "deletable:", "deletable:x", "Permanent"] {
        assert!(bad.parse::<PersistenceText>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn transaction_digests_round_trip(bytes: [u8; 32]) {
        let digest = TxDigest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn any_text_is_refused_or_round_trips(text in "[1-9A-HJ-NP-Za-km-z]{0,50}|.{0,50}") {
        if let Ok(digest) = text.parse::<TxDigest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn any_json_never_panics(text in r#"[{}\[\]":,a-zA-Z0-9@_ ]{0,80}"#) {
        let _ = serde_json::from_str::<ErrorBody>(&text);
        let _ = serde_json::from_str::<BlobStatus>(&text);
        let _ = serde_json::from_str::<BlobStoreResult>(&text);
        let _ = serde_json::from_str::<Success<Confirmation>>(&text);
        let _ = serde_json::from_str::<Success<Health>>(&text);
    }
}
