//! Transfers per second through JSON-RPC, durable: `cargo run --release -p floe-devchain --example transfers`.
//!
//! Arguments: number of senders (10 at most), transactions of each, transactions in one batch request, and `memory` to leave the disk out.
#![allow(clippy::unwrap_used)]

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{Provider, ProviderBuilder},
    rpc::client::ClientBuilder,
    signers::{SignerSync, local::PrivateKeySigner},
};
use floe_devchain::{ChainOptions, DevChain, dev_accounts};
use std::time::Instant;
use tokio::net::TcpListener;

fn transfer(signer: &PrivateKeySigner, nonce: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        value: U256::ONE,
        ..Default::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

#[tokio::main]
async fn main() {
    // The HTTP client wants to know its TLS provider even where it speaks plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().unwrap());
    let (senders, each, batch) = (number(10).min(10), number(2_000), number(100).max(1));
    let memory = args.next().is_some_and(|arg| arg == "memory");
    let dir = std::env::temp_dir().join(format!("floe-throughput-{}", std::process::id()));
    let chain = DevChain::open(ChainOptions { dir: (!memory).then(|| dir.clone()), ..Default::default() }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(chain.clone().serve(listener, std::future::pending()));

    let accounts = dev_accounts();
    let mut work = Vec::new();
    for (key, _) in &accounts[..senders] {
        let signer: PrivateKeySigner = key.parse().unwrap();
        work.push((0..each as u64).map(|nonce| transfer(&signer, nonce)).collect::<Vec<_>>());
    }
    let start = Instant::now();
    let tasks: Vec<_> = work
        .into_iter()
        .map(|txs| {
            let client = ClientBuilder::default().http(url.parse().unwrap());
            tokio::spawn(async move {
                for chunk in txs.chunks(batch) {
                    let mut request = client.new_batch();
                    let answers: Vec<_> = chunk
                        .iter()
                        .map(|tx| request.add_call::<_, B256>("eth_sendRawTransaction", &[tx]).unwrap())
                        .collect();
                    request.send().await.unwrap();
                    for answer in answers {
                        answer.await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let blocks = ProviderBuilder::new().connect_http(url.parse().unwrap()).get_block_number().await.unwrap();
    let total = senders * each;
    println!("{total} transfers in {seconds:.2} s: {:.0} per second, {blocks} blocks", total as f64 / seconds);
    server.abort();
    let _ = server.await;
    drop(chain);
    let start = Instant::now();
    if !memory {
        drop(DevChain::open(ChainOptions { dir: Some(dir.clone()), ..Default::default() }).unwrap());
        println!("reopened in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        let _ = std::fs::remove_dir_all(&dir);
    }
}
