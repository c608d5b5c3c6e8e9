//! An endpoint of the kind that is offered for free: limits, refusals, and answers that never arrive.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Most blocks whose logs it looks for at once.
const RANGE_BLOCKS_MAX: u64 = 4;

pub(super) struct Hostile {
    pub(super) url: String,
    server: JoinHandle<()>,
}

impl Hostile {
    /// In front of a chain.
    pub(super) async fn open(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (target, count) = (target.to_owned(), Arc::new(AtomicU64::new(0)));
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(socket, target.clone(), number));
            }
        });
        Self { url, server }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One request per connection, so that requests can be counted.
async fn answer(socket: TcpStream, target: String, number: u64) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let request = read_request(&mut socket).await?;
    let (status, body) = match number {
        n if n % 7 == 3 => ("429 Too Many Requests", json!("slow down")),
        n if n % 11 == 5 => ("503 Service Unavailable", json!("later")),
        n if n % 13 == 7 => (
            "200 OK",
            json!({ "jsonrpc": "2.0", "id": request["id"], "error":
            { "code": 429, "message": "rate limit exceeded" } }),
        ),
        _ => ("200 OK", forward(&target, &request).await),
    };
    if number % 5 == 2 {
        // It was done, but nobody hears of it.
        return None;
    }
    send(&mut socket, status, &body).await
}

/// An answer, after which the connection is closed.
pub(super) async fn send(socket: &mut BufReader<TcpStream>, status: &str, body: &Value) -> Option<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.ok()?;
    socket.shutdown().await.ok()
}

pub(super) async fn read_request(socket: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

async fn forward(target: &str, request: &Value) -> Value {
    if let Some(batch) = request.as_array() {
        let mut answers = Vec::new();
        for request in batch {
            answers.push(forward_one(target, request).await);
        }
        return answers.into();
    }
    forward_one(target, request).await
}

async fn forward_one(target: &str, request: &Value) -> Value {
    let method = request["method"].as_str().unwrap();
    let bound = |name: &str| {
        let text = request["params"][0][name].as_str()?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let mut answer = match (method, bound("fromBlock"), bound("toBlock")) {
        ("eth_getLogs", Some(from), Some(to)) if to - from >= RANGE_BLOCKS_MAX => {
            let message = format!("query exceeds max block range {RANGE_BLOCKS_MAX}");
            json!({ "jsonrpc": "2.0", "error": { "code": -32602, "message": message } })
        }
        _ => crate::support::rpc(target, method, request["params"].clone()).await,
    };
    answer["id"] = request["id"].clone();
    answer
}
