//! Two positions that leave a pool that was slashed, made one: what they are paid, the pool has let go.

use alloy::primitives::{Address, U256};

use super::evm::Evm;
use super::model::Places;
use super::model::governance::Decision;
use super::world::{FLOE, HOUR, launched};
use crate::bindings::{Epochs, Governance, Staking};

const NODE: U256 = U256::ONE;

/// Another epoch begins, and its change is complete.
fn next_epoch(evm: &mut Evm, at: Places) {
    let anyone = Address::repeat_byte(1);
    evm.timestamp += HOUR / 2;
    evm.send(anyone, at.epochs, &Epochs::selectNextCall {}).unwrap();
    evm.timestamp += HOUR / 2;
    evm.send(anyone, at.epochs, &Epochs::beginNextCall {}).unwrap();
    evm.timestamp += HOUR;
    evm.send(anyone, at.epochs, &Epochs::endSyncCall {}).unwrap();
}

#[test]
fn joined_positions_are_paid_no_more_than_their_pool_let_go() {
    let mut driver = tokio::runtime::Runtime::new().unwrap().block_on(launched(10, &[1; 4]));
    let (at, owner) = (driver.model.at, driver.users[0]);
    let slash = Decision::Slash { node: 1, bps: 3_333 };
    driver.vote_by_all(slash);
    let mut evm = driver.evm;
    evm.send(owner, at.governance, &Governance::executeCall { target: at.staking, data: slash.data() }).unwrap();

    let principals: Vec<u128> = (0..8).map(|i| 5 * FLOE + 7 * i + i * i).collect();
    let first = evm.view(at.staking, &Staking::stateCall {}).positions + 1;
    for principal in &principals {
        let amount = U256::from(*principal).to();
        evm.send(owner, at.staking, &Staking::stakeCall { nodeId: NODE, amount }).unwrap();
    }
    next_epoch(&mut evm, at);
    let mut given_up = 0;
    for a in 0..principals.len() {
        for b in 0..a {
            let mut evm = evm.clone();
            let (id, other) = (U256::from(first + a as u64), U256::from(first + b as u64));
            let pool =
                |evm: &mut Evm| -> u128 { evm.view(at.staking, &Staking::poolOfCall { nodeId: NODE }).balance.to() };
            for (position, place) in [(id, a), (other, b)] {
                let amount = U256::from(principals[place]).to();
                evm.send(owner, at.staking, &Staking::unstakeCall { positionId: position, amount }).unwrap();
            }
            let before = pool(&mut evm);
            evm.send(owner, at.staking, &Staking::joinCall { positionId: id, otherId: other }).unwrap();
            let joined = evm.view(at.staking, &Staking::positionOfCall { positionId: id }).principal.to::<u128>();
            next_epoch(&mut evm, at);
            let let_go = before - pool(&mut evm);
            let done = evm.send(owner, at.staking, &Staking::withdrawCall { positionId: id }).unwrap();
            let paid = U256::from_be_slice(&done.output[..32]).to::<u128>();
            assert!(paid <= let_go, "{paid} paid for {} and {}, of {let_go}", principals[a], principals[b]);
            assert!(let_go - paid <= 2, "{paid} paid of {let_go}: more than rounding is missing");
            given_up += principals[a] + principals[b] - joined;
        }
    }
    assert!(given_up != 0, "the rounding was never put to the test");
}
