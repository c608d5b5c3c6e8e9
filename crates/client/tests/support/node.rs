//! A storage node that keeps slivers in memory, and does what it is told to, good or bad.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use floe_chain::BlobObject;
use floe_protocol::{
    Epoch, Message,
    api::{
        BlobStatus, Confirmation, DOMAIN_STORAGE, DeletableCounts, ErrorBody, ErrorReason, EventId, StoredStatus,
        Success, TxDigest,
        query::{Confirms, UploadQuery},
    },
    bls::SecretKey,
    message::{BatchList, Persistence, SignedMessage, StorageConfirmation},
    upload::{Frame, UploadReader},
};
use floe_redstuff::{
    Axis, BlobId, DecodingSymbols, EitherDecodingSymbol, GeneralRecoverySymbol, PairIndex, ShardIndex, Sliver,
    SliverIndex, SymbolId, VerifiedMetadata, VerifiedSliver,
};
use futures::StreamExt;
use http_body_util::BodyExt;

use super::chain::MemoryChain;

/// How a node misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Honest,
    /// Takes requests and never answers.
    Silent,
    /// Answers 503 to everything.
    Refusing,
    /// Answers correctly, but late.
    Slow(Duration),
    /// One bit of each sliver is wrong.
    FlippedBit,
    /// Gives the sliver of another index.
    WrongSliver,
    /// Gives a sliver of another blob that it holds.
    OtherBlob,
    /// Slivers lack their last bytes.
    Truncated,
    /// The connection breaks in the middle of a sliver.
    BrokenOff,
    /// Slivers are longer than they can be.
    OverLong,
    /// Slivers never end.
    Endless,
    /// Metadata of which one hash is wrong.
    CorruptMetadata,
    /// Has lost its primary slivers.
    NoPrimaries,
    /// Confirms with a signature over something else.
    BadSignature,
    /// Confirms another blob.
    ConfirmsOther,
    /// Is one epoch behind with its confirmations for that many requests.
    Lagging(u32),
    /// Has no space left.
    Full,
    /// Breaks off each upload after this many bytes.
    BreaksUploads(usize),
    /// Says that blobs do not exist.
    Forgetful,
    /// Has seen no certificate yet.
    SeesNoCertificates,
}

pub struct Node {
    pub number: usize,
    pub shards: Vec<ShardIndex>,
    key: SecretKey,
    chain: Arc<MemoryChain>,
    blobs: Mutex<HashMap<BlobId, Held>>,
    behaviour: Mutex<Behaviour>,
    pub sliver_requests: AtomicU32,
    pub symbol_requests: AtomicU32,
    pub uploads: AtomicU32,
    pub batches: AtomicU32,
    /// What came of the last upload, whole or broken off.
    pub received: Mutex<Vec<u8>>,
    lagging: AtomicU32,
}

#[derive(Clone)]
struct Held {
    metadata: VerifiedMetadata,
    slivers: HashMap<(u16, Axis), Bytes>,
}

