//! The transport: batches, limits, malformed requests, CORS, and the clock methods.
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    primitives::{Address, B256, Bytes, U64, U256, address, bytes},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use common::{Served, account, deploy, send};
use floe_devchain::{ChainOptions, DevChain, Hardfork, ServeOptions, limits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Sends one request over a connection of its own; status line with headers, and body.
async fn exchange(served: &Served, head: &str, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(served.http.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read all of a body that is too large.
    let _ = stream.write_all(body).await;
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    (head.to_owned(), body.to_owned())
}

async fn post(served: &Served, body: &str) -> Value {
    let (head, body) = exchange(served, "POST /", body.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_may_mix_good_and_bad() {
    let served = Served::memory().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" },
        { "jsonrpc": "2.0", "id": "two", "method": "no_such_method", "params": [] },
        { "jsonrpc": "2.0", "method": "eth_chainId" },
        { "jsonrpc": "2.0", "id": 3, "method": "eth_getBalance", "params": [] },
        { "jsonrpc": "2.0", "id": 4 },
    ]);
    let answers = post(&served, &batch.to_string()).await;
    assert_eq!(answers.as_array().unwrap().len(), 4, "a notification has no answer");
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": 1, "result": "0x7a69" }));
    assert_eq!(answers[1]["id"], "two");
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["error"]["code"], -32602);
    assert_eq!(answers[3]["error"]["code"], -32600);
    served.stop().await;
}

#[tokio::test]
async fn malformed_and_oversized_requests_are_refused() {
    let served = Served::memory().await;
    assert_eq!(post(&served, "{").await["error"]["code"], -32700);
    assert_eq!(post(&served, "[]").await["error"]["code"], -32600);
    assert_eq!(post(&served, "7").await["error"]["code"], -32600);
    assert_eq!(post(&served, &"[".repeat(100_000)).await["error"]["code"], -32700);
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" });
    let many = Value::from(vec![request; limits::BATCH_ENTRIES_MAX + 1]);
    let error = post(&served, &many.to_string()).await;
    assert!(error["error"]["message"].as_str().unwrap().starts_with("batch too large"));
    let topics: Vec<_> = (0..2_000).map(|n| B256::from(U256::from(n))).collect();
    let filter = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{ "topics": [topics] }] });
    assert_eq!(post(&served, &filter.to_string()).await["error"]["code"], -32005);
    let (head, _) = exchange(&served, "POST /", &vec![b' '; limits::REQUEST_BYTES_MAX + 1]).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    let (head, _) = exchange(&served, "GET /", b"").await;
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    served.stop().await;
}

#[tokio::test]
async fn a_web_page_may_ask() {
    let served = Served::memory().await;
    let preflight = "OPTIONS / HTTP/1.1\r\nOrigin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: content-type\r\nX-Rest:";
    let (head, _) = exchange(&served, preflight, b"").await;
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("access-control-allow-origin:"), "{head}");
    assert!(head.contains("access-control-allow-headers: *"), "{head}");
    served.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let chain = DevChain::open(ChainOptions::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServeOptions { connections_max: 1, ..ServeOptions::default() };
    let server = tokio::spawn(chain.serve_with(listener, options, std::future::pending()));
    let request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 47\r\n\r\n\
        {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}";
    let (half, rest) = request.split_at(30);
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(half).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(request).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the only place is taken");
    first.write_all(rest).await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("0x7a69"), "answered, and closed for the other: {answer}");
    second.read_exact(&mut byte).await.unwrap();
    // One that waits for no answer makes room at once.
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(request).await.unwrap();
    third.read_exact(&mut byte).await.unwrap();
    server.abort();
}

#[tokio::test]
async fn the_clock_moves_when_told_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = ChainOptions { dir: Some(dir.path().into()), ..ChainOptions::default() };
    let served = Served::start(options.clone()).await;
    let provider = served.provider(0);
    let time = async |provider: &alloy::providers::DynProvider| {
        provider.get_block(alloy::eips::BlockId::latest()).await.unwrap().unwrap().header.timestamp
    };
    let start = time(&provider).await;
    let _: String = provider.client().request("evm_mine", ()).await.unwrap();
    assert_eq!(provider.get_block_number().await.unwrap(), 1);
    let _: U64 = provider.client().request("evm_increaseTime", [3_600]).await.unwrap();
    send(&provider, TransactionRequest::default().to(account(1))).await;
    assert!(time(&provider).await >= start + 3_600);
    let _: Value = provider.client().request("evm_setNextBlockTimestamp", [start + 10_000]).await.unwrap();
    send(&provider, TransactionRequest::default().to(account(1))).await;
    assert_eq!(time(&provider).await, start + 10_000);
    let back = provider.client().request::<_, Value>("evm_setNextBlockTimestamp", [start]).await.unwrap_err();
    assert!(back.to_string().contains("before the latest block"), "{back}");
    served.stop().await;

    let served = Served::start(options).await;
    let provider = served.provider(0);
    // A contract that returns the time sees the moved clock in a call as well.
    let clock = common::deploy_code(&[0x42, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    let request =
        TransactionRequest { input: clock.into(), to: Some(alloy::primitives::TxKind::Create), ..Default::default() };
    let contract = send(&provider, request).await.contract_address.unwrap();
    let now = provider.call(TransactionRequest::default().to(contract)).await.unwrap();
    assert!(U256::abi_decode(&now).unwrap() >= U256::from(start + 10_000));
    served.stop().await;
}

/// Calls a precompile.
async fn precompile(served: &Served, address: Address, input: Bytes) -> Bytes {
    let request = TransactionRequest::default().to(address).input(input.into());
    served.provider(0).call(request).await.unwrap()
}

#[tokio::test]
async fn the_precompiles_of_the_contracts_work() {
    for hardfork in [Hardfork::Prague, Hardfork::Osaka] {
        let served = Served::start(ChainOptions { hardfork, ..ChainOptions::default() }).await;
        // EIP-2537 pairing check of the points at infinity: the empty product is one.
        let pairing =
            precompile(&served, address!("000000000000000000000000000000000000000f"), vec![0; 384].into()).await;
        assert_eq!(pairing, Bytes::from(B256::with_last_byte(1)));
        // EIP-152, test vector 5: rounds, state, message "abc", offset 3, last block.
        let state = bytes!(
            "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
            "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b"
        );
        let mut message = [0; 128];
        message[..3].copy_from_slice(b"abc");
        let offset = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let blake = Bytes::from([&12_u32.to_be_bytes()[..], &state, &message, &offset, &[1]].concat());
        let hash = precompile(&served, address!("0000000000000000000000000000000000000009"), blake).await;
        assert_eq!(hash[..8], [0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d]);
        served.stop().await;
    }
}

#[tokio::test]
async fn old_state_is_refused_with_a_code_once_it_is_gone() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let contract = deploy(&provider).await;
    for _ in 0..=limits::STATE_HISTORY_BLOCKS {
        let _: String = provider.client().request("evm_mine", ()).await.unwrap();
    }
    let head = provider.get_block_number().await.unwrap();
    let oldest = head - limits::STATE_HISTORY_BLOCKS;
    provider.get_storage_at(contract, U256::ZERO).number(oldest).await.unwrap();
    let error = provider.get_storage_at(contract, U256::ZERO).number(oldest - 1).await.unwrap_err();
    assert!(error.to_string().contains("DEVCHAIN-0009"), "{error}");
    let error = provider.get_balance(account(0)).number(head + 1).await.unwrap_err();
    assert!(error.to_string().contains("header not found"), "{error}");
    served.stop().await;
}
