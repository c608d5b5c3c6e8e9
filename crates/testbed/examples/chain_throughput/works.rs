//! The works that are measured.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use floe_chain::{ControlPlane as _, EvmChain, RegisterBlob};
use floe_protocol::{
    BlobId, ObjectId,
    message::{SignedMessage, StorageConfirmation},
};
use tokio::task::JoinSet;

use crate::{
    network::{Network, new_blob},
    report::{Rate, processor_time},
};

/// Accounts that send where as much as possible is sent, and transactions of each under way.
const SENDERS: usize = 16;
const UNDER_WAY: usize = 64;
/// Blobs of a batch.
const BATCH: usize = 64;

/// More than can be certified in a second.
const CERTIFICATES_PER_SECOND: usize = 1_000;
/// Threads that sign at once.
const THREADS: usize = 2;

/// A registration.
pub(crate) type Registered = (ObjectId, BlobId);

/// A blob and the confirmations of a quorum.
pub(crate) struct Prepared {
    blob: RegisterBlob,
    confirmations: Vec<SignedMessage<StorageConfirmation>>,
}

/// Does the same work for each sender side by side, and counts what was done of it.
async fn measure<T: Send + 'static, F: Future<Output = Vec<T>> + Send + 'static>(
    network: &Network,
    work: impl Fn(EvmChain, usize) -> F,
) -> (Rate, Vec<T>) {
    let (begin, processor) = (Instant::now(), processor_time());
    let mut tasks = JoinSet::new();
    for (index, writer) in network.writers.iter().take(SENDERS).enumerate() {
        tasks.spawn(work(writer.clone(), index));
    }
    let done: Vec<T> = tasks.join_all().await.into_iter().flatten().collect();
    let rate = Rate { count: done.len(), took: begin.elapsed(), processor: processor_time() - processor };
    (rate, done)
}

pub(crate) async fn register(network: &Network, time: Duration) -> (Rate, Vec<Registered>) {
    let deadline = Instant::now() + time;
    measure(network, |writer, _| async move {
        let mut done = Vec::new();
        while Instant::now() < deadline {
            let blobs: Vec<_> = (0..UNDER_WAY).map(|_| new_blob()).collect();
            let registered = writer.register_blobs(&blobs).await.unwrap();
            done.extend(registered.iter().map(|one| (one.object.object_id, one.object.blob_id)));
        }
        done
    })
    .await
}

/// Certificates are made before the clock runs.
pub(crate) async fn certify(network: &Arc<Network>, registered: Vec<Registered>, time: Duration) -> Rate {
    let count = usize::try_from(time.as_secs()).unwrap().saturating_mul(CERTIFICATES_PER_SECOND);
    let mut tasks = JoinSet::new();
    for share in registered[..count.min(registered.len())].chunks(count.div_ceil(SENDERS)) {
        let (network, share) = (network.clone(), share.to_vec());
        tasks.spawn_blocking(move || {
            share.into_iter().map(|(object, blob)| (object, network.certificate(blob))).collect::<Vec<_>>()
        });
    }
    let shares = tasks.join_all().await;
    let deadline = Instant::now() + time;
    let certified = measure(network, |writer, index| {
        let share: Vec<_> = shares.get(index).cloned().unwrap_or_default();
        async move {
            let mut done = Vec::new();
            for group in share.chunks(UNDER_WAY) {
                if Instant::now() >= deadline {
                    break;
                }
                let mut tasks = JoinSet::new();
                for (object, certificate) in group.iter().cloned() {
                    let writer = writer.clone();
                    tasks.spawn(async move { writer.certify_blob(object, &certificate).await.unwrap() });
                }
                done.extend(tasks.join_all().await);
            }
            done
        }
    });
    certified.await.0
}

