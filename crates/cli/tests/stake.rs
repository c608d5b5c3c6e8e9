//! What delegators, voters and operators do, on a network of real processes whose epochs last seconds.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Network, failure, text};

const PATIENCE: Duration = Duration::from_secs(120);
const FLOE: &str = "000000000000000000";

/// Asks again until the answer fits.
fn eventually(network: &Network, args: &[&str], fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = network.json(args);
        if fits(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{args:?}: not in time: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("no amount: {value}")).parse().unwrap()
}

#[test]
fn stake_earns_is_claimed_leaves_and_comes_back() {
    let network = Network::start(5, 10, &["--epoch-duration", "6s"]);
    let held = network.json(&["balance"]);
    assert_eq!(held["floe"], format!("50000{FLOE}"));
    assert_eq!((&held["staked"], &held["rewards"]), (&"0".into(), &"0".into()));
    assert_eq!(network.json(&["stake", "list"])["stakedFloe"], serde_json::json!([]));

    let staked = network.json(&["stake", "--node", "2", "--node", "3", "--amount", "1000", "--amount", "2.5"]);
    let (first, second) = (&staked["stakedFloe"][0], &staked["stakedFloe"][1]);
    assert_eq!((&first["amount"], &second["amount"]), (&format!("1000{FLOE}").into(), &"2500000000000000000".into()));
    let position = first["position"].to_string();
    eventually(&network, &["stake", "list"], |list| list["stakedFloe"][0]["state"] == "active");

    // Storage that is paid for is what stake earns from: much of it, as this is a thousandth of the node's stake.
    network.json(&["resources", "reserve", "--size", "1TiB", "--epochs", "20"]);
    let earned =
        eventually(&network, &["stake", "list", "--staked-only"], |list| amount(&list["stakedFloe"][0]["earned"]) > 0);
    assert_eq!(earned["stakedFloe"].as_array().unwrap().len(), 2);
    let before = amount(&network.json(&["balance"])["payment"]["amount"]);
    let claimed = network.json(&["claim", &position]);
    let paid = amount(&claimed["claimed"][0]["earned"]);
    assert!(paid > 0);
    assert_eq!(amount(&network.json(&["balance"])["payment"]["amount"]), before + paid);

    let left = network.json(&["unstake", &position]);
    let due = left["stakedFloe"][0]["withdrawEpoch"].as_u64().unwrap();
    let (code, error) = failure(&network.floe(&["unstake", &position]));
    assert!(code == 1 && error.contains("AlreadyLeaving") && error.contains("CHAIN-REVERTED"), "{code} {error}");
    network.json(&["epoch", "--wait", &due.to_string()]);
    let listed = network.json(&["stake", "list", "--withdrawing-only"]);
    assert_eq!(listed["stakedFloe"][0]["state"], "withdrawable");
    let back = network.json(&["withdraw", "--all"]);
    assert_eq!(back["withdrawn"][0]["amount"], format!("1000{FLOE}"));
    assert_eq!(network.json(&["balance"])["floe"], format!("49997{}", "500000000000000000"));

    let (code, error) = failure(&network.floe(&["withdraw", &position]));
    assert!(code == 3 && error.contains("UnknownPosition") && error.contains("floe stake list"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["stake", "--node", "1", "--amount", "50000"]));
    assert!(code == 1 && error.contains("CHAIN-INSUFFICIENT-FUNDS"), "{code} {error}");
    assert!(error.contains("has 49997.5 FLOE, but 50000 FLOE are needed"), "{error}");
    for bad in [&["stake", "--node", "1", "--amount", "1e3"][..], &["stake", "--amount", "1"], &["unstake"]] {
        assert_eq!(failure(&network.floe(bad)).0, 2, "{bad:?}");
    }
    let human = network.floe(&["stake", "list"]);
    let human = String::from_utf8(human.stdout).unwrap();
    assert!(human.contains("2.5 FLOE") && human.contains("since epoch"), "{human}");
}

#[test]
fn nodes_vote_on_prices_and_on_what_the_governance_does() {
    let network = Network::start(5, 10, &["--epoch-duration", "6s"]);
    let info = network.info();
    let configs: Vec<&str> = info["nodes"].as_array().unwrap().iter().map(|n| n["config"].as_str().unwrap()).collect();
    let before = network.json(&["info", "price"])["storagePricePerUnitSize"].as_u64().unwrap();
    for config in &configs {
        let vote =
            network.json(&["vote", "terms", "--config", config, "--storage-price", "0.0002", "--capacity", "2TiB"]);
        assert_eq!((&vote["storagePrice"], vote["nodeCapacity"].as_u64()), (&"200".into(), Some(2 << 40)));
    }
    // A quarter at each change of epoch, and no further than what was voted for.
    eventually(&network, &["info", "price"], |price| price["storagePricePerUnitSize"].as_u64().unwrap() > before);
    eventually(&network, &["info", "price"], |price| price["storagePricePerUnitSize"].as_u64() == Some(200));

    // Four of five nodes are eight of ten shards, within one epoch.
    network.json(&["epoch", "--wait", "next"]);
    let votes: Vec<Value> =
        configs[..4].iter().map(|config| network.json(&["vote", "threshold", "10", "--config", config])).collect();
    let id = votes[3]["proposalId"].as_str().unwrap();
    assert_eq!((votes[0]["weight"].as_u64(), votes[0]["quorum"].as_u64()), (Some(2), Some(7)));
    let ready = votes[3]["readyEpoch"].as_u64().expect("eight of ten shards");
    let listed = network.json(&["vote", "list"]);
    assert_eq!(
        (&listed["proposals"][0]["state"], &listed["proposals"][0]["proposalId"]),
        (&"approved".into(), &id.into())
    );
    let (code, error) = failure(&network.floe(&["vote", "execute", id]));
    assert!(code == 1 && error.contains("DelayNotOver") && error.contains(&format!("readyEpoch: {ready}")), "{error}");
    network.json(&["epoch", "--wait", &ready.to_string()]);
    network.json(&["vote", "execute", id]);
    assert_eq!(network.json(&["vote", "list"])["proposals"][0]["state"], "executed");

    let (code, error) = failure(&network.floe(&["vote", "threshold", "10"]));
    assert!(code == 3 && error.contains("CLI-NO-NODE") && error.contains("--config"), "{code} {error}");
    let (code, error) =
        failure(&network.floe(&["vote", "for", &format!("0x{}", "11".repeat(32)), "--config", configs[0]]));
    assert!(code == 3 && error.contains("CLI-NO-PROPOSAL"), "{code} {error}");
}

