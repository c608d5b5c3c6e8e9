//! `floe store --gasless`: an account with test dollars and no native coin stores, and a relay pays the gas.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::process::Command;

use floe_chain::{ContractAddresses, Wallet, deploy};
use support::{FLOE, Network, failure, http, id_of, noise, text};

/// Test dollars of the account, in the smallest unit.
const MONEY: u128 = 1_000_000;
/// What the devnet's relay keeps.
const FEE: u128 = 1_000;

/// A new account with some test dollars and nothing else; the name of its key file, and its address.
fn account(network: &Network, money: u128) -> (String, String) {
    let key = network.path("account.key");
    let made = network.floe(&["node", "key-gen", "--key-type", "account", "--out", text(&key)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let info = network.info();
    let contracts: ContractAddresses = serde_json::from_value(info["contracts"].clone()).unwrap();
    let url = info["chain"]["url"].as_str().unwrap().to_owned();
    let deployer = Wallet::from_key_file(network.dir.join("keys/deployer.key")).unwrap();
    let address = Wallet::from_key_file(&key).unwrap().address();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(deploy::mint_test_money(&url, &contracts, &deployer, address, money)).unwrap();
    (text(&key).to_owned(), address.to_string())
}

fn rpc(network: &Network, method: &str, params: serde_json::Value) -> String {
    let url = network.info()["chain"]["url"].as_str().unwrap().to_owned();
    let request = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let headers = [("Content-Type", "application/json")];
    let answer = http("POST", &url, &headers, request.to_string().as_bytes()).json();
    answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What an account has of the token that storage is paid in.
fn money(network: &Network, address: &str) -> u128 {
    let token = network.info()["contracts"]["paymentToken"].clone();
    let data = format!("0x70a08231{:0>64}", address.trim_start_matches("0x"));
    let answer = rpc(network, "eth_call", serde_json::json!([{"to": token, "data": data}, "latest"]));
    u128::from_str_radix(&answer.trim_start_matches("0x")[32..], 16).unwrap()
}

#[test]
fn an_account_without_native_coin_stores_and_reads() {
    let network = Network::start(4, 10, &[]);
    let (key, address) = account(&network, MONEY);
    assert_eq!(rpc(&network, "eth_getBalance", serde_json::json!([address, "latest"])), "0x0");
    let relay = network.info()["relayUrl"].as_str().unwrap().to_owned();
    assert_eq!(http("GET", &format!("{relay}/healthz"), &[], b"").body, b"OK");
    assert_eq!(http("GET", &format!("{relay}/readyz"), &[], b"").body, b"OK");
    let terms = http("GET", &format!("{relay}/v1/relay"), &[], b"").json();
    assert_eq!(terms["fees"]["register"], FEE.to_string());
    assert_eq!(terms["contracts"]["intents"], network.info()["contracts"]["intents"]);

    let bytes = noise(30_000, 1);
    let file = network.file(&bytes);
    let stored = network.json(&["store", "--gasless", text(&file), "--epochs", "3", "--wallet", &key]);
    let result = &stored[0]["blobStoreResult"];
    let id = id_of(result);
    assert_eq!(network.read(&id), bytes);
    let cost = u128::from(result["newlyCreated"]["cost"].as_u64().unwrap());
    assert_eq!(money(&network, &address), MONEY - cost - FEE, "cost and fee, nothing else");
    let relayer = terms["relayer"].as_str().unwrap();
    assert_eq!(money(&network, relayer), FEE);
    assert_eq!(rpc(&network, "eth_getBalance", serde_json::json!([address, "latest"])), "0x0");
    // The token is the owner's.
    let owner_of =
        format!("0x6352211e{}", result["newlyCreated"]["blobObject"]["id"].as_str().unwrap().trim_start_matches("0x"));
    let blobs = network.info()["contracts"]["blobs"].clone();
    let owner = rpc(&network, "eth_call", serde_json::json!([{"to": blobs, "data": owner_of}, "latest"]));
    assert_eq!(owner[26..], address.to_lowercase()[2..]);

    // Once more is nothing to do, and costs nothing; several files are one intent each.
    let again = network.json(&["store", "--gasless", text(&file), "--epochs", "3", "--wallet", &key]);
    assert!(again[0]["blobStoreResult"].get("alreadyCertified").is_some(), "{again}");
    let (second, third) = (network.file(&noise(10, 2)), network.file(&noise(0, 3)));
    let arguments = ["store", "--gasless", text(&second), text(&third), "--epochs", "1", "--wallet", &key];
    let output = network.floe(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("Relay fees: 0.002 TUSD"), "{shown}");
    assert_eq!(money(&network, relayer), 3 * FEE);

    // Without the relay the account can do nothing.
    let (code, message) =
        failure(&network.floe(&["store", text(&network.file(&noise(9, 4))), "--epochs", "1", "--wallet", &key]));
    assert_eq!(code, 1);
    assert!(message.contains("CHAIN-INSUFFICIENT-FUNDS"), "{message}");
}

#[test]
fn what_cannot_be_is_said_by_name_and_costs_nothing() {
    let network = Network::start(4, 10, &[]);
    let (key, address) = account(&network, 700);
    let file = network.file(&noise(1_000, 1));
    let store = |extra: &[&str]| {
        let arguments = [&["store", "--gasless", text(&file), "--epochs", "1", "--wallet", &key], extra].concat();
        failure(&network.floe(&arguments))
    };
    let (_, message) = store(&[]);
    assert!(message.contains("CHAIN-INSUFFICIENT-FUNDS") && message.contains("700"), "{message}");
    let (_, message) = store(&["--max-relay-fee", "0.0009"]);
    assert!(message.contains("RELAY-FEE-TOO-HIGH"), "{message}");
    let (code, message) = store(&["--max-relay-fee", "0.0000001"]);
    assert_eq!(code, 2);
    assert!(message.contains("CLI-BAD-AMOUNT"), "{message}");
    let (code, message) = store(&["--relay", "http://127.0.0.1:1"]);
    assert_eq!(code, 4);
    assert!(message.contains("CHAIN-RELAY-UNREACHABLE"), "{message}");
    // Somebody who is no relay.
    let gateway = network.gateway();
    let (_, message) = store(&["--relay", &gateway]);
    assert!(message.contains("RELAY-BAD-ANSWER"), "{message}");
    assert_eq!(money(&network, &address), 700);

    let relay = network.info()["relayUrl"].as_str().unwrap().to_owned();
    let refused = http("POST", &format!("{relay}/v1/intents"), &[], b"{}");
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (400, Some("RELAY-MALFORMED")));
    let refused = http("POST", &format!("{relay}/v1/intents"), &[], &[b' '; 70_000]);
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (413, Some("RELAY-TOO-LARGE")));
}

#[test]
fn a_relay_of_its_own_runs_beside_the_network() {
    use std::io::{BufRead as _, BufReader};
    let network = Network::start(4, 10, &[]);
    let (key, _) = account(&network, MONEY);
    let relay_key = network.dir.join("keys/gateway.key");
    let mut process = Command::new(FLOE)
        .args(["relay", "--json", "--bind-address", "127.0.0.1:0", "--fee", "0.002", "--wallet", text(&relay_key)])
        .args(["--config", text(&network.dir.join("client.toml"))])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.ends_with('}') {
        said += &lines.next().expect("it says where it listens").unwrap();
    }
    let url = serde_json::from_str::<serde_json::Value>(&said).unwrap()["url"].as_str().unwrap().to_owned();
    let file = network.file(&noise(5_000, 1));
    let arguments = ["store", "--gasless", "--relay", &url, text(&file), "--epochs", "2", "--wallet", &key];
    let output = network.floe(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("Relay fees: 0.002 TUSD"));
    support::signal("TERM", &[process.id()]);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let secret = std::fs::read_to_string(&relay_key).unwrap();
    assert!(log.contains("carried out") && log.contains("certified"), "{log}");
    assert!(!log.contains(secret.trim().trim_start_matches("0x")), "the key is in the log");
}