/// Blobs are registered before the clock runs.
pub(crate) async fn batches(network: &Network, time: Duration) -> Rate {
    for writer in network.writers.iter().take(SENDERS) {
        network.warm_up_batches(writer, BATCH).await;
    }
    let per_sender = usize::try_from(time.as_secs()).unwrap_or(usize::MAX).clamp(1, 20);
    let (_, batches) = measure(network, |writer, _| async move {
        let mut batches = Vec::new();
        for _ in 0..per_sender {
            let blobs: Vec<_> = (0..BATCH).map(|_| new_blob()).collect();
            let registered = writer.register_batch(&blobs).await.unwrap();
            batches.push(registered.iter().map(|one| (one.object.object_id, one.object.blob_id)).collect::<Vec<_>>());
        }
        batches
    })
    .await;
    let certificates = batches.into_iter().map(|batch| {
        let blobs: Vec<_> = batch.iter().map(|(_, blob)| *blob).collect();
        let objects: Vec<_> = batch.iter().map(|(object, _)| *object).collect();
        (objects, network.certificate_of(&blobs))
    });
    let certificates: Arc<Vec<_>> = Arc::new(certificates.collect());
    let certified = measure(network, |writer, index| {
        let certificates = certificates.clone();
        async move {
            let mut tasks = JoinSet::new();
            for (objects, certificate) in certificates.iter().skip(index).step_by(SENDERS).cloned() {
                let writer = writer.clone();
                tasks.spawn(async move {
                    writer.certify_batch(&objects, &certificate).await.unwrap();
                    objects
                });
            }
            tasks.join_all().await.into_iter().flatten().collect()
        }
    });
    certified.await.0
}

/// Times from all confirmations in hand to the certificate on the chain, one after the other.
pub(crate) async fn certify_one_by_one(network: &Network, blobs: Vec<Prepared>, time: Duration) -> Vec<Duration> {
    let (writer, deadline) = (&network.writers[0], Instant::now() + time);
    let mut times = Vec::new();
    for Prepared { blob, confirmations } in blobs {
        let registered = writer.register_blobs(std::slice::from_ref(&blob)).await.unwrap();
        let begin = Instant::now();
        let certificate = network.collect(confirmations);
        writer.certify_blob(registered[0].object.object_id, &certificate).await.unwrap();
        times.push(begin.elapsed());
        if Instant::now() > deadline {
            break;
        }
    }
    times
}

/// Blobs with what the members say of each; made before the clock runs, since members have machines of their own.
pub(crate) async fn prepare(network: &Arc<Network>, count: usize) -> Vec<Prepared> {
    let mut tasks = JoinSet::new();
    for _ in 0..THREADS {
        let network = network.clone();
        tasks.spawn_blocking(move || {
            let one = || {
                let blob = new_blob();
                let confirmations = network.confirmations(blob.blob_id);
                Prepared { blob, confirmations }
            };
            std::iter::repeat_with(one).take(count / THREADS).collect::<Vec<_>>()
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// Times from the blob id to the certificate on the chain, of writers that each store one blob after the other, until
/// the time is over or all is stored; and the time that it took.
pub(crate) async fn write(
    network: &Arc<Network>,
    writers: usize,
    blobs: Vec<Prepared>,
    time: Duration,
) -> (Vec<Duration>, Duration) {
    let (begin, blobs) = (Instant::now(), Arc::new(Mutex::new(blobs)));
    let mut tasks = JoinSet::new();
    for writer in network.writers.iter().take(writers) {
        let (network, writer, blobs) = (network.clone(), writer.clone(), blobs.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begin.elapsed() < time {
                let Some(Prepared { blob, confirmations }) = blobs.lock().unwrap().pop() else { break };
                let begin = Instant::now();
                let registered = writer.register_blobs(std::slice::from_ref(&blob)).await.unwrap();
                let certificate = network.collect(confirmations);
                writer.certify_blob(registered[0].object.object_id, &certificate).await.unwrap();
                times.push(begin.elapsed());
            }
            times
        });
    }
    let times = tasks.join_all().await.into_iter().flatten().collect();
    (times, begin.elapsed())
}
