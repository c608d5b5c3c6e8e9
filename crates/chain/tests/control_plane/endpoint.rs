//! One of several endpoints of a chain, that behaves as it is told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use super::hostile::{read_request, send};
use crate::support::rpc;

/// How it behaves.
#[derive(Debug, Clone)]
pub(super) enum Mode {
    /// As the chain does.
    Honest,
    /// Cuts every connection.
    Down,
    /// Takes requests and never answers.
    Silent,
    /// Answers with this HTTP status.
    Status(&'static str),
    /// Serves another chain.
    OtherChain,
    /// Serves the chain as it once was, and knows nothing of later blocks.
    Frozen(Arc<Snapshot>),
    /// Other hashes from this block on.
    WrongHashes(u64),
    /// Leaves the last log out.
    FewerLogs,
    /// Does what it is asked, and cuts the connection; from the first transaction on it is down.
    DiesOfATransaction,
    /// Does so many requests more, and answers all but the last of them; then it says so, and does nothing.
    Stops(Arc<Remaining>),
}

/// Requests until an endpoint stops.
#[derive(Debug)]
pub(super) struct Remaining {
    requests: AtomicUsize,
    stopped: Notify,
}

impl Remaining {
    pub(super) fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self { requests: AtomicUsize::new(requests), stopped: Notify::new() })
    }

    /// Until all were done.
    pub(super) async fn stopped(&self) {
        self.stopped.notified().await;
    }
}

/// Blocks and logs of one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    head: u64,
    blocks: BTreeMap<u64, Value>,
    logs: Vec<Value>,
}

impl Snapshot {
    async fn take(target: &str) -> Self {
        let ask = async |method, params| rpc(target, method, params).await["result"].clone();
        let head = number(&ask("eth_blockNumber", json!([])).await).unwrap();
        let mut blocks = BTreeMap::new();
        for block in 0..=head {
            blocks.insert(block, ask("eth_getBlockByNumber", json!([format!("{block:#x}"), false])).await);
        }
        let logs = ask("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }])).await;
        Self { head, blocks, logs: logs.as_array().unwrap().clone() }
    }

    fn answer(&self, method: &str, params: &Value) -> Option<Value> {
        match method {
            "eth_blockNumber" => Some(json!(format!("{:#x}", self.head))),
            "eth_getBlockByNumber" => {
                let block = if params[0] == "latest" { Some(self.head) } else { number(&params[0]) };
                Some(block.and_then(|block| self.blocks.get(&block).cloned()).unwrap_or_default())
            }
            "eth_getLogs" => {
                let filter = &params[0];
                let range = number(&filter["fromBlock"])?..=number(&filter["toBlock"])?;
                let emitters = filter["address"].as_array()?;
                let wanted = |log: &&Value| {
                    let is = |emitter: &Value| {
                        emitter.as_str().map(str::to_lowercase) == log["address"].as_str().map(str::to_lowercase)
                    };
                    range.contains(&number(&log["blockNumber"]).unwrap()) && emitters.iter().any(is)
                };
                Some(self.logs.iter().filter(wanted).cloned().collect::<Vec<_>>().into())
            }
            _ => None,
        }
    }
}

fn number(quantity: &Value) -> Option<u64> {
    u64::from_str_radix(quantity.as_str()?.strip_prefix("0x")?, 16).ok()
}

pub(super) struct Endpoint {
    pub(super) url: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    target: String,
    mode: Mutex<Mode>,
    /// Methods that were asked for.
    asked: Mutex<Vec<String>>,
}

impl Endpoint {
    /// In front of a chain, honest at first.
    pub(super) async fn open(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mode, asked) = (Mutex::new(Mode::Honest), Mutex::default());
        let state = Arc::new(State { target: target.to_owned(), mode, asked });
        let serving = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, serving.clone()));
            }
        });
        Self { url, state, server }
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    /// From now on it serves the chain as it is at this moment.
    pub(super) async fn freeze(&self) {
        self.set(Mode::Frozen(Arc::new(Snapshot::take(&self.state.target).await)));
    }

    /// Methods that it was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(socket: TcpStream, state: Arc<State>) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let request = read_request(&mut socket).await?;
    let requests = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
    let methods: Vec<String> = requests.iter().map(|one| one["method"].as_str().unwrap().to_owned()).collect();
    state.asked.lock().unwrap().extend(methods.iter().cloned());
    let mode = state.mode.lock().unwrap().clone();
    match &mode {
        Mode::Down => return None,
        Mode::Silent => std::future::pending().await,
        Mode::Status(status) => return send(&mut socket, status, &json!("not now")).await,
        _ => {}
    }
    let mut answers = Vec::new();
    for request in &requests {
        let mut answer = answer_one(&state.target, &mode, request).await;
        answer["id"] = request["id"].clone();
        answers.push(answer);
    }
    if matches!(mode, Mode::DiesOfATransaction) && methods.iter().any(|method| method == "eth_sendRawTransaction") {
        *state.mode.lock().unwrap() = Mode::Down;
        return None;
    }
    if let Mode::Stops(remaining) = &mode {
        let left = remaining.requests.load(Ordering::Relaxed);
        remaining.requests.store(left.saturating_sub(1), Ordering::Relaxed);
        if left <= 1 {
            remaining.stopped.notify_one();
            std::future::pending().await
        }
    }
    let body = if request.is_array() { answers.into() } else { answers.swap_remove(0) };
    send(&mut socket, "200 OK", &body).await
}

async fn answer_one(target: &str, mode: &Mode, request: &Value) -> Value {
    let (method, params) = (request["method"].as_str().unwrap(), &request["params"]);
    if let Mode::Frozen(snapshot) = mode
        && let Some(result) = snapshot.answer(method, params)
    {
        return json!({ "jsonrpc": "2.0", "result": result });
    }
    let mut answer = rpc(target, method, params.clone()).await;
    match (mode, method) {
        (Mode::OtherChain, "eth_chainId") => answer["result"] = json!("0x1"),
        (Mode::WrongHashes(from), "eth_getBlockByNumber")
            if number(&answer["result"]["number"]).is_some_and(|block| block >= *from) =>
        {
            answer["result"]["hash"] = json!(format!("0x{}", "5a".repeat(32)));
        }
        (Mode::FewerLogs, "eth_getLogs") => {
            answer["result"].as_array_mut().unwrap().pop();
        }
        _ => {}
    }
    answer
}
