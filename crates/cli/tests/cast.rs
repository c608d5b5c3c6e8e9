//! `cast`, which nobody here wrote, against the embedded chain. Needs the program: `FLOE_CAST` names it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::process::{Command, Output};

use support::{Network, id_of, noise, text};

struct Cast {
    program: String,
    rpc: String,
}

impl Cast {
    fn output(&self, args: &[&str]) -> Output {
        Command::new(&self.program).args(args).env("ETH_RPC_URL", &self.rpc).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "cast {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// 32 bytes as 0x-hex, from the URL-safe base64 of a blob ID.
fn hex_of(id: &str) -> String {
    use std::str::FromStr;
    let id = floe_protocol::BlobId::from_str(id).unwrap();
    format!("0x{}", hex::encode(id.as_bytes()))
}

#[test]
#[ignore = "needs cast: set FLOE_CAST to the program"]
fn cast_asks_the_contracts() {
    let network = Network::start(4, 10, &[]);
    let info = network.info();
    let cast = Cast {
        program: std::env::var("FLOE_CAST").expect("FLOE_CAST names the cast program"),
        rpc: info["chain"]["url"].as_str().unwrap().to_owned(),
    };
    let blobs = info["contracts"]["blobs"].as_str().unwrap();
    let availability = info["contracts"]["availability"].as_str().unwrap();
    let path = network.file(&noise(5000, 8));
    let id = id_of(&network.json(&["store", text(&path), "--epochs", "3", "--permanent"])[0]["blobStoreResult"]);
    let topic = hex_of(&id);

    assert_eq!(cast.run(&["call", availability, "isAvailable(bytes32)(bool)", &topic]), "true");
    assert_eq!(cast.run(&["call", availability, "availableUntil(bytes32)(uint32)", &topic]), "4");
    let unknown = format!("0x{}", "11".repeat(32));
    assert_eq!(cast.run(&["call", availability, "isAvailable(bytes32)(bool)", &unknown]), "false");

    let event = "BlobCertified(bytes32 indexed blobId, uint256 indexed objectId, bool deletable, \
                 uint32 certifiedEpoch, uint32 endEpoch)";
    let logs = cast.run(&["logs", "--json", "--from-block", "0", "--address", blobs, event, &topic]);
    let logs: serde_json::Value = serde_json::from_str(&logs).unwrap();
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");

    // A contract of somebody else asks in its own transaction.
    let artifact =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/Editions.json"))
            .unwrap();
    let artifact: serde_json::Value = serde_json::from_str(&artifact).unwrap();
    let key = std::fs::read_to_string(network.dir.join("keys/deployer.key")).unwrap();
    // Copies of a blob for seven wei, sold while it stays for three epochs.
    let sell = |topic: &str| {
        let words = [availability, topic, "0x03", "0x07"].map(|word| format!("{:0>64}", word.trim_start_matches("0x")));
        let code = format!("{}{}", artifact["bytecode"].as_str().unwrap(), words.concat());
        let sent = cast.run(&["send", "--json", "--private-key", key.trim(), "--create", &code]);
        let receipt: serde_json::Value = serde_json::from_str(&sent).unwrap();
        receipt["contractAddress"].as_str().unwrap().to_owned()
    };
    let buy = |shop: &str| cast.output(&["send", "--private-key", key.trim(), shop, "buy()", "--value", "7"]);
    assert!(buy(&sell(&topic)).status.success(), "the blob is available");
    assert!(!buy(&sell(&unknown)).status.success(), "the unknown one is not");
}

/// A test's own client account does by hand what the command line does, and the command line sees it.
#[test]
#[ignore = "needs cast: set FLOE_CAST to the program"]
fn cast_stakes_extends_reserves_and_votes() {
    let network = Network::start(4, 10, &[]);
    let info = network.info();
    let cast = Cast {
        program: std::env::var("FLOE_CAST").expect("FLOE_CAST names the cast program"),
        rpc: info["chain"]["url"].as_str().unwrap().to_owned(),
    };
    let contract = |name: &str| info["contracts"][name].as_str().unwrap().to_owned();
    let key = |path: &str| std::fs::read_to_string(network.dir.join(path)).unwrap().trim().to_owned();
    let client = key("keys/client.key");
    let send = |key: &str, to: &str, call: &[&str]| {
        cast.run(&[&["send", "--private-key", key, to][..], call].concat());
    };

    let five = "5000000000000000000";
    send(&client, &contract("floeToken"), &["approve(address,uint256)", &contract("staking"), five]);
    send(&client, &contract("staking"), &["stake(uint256,uint96)", "2", five]);
    let stake = &network.json(&["stake", "list"])["stakedFloe"][0];
    assert_eq!((&stake["principal"], &stake["state"]), (&five.into(), &"pending".into()));
    let position = stake["position"].to_string();
    network.json(&["unstake", &position]);

    let path = network.file(&noise(5000, 9));
    let stored = network.json(&["store", text(&path), "--epochs", "3", "--permanent"]);
    let object = stored[0]["blobStoreResult"]["newlyCreated"]["blobObject"]["id"].as_str().unwrap().to_owned();
    send(&client, &contract("blobs"), &["extend(uint256,uint32,uint256)", &object, "4", "1000000"]);
    let listed = network.json(&["list-blobs"]);
    let extended = listed.as_array().unwrap().iter().find(|blob| blob["id"] == object.as_str()).unwrap();
    assert_eq!(extended["storage"]["endEpoch"].as_u64(), Some(8));
    send(&client, &contract("blobs"), &["fund(uint256,uint128)", &object, "2500"]);
    assert_eq!(network.json(&["fund", &object])["balance"], "2500");

    send(&client, &contract("storage"), &["reserve(uint64,uint32,uint256)", "3145728", "7", "1000000"]);
    let resource = &network.json(&["resources"])["resources"][0];
    assert_eq!((resource["storageSize"].as_u64(), resource["endEpoch"].as_u64()), (Some(3 << 20), Some(8)));

    let (node, terms) = (key("nodes/node-0/account.key"), "(4096,77,88)");
    send(&node, &contract("nodes"), &["vote(uint256,(uint64,uint96,uint96))", "1", terms]);
    let votes = &network.json(&["node", "show", "1"])["votingParams"];
    assert_eq!((&votes["storagePrice"], &votes["writePrice"]), (&"77".into(), &"88".into()));
}
