//! `floe deploy` against a chain in another process.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use support::{FLOE, text};

/// The first account that the embedded chain funds.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const PASSWORD: &str = "correct horse";

struct Chain {
    process: Child,
    url: String,
    dir: tempfile::TempDir,
}

impl Chain {
    fn start() -> Self {
        let mut process =
            Command::new(FLOE).args(["chain", "--bind-address", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("Chain ")).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let key = self.path("owner.key");
        std::fs::write(&key, KEY).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(FLOE);
        command
            .args(["deploy", "--json", "--n-shards", "10"])
            .args(args)
            .env("FLOE_RPC_URL", &self.url)
            .env("FLOE_WALLET", key)
            .env("FLOE_PASSWORD", PASSWORD)
            .env_remove("FLOE_CONFIG")
            .stdin(Stdio::null());
        command
    }

    fn deploy(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, code: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains(code), "{error}");
}

#[test]
fn what_it_costs_is_said_before_it_is_paid() {
    let chain = Chain::start();
    let planned = done(&chain.deploy(&["--dry-run"]));
    assert_eq!((&planned["chainId"], &planned["nShards"]), (&31337.into(), &10.into()));
    let out = chain.path("addresses.json");
    refused(&chain.deploy(&["--out", text(&out)]), "CLI-NOT-CONFIRMED");
    assert!(!out.exists());

    let config = chain.path("client.toml");
    let deployed = done(&chain.deploy(&["--out", text(&out), "--client-config", text(&config), "--yes"]));
    let steps = deployed["steps"].as_array().unwrap();
    assert_eq!(planned["transactions"], steps.len());
    let (expected, used) = (planned["gasLeft"].as_u64().unwrap(), deployed["gasUsed"].as_u64().unwrap());
    assert!(expected.abs_diff(used) * 50 < used, "{expected} expected, {used} used");
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(written["contracts"], deployed["contracts"]);
    assert!(!chain.path("addresses.json.progress").exists());
    refused(&chain.deploy(&["--out", text(&out), "--yes"]), "CLI-FILE-EXISTS");

    // Other commands find the network by the file, and that it has no committee yet.
    let info = Command::new(FLOE).args(["info", "--json", "--config", text(&config)]).output().unwrap();
    refused(&info, "CHAIN-BAD-COMMITTEE");
}

#[test]
fn a_deployment_that_was_killed_goes_on() {
    let chain = Chain::start();
    let out = chain.path("addresses.json");
    let arguments = ["--out", text(&out), "--yes"];
    let mut killed = 0;
    let deployed = loop {
        // Killed as soon as one more step is reported, until nothing is left to report.
        let mut process = chain.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        if lines.any(|line| line.contains(" gas") && line.contains(" of ")) {
            process.kill().unwrap();
            process.wait().unwrap();
            killed += 1;
            assert!(killed < 100);
            if killed == 3 {
                refused(
                    &chain.deploy(&["--out", text(&out), "--yes", "--max-epochs-ahead", "7"]),
                    "CLI-OTHER-DEPLOYMENT",
                );
            }
            continue;
        }
        break process.wait_with_output().unwrap();
    };
    let deployed = done(&deployed);
    assert!(killed > 10, "{killed}");
    assert!(deployed["steps"].as_array().unwrap().is_empty(), "{deployed}");
    assert!(out.exists() && !chain.path("addresses.json.progress").exists());
}

#[test]
fn a_keystore_pays_as_well() {
    let chain = Chain::start();
    drop(chain.command(&[]));
    let keystore = chain.path("owner.json");
    let imported = Command::new(FLOE)
        .args(["wallet", "import", "--key-file", text(&chain.path("owner.key")), "--out", text(&keystore)])
        .env("FLOE_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let out = chain.path("addresses.json");
    done(&chain.deploy(&["--wallet", text(&keystore), "--out", text(&out), "--yes"]));
    let wrong = chain.path("wrong");
    std::fs::write(&wrong, "another").unwrap();
    std::fs::set_permissions(&wrong, std::fs::Permissions::from_mode(0o600)).unwrap();
    let other = chain.path("other.json");
    let arguments = ["--wallet", text(&keystore), "--password-file", text(&wrong), "--out", text(&other), "--yes"];
    refused(&chain.deploy(&arguments), "CHAIN-WRONG-PASSWORD");
}
