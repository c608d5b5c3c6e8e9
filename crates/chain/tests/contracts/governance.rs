//! Decisions by a quorum of shards, and what they can do: parameters, upgrades, slashing. And rewards, since a treasury
//! that pays comes into the test network by an upgrade.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use super::bindings::{Epochs, Governance, Staking, Till};
use super::network::{COMMISSION_BPS, HOUR, Network, account, mined, provider, refusal, tokens};
use crate::support::chains;

impl Network {
    fn governance(&self, node: usize) -> Governance::GovernanceInstance<alloy::providers::DynProvider> {
        let provider = provider(&self.rpc_url, &self.nodes[node].signer);
        Governance::new(*self.governance.address(), provider)
    }

    async fn vote(&self, node: usize, target: Address, data: &Bytes) {
        let governance = self.governance(node);
        mined(governance.vote(self.nodes[node].id, target, data.clone()).gas(400_000).send().await).await;
    }

    async fn execute(&self, target: Address, data: &Bytes) {
        mined(self.governance.execute(target, data.clone()).gas(1_000_000).send().await).await;
    }

    /// The first members vote for a call until they are a quorum.
    async fn approve(&self, target: Address, data: &Bytes) {
        let proposal = self.governance.idOf(target, data.clone()).call().await.expect("a view");
        for node in 0..self.nodes.len() {
            self.vote(node, target, data).await;
            if self.governance.proposalOf(proposal).call().await.expect("a view").readyEpoch != 0 {
                return;
            }
        }
        panic!("all members are a quorum");
    }

    /// A quorum votes for a call, the delay passes, and it is made.
    pub(super) async fn decide(&self, target: Address, data: &Bytes) {
        self.approve(target, data).await;
        for _ in 0..3 {
            self.next_epoch().await;
        }
        self.execute(target, data).await;
    }

    /// Burns a part of a node's stake, in the epoch of the vote.
    async fn slash(&self, node: usize, bps: u16) {
        let call: Bytes = Staking::slashCall { nodeId: self.nodes[node].id, bps }.abi_encode().into();
        self.approve(*self.staking.address(), &call).await;
        self.execute(*self.staking.address(), &call).await;
    }

    /// Puts a treasury behind the clock that pays out whatever it holds at each change.
    async fn with_till(&self) -> Address {
        let till = Till::deploy(self.owner.clone(), *self.money.address()).await.expect("deployed");
        let code = Epochs::deploy(
            self.owner.clone(),
            *self.governance.address(),
            self.owner_address,
            4,
            HOUR,
            *self.committee.address(),
            *self.nodes_registry.address(),
            *self.staking.address(),
            *till.address(),
            Address::ZERO,
        );
        let code = *code.await.expect("deployed").address();
        let call = Epochs::upgradeToAndCallCall { newImplementation: code, data: Bytes::new() };
        self.decide(*self.epochs.address(), &call.abi_encode().into()).await;
        assert_eq!(self.epochs.money().call().await.expect("a view"), *till.address());
        *till.address()
    }

    /// Money that all pools and positions are entitled to.
    async fn owed(&self) -> U256 {
        let mut owed = U256::from(self.staking.carried().call().await.expect("a view"));
        for node in &self.nodes {
            owed += U256::from(self.staking.poolOf(node.id).call().await.expect("a pool").commission);
        }
        for id in 1..=self.staking.state().call().await.expect("a view").positions {
            if let Ok(value) = self.staking.valueOf(U256::from(id)).call().await {
                owed += value.earned;
            }
        }
        owed
    }

    async fn money_held(&self) -> U256 {
        self.money.balanceOf(*self.staking.address()).call().await.expect("a view")
    }