impl Node {
    pub fn new(number: usize, shards: Vec<ShardIndex>, key: SecretKey, chain: Arc<MemoryChain>) -> Self {
        Self {
            number,
            shards,
            key,
            chain,
            blobs: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Honest),
            sliver_requests: AtomicU32::new(0),
            symbol_requests: AtomicU32::new(0),
            uploads: AtomicU32::new(0),
            batches: AtomicU32::new(0),
            received: Mutex::default(),
            lagging: AtomicU32::new(0),
        }
    }

    pub fn behave(&self, behaviour: Behaviour) {
        if let Behaviour::Lagging(times) = behaviour {
            self.lagging.store(times, Ordering::SeqCst);
        }
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap()
    }

    pub fn holds(&self, id: &BlobId) -> bool {
        self.blobs.lock().unwrap().contains_key(id)
    }

    pub fn forget(&self, id: &BlobId) {
        self.blobs.lock().unwrap().remove(id);
    }

    /// All slivers of a blob that it holds.
    pub fn slivers(&self, id: &BlobId) -> HashMap<(u16, Axis), Bytes> {
        self.blobs.lock().unwrap().get(id).map(|held| held.slivers.clone()).unwrap_or_default()
    }

    /// Puts a sliver there without any check.
    pub fn plant(&self, metadata: &VerifiedMetadata, pair: PairIndex, axis: Axis, sliver: Vec<u8>) {
        let mut blobs = self.blobs.lock().unwrap();
        let held = blobs
            .entry(*metadata.blob_id())
            .or_insert_with(|| Held { metadata: metadata.clone(), slivers: HashMap::new() });
        held.slivers.insert((pair.get(), axis), sliver.into());
    }

    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/blobs/{id}/upload", put(upload))
            .route("/v1/blobs/{id}/metadata", get(metadata))
            .route("/v1/blobs/{id}/slivers", get(several_slivers))
            .route("/v1/blobs/{id}/slivers/{pair}/{axis}", get(sliver))
            .route("/v1/blobs/{id}/recoverySymbols", get(recovery_symbols))
            .route("/v1/blobs/{id}/decodingSymbols", get(decoding_symbols))
            .route("/v1/blobs/{id}/status", get(status))
            .route("/v1/blobs/{id}/confirmation/permanent", get(permanent))
            .route("/v1/blobs/{id}/confirmation/deletable/{object}", get(deletable))
            .route("/v1/confirmations", post(batch))
            .with_state(self.clone())
    }

    /// What a bad node does to every request.
    async fn general(&self) -> Result<(), Response> {
        match self.behaviour() {
            Behaviour::Silent => std::future::pending().await,
            Behaviour::Refusing => Err(refuse(ErrorReason::Unavailable)),
            Behaviour::Slow(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn confirm(&self, id: &BlobId, persistence: Persistence) -> Response {
        let message = StorageConfirmation { epoch: self.chain.epoch(), blob_id: *id, persistence };
        Json(Success::ok(Confirmation::Signed(self.sign(message)))).into_response()
    }

    fn sign(&self, mut message: StorageConfirmation) -> SignedMessage<StorageConfirmation> {
        match self.behaviour() {
            Behaviour::BadSignature => {
                let other = message.sign(&SecretKey::generate(&[99; 32]));
                SignedMessage::from_parts(message.to_bytes(), *other.signature())
            }
            Behaviour::ConfirmsOther => {
                message.blob_id = BlobId::from_bytes([1; 32]);
                message.sign(&self.key)
            }
            Behaviour::Lagging(_) if self.is_lagging() => {
                message.epoch = Epoch(message.epoch.get() - 1);
                message.sign(&self.key)
            }
            _ => message.sign(&self.key),
        }
    }

    /// The registration that a confirmation is asked for, if it is there.
    fn persistence(&self, id: &BlobId, confirms: Confirms) -> Option<Persistence> {
        let there: Vec<_> = self.chain.registrations_of(id).iter().map(BlobObject::persistence).collect();
        match confirms {
            Confirms::Permanent => there.contains(&Persistence::Permanent).then_some(Persistence::Permanent),
            Confirms::Deletable(object) => {
                Some(Persistence::Deletable(object)).filter(|persistence| there.contains(persistence))
            }
            Confirms::LatestDeletable => there.into_iter().rev().find(|p| *p != Persistence::Permanent),
            Confirms::Nothing => there.into_iter().next(),
        }
    }

    fn is_lagging(&self) -> bool {
        self.lagging.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    fn pairs(&self, id: &BlobId) -> Vec<u16> {
        let params = self.chain_params();
        let mut pairs: Vec<u16> = self.shards.iter().map(|shard| shard.pair(id, params).get()).collect();
        pairs.sort_unstable();
        pairs
    }

    fn held_sliver(&self, held: &Held, index: SliverIndex, axis: Axis) -> Option<VerifiedSliver> {
        let params = self.chain_params();
        if self.behaviour() == Behaviour::NoPrimaries && axis == Axis::Primary {
            return None;
        }
        let bytes = held.slivers.get(&(index.pair(axis, params).get(), axis))?;
        Some(Sliver::from_bcs(axis, bytes, params).unwrap().verify(&held.metadata).unwrap())
    }

    fn chain_params(&self) -> floe_redstuff::EncodingParams {
        futures::executor::block_on(floe_chain::ControlPlane::committee(&*self.chain)).unwrap().params()
    }
}

fn refuse(reason: ErrorReason) -> Response {
    let body = ErrorBody::new(reason, DOMAIN_STORAGE, "as told by the test");
    (StatusCode::from_u16(body.code()).unwrap(), Json(body)).into_response()
}

fn parse(id: &str) -> BlobId {
    id.parse().unwrap()
}

async fn upload(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Response {
    node.uploads.fetch_add(1, Ordering::SeqCst);
    if let Err(response) = node.general().await {
        return response;
    }
    if node.behaviour() == Behaviour::Full {
        return refuse(ErrorReason::StorageFull);
    }
    let id = parse(&id);
    let params = node.chain_params();
    let mut reader = UploadReader::new(params);
    let mut held: Option<Held> = None;
    let mut body = body;
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        // The other side may give up.
        let Ok(frame) = frame else { return refuse(ErrorReason::MalformedUpload) };
        let Ok(data) = frame.into_data() else { continue };
        received.extend_from_slice(&data);
        if let Behaviour::BreaksUploads(limit) = node.behaviour()
            && received.len() >= limit
        {
            *node.received.lock().unwrap() = received;
            let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("broken off"))]);
            return Body::from_stream(broken).into_response();
        }
        reader.push(data).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            match frame {
                Frame::Metadata(metadata) => {
                    let metadata = metadata.verify(&id, params).unwrap();
                    held = Some(Held { metadata, slivers: HashMap::new() });
                }
                Frame::Sliver(frame) => {
                    let held = held.as_mut().unwrap();
                    frame.decode(params).unwrap().verify(&held.metadata).unwrap();
                    held.slivers.insert((frame.pair.get(), frame.axis), frame.bytes);
                }
            }
        }
    }
    reader.finish().unwrap();
    *node.received.lock().unwrap() = received;
    let confirms = query.persistence.0;
    let Some(persistence) = node.persistence(&id, confirms) else { return refuse(ErrorReason::NotRegistered) };
    let held = held.unwrap();
    for pair in node.pairs(&id) {
        assert!(held.slivers.contains_key(&(pair, Axis::Primary)), "pair {pair} is missing");
        assert!(held.slivers.contains_key(&(pair, Axis::Secondary)), "pair {pair} is missing");
    }
    assert_eq!(held.slivers.len(), 2 * node.shards.len(), "foreign pairs");
    node.blobs.lock().unwrap().insert(id, held);
    match confirms {
        Confirms::Nothing => Json(Success::ok(StoredStatus::Stored)).into_response(),
        _ => node.confirm(&id, persistence),
    }
}

