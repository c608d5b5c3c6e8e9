//! Stake: when it counts, when it leaves, and that all of it comes back.

use alloy::primitives::{Address, U256, aliases::U96};

use super::bindings::{FloeToken, Staking};
use super::network::{Deployment, Network, account, mined, refusal, tokens};
use crate::support::chains;

impl Deployment {
    /// FLOE that the staking contract holds.
    async fn floe_staked(&self) -> U256 {
        self.floe.balanceOf(*self.staking.address()).call().await.expect("a view")
    }

    /// Nothing was slashed: what the contract holds is the principal of all positions, and all FLOE is somewhere.
    async fn check_floe(&self) {
        let state = self.staking.state().call().await.expect("a view");
        let mut principal = U256::ZERO;
        for id in 1..=state.positions {
            if let Ok(position) = self.staking.positionOf(U256::from(id)).call().await {
                principal += U256::from(position.principal);
            }
        }
        let staked = self.floe_staked().await;
        assert_eq!(staked, principal);
        let owner = self.floe.balanceOf(self.owner_address).call().await.expect("a view");
        assert_eq!(staked + owner, self.floe.totalSupply().call().await.expect("a view"));
    }

    /// Takes a position's stake back; gives the epoch in which it can be withdrawn, 0 for now.
    async fn unstake(&self, position: U256, amount: U96) -> (U256, u32) {
        let call = self.staking.unstake(position, amount).gas(600_000);
        let said = call.call().await.expect("the call is allowed");
        mined(call.send().await).await;
        (said.leavingId, said.withdrawEpoch)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stake_is_at_least_one_floe_with_a_node_that_exists() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let node = net.nodes[0].id;
        let least = tokens(1);
        for amount in [U96::ZERO, least - U96::from(1)] {
            let error = refusal::<Staking::StakeTooSmall, _>(net.staking.stake(node, amount).call().await);
            assert_eq!((error.got, error.min), (U256::from(amount), U256::from(least)), "{}", chain.name);
        }
        net.staking.stake(node, least).call().await.unwrap();
        let unknown = net.staking.stake(U256::from(99), least).call().await;
        assert_eq!(refusal::<Staking::UnknownPool, _>(unknown).nodeId, U256::from(99));
        let poor = account("poor").address();
        refusal::<FloeToken::ERC20InsufficientAllowance, _>(net.staking.stake(node, least).from(poor).call().await);
        let unknown = net.staking.unstake(U256::from(99), least).call().await;
        assert_eq!(refusal::<Staking::UnknownPosition, _>(unknown).positionId, U256::from(99));
        net.check_floe().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stake_that_no_committee_counts_on_leaves_at_once() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let node = net.nodes[0].id;
        let early = net.stake(node, 5).await;
        assert_eq!(net.staking.positionOf(early).call().await.unwrap().activationEpoch, 2, "{}", chain.name);
        assert_eq!(net.unstake(early, tokens(5)).await, (early, 0));
        refusal::<Staking::UnknownPosition, _>(net.staking.positionOf(early).call().await);

        net.select_next().await;
        let late = net.stake(node, 7).await;
        assert_eq!(net.staking.positionOf(late).call().await.unwrap().activationEpoch, 3);
        let stake_in = async |epoch| net.staking.stakeOf(node, epoch).call().await.unwrap();
        assert_eq!(stake_in(3).await, stake_in(2).await + U256::from(tokens(7)));
        assert_eq!(net.unstake(late, tokens(7)).await, (late, 0));
        assert_eq!(stake_in(3).await, stake_in(2).await);

        // A node that sits in no committee holds nobody back, whenever its stake began to count.
        let [spare] = register_spare(&net).await;
        net.stake(net.nodes[1].id, 1).await;
        let idle = net.stake(spare, 1).await;
        net.begin_next().await;
        net.sync().await;
        net.select_next().await;
        net.begin_next().await;
        net.sync().await;
        let position = net.staking.positionOf(idle).call().await.unwrap();
        assert_eq!(position.activationEpoch, 3, "in force now");
        assert_eq!(net.unstake(idle, tokens(1)).await, (idle, 0));
        net.check_floe().await;
    }
}

