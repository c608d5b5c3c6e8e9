//! Requests to a running devnet: one line over a local socket, one line back.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    time::timeout,
};

use super::{DevnetError, DevnetInfo, default_dir, layout};

/// Longest request line.
const REQUEST_BYTES_MAX: u64 = 256;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RESTART: &str = "restart ";

/// Well-formed requests as they come, or why there are no more.
pub(super) struct Control(mpsc::Receiver<io::Result<Request>>);

/// One request to restart a node.
pub(super) struct Request {
    name: String,
    stream: UnixStream,
}

pub(super) fn listen(path: &Path) -> Result<Control, DevnetError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    let (requests, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let ended = tokio::select! {
            Err(error) = pass_on(listener, &requests) => error,
            () = requests.closed() => return,
        };
        // Nobody may want requests any more; then nobody wants the error either.
        let _ = requests.send(Err(ended)).await;
    });
    Ok(Control(receiver))
}

impl Control {
    /// The next request. None is lost when this future is dropped: whatever is half read stays with the task that reads.
    pub(super) async fn next(&mut self) -> Result<Request, DevnetError> {
        Ok(self.0.recv().await.ok_or(DevnetError::NotRunning)??)
    }
}

/// Passes well-formed requests on; others are answered and forgotten.
async fn pass_on(listener: UnixListener, requests: &mpsc::Sender<io::Result<Request>>) -> io::Result<Infallible> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        let mut reader = BufReader::new((&mut stream).take(REQUEST_BYTES_MAX));
        // Silence or a broken line is an unknown request.
        let _ = timeout(REQUEST_TIMEOUT, reader.read_line(&mut line)).await;
        match line.trim_end().strip_prefix(RESTART) {
            // Without a receiver the caller's `closed` ends this.
            Some(name) => drop(requests.send(Ok(Request { name: name.to_owned(), stream })).await),
            None => drop(stream.write_all(b"error unknown request\n").await),
        }
    }
}

impl Request {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn answer(mut self, result: Result<u32, DevnetError>) {
        let text = match result {
            Ok(pid) => format!("ok {pid}\n"),
            Err(error) => format!("error {error}\n"),
        };
        // Whoever asked may be gone; the node is restarted all the same.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }
}

/// The running devnet of `dir`, or the one that was started last.
pub fn find_running(dir: Option<&Path>) -> Option<DevnetInfo> {
    let candidates: Vec<PathBuf> = match dir {
        Some(dir) => vec![dir.to_owned()],
        None => layout::running_dirs().into_iter().chain([default_dir()]).collect(),
    };
    // A folder that is locked may still be starting for the first time.
    candidates
        .into_iter()
        .filter(|dir| layout::is_locked(dir))
        .find_map(|dir| serde_json::from_str(&std::fs::read_to_string(dir.join("devnet.json")).ok()?).ok())
}

/// Asks the running devnet to restart a node; gives its new process id.
pub async fn ask_running(dir: Option<&Path>, node: &str) -> Result<u32, DevnetError> {
    let info = find_running(dir).ok_or(DevnetError::NotRunning)?;
    if !info.nodes.iter().any(|known| known.name == node) {
        return Err(DevnetError::unknown_node(node, &info));
    }
    let mut stream = UnixStream::connect(info.dir.join("control.sock")).await.map_err(|_| DevnetError::NotRunning)?;
    stream.write_all(format!("{RESTART}{node}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let answer = answer.trim_end();
    match answer.strip_prefix("ok ").and_then(|pid| pid.parse().ok()) {
        Some(pid) => Ok(pid),
        None => Err(DevnetError::Refused(answer.trim_start_matches("error ").to_owned())),
    }
}

/// True if a GET of the URL is answered with 200 soon.
pub(super) async fn http_ok(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    matches!(timeout(Duration::from_secs(2), client.get(uri)).await, Ok(Ok(answer)) if answer.status().is_success())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_comes_in_pieces_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let mut control = listen(&path).unwrap();
        let mut asking = UnixStream::connect(&path).await.unwrap();
        for piece in ["restart ", "node", "-3"] {
            asking.write_all(piece.as_bytes()).await.unwrap();
            // The devnet looks after its nodes in between.
            let looked = timeout(Duration::from_millis(20), control.next()).await;
            assert!(looked.is_err(), "the line is not whole yet");
        }
        asking.write_all(b"\n").await.unwrap();
        let request = timeout(Duration::from_secs(10), control.next()).await.unwrap().unwrap();
        assert_eq!(request.name(), "node-3");
        request.answer(Ok(7)).await;
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ok 7\n");
    }
}