async fn permanent(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Response {
    confirmation(&node, &id, Confirms::Permanent).await
}

async fn deletable(State(node): State<Arc<Node>>, Path((id, object)): Path<(String, String)>) -> Response {
    confirmation(&node, &id, Confirms::Deletable(object.parse().unwrap())).await
}

async fn confirmation(node: &Node, id: &str, confirms: Confirms) -> Response {
    if let Err(response) = node.general().await {
        return response;
    }
    let id = parse(id);
    match node.persistence(&id, confirms) {
        None => refuse(ErrorReason::NotRegistered),
        Some(_) if !node.holds(&id) => refuse(ErrorReason::MissingSlivers),
        Some(persistence) => node.confirm(&id, persistence),
    }
}

async fn batch(State(node): State<Arc<Node>>, body: Bytes) -> Response {
    node.batches.fetch_add(1, Ordering::SeqCst);
    if let Err(response) = node.general().await {
        return response;
    }
    let list = BatchList::from_bytes(&body, 1024).unwrap();
    for (id, persistence) in &list.0 {
        if node.persistence(id, (*persistence).into()).is_none() {
            return refuse(ErrorReason::NotRegistered);
        }
        if !node.holds(id) {
            return refuse(ErrorReason::MissingSlivers);
        }
    }
    let domain = floe_chain::ControlPlane::batch_domain(&*node.chain);
    let message = list.confirmation(node.chain.epoch(), domain);
    let signed = match node.behaviour() {
        Behaviour::BadSignature => message.sign(&SecretKey::generate(&[99; 32])),
        Behaviour::Lagging(_) if node.is_lagging() => {
            list.confirmation(Epoch(node.chain.epoch().get() - 1), domain).sign(&node.key)
        }
        _ => message.sign(&node.key),
    };
    Json(Success::ok(signed)).into_response()
}

async fn metadata(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Response {
    if let Err(response) = node.general().await {
        return response;
    }
    let Some(held) = node.blobs.lock().unwrap().get(&parse(&id)).cloned() else {
        return refuse(ErrorReason::MetadataNotFound);
    };
    let mut bytes = held.metadata.to_bcs_with_id();
    if node.behaviour() == Behaviour::CorruptMetadata {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    bytes.into_response()
}

async fn sliver(State(node): State<Arc<Node>>, Path((id, pair, axis)): Path<(String, u16, String)>) -> Response {
    slivers(&node, &parse(&id), &[pair], axis.parse().unwrap()).await
}

async fn several_slivers(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let values =
        |name: &str| query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value).collect::<Vec<_>>();
    let pairs: Vec<u16> = values("pair").iter().map(|pair| pair.parse().unwrap()).collect();
    slivers(&node, &parse(&id), &pairs, values("type")[0].parse().unwrap()).await
}

async fn slivers(node: &Node, id: &BlobId, pairs: &[u16], axis: Axis) -> Response {
    node.sliver_requests.fetch_add(1, Ordering::SeqCst);
    if let Err(response) = node.general().await {
        return response;
    }
    let blobs = node.blobs.lock().unwrap().clone();
    let held = |pair: &u16| blobs.get(id)?.slivers.get(&(*pair, axis)).cloned();
    let Some(found) = pairs.iter().map(held).collect::<Option<Vec<_>>>() else {
        return refuse(ErrorReason::SliverNotFound);
    };
    if node.chain.registrations_of(id).is_empty() {
        return refuse(ErrorReason::SliverNotFound);
    }
    if node.behaviour() == Behaviour::NoPrimaries && axis == Axis::Primary {
        return refuse(ErrorReason::SliverNotFound);
    }
    let other = || {
        let other = blobs.iter().find(|(other, _)| *other != id)?;
        other.1.slivers.iter().find(|((_, of), _)| *of == axis).map(|(_, sliver)| sliver.to_vec())
    };
    misbehave(node.behaviour(), Bytes::from(found.concat()), other)
}

/// Makes of an answer what a node with this behaviour gives.
fn misbehave(behaviour: Behaviour, bytes: Bytes, other: impl FnOnce() -> Option<Vec<u8>>) -> Response {
    let mut bad = bytes.to_vec();
    match behaviour {
        Behaviour::FlippedBit => {
            let middle = bad.len() / 2;
            bad[middle] ^= 4;
        }
        Behaviour::WrongSliver => {
            let index = bad.len() - 2;
            bad[index] ^= 1;
        }
        Behaviour::OtherBlob => match other() {
            Some(other) => bad = other,
            None => bad.fill(0),
        },
        Behaviour::Truncated => bad.truncate(bad.len() - 3),
        Behaviour::OverLong => bad.extend([0; 1000]),
        Behaviour::BrokenOff => {
            let half = bytes.slice(..bytes.len() / 2);
            let chunks = [Ok(half), Err(std::io::Error::other("broken off"))];
            return Body::from_stream(futures::stream::iter(chunks)).into_response();
        }
        Behaviour::Endless => {
            let chunks = futures::stream::repeat(Bytes::from_static(&[0; 4096])).map(Ok::<_, std::io::Error>);
            return Body::from_stream(chunks).into_response();
        }
        _ => return bytes.into_response(),
    }
    bad.into_response()
}

type Pairs = Query<Vec<(String, String)>>;

async fn recovery_symbols(State(node): State<Arc<Node>>, Path(id): Path<String>, Query(query): Pairs) -> Response {
    node.symbol_requests.fetch_add(1, Ordering::SeqCst);
    if let Err(response) = node.general().await {
        return response;
    }
    let Some(held) = node.blobs.lock().unwrap().get(&parse(&id)).cloned() else {
        return refuse(ErrorReason::SliverNotFound);
    };
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let axis: Axis = value("proofAxis").unwrap().parse().unwrap();
    let ids: Vec<SymbolId> = match value("targetSliver") {
        None => query.iter().filter(|(key, _)| key == "id").map(|(_, id)| id.parse().unwrap()).collect(),
        Some(row) => {
            let columns =
                node.pairs(&parse(&id)).into_iter().map(|pair| PairIndex::new(pair).secondary(node.chain_params()));
            columns.map(|secondary| SymbolId { primary: row.parse().unwrap(), secondary }).collect()
        }
    };
    let mut symbols = Vec::new();
    for id in ids {
        let Some(sliver) = node.held_sliver(&held, id.sliver(axis), axis) else { continue };
        symbols.push(sliver.general_recovery_symbol(id.sliver(axis.orthogonal())).unwrap());
    }
    if symbols.is_empty() {
        return refuse(ErrorReason::SliverNotFound);
    }
    misbehave(node.behaviour(), GeneralRecoverySymbol::list_to_bcs(&symbols).into(), || None)
}

async fn decoding_symbols(State(node): State<Arc<Node>>, Path(id): Path<String>, Query(query): Pairs) -> Response {
    node.symbol_requests.fetch_add(1, Ordering::SeqCst);
    if let Err(response) = node.general().await {
        return response;
    }
    let id = parse(&id);
    let Some(held) = node.blobs.lock().unwrap().get(&id).cloned() else {
        return refuse(ErrorReason::SliverNotFound);
    };
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    let (target, axis): (u16, Axis) = (value("targetSlivers").parse().unwrap(), value("targetType").parse().unwrap());
    let crossing = axis.orthogonal();
    let mut symbols = Vec::new();
    for pair in node.pairs(&id) {
        let index = PairIndex::new(pair).sliver(crossing, node.chain_params());
        let Some(sliver) = node.held_sliver(&held, index, crossing) else { continue };
        let symbol = sliver.decoding_symbol(SliverIndex::new(target)).unwrap();
        symbols.push(EitherDecodingSymbol { axis, symbol });
    }
    let symbols = DecodingSymbols([(SliverIndex::new(target), symbols)].into());
    misbehave(node.behaviour(), symbols.to_bcs().into(), || None)
}

async fn status(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Response {
    if let Err(response) = node.general().await {
        return response;
    }
    let id = parse(&id);
    let event = EventId { tx_digest: TxDigest::from_bytes([9; 32]), event_seq: 0 };
    let status = if node.behaviour() == Behaviour::Forgetful {
        BlobStatus::Nonexistent
    } else if node.chain.is_invalid(&id) {
        BlobStatus::Invalid { event }
    } else {
        let there = node.chain.registrations_of(&id);
        let (deletable, permanent): (Vec<_>, Vec<_>) = there.into_iter().partition(|object| object.deletable);
        let seen = node.behaviour() != Behaviour::SeesNoCertificates;
        let certified = deletable.iter().filter_map(|object| object.certified_epoch.filter(|_| seen));
        let deletable_counts = DeletableCounts {
            count_deletable_total: deletable.len() as u32,
            count_deletable_certified: certified.clone().count() as u32,
        };
        match permanent.into_iter().max_by_key(|object| object.end_epoch) {
            Some(object) => BlobStatus::Permanent {
                end_epoch: object.end_epoch,
                is_certified: object.certified_epoch.is_some(),
                status_event: event,
                deletable_counts,
                initial_certified_epoch: object.certified_epoch,
            },
            None if deletable.is_empty() => BlobStatus::Nonexistent,
            None => BlobStatus::Deletable { initial_certified_epoch: certified.min(), deletable_counts },
        }
    };
    Json(Success::ok(status)).into_response()
}
