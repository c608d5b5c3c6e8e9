//! The pot of subsidies on a network of real processes: anyone fills it, the governance sets the rates, nodes pay it out.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Network, failure};

const PATIENCE: Duration = Duration::from_secs(120);

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("no amount: {value}")).parse().unwrap()
}

#[test]
fn nodes_pay_the_pot_out_by_the_rates_that_were_voted_for() {
    let network = Network::start(5, 10, &["--epoch-duration", "6s"]);
    let empty = network.json(&["subsidies"]);
    let expected =
        json!({"balance": "0", "usageBasisPoints": 0, "perNode": "0", "perShard": "0", "processedEpoch": null});
    assert_eq!(empty, expected);
    assert_eq!(network.json(&["subsidies", "fund", "0.4"])["balance"], "400000");
    assert_eq!(network.json(&["subsidies", "fund", "0.6"])["balance"], "1000000");
    let (code, error) = failure(&network.floe(&["subsidies", "fund", "900000000000"]));
    assert!(code == 1 && error.contains("CHAIN-INSUFFICIENT-FUNDS"), "{code} {error}");

    let info = network.info();
    let configs: Vec<&str> = info["nodes"].as_array().unwrap().iter().map(|n| n["config"].as_str().unwrap()).collect();
    network.json(&["epoch", "--wait", "next"]);
    let rates = ["vote", "subsidies", "--usage", "10%", "--per-node", "0.01", "--per-shard", "0.001", "--config"];
    let votes: Vec<Value> = configs[..4].iter().map(|config| network.json(&[&rates[..], &[config]].concat())).collect();
    let named = json!({"subsidies": {"usageBasisPoints": 1000, "perNode": "10000", "perShard": "1000"}});
    assert_eq!(votes[3]["action"], named);
    let human = String::from_utf8(network.floe(&["vote", "list"]).stdout).unwrap();
    assert!(human.contains("10 %") && human.contains("0.01 TUSD"), "{human}");
    let ready = votes[3]["readyEpoch"].as_u64().expect("eight of ten shards");
    network.json(&["epoch", "--wait", &ready.to_string()]);
    assert_eq!(amount(&network.json(&["subsidies"])["balance"]), 1_000_000, "no rates were set until now");
    network.json(&["vote", "execute", votes[3]["proposalId"].as_str().unwrap()]);

    // Five nodes and ten shards; nobody stores anything.
    let fixed_part = 5 * 10_000 + 10 * 1_000;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pot = network.json(&["subsidies", "show"]);
        let paid = 1_000_000 - amount(&pot["balance"]);
        assert_eq!(paid % fixed_part, 0, "{pot}");
        if paid >= 2 * fixed_part {
            let payouts = u64::try_from(paid / fixed_part).unwrap();
            assert!(pot["processedEpoch"].as_u64().unwrap() + 1 >= ready + payouts, "once an epoch at most: {pot}");
            break;
        }
        assert!(Instant::now() < deadline, "nobody pays subsidies out: {pot}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let human = String::from_utf8(network.floe(&["subsidies"]).stdout).unwrap();
    assert!(human.contains("10 %") && human.contains("in epoch"), "{human}");
}
