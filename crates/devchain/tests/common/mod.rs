//! A chain behind a socket, and alloy providers on it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use alloy::{
    network::EthereumWallet,
    primitives::{Address, Bytes, TxKind},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use floe_devchain::{ChainOptions, DevChain, DevChainError, dev_accounts};
use std::time::Duration;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub struct Served {
    pub chain: DevChain,
    pub http: String,
    pub ws: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DevChainError>>,
}

impl Served {
    pub async fn start(options: ChainOptions) -> Self {
        let chain = DevChain::open(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = chain.clone();
        let task = tokio::spawn(async move { served.serve(listener, async { drop(stopped.await) }).await });
        Self { chain, http: format!("http://127.0.0.1:{port}"), ws: format!("ws://127.0.0.1:{port}"), stop, task }
    }

    pub async fn memory() -> Self {
        Self::start(ChainOptions::default()).await
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Over HTTP, signing with development account `index`.
    pub fn provider(&self, index: usize) -> DynProvider {
        choose_tls_provider();
        let provider = ProviderBuilder::new().wallet(wallet(index)).connect_http(self.http.parse().unwrap());
        provider.client().set_poll_interval(Duration::from_millis(10));
        provider.erased()
    }

    /// Over WebSocket, signing with development account `index`.
    pub async fn socket(&self, index: usize) -> DynProvider {
        ProviderBuilder::new().wallet(wallet(index)).connect(&self.ws).await.unwrap().erased()
    }
}

pub fn wallet(index: usize) -> EthereumWallet {
    signer(index).into()
}

/// An HTTP client wants to know its TLS provider even where it speaks plain HTTP; a choice that is made already stays.
pub fn choose_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub fn signer(index: usize) -> PrivateKeySigner {
    dev_accounts()[index].0.parse().unwrap()
}

pub fn account(index: usize) -> Address {
    dev_accounts()[index].1
}

/// A contract that keeps one word.
///
/// Called without data it returns the word; with a word other than zero it keeps it and logs it with that word as
/// topic; with the word zero it reverts with `Error("zero")`.
pub fn code() -> Bytes {
    deploy_code(&runtime_code())
}

fn runtime_code() -> Vec<u8> {
    let mut code = Vec::new();
    // 00: CALLDATASIZE PUSH1 0e JUMPI
    code.extend([0x36, 0x60, 0x0e, 0x57]);
    // 04: PUSH0 SLOAD PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
    code.extend([0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    // 0c: padding to the jump target
    code.extend([0x00, 0x00]);
    // 0e: JUMPDEST PUSH0 CALLDATALOAD DUP1 PUSH1 <store> JUMPI
    code.extend([0x5b, 0x5f, 0x35, 0x80]);
    let store_at = code.len() + 3 + revert_code().len();
    code.extend([0x60, u8::try_from(store_at).unwrap(), 0x57]);
    code.extend(revert_code());
    // JUMPDEST DUP1 PUSH0 SSTORE DUP1 PUSH0 MSTORE PUSH1 20 PUSH0 LOG1 STOP
    code.extend([0x5b, 0x80, 0x5f, 0x55, 0x80, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xa1, 0x00]);
    code
}

/// Reverts with `Error("zero")`.
fn revert_code() -> Vec<u8> {
    let mut code = vec![0x63, 0x08, 0xc3, 0x79, 0xa0, 0x60, 0xe0, 0x1b, 0x5f, 0x52]; // selector at 0
    code.extend([0x60, 0x20, 0x60, 0x04, 0x52]); // offset 0x20 at 4
    code.extend([0x60, 0x04, 0x60, 0x24, 0x52]); // length 4 at 0x24
    code.extend([0x63, 0x7a, 0x65, 0x72, 0x6f, 0x60, 0xe0, 0x1b, 0x60, 0x44, 0x52]); // "zero" at 0x44
    code.extend([0x60, 0x64, 0x5f, 0xfd]); // revert(0, 0x64)
    code
}

/// Init code that deploys `runtime`.
pub fn deploy_code(runtime: &[u8]) -> Bytes {
    let len = u8::try_from(runtime.len()).unwrap();
    // PUSH1 len PUSH1 0a PUSH0 CODECOPY PUSH1 len PUSH0 RETURN
    let mut code = vec![0x60, len, 0x60, 0x0a, 0x5f, 0x39, 0x60, len, 0x5f, 0xf3];
    code.extend(runtime);
    code.into()
}

pub async fn deploy(provider: &DynProvider) -> Address {
    let request = TransactionRequest { to: Some(TxKind::Create), input: code().into(), ..Default::default() };
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    receipt.contract_address.unwrap()
}

/// Calls the contract of [`code`] with a word.
pub fn keep(contract: Address, word: u64) -> TransactionRequest {
    let data = alloy::primitives::B256::left_padding_from(&word.to_be_bytes());
    TransactionRequest::default().to(contract).input(Bytes::from(data).into())
}

pub async fn send(provider: &DynProvider, request: TransactionRequest) -> TransactionReceipt {
    let pending = provider.send_transaction(request).await.unwrap();
    pending.with_timeout(Some(Duration::from_secs(20))).get_receipt().await.unwrap()
}

/// Polls until `done` says so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
