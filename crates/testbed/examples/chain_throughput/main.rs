//! What the embedded chain bears, as a client sees it over HTTP:
//! `cargo run --release -p floe-testbed --example chain_throughput -- --svg finality.svg`.
//!
//! Everything runs in this process and shares its processors: the chain (durable, in a temporary folder) and the writers,
//! each with an account of its own. There are no nodes: what they would sign is signed here, so the times are those of
//! the control plane alone. `--seconds N` sets how long each row is measured (10), `--memory` leaves the disk out.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a measurement that fails ends

mod network;
mod report;
mod works;

use std::{sync::Arc, time::Duration};

use network::Network;
use report::Row;

/// Writers at once in the rows about finality.
const WRITERS: [usize; 4] = [1, 8, 64, 256];
/// More blobs than one writer, or all of them together, can store in a second.
const ONE_WRITER_PER_SECOND: usize = 250;
const MANY_WRITERS_PER_SECOND: usize = 800;

struct Options {
    seconds: Duration,
    memory: bool,
    svg: Option<String>,
}

fn options() -> Options {
    let mut options = Options { seconds: Duration::from_secs(10), memory: false, svg: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => options.seconds = Duration::from_secs(args.next().unwrap().parse().unwrap()),
            "--memory" => options.memory = true,
            "--svg" => options.svg = Some(args.next().unwrap()),
            other => panic!("unknown argument {other}: --seconds N, --memory, --svg FILE"),
        }
    }
    options
}

#[tokio::main]
async fn main() {
    let options = options();
    let network = Arc::new(Network::start(options.memory, *WRITERS.iter().max().unwrap()).await);
    println!("100 shards, 10 members with equal stake, 7 of them sign; {} per row\n", report::seconds(options.seconds));

    println!("| work | goal | per second | processor ms each |\n|---|---|---|---|");
    let (registrations, registered) = works::register(&network, options.seconds).await;
    report::rate("registrations", ">= 2,000", &registrations);
    report::rate("certifications", ">= 500", &works::certify(&network, registered, options.seconds).await);
    report::rate("blobs certified in batches of 64", ">= 5,000", &works::batches(&network, options.seconds).await);

    let seconds = usize::try_from(options.seconds.as_secs()).unwrap();
    let blobs = works::prepare(&network, seconds * ONE_WRITER_PER_SECOND).await;
    let row = Row::new(1, options.seconds, works::certify_one_by_one(&network, blobs, options.seconds).await);
    println!(
        "\nFrom all confirmations in hand to certified, one after the other: median {:.1} ms (goal: under 10 ms), ",
        row.median
    );
    println!("95th percentile {:.1} ms, 99th {:.1} ms, {} certificates.", row.p95, row.p99, row.count);

    println!("\n| writers | blobs/s | median ms | 95th percentile ms | 99th percentile ms |\n|---|---|---|---|---|");
    let mut rows = Vec::new();
    for writers in WRITERS {
        let blobs = works::prepare(
            &network,
            seconds * if writers == 1 { ONE_WRITER_PER_SECOND } else { MANY_WRITERS_PER_SECOND },
        )
        .await;
        let (times, took) = works::write(&network, writers, blobs, options.seconds).await;
        let row = Row::new(writers, took, times);
        println!("| {writers} | {:.0} | {:.1} | {:.1} | {:.1} |", row.per_second(), row.median, row.p95, row.p99);
        rows.push(row);
    }
    if let Some(path) = options.svg {
        std::fs::write(path, report::svg(&rows)).unwrap();
    }
    Arc::into_inner(network).unwrap().stop().await;
}