    /// Rounding never makes money: what is owed is there, and no more than a few units are nobody's.
    async fn check_money(&self) {
        let (held, owed) = (self.money_held().await, self.owed().await);
        assert!(held >= owed && held - owed < U256::from(100), "{owed} owed, {held} held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_decides_after_the_delay() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let target = *net.staking.address();
        let call: Bytes = Staking::setThresholdCall { threshold: tokens(500) }.abi_encode().into();
        let attempt =
            |node: usize, caller: Address| net.governance.vote(net.nodes[node].id, target, call.clone()).from(caller);
        let stranger = account("stranger").address();
        let error = refusal::<Governance::Unauthorized, _>(attempt(0, stranger).call().await);
        assert_eq!((error.caller, error.expected), (stranger, net.nodes[0].signer.address()), "{}", chain.name);
        let error = refusal::<Governance::NotApproved, _>(net.governance.execute(target, call.clone()).call().await);
        assert_eq!((error.weight, error.needed), (U256::ZERO, U256::from(3)));

        net.vote(0, target, &call).await;
        let twice = refusal::<Governance::AlreadyVoted, _>(attempt(0, net.nodes[0].signer.address()).call().await);
        assert_eq!(twice.nodeId, net.nodes[0].id);
        net.vote(1, target, &call).await;
        let error = refusal::<Governance::NotApproved, _>(net.governance.execute(target, call.clone()).call().await);
        assert_eq!(error.weight, U256::from(2));

        // Votes of an epoch that is over have lapsed.
        net.next_epoch().await;
        net.vote(2, target, &call).await;
        let error = refusal::<Governance::NotApproved, _>(net.governance.execute(target, call.clone()).call().await);
        assert_eq!(error.weight, U256::from(1));
        net.vote(0, target, &call).await;
        net.vote(3, target, &call).await;
        let late = refusal::<Governance::AlreadyApproved, _>(attempt(1, net.nodes[1].signer.address()).call().await);
        assert_eq!(late.readyEpoch, 5);
        for epoch in [2, 3, 4] {
            let early = net.governance.execute(target, call.clone()).call().await;
            let error = refusal::<Governance::DelayNotOver, _>(early);
            assert_eq!((error.readyEpoch, error.currentEpoch), (5, epoch));
            net.next_epoch().await;
        }
        net.execute(target, &call).await;
        let threshold: u128 = net.staking.state().call().await.unwrap().threshold.to();
        assert_eq!(threshold, tokens(500).to::<u128>());
        refusal::<Governance::NotApproved, _>(net.governance.execute(target, call.clone()).call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_vote_and_approval_expires() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let target = *net.staking.address();
        let call: Bytes = Staking::setThresholdCall { threshold: tokens(2) }.abi_encode().into();
        // The last node loses its seat with its stake.
        mined(net.staking.unstake(U256::from(4), tokens(1_000)).gas(600_000).send().await).await;
        net.next_epoch().await;
        let outsider = net.governance(3).vote(net.nodes[3].id, target, call.clone()).call().await;
        let error = refusal::<Governance::NotMember, _>(outsider);
        assert_eq!((error.nodeId, error.epoch), (net.nodes[3].id, 2), "{}", chain.name);

        net.approve(target, &call).await;
        for _ in 0..13 {
            net.next_epoch().await;
        }
        let error =
            refusal::<Governance::ProposalExpired, _>(net.governance.execute(target, call.clone()).call().await);
        assert_eq!((error.expiryEpoch, error.currentEpoch), (15, 15));
        net.vote(0, target, &call).await;
        refusal::<Governance::NotApproved, _>(net.governance.execute(target, call.clone()).call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_follow_shards_and_shares() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let till = net.with_till().await;
        let pay = async |amount: u64| {
            mined(net.money.mint(till, U256::from(amount)).send().await).await;
        };
        let node = net.nodes[0].id;
        // A delegator comes in for the next epoch: nothing of this one is its own.
        let late = net.stake(node, 3_000).await;
        pay(1_000_003).await;
        net.next_epoch().await;
        net.check_money().await;
        assert_eq!(net.money_held().await, U256::from(1_000_003));
        let fair = 250_000 - 250_000 * u64::from(COMMISSION_BPS) / 10_000;
        let earned = net.staking.valueOf(U256::from(1)).call().await.unwrap().earned;
        assert!(earned.abs_diff(U256::from(fair)) <= U256::from(2), "{}: {earned}", chain.name);
        assert_eq!(net.staking.valueOf(late).call().await.unwrap().earned, U256::ZERO);

        // Now it has three of four parts of the pool, and its node as many shards as one may have.
        pay(4_000).await;
        net.next_epoch().await;
        net.check_money().await;
        let weight = net.staking.poolOf(node).call().await.unwrap().weight;
        let before = net.money.balanceOf(net.owner_address).call().await.unwrap();
        let expected = net.staking.valueOf(late).call().await.unwrap().earned;
        mined(net.staking.claim(late).gas(500_000).send().await).await;
        assert_eq!(net.money.balanceOf(net.owner_address).call().await.unwrap() - before, expected);
        let share = 4_000 * u64::from(weight) / 4 * 9 / 10 * 3_000 / 4_000;
        assert_eq!(weight, 2, "the cap");
        assert!(expected.abs_diff(U256::from(share)) <= U256::from(2), "{expected} of {share}");
        assert_eq!(net.staking.claim(late).call().await.unwrap(), U256::ZERO, "once");
        net.check_money().await;

        // Commission: blocked in the first half, for its receiver alone.
        let own = Staking::new(*net.staking.address(), provider(&net.rpc_url, &net.nodes[0].signer));
        refusal::<Staking::CommissionBlocked, _>(own.collectCommission(node).call().await);
        net.select_next().await;
        refusal::<Staking::Unauthorized, _>(net.staking.collectCommission(node).call().await);
        let commission = U256::from(net.staking.poolOf(node).call().await.unwrap().commission);
        assert!(commission >= U256::from(25_000));
        mined(own.collectCommission(node).gas(500_000).send().await).await;
        assert_eq!(net.money.balanceOf(net.nodes[0].signer.address()).call().await.unwrap(), commission);
        net.check_money().await;

        // A new rate holds from the epoch after next on.
        refusal::<Staking::BpsTooMany, _>(own.setNextCommission(node, 10_001).call().await);
        refusal::<Staking::Unauthorized, _>(net.staking.setNextCommission(node, 0).call().await);
        mined(own.setNextCommission(node, 10_000).gas(500_000).send().await).await;
        net.begin_next().await;
        net.sync().await;
        assert_eq!(net.staking.poolOf(node).call().await.unwrap().commissionBps, COMMISSION_BPS);
        net.next_epoch().await;
        assert_eq!(net.staking.poolOf(node).call().await.unwrap().commissionBps, 10_000);
        net.check_money().await;

        // All of it is paid out in the end.
        for id in 1..=net.staking.state().call().await.unwrap().positions {
            mined(net.staking.claim(U256::from(id)).gas(500_000).send().await).await;
        }
        net.check_money().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slashing_burns_stake_of_all_delegators_alike() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let node = net.nodes[3].id;
        let (founder, pending) = (U256::from(4), net.stake(node, 100).await);
        let supply = net.floe.totalSupply().call().await.unwrap();
        net.slash(3, 2_500).await;
        let value = async |position| net.staking.valueOf(position).call().await.unwrap().amount;
        assert_eq!(value(founder).await, U256::from(tokens(750)), "{}", chain.name);
        assert_eq!(value(pending).await, U256::from(tokens(100)), "not in force yet");
        assert_eq!(supply - net.floe.totalSupply().call().await.unwrap(), U256::from(tokens(250)), "burned");
        let again: Bytes = Staking::slashCall { nodeId: node, bps: 2_500 }.abi_encode().into();
        let repeated = net.governance.execute(*net.staking.address(), again).call().await;
        refusal::<Governance::NotApproved, _>(repeated);

        net.next_epoch().await;
        let joined = value(pending).await;
        assert!(U256::from(tokens(100)) - joined <= U256::ONE, "{joined}: a share is worth less, and there are more");
        net.slash(3, 5_000).await;
        assert_eq!(value(founder).await, U256::from(tokens(375)));
        let left = value(pending).await;
        assert!(left <= U256::from(tokens(50)) && left + U256::from(2) > U256::from(tokens(50)), "{left}");

        // What is left comes back, to the last unit but rounding.
        let mut paid = U256::ZERO;
        for position in [founder, pending] {
            let amount = net.staking.positionOf(position).call().await.unwrap().principal;
            mined(net.staking.unstake(position, amount.to()).gas(600_000).send().await).await;
        }
        net.next_epoch().await;
        for position in [founder, pending] {
            let before = net.floe.balanceOf(net.owner_address).call().await.unwrap();
            mined(net.staking.withdraw(position).gas(600_000).send().await).await;
            paid += net.floe.balanceOf(net.owner_address).call().await.unwrap() - before;
        }
        assert!(paid <= U256::from(tokens(425)) && paid + U256::from(3) > U256::from(tokens(425)), "{paid}");

        let all: Bytes = Staking::slashCall { nodeId: net.nodes[0].id, bps: 10_000 }.abi_encode().into();
        net.approve(*net.staking.address(), &all).await;
        let refused = net.governance.execute(*net.staking.address(), all).call().await;
        refusal::<Staking::SlashTooDeep, _>(refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_lowers_rewards_which_are_not_lost() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let till = net.with_till().await;
        let call: Bytes = Staking::setAuditorCall { auditor_: net.owner_address }.abi_encode().into();
        net.decide(*net.staking.address(), &call).await;
        let node = net.nodes[1].id;
        mined(net.staking.lowerReward(node, 4_000).gas(500_000).send().await).await;
        let error = refusal::<Staking::RewardNotLower, _>(net.staking.lowerReward(node, 4_000).call().await);
        assert_eq!((error.current, error.got), (U256::from(4_000), U256::from(4_000)), "{}", chain.name);
        mined(net.money.mint(till, U256::from(4_000_000)).send().await).await;
        net.next_epoch().await;
        let carried = net.staking.carried().call().await.unwrap();
        assert!(carried.abs_diff(600_000) <= 1, "{carried}: 60 % of one of four million");
        let earned = async |position: u64| net.staking.valueOf(U256::from(position)).call().await.unwrap().earned;
        let (lowered, full) = (earned(2).await, earned(1).await);
        assert!(lowered.abs_diff(full * U256::from(4) / U256::from(10)) <= U256::from(2), "{lowered} of {full}");
        net.check_money().await;
        net.next_epoch().await;
        let again = earned(2).await - lowered;
        assert!(again.abs_diff(U256::from(135_000)) <= U256::from(2), "{again}: a quarter of it, less commission");
        net.check_money().await;
    }
}
