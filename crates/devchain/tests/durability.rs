//! What survives a restart and `kill -9`.
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    primitives::{B256, U256, hex},
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
};
use common::{Served, account, deploy, eventually, keep, send};
use floe_devchain::{ChainOptions, DevChain, DevChainError, Hardfork};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

fn options(dir: &Path) -> ChainOptions {
    ChainOptions { dir: Some(dir.to_path_buf()), ..ChainOptions::default() }
}

#[tokio::test]
async fn reopening_gives_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(options(dir.path())).await;
    let provider = served.provider(0);
    let contract = deploy(&provider).await;
    let mut receipts = Vec::new();
    for word in 1..=10 {
        receipts.push(send(&provider, keep(contract, word)).await);
    }
    let filter = Filter::new().from_block(0);
    let (logs, head) = (provider.get_logs(&filter).await.unwrap(), served.chain.head().unwrap());
    let balance = provider.get_balance(account(0)).await.unwrap();
    served.stop().await;

    let served = Served::start(options(dir.path())).await;
    let provider = served.provider(0);
    assert_eq!(served.chain.head().unwrap(), head);
    assert_eq!(provider.get_balance(account(0)).await.unwrap(), balance);
    assert_eq!(provider.get_logs(&filter).await.unwrap(), logs);
    assert_eq!(provider.get_storage_at(contract, U256::ZERO).await.unwrap(), U256::from(10));
    assert_eq!(provider.get_storage_at(contract, U256::ZERO).number(5).await.unwrap(), U256::from(4));
    for receipt in receipts {
        let now = provider.get_transaction_receipt(receipt.transaction_hash).await.unwrap();
        assert_eq!(now, Some(receipt));
    }
    assert_eq!(send(&provider, keep(contract, 11)).await.block_number, Some(head.0 + 1));
    served.stop().await;
}

#[test]
fn a_directory_has_one_owner_and_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let chain = DevChain::open(options(dir.path())).unwrap();
    let second = DevChain::open(options(dir.path())).unwrap_err();
    assert!(matches!(second, DevChainError::InUse { .. }), "{second}");
    assert_eq!(second.code(), "DEVCHAIN-0001");
    assert!(second.to_string().starts_with("DEVCHAIN-0001: "));
    drop(chain);
    let other = DevChain::open(ChainOptions { chain_id: 1, ..options(dir.path()) }).unwrap_err();
    assert!(matches!(other, DevChainError::WrongChainId { got: 31_337, expected: 1, .. }), "{other}");
    let rules = DevChain::open(ChainOptions { hardfork: Hardfork::Osaka, ..options(dir.path()) }).unwrap_err();
    assert_eq!(rules.code(), "DEVCHAIN-0004");
    DevChain::open(options(dir.path())).unwrap();
}

#[test]
fn a_file_that_is_no_chain_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("chain.redb"), vec![7; 10_000]).unwrap();
    let error = DevChain::open(options(dir.path())).unwrap_err();
    assert!(error.code() == "DEVCHAIN-0002" || error.code() == "DEVCHAIN-0006", "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    assert_eq!(DevChain::open(options(&file)).unwrap_err().code(), "DEVCHAIN-0002");
}

#[test]
fn a_file_that_was_cut_off_or_damaged_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    drop(DevChain::open(options(dir.path())).unwrap());
    let file = dir.path().join("chain.redb");
    let whole = std::fs::read(&file).unwrap();
    for len in [0, 1, 100, 4_096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..len]).unwrap();
        if let Ok(chain) = DevChain::open(options(dir.path())) {
            assert_eq!(len, 0, "only an empty file is a new chain");
            assert_eq!(chain.head().unwrap().0, 0);
        }
    }
}

const CHILD_DIR: &str = "DEVCHAIN_TEST_CHILD_DIR";

/// The process that gets killed: serves the chain in the directory and prints its address.
#[tokio::test]
#[ignore = "run by the test below in a process of its own"]
async fn child_serves_until_killed() {
    let dir = std::env::var(CHILD_DIR).unwrap();
    let served = Served::start(options(dir.as_ref())).await;
    println!("\nserving {}", served.http);
    std::future::pending::<()>().await;
}

