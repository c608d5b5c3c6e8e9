//! Small committees for the unit tests of this crate.

use floe_redstuff::{EncodingParams, ShardIndex};

use crate::{Committee, Epoch, Member, NodeId, bls::SecretKey};

/// Secret keys 1, 2, 3, …
pub(crate) fn keys(count: usize) -> Vec<SecretKey> {
    (1..=count as u64)
        .map(|number| {
            let mut bytes = [0; 32];
            bytes[24..].copy_from_slice(&number.to_be_bytes());
            SecretKey::from_bytes(&bytes).expect("small numbers are keys")
        })
        .collect()
}

/// Nodes 1, 2, 3, … with those keys and weights; shards in order.
pub(crate) fn committee(epoch: Epoch, weights: &[u16]) -> Committee {
    let params = EncodingParams::new(weights.iter().sum()).expect("enough shards");
    let mut next = 0u16;
    let members = keys(weights.len())
        .iter()
        .zip(weights)
        .zip(1..)
        .map(|((key, &weight), number)| {
            let shards = (next..next + weight).map(ShardIndex::new).collect();
            next += weight;
            Member {
                node_id: NodeId::from_number(number),
                public_key: key.public_key(),
                address: format!("http://node-{number}.example"),
                name: format!("node-{number}"),
                shards,
            }
        })
        .collect();
    Committee::new(epoch, params, members).expect("valid by construction")
}
