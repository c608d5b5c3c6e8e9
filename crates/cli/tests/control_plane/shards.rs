//! Shards move to a node that does not have their data.

use floe_chain::{ControlPlane as _, EpochPhase, Wallet, deploy};
use floe_protocol::{Committee, Epoch, NodeId};

use super::{
    eventually,
    support::{Network, id_of, kill, noise, text},
};

fn weights(committee: &Committee) -> Vec<u32> {
    (0..committee.members().len()).map(|member| u32::from(committee.weight(member))).collect()
}

#[test]
fn old_blobs_are_read_where_they_are_and_the_change_ends_by_itself() {
    let network = Network::start(4, 10, &["--epoch-duration", "12s"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("deployer"));
    let bytes = noise(100_000, 1);
    let id = network.store(&bytes);
    network.json(&["pool", "create", "--size", "20MiB", "--epochs", "5"]);
    let file = network.file(&noise(100_000, 2));
    let stored = network.json(&["store", text(&file), "--pool", "1", "--permanent"]);
    let pooled = id_of(&stored[0]["blobStoreResult"]);

    // One node gets so much stake that shards move to it.
    let config = network.chain_config();
    let rich = Wallet::from_key_file(network.dir.join("keys/deployer.key")).unwrap();
    let node = NodeId::from_number(network.info()["nodes"][0]["nodeId"].as_u64().unwrap());
    let floe = 10u128.pow(18);
    runtime.block_on(deploy::stake(&config.rpc_url, &config.contracts, &rich, &[node], 100_000_000 * floe)).unwrap();
    let before = runtime.block_on(chain.committee()).unwrap();
    let (epoch, after) = eventually("shards move", || {
        let info = runtime.block_on(chain.network()).unwrap();
        let committee = runtime.block_on(chain.committee()).unwrap();
        let moved = weights(&committee) != weights(&before);
        (info.phase == EpochPhase::Sync && moved).then_some((info.epoch, committee))
    });
    let previous = runtime.block_on(chain.committee_of(Epoch(epoch.get() - 1))).unwrap().unwrap();
    assert_eq!(weights(&previous), weights(&before));
    assert!(after.weight(0) > previous.weight(0), "{:?} to {:?}", weights(&previous), weights(&after));

    // Of the nodes that lost shards some are left that have what a read needs only by the committee before.
    let pids = network.node_pids();
    let weight = |committee: &Committee, members: [usize; 2]| -> u32 {
        members.into_iter().map(|member| u32::from(committee.weight(member))).sum()
    };
    let left =
        [[1, 2], [1, 3], [2, 3]].into_iter().find(|left| weight(&previous, *left) >= 4 && weight(&after, *left) < 4);
    let left = left.unwrap_or_else(|| panic!("{:?} to {:?}", weights(&previous), weights(&after)));
    let gone: Vec<u32> = (0..4).filter(|index| !left.contains(index)).map(|index| pids[index]).collect();
    kill(&gone);
    assert_eq!(network.read(&id), bytes, "by those who have it");
    assert_eq!(network.read(&pooled), noise(100_000, 2), "a blob in a pool too");
    assert_eq!(runtime.block_on(chain.network()).unwrap().phase, EpochPhase::Sync, "the test was too slow");

    // The others come back. The node with new shards reports nothing, so there is no quorum; time ends the change.
    (0..4).filter(|index| !left.contains(index)).for_each(|index| network.restart_node(index));
    eventually("the next epoch begins all the same", || {
        let info = runtime.block_on(chain.network()).unwrap();
        (info.epoch > epoch).then_some(())
    });
    assert_eq!(network.read(&id), bytes);
    let fresh = network.store(b"after the change");
    assert_eq!(network.read(&fresh), b"after the change");
    let log = network.node_log("node-0");
    let said = log.lines().filter(|line| line.contains("has new shards and does not hold them"));
    assert!(said.count() >= 1, "{log}");
}
