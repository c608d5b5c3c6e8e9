//! Random committees and random signers against the rule, written down once more.

use alloy::primitives::U256;
use sha2::{Digest, Sha256};

use super::bindings::Committee;
use super::network::{Network, refusal};
use crate::support::chains;

const CASES: usize = 60;

/// A number below `bound` that follows from `seed` and `index`.
fn random(seed: &str, index: usize, bound: usize) -> usize {
    let digest = Sha256::digest(format!("{seed} {index}"));
    usize::from(u16::from_be_bytes([digest[0], digest[1]])) % bound
}

#[tokio::test(flavor = "multi_thread")]
async fn weight_decides_whatever_the_committee() {
    let weights: Vec<_> = (0..37_u16).map(|i| 1 + u16::try_from(random("weight", i.into(), 30)).unwrap()).collect();
    let shards: u16 = weights.iter().sum();
    let faulty = (shards - 1) / 3;
    for chain in chains().await {
        let net = Network::launch(&chain, &weights).await;
        let message = [200, 0, 3, 1, 0, 0, 0, 42];
        let (mut quorums, mut honest) = (0, 0);
        for case in 0..CASES {
            // From nearly none to nearly all.
            let signers: Vec<_> =
                (0..weights.len()).filter(|member| random(&format!("case {case}"), *member, CASES) <= case).collect();
            if signers.is_empty() {
                continue;
            }
            let weight: u16 = signers.iter().map(|&member| weights[member]).sum();
            let (bitmap, signature) = net.certificate(&signers, &message);
            let quorum = net.committee.requireQuorum(message.into(), bitmap.clone(), signature).call().await.map(drop);
            let one_honest = net.committee.requireOneHonest(message.into(), bitmap, signature).call().await.map(drop);
            let check = |holds: bool, result: alloy::contract::Result<()>| {
                if holds {
                    result.unwrap_or_else(|e| panic!("case {case} on {}: {weight} of {shards}: {e}", chain.name));
                } else {
                    assert_eq!(refusal::<Committee::NoQuorum, _>(result).weight, U256::from(weight));
                }
                usize::from(holds)
            };
            quorums += check(weight >= shards - faulty, quorum);
            honest += check(3 * weight > shards, one_honest);
        }
        assert!(0 < quorums && quorums < honest && honest < CASES, "{quorums} and {honest}: one-sided cases");
    }
}
