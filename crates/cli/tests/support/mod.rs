//! A devnet of real processes, and the `floe` command beside it.

#![allow(dead_code)] // each test file uses a part

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) const FLOE: &str = env!("CARGO_BIN_EXE_floe");
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running devnet in a folder of its own; it is ended when dropped.
pub(crate) struct Network {
    pub(crate) dir: PathBuf,
    home: tempfile::TempDir,
    process: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Network {
    pub(crate) fn start(nodes: u16, shards: u16, extra: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::start_in(home, nodes, shards, extra)
    }

    fn start_in(home: tempfile::TempDir, nodes: u16, shards: u16, extra: &[&str]) -> Self {
        let dir = home.path().join("net");
        let mut process = Command::new(FLOE)
            .args(["devnet", "--json", "--nodes", &nodes.to_string(), "--shards", &shards.to_string(), "--dir"])
            .arg(&dir)
            .args(extra)
            .env("XDG_DATA_HOME", home.path())
            .env_remove("FLOE_CONFIG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        // The description is printed when everything works; its last line is a closing brace.
        let deadline = Instant::now() + START_TIMEOUT;
        let mut line = String::new();
        while line.trim_end() != "}" || line.starts_with(' ') {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the devnet ended: {:?}", process.wait());
            assert!(Instant::now() < deadline, "the devnet did not start");
        }
        Self { dir, home, process, _stdout: stdout }
    }

    /// Kills every process of the network at once, as a power cut would, and starts it again.
    pub(crate) fn power_cut_and_restart(mut self, nodes: u16, shards: u16) -> Self {
        let pids = self.node_pids();
        kill(&[self.process.id()]);
        kill(&pids);
        self.process.wait().unwrap();
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        drop(self);
        Self::start_in(home, nodes, shards, &[])
    }

    pub(crate) fn info(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.join("devnet.json")).unwrap()).unwrap()
    }

    pub(crate) fn node_pids(&self) -> Vec<u32> {
        let info = self.info();
        info["nodes"].as_array().unwrap().iter().map(|n| u32::try_from(n["pid"].as_u64().unwrap()).unwrap()).collect()
    }

    pub(crate) fn gateway(&self) -> String {
        self.info()["gatewayUrl"].as_str().unwrap().to_owned()
    }

    /// Runs `floe` with these arguments against this network.
    pub(crate) fn floe(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(FLOE);
        command.args(args).env("XDG_DATA_HOME", self.home.path()).env_remove("FLOE_CONFIG");
        command
    }

    /// Runs `floe … --json` and gives its JSON; it must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Stores bytes; gives the blob ID.
    pub(crate) fn store(&self, bytes: &[u8]) -> String {
        let file = self.file(bytes);
        let result = self.json(&["store", file.to_str().unwrap(), "--epochs", "5", "--permanent"]);
        id_of(&result[0]["blobStoreResult"])
    }

    /// Reads a blob by the command line.
    pub(crate) fn read(&self, id: &str) -> Vec<u8> {
        let output = self.floe(&["read", id]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A new file in the network's home.
    pub(crate) fn file(&self, bytes: &[u8]) -> PathBuf {
        let (mut file, path) = tempfile::NamedTempFile::new_in(self.home.path()).unwrap().keep().unwrap();
        file.write_all(bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            signal("INT", &[self.process.id()]);
            let deadline = Instant::now() + Duration::from_secs(30);
            while self.process.try_wait().unwrap().is_none() {
                if Instant::now() > deadline {
                    self.process.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The blob ID in a store result of any kind.
pub(crate) fn id_of(result: &Value) -> String {
    let id = match result.get("newlyCreated") {
        Some(new) => &new["blobObject"]["blobId"],
        None => &result["alreadyCertified"]["blobId"],
    };
    id.as_str().unwrap_or_else(|| panic!("no blob ID in {result}")).to_owned()
}

pub(crate) fn kill(pids: &[u32]) {
    signal("KILL", pids);
}

pub(crate) fn signal(name: &str, pids: &[u32]) {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(pids.iter().map(u32::to_string));
    // A process that is gone already is what a kill is for.
    let _ = command.stderr(Stdio::null()).status().unwrap();
}

/// Bytes that no two seeds share and that do not compress.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One HTTP/1.1 request over a connection of its own.
pub(crate) fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("Content-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    parse(&http_raw(method, url, &head, body, false)).expect("an HTTP head")
}

/// The same with a head written by the test; the answer as it came, if one came. `then_close` says that no more is sent.
pub(crate) fn http_raw(method: &str, url: &str, head: &str, body: &[u8], then_close: bool) -> Vec<u8> {
    let rest = url.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{head}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    if then_close {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// The answer in these bytes, unless the connection was closed before one came.
pub(crate) fn parse(all: &[u8]) -> Option<Answer> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: all[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunk(&answer.body);
    }
    Some(answer)
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    body
}

/// Exit code and standard error of a command that must fail.
pub(crate) fn failure(output: &Output) -> (i32, String) {
    assert!(!output.status.success());
    assert!(
        output.stdout.is_empty(),
        "a failing command prints no result: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