#[test]
fn a_node_joins_from_its_key_files_and_is_looked_after() {
    let network = Network::start(5, 10, &["--epoch-duration", "6s"]);
    let (protocol, account) = (network.path("protocol.key"), network.path("account.key"));
    network.json(&["node", "key-gen", "--key-type", "protocol", "--out", text(&protocol)]);
    // A funded account; on another network it would be sent some coins.
    std::fs::copy(network.dir.join("keys/deployer.key"), &account).unwrap();
    let config = network.path("node.toml");
    let config = text(&config);
    let url = "http://127.0.0.1:1";
    let register = ["register-node", "--node-config", config, "--name", "mine", "--public-url", url, "--listen"];
    let register = [&register[..], &["127.0.0.1:0", "--commission", "5%"]].concat();
    let registered = network.json(&register);
    assert_eq!(
        (registered["alreadyRegistered"].as_bool(), registered["nodeId"].as_str().unwrap()),
        (Some(false), &*format!("0x{:064x}", 6))
    );
    let written = std::fs::read_to_string(config).unwrap();
    assert!(written.contains("node_id = 6"), "{written}");

    // Interrupted before the number was written: the same command completes it, and keeps what the operator wrote.
    let edited = format!("# my node\n{}", written.replace("node_id = 6\n", ""));
    std::fs::write(config, edited).unwrap();
    let (code, error) = failure(&network.floe(&["node", "run", "--config", config]));
    assert!(code == 2 && error.contains("NODE-NOT-REGISTERED") && error.contains("register-node"), "{code} {error}");
    assert_eq!(network.json(&register)["alreadyRegistered"], true);
    let again = std::fs::read_to_string(config).unwrap();
    assert!(again.contains("# my node") && again.contains("node_id = 6"), "{again}");

    let shown = network.json(&["node", "show", "--config", config]);
    assert_eq!(
        (&shown["name"], shown["commissionRate"].as_u64(), &shown["stake"]),
        (&"mine".into(), Some(500), &"0".into())
    );
    network.json(&["node", "update", "--config", config, "--name", "better", "--url", "http://127.0.0.1:2"]);
    let next = network.json(&["node", "commission", "10%", "--config", config]);
    assert!(next["epoch"].as_u64().unwrap() >= 3);
    let new_key = network.path("next.key");
    network.json(&["node", "key-gen", "--key-type", "protocol", "--out", text(&new_key)]);
    network.json(&["node", "rotate-key", "--config", config, "--next-key-file", text(&new_key)]);
    let written = std::fs::read_to_string(config).unwrap();
    assert!(written.contains("next_protocol_key_file") && written.contains("next.key"), "{written}");
    let shown = network.json(&["node", "show", "6"]);
    assert_eq!((&shown["name"], &shown["networkAddress"]), (&"better".into(), &"http://127.0.0.1:2".into()));
    assert_eq!(shown["nextCommissionRate"]["rate"].as_u64(), Some(1_000));
    assert!(shown["nextEpochPublicKey"].is_string());

    network.json(&["stake", "--node", "6", "--amount", "100"]);
    // Where the next committee is selected already, it counts one epoch later.
    let hundred = format!("100{FLOE}");
    eventually(&network, &["committee", "--all"], |all| {
        all["nodes"][5]["candidate"] == true && all["nodes"][5]["nextEpochStake"] == hundred.as_str()
    });
    let committee = network.json(&["committee"]);
    assert_eq!(committee["storageNodes"][0]["stake"], format!("1000000{FLOE}"));

    let receiver = "0x000000000000000000000000000000000000dEaD";
    network.json(&["node", "set-commission-receiver", receiver, "--config", config]);
    let (code, error) = failure(&network.floe(&["node", "collect-commission", "--config", config]));
    assert!(code == 1 && error.contains("Unauthorized"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["node", "show", "7"]));
    assert!(code == 3 && error.contains("committee --all"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["launch", "--wallet", text(&account)]));
    assert!(code == 1 && error.contains("WrongPhase"), "{code} {error}");
}
