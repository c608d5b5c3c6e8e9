//! Blobs that do not fit into the memory that a read may take: the same bytes, and nothing left behind.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine;
use support::{FLOE, Network, failure, kill, noise, signal, text};

/// 9.3 MB, an odd number of bytes: 11 rows of 0.85 MB at 31 shards.
const SIZE: usize = 9_300_001;
const OLD: &[u8] = b"what was there before";

#[test]
fn large_blobs_are_read_in_little_memory() {
    let network = Network::start(4, 31, &[]);
    let blob = noise(SIZE, 61);
    let id = network.store(&blob);
    let folder = network.path("out");
    std::fs::create_dir(&folder).unwrap();
    let out = folder.join("blob");

    all_ways_give_the_same(&network, &id, &blob, &out);
    a_part_moves_little(&network, &id, &blob, &out);
    a_full_disk_keeps_what_was_there(&network, &id, &out);
    an_interrupted_read_keeps_what_was_there(&network, &id, &out);
    assert_eq!(names(&folder), ["blob"], "files were left behind");

    // A quarter of the shards goes while a browser takes its time.
    let mut download = Download::begin(&network.gateway(), &id);
    download.take(300_000);
    kill(&network.node_pids()[1..2]);
    assert!(download.rest() == blob, "through the gateway while a node went");

    all_ways_give_the_same(&network, &id, &blob, &out);
    let nowhere = ["read", &id, "--memory", "1KiB", "--spool-dir", "/no/such/folder", "-o", text(&out)];
    std::fs::write(&out, OLD).unwrap();
    let (code, message) = failure(&network.floe(&nowhere));
    assert!(code == 1 && message.contains("CLIENT-SPOOL") && message.contains("/no/such/folder"), "{message}");
    assert_eq!(std::fs::read(&out).unwrap(), OLD);
    assert_eq!(names(&folder), ["blob"], "files were left behind");

    // Too many: an error, and nobody takes what came for the whole.
    kill(&network.node_pids()[2..]);
    let (code, message) = failure(&network.floe(&["read", &id, "--memory", "1KiB", "-o", text(&out)]));
    assert!(code == 4 && message.contains("CLIENT-UNAVAILABLE"), "{message}");
    assert_eq!(std::fs::read(&out).unwrap(), OLD);
    assert_eq!(names(&folder), ["blob"], "files were left behind");
}

fn a_part_moves_little(network: &Network, id: &str, blob: &[u8], out: &Path) {
    let (start, length) = (3 << 20, 100 << 10);
    let part = &blob[start..start + length];
    let args = ["read", id, "--start", "3MiB", "--length", "100KiB"];
    assert!(network.floe(&args).stdout == part, "to a pipe");
    let report = network.json(&[&args[..], &["-o", text(out)]].concat());
    assert!(std::fs::read(out).unwrap() == part, "to a file");
    assert_eq!(report["length"], length);
    // Symbols of some 40 kB, four at the most, with their proofs, and the metadata of 31 shards.
    let received = report["receivedBytes"].as_u64().unwrap();
    assert!((100 << 10..180 << 10).contains(&received), "{received}");
    let tail = network.floe(&["read", id, "--start", "9300000"]);
    assert_eq!(tail.stdout, blob[9_300_000..]);
    let (code, message) = failure(&network.floe(&["read", id, "--start", "9300000", "--length", "2"]));
    assert!(code == 2 && message.contains("CLIENT-RANGE"), "{message}");
}

fn all_ways_give_the_same(network: &Network, id: &str, blob: &[u8], out: &Path) {
    for memory in ["1KiB", "5MiB", "1GiB"] {
        for check in [&[][..], &["--strict-consistency-check"], &["--skip-consistency-check"]] {
            let args = [&["read", id, "--memory", memory][..], check].concat();
            let read = network.floe(&args);
            assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
            assert!(read.stdout == blob, "to a pipe, {args:?}");
            let report = network.json(&[&args[..], &["-o", text(out)]].concat());
            assert_eq!((report["blobId"].as_str(), report["out"].as_str()), (Some(id), out.to_str()));
            assert!(std::fs::read(out).unwrap() == blob, "to a file, {args:?}");
        }
        let report = network.json(&["read", id, "--memory", memory]);
        let bytes = base64::engine::general_purpose::STANDARD.decode(report["blob"].as_str().unwrap()).unwrap();
        assert!(report["blobId"] == id && bytes == blob, "as a report");
    }
    let pipe = network.path("pipe");
    if !pipe.exists() {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    let mut read = network.command(&["read", id, "--memory", "1KiB", "-q", "-o", text(&pipe)]).spawn().unwrap();
    assert!(std::fs::read(&pipe).unwrap() == blob, "to a named pipe");
    assert!(read.wait().unwrap().success());
}

/// A limit on the size of files stands for a disk without room.
fn a_full_disk_keeps_what_was_there(network: &Network, id: &str, out: &Path) {
    std::fs::write(out, OLD).unwrap();
    for memory in ["1KiB", "1GiB"] {
        let script = format!("trap '' XFSZ; ulimit -f 2000; exec {FLOE} read {id} --memory {memory} -o {}", text(out));
        let mut shell = Command::new("sh");
        for (key, value) in network.command(&[]).get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        let (code, message) = failure(&shell.arg("-c").arg(script).output().unwrap());
        assert!(code == 1 && message.contains("CLI-IO") && message.contains(text(out)), "{message}");
        assert_eq!(std::fs::read(out).unwrap(), OLD);
    }
}

fn an_interrupted_read_keeps_what_was_there(network: &Network, id: &str, out: &Path) {
    std::fs::write(out, OLD).unwrap();
    let pids = network.node_pids();
    for name in ["INT", "TERM"] {
        signal("STOP", &pids);
        let read = network
            .command(&["read", id, "--memory", "1KiB", "-o", text(out)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let folder = out.parent().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while names(folder).len() < 2 {
            assert!(Instant::now() < deadline, "the read does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(name, &[read.id()]);
        let output = read.wait_with_output().unwrap();
        signal("CONT", &pids);
        let (code, message) = failure(&output);
        assert!(code == 130 && message.contains("CLI-INTERRUPTED"), "{code}: {message}");
        assert_eq!(std::fs::read(out).unwrap(), OLD);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A download that is taken little by little.
struct Download {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Download {
    fn begin(gateway: &str, id: &str) -> Self {
        let authority = gateway.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("GET /v1/blobs/{id} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Self { stream, received: Vec::new() }
    }

    fn take(&mut self, bytes: usize) {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).unwrap();
        self.received.extend_from_slice(&buffer);
    }

    /// The whole body.
    fn rest(mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.received).unwrap();
        let head = self.received.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        self.received.split_off(head + 4)
    }
}