/// A node outside of the committee.
async fn register_spare(net: &Network) -> [U256; 1] {
    use super::network::{description, votes};
    use super::signing::{g1, secret_key};
    let (signer, key) = (account("spare"), secret_key("spare"));
    net.fund([signer.address()]).await;
    let proof = net.possession(signer.address()).await.prove(&key);
    let registry = net.nodes_as(&signer);
    let register = registry.registerNode(description("s", "s"), g1(&key.sk_to_pk()), proof, 0, votes());
    mined(register.gas(1_000_000).send().await).await;
    [net.nodes_registry.nodeCount().call().await.expect("a view")]
}

#[tokio::test(flavor = "multi_thread")]
async fn stake_stays_as_long_as_a_committee_counts_on_it() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let node = net.nodes[0].id;
        let founding = |i: u64| U256::from(i);
        let never = net.staking.withdraw(founding(1)).call().await;
        assert_eq!(refusal::<Staking::NotLeaving, _>(never).positionId, founding(1), "{}", chain.name);

        // In the current committee only: to the end of this epoch.
        let (part, due) = net.unstake(founding(1), tokens(400)).await;
        assert_eq!(due, 2);
        assert_ne!(part, founding(1), "a part became a position of its own");
        let twice = net.staking.unstake(part, tokens(400)).call().await;
        assert_eq!(refusal::<Staking::AlreadyLeaving, _>(twice).withdrawEpoch, 2);
        let early = refusal::<Staking::WithdrawalNotDue, _>(net.staking.withdraw(part).call().await);
        assert_eq!((early.withdrawEpoch, early.currentEpoch), (2, 1));

        // In the next committee too: to the end of the next epoch, also for stake that is not in force yet.
        let counted = net.stake(node, 50).await;
        net.select_next().await;
        let (_, due) = net.unstake(founding(2), tokens(1_000)).await;
        assert_eq!(due, 3);
        let (_, due) = net.unstake(counted, tokens(50)).await;
        assert_eq!(due, 3);
        net.check_floe().await;

        net.begin_next().await;
        let before = net.floe_staked().await;
        mined(net.staking.withdraw(part).gas(600_000).send().await).await;
        assert_eq!(before - net.floe_staked().await, U256::from(tokens(400)));
        for waiting in [founding(2), counted] {
            refusal::<Staking::WithdrawalNotDue, _>(net.staking.withdraw(waiting).call().await);
        }
        net.sync().await;
        net.select_next().await;
        assert_eq!(net.committee.members(3).call().await.unwrap().nodeIds.len(), 3, "the second node has no stake");
        net.begin_next().await;
        for (leaving, amount) in [(founding(2), 1_000), (counted, 50)] {
            let before = net.floe_staked().await;
            mined(net.staking.withdraw(leaving).gas(600_000).send().await).await;
            assert_eq!(before - net.floe_staked().await, U256::from(tokens(amount)));
            refusal::<Staking::UnknownPosition, _>(net.staking.withdraw(leaving).call().await);
        }
        net.check_floe().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_split_and_joined_by_their_owner() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (first, second) = (U256::from(1), U256::from(2));
        let stranger = account("stranger").address();
        for refused in [
            net.staking.split(first, tokens(1)).from(stranger).call().await.map(drop),
            net.staking.unstake(first, tokens(1)).from(stranger).call().await.map(drop),
            net.staking.claim(first).from(stranger).call().await.map(drop),
            net.staking.withdraw(first).from(stranger).call().await.map(drop),
            net.staking.join(first, second).from(stranger).call().await.map(drop),
        ] {
            let error = refusal::<Staking::Unauthorized, _>(refused);
            assert_eq!((error.caller, error.expected), (stranger, net.owner_address), "{}", chain.name);
        }
        let small = net.staking.split(first, tokens(1) - U96::from(1)).call().await;
        refusal::<Staking::StakeTooSmall, _>(small);
        for amount in [tokens(1_000), tokens(999) + U96::from(1), tokens(2_000)] {
            let error = refusal::<Staking::RemainderTooSmall, _>(net.staking.split(first, amount).call().await);
            assert_eq!((error.principal, error.amount), (tokens(1_000).to(), U256::from(amount)));
        }
        for amount in [tokens(999) + U96::from(1), tokens(2_000)] {
            refusal::<Staking::RemainderTooSmall, _>(net.staking.unstake(first, amount).call().await);
        }
        mined(net.staking.split(first, tokens(999)).send().await).await;
        let part = U256::from(net.staking.state().call().await.unwrap().positions);
        net.check_floe().await;

        for (a, b) in [(first, second), (first, first)] {
            let error = refusal::<Staking::PositionsDiffer, _>(net.staking.join(a, b).call().await);
            assert_eq!((error.positionId, error.otherId), (a, b));
        }
        let later = net.stake(net.nodes[0].id, 1).await;
        refusal::<Staking::PositionsDiffer, _>(net.staking.join(first, later).call().await);
        mined(net.staking.join(first, part).gas(600_000).send().await).await;
        assert_eq!(net.staking.positionOf(first).call().await.unwrap().principal, tokens(1_000));
        refusal::<Staking::UnknownPosition, _>(net.staking.positionOf(part).call().await);
        net.check_floe().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_have_enough_stake() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let [spare] = register_spare(&net).await;
        let error = refusal::<Staking::StakeTooSmall, _>(net.staking.joinActiveSet(spare).call().await);
        assert_eq!((error.got, error.min), (U256::ZERO, U256::from(tokens(1))), "{}", chain.name);
        let member = refusal::<Staking::AlreadyActive, _>(net.staking.joinActiveSet(net.nodes[0].id).call().await);
        assert_eq!(member.nodeId, net.nodes[0].id);
        let position = net.stake(spare, 3).await;
        assert_eq!(net.staking.activeSet().call().await.unwrap().len(), 5, "staking asks by itself");
        net.unstake(position, tokens(3)).await;
        assert_eq!(net.staking.activeSet().call().await.unwrap().len(), 4, "who has no stake drops out");
        let (_, due) = net.unstake(U256::from(2), tokens(1_000)).await;
        assert_eq!(due, 2);
        let active = net.staking.activeSet().call().await.unwrap();
        assert_eq!(active.len(), 3, "and who will have none");
        net.check_floe().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_other_contracts_move_epochs_pools_and_committees() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (staking, committee) = (&net.staking, &net.committee);
        let epochs = *net.epochs.address();
        for (refused, expected) in [
            (staking.open(U256::from(9), 0).call().await.map(drop), *net.nodes_registry.address()),
            (staking.closeSelection().call().await.map(drop), epochs),
            (staking.beginEpoch(2, U256::from(1), vec![], vec![]).call().await.map(drop), epochs),
            (staking.lowerReward(U256::from(1), 0).call().await.map(drop), Address::ZERO),
        ] {
            let error = refusal::<Staking::Unauthorized, _>(refused);
            assert_eq!((error.caller, error.expected), (net.owner_address, expected), "{}", chain.name);
        }
        for refused in [
            staking.slash(U256::from(1), 1).call().await.map(drop),
            staking.setThreshold(U96::ZERO).call().await.map(drop),
            staking.setAuditor(net.owner_address).call().await.map(drop),
            staking.upgradeToAndCall(epochs, vec![].into()).call().await.map(drop),
            committee.upgradeToAndCall(epochs, vec![].into()).call().await.map(drop),
        ] {
            let error = refusal::<Staking::Unauthorized, _>(refused);
            assert_ne!(error.expected, Address::ZERO, "the governance");
        }
        for refused in
            [committee.select(vec![], vec![]).call().await.map(drop), committee.rotate().call().await.map(drop)]
        {
            assert_eq!(refusal::<Staking::Unauthorized, _>(refused).expected, epochs);
        }
    }
}
