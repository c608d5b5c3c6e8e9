//! A third of the network may be gone or lying.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::time::{Duration, Instant};

use floe_chain::{ChainConfig, Wallet, deploy};
use floe_protocol::NodeId;
use floe_testbed::proxy::{Fault, FaultyProxy};
use support::{Network, failure, kill, noise, signal};

#[test]
fn a_third_may_be_killed_and_more_is_said() {
    let network = Network::start(10, 100, &[]);
    let before = noise(500_000, 1);
    let id = network.store(&before);
    let pids = network.node_pids();

    kill(&pids[..3]);
    assert_eq!(network.read(&id), before, "30 of 100 shards gone: read");
    let during = noise(400_000, 2);
    let second = network.store(&during);
    assert_eq!(network.read(&second), during, "30 of 100 shards gone: stored and read");

    // With 70 shards gone 30 are left, and 34 are needed.
    kill(&pids[3..7]);
    let (code, message) = failure(&network.floe(&["read", &id]));
    assert_eq!(code, 4, "{message}");
    assert!(message.contains("34"), "says how many shards are needed: {message}");
    let path = network.file(&noise(1000, 3));
    let (code, message) = failure(&network.floe(&["store", path.to_str().unwrap(), "--epochs", "1"]));
    assert_eq!(code, 4, "{message}");
    assert!(message.contains("30") && message.contains("67"), "says how many answered and are needed: {message}");

    for index in 0..7 {
        let report = network.json(&["devnet", "restart-node", &format!("node-{index}")]);
        assert_eq!(report["name"], format!("node-{index}"));
    }
    let restarted = network.node_pids();
    assert!(restarted.iter().zip(&pids).take(7).all(|(new, old)| new != old));
    // Now the others go: what the restarted nodes had is enough.
    kill(&restarted[7..]);
    assert_eq!(network.read(&id), before, "restarted nodes serve what they had");

    let (code, message) = failure(&network.floe(&["devnet", "restart-node", "node-77"]));
    assert_ne!(code, 0);
    assert!(message.contains("node-0"), "names the nodes there are: {message}");
}

#[test]
fn silent_nodes_are_overtaken() {
    let network = Network::start(4, 10, &[]);
    let bytes = noise(200_000, 4);
    let id = network.store(&bytes);
    let pids = network.node_pids();
    // A stopped process keeps its connections open and says nothing.
    signal("STOP", &pids[..1]);
    let began = Instant::now();
    let read = network.read(&id);
    let second = noise(100_000, 5);
    let second_id = network.store(&second);
    let took = began.elapsed();
    signal("CONT", &pids[..1]);
    assert_eq!(read, bytes);
    assert_eq!(network.read(&second_id), second);
    assert!(took < Duration::from_secs(60), "a silent node delays a little, not forever: {took:?}");
}

#[test]
fn harmed_answers_never_make_a_wrong_read() {
    let network = Network::start(10, 100, &[]);
    let bytes = noise(3_000_000, 6);
    let id = network.store(&bytes);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxies = runtime.block_on(put_proxies_before(&network, 3, Fault::FlipBits));
    assert_eq!(network.read(&id), bytes, "three nodes' answers are corrupted on the way");
    for proxy in &proxies {
        proxy.set_fault(Fault::Truncate);
    }
    assert_eq!(network.read(&id), bytes, "three nodes' answers are cut off");

    let all = runtime.block_on(put_proxies_before(&network, 10, Fault::FlipBits));
    let (code, message) = failure(&network.floe(&["read", &id]));
    assert!([4, 5].contains(&code), "every node harmed: an error, no bytes: {message}");
    drop((proxies, all));
}

/// Registers a harmful proxy as the address of the first nodes.
async fn put_proxies_before(network: &Network, count: usize, fault: Fault) -> Vec<FaultyProxy> {
    let info = network.info();
    let config = floe_config::load_client(&network.dir.join("client.toml")).unwrap();
    let ChainConfig { rpc_url, contracts, .. } = config.chain;
    let mut proxies = Vec::new();
    for node in &info["nodes"].as_array().unwrap()[..count] {
        let address = node["address"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        let proxy = FaultyProxy::start(address, fault).await.unwrap();
        let key = network.dir.join("nodes").join(node["name"].as_str().unwrap()).join("account.key");
        let wallet = Wallet::from_key_file(&key).unwrap();
        let id = NodeId::from_number(node["nodeId"].as_u64().unwrap());
        deploy::set_node_url(&rpc_url, &contracts, &wallet, id, &proxy.url()).await.unwrap();
        proxies.push(proxy);
    }
    proxies
}
