//! A node changes its key while it runs.

use floe_chain::ControlPlane as _;
use floe_protocol::{NodeId, bls::SecretKey};

use super::{
    eventually,
    support::{Network, failure, kill, noise, text},
};

#[test]
fn a_node_signs_with_the_key_of_each_epoch() {
    let network = Network::start(4, 10, &["--epoch-duration", "10s"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    // With another node of three shards gone, all that are left must sign validly.
    let shards = network.shard_counts();
    let of_three: Vec<usize> = (0..4).filter(|index| shards[*index] == 3).collect();
    let [rotates, gone] = of_three[..2] else { panic!("{shards:?}") };
    let dir = network.dir.join("nodes").join(format!("node-{rotates}"));

    let next = dir.join("next.key");
    network.json(&["node", "key-gen", "--key-type", "protocol", "--out", text(&next)]);
    let config = dir.join("node.toml");
    let plain = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("next_protocol_key_file = \"next.key\"\n{plain}")).unwrap();
    kill(&[network.node_pids()[rotates], network.node_pids()[gone]]);
    network.restart_node(rotates);
    let pid = network.node_pids()[rotates];

    let next = std::fs::read_to_string(next).unwrap();
    let new_key = SecretKey::from_key_file(next.trim()).unwrap().public_key();
    let node = NodeId::from_number(network.info()["nodes"][rotates]["nodeId"].as_u64().unwrap());
    let seated = || {
        let committee = runtime.block_on(chain.committee()).unwrap();
        committee.members().iter().find(|member| member.node_id == node).unwrap().public_key
    };
    let stored = network.store(&noise(2000, 1));
    assert_eq!(network.read(&stored), noise(2000, 1));
    eventually("the committee knows the new key", || (seated() == new_key).then_some(()));
    let stored = network.store(&noise(3000, 2));
    assert_eq!(network.read(&stored), noise(3000, 2));
    assert_eq!(network.node_pids()[rotates], pid, "without a restart");
    let log = network.node_log(&format!("node-{rotates}"));
    let place = |line| log.find(line).unwrap_or_else(|| panic!("no {line:?} in {log}"));
    assert!(place("the next key is announced") < place("signs with its next key from this epoch on"), "{log}");

    // The old key alone is no use any more; the new one alone is.
    kill(&[pid]);
    std::fs::write(&config, &plain).unwrap();
    let (_, message) = failure(&network.floe(&["node", "run", "--managed", "--config", text(&config)]));
    assert!(message.contains("NODE-WRONG-KEY"), "{message}");
    std::fs::write(&config, plain.replace("\"protocol.key\"", "\"next.key\"")).unwrap();
    network.restart_node(rotates);
    let stored = network.store(&noise(4000, 3));
    assert_eq!(network.read(&stored), noise(4000, 3));
}