struct Child(std::process::Child, String);

impl Child {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_serves_until_killed", "--ignored", "--nocapture"]);
        let mut child = command.env(CHILD_DIR, dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().strip_prefix("serving ")?.to_owned())).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, url)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends until the chain is gone; returns what a client was told is sealed.
async fn send_until_gone(url: String, index: usize) -> Vec<(B256, B256)> {
    common::choose_tls_provider();
    let provider =
        alloy::providers::ProviderBuilder::new().wallet(common::wallet(index)).connect_http(url.parse().unwrap());
    let mut seen = Vec::new();
    let start = provider.get_transaction_count(account(index)).await.unwrap();
    for nonce in start.. {
        let request = TransactionRequest::default()
            .to(account(9))
            .value(U256::ONE)
            .nonce(nonce)
            .gas_limit(21_000)
            .max_fee_per_gas(2_000_000_000)
            .max_priority_fee_per_gas(1);
        let Ok(pending) = provider.send_transaction(request).await else { break };
        let Ok(Some(receipt)) = provider.get_transaction_receipt(*pending.tx_hash()).await else { break };
        seen.push((receipt.transaction_hash, receipt.block_hash.unwrap()));
    }
    seen
}

/// A repair reads the whole file, so opening would get slower with each block.
fn opens_without_repair(dir: &Path) {
    let mut builder = redb::Builder::new();
    builder.set_repair_callback(|repair| repair.abort());
    builder.open(dir.join("chain.redb")).expect("no repair is needed after kill -9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_was_seen_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for round in 0..4_usize {
        let child = Child::start(dir.path());
        let senders: Vec<_> = (0..4).map(|index| tokio::spawn(send_until_gone(child.1.clone(), index))).collect();
        let target = U256::from((round + 1) * 40);
        common::choose_tls_provider();
        let watcher = alloy::providers::ProviderBuilder::new().connect_http(child.1.parse().unwrap());
        let before = U256::from(10_000) * alloy::primitives::utils::Unit::ETHER.wei();
        eventually("some blocks", || async { watcher.get_balance(account(9)).await.unwrap() >= before + target }).await;
        drop(child); // SIGKILL, in the middle of whatever it was doing
        let mut gained = 0;
        for sender in senders {
            let sent = sender.await.unwrap();
            gained += sent.len();
            seen.extend(sent);
        }
        assert!(gained > 0, "round {round} saw no receipt");
        opens_without_repair(dir.path());
    }
    let served = Served::start(options(dir.path())).await;
    let provider = served.provider(0);
    for (tx, block) in &seen {
        let receipt = provider.get_transaction_receipt(*tx).await.unwrap();
        let receipt = receipt.unwrap_or_else(|| panic!("lost {}", hex::encode(tx)));
        assert_eq!(receipt.block_hash, Some(*block));
    }
    // Every sealed transfer, and nothing else, is in the state.
    let mut sealed = 0;
    let mut parent = None;
    for number in 0..=served.chain.head().unwrap().0 {
        let block = provider.get_block_by_number(number.into()).await.unwrap().unwrap();
        assert!(parent.is_none_or(|parent| parent == block.header.parent_hash));
        assert_eq!(block.header.inner.hash_slow(), block.header.hash);
        parent = Some(block.header.hash);
        sealed += block.transactions.len();
    }
    let sent: u64 = {
        let mut sum = 0;
        for index in 0..4 {
            sum += provider.get_transaction_count(account(index)).await.unwrap();
        }
        sum
    };
    assert_eq!(sent, u64::try_from(sealed).unwrap());
    let gained = provider.get_balance(account(9)).await.unwrap()
        - U256::from(10_000) * alloy::primitives::utils::Unit::ETHER.wei();
    assert_eq!(gained, U256::from(sealed));
    assert!(sealed >= seen.len());
    served.stop().await;
}
