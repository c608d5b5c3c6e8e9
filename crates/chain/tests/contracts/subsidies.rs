//! The pot that adds to what users pay.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::DynProvider;
use alloy::sol_types::SolCall;

use super::bindings::{FloeProxy, Staking, Storage, Subsidies};
use super::network::{Deployment, Network, STORAGE_PRICE, WRITE_PRICE, account, mined, refusal};
use crate::support::chains;

const FUNDED: u64 = 1_000_000;

type Pot = Subsidies::SubsidiesInstance<DynProvider>;

impl Deployment {
    /// A pot whose rates the owner sets, with money in it.
    async fn pot(&self, treasury: Address) -> Pot {
        let (staking, committee) = (*self.staking.address(), *self.committee.address());
        let money = *self.money.address();
        let code = Subsidies::deploy(self.owner.clone(), self.owner_address, money, treasury, staking, committee);
        let code = *code.await.expect("deployed").address();
        let proxy = FloeProxy::deploy(self.owner.clone(), code).await.expect("deployed");
        let pot = Subsidies::new(*proxy.address(), self.owner.clone());
        mined(self.money.approve(*proxy.address(), U256::MAX).send().await).await;
        mined(pot.fund(U256::from(FUNDED)).send().await).await;
        pot
    }

    async fn pot_holds(&self, pot: &Pot, expected: u64) {
        let has = self.money.balanceOf(*pot.address()).call().await.expect("it answers");
        assert_eq!((has, pot.pot().call().await.expect("it answers")), (U256::from(expected), U256::from(expected)));
    }
}

impl Network {
    async fn commissions(&self) -> Vec<u64> {
        let mut found = Vec::new();
        for node in &self.nodes {
            found.push(self.staking.poolOf(node.id).call().await.expect("it answers").commission.to());
        }
        found
    }

    async fn money_of(&self, epochs: u32) -> Vec<u64> {
        let money = self.storage.accounting(epochs).call().await.expect("it answers").money;
        money.into_iter().map(|amount| amount.to()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_money_is_multiplied_and_nodes_get_a_fixed_part() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1, 2, 1, 2]).await;
        let pot = net.pot(*net.storage.address()).await;
        mined(pot.setRates(20_000, U256::from(10).to(), U256::from(3).to()).send().await).await;
        net.register(1, 1000, 3).await;
        let receipt = mined(pot.process().send().await).await;
        let event = receipt.decoded_log::<Subsidies::Processed>().expect("it is announced").data;
        let paid = WRITE_PRICE + 3 * STORAGE_PRICE;
        assert_eq!((event.epoch, event.usagePart, event.fixedPart), (1, U256::from(2 * paid), U256::ZERO));
        let first = [3 * (WRITE_PRICE + STORAGE_PRICE), 3 * STORAGE_PRICE, 3 * STORAGE_PRICE, 0];
        assert_eq!(net.money_of(4).await, first, "{}", chain.name);
        net.pot_holds(&pot, FUNDED - 2 * paid).await;
        net.audit().await;
        let again = refusal::<Subsidies::AlreadyProcessed, _>(pot.process().call().await);
        assert_eq!(again.epoch, 1);

        net.next_epoch().await;
        net.register(2, 1000, 2).await;
        let before = net.commissions().await;
        let staked = net.money.balanceOf(*net.staking.address()).call().await.expect("it answers");
        let receipt = mined(pot.process().send().await).await;
        let event = receipt.decoded_log::<Subsidies::Processed>().expect("it is announced").data;
        let new = WRITE_PRICE + 2 * STORAGE_PRICE;
        let fixed = 4 * 10 + 6 * 3;
        assert_eq!((event.usagePart, event.fixedPart), (U256::from(2 * new), U256::from(fixed)), "only what is new");
        assert_eq!(net.money_of(3).await, [3 * (WRITE_PRICE + 2 * STORAGE_PRICE), 6 * STORAGE_PRICE, 0]);
        let gained: Vec<_> =
            net.commissions().await.iter().zip(&before).map(|(after, before)| after - before).collect();
        assert_eq!(gained, [13, 16, 13, 16], "by the committee before");
        let has = net.money.balanceOf(*net.staking.address()).call().await.expect("it answers");
        assert_eq!(has, staked + U256::from(fixed));
        net.pot_holds(&pot, FUNDED - 2 * paid - 2 * new - fixed).await;
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pot_refuses() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let pot = net.pot(*net.storage.address()).await;
        refusal::<Subsidies::NotLaunched, _>(pot.process().call().await);
        let net = Network::launch(&chain, &[1; 4]).await;
        let pot = net.pot(*net.storage.address()).await;
        let stranger = account("stranger").address();
        let rates = |usage: u32, node: u64| pot.setRates(usage, U256::from(node).to(), U256::ZERO.to());
        let error = refusal::<Subsidies::Unauthorized, _>(rates(1, 1).from(stranger).call().await);
        assert_eq!((error.caller, error.expected), (stranger, net.owner_address), "{}", chain.name);
        let error = refusal::<Subsidies::RateTooHigh, _>(rates(1_000_001, 0).call().await);
        assert_eq!((error.got, error.max), (1_000_001, 1_000_000));
        mined(rates(1_000_000, FUNDED).send().await).await;
        net.next_epoch().await;
        net.register(1, 1000, 1).await;
        // All of it or nothing: neither part is paid when the pot is too small for both.
        let needed = 100 * (WRITE_PRICE + STORAGE_PRICE) + 4 * FUNDED;
        let error = refusal::<Subsidies::PotTooSmall, _>(pot.process().call().await);
        assert_eq!((error.pot, error.needed), (U256::from(FUNDED), U256::from(needed)));
        mined(pot.fund(U256::from(needed - FUNDED)).send().await).await;
        mined(pot.process().send().await).await;
        net.pot_holds(&pot, 0).await;
        net.audit().await;

        let ids = vec![net.nodes[0].id];
        let error = refusal::<Staking::LengthsDiffer, _>(net.staking.addCommissions(ids, Vec::new()).call().await);
        assert_eq!((error.first, error.second), (U256::ONE, U256::ZERO));
        let unknown = net.staking.addCommissions(vec![U256::from(99)], vec![U256::ONE]).call().await;
        refusal::<Staking::UnknownPool, _>(unknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_networks_pot_obeys_the_governance() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let refused = net.subsidies.setRates(1, U256::ZERO.to(), U256::ZERO.to()).call().await;
        let error = refusal::<Subsidies::Unauthorized, _>(refused);
        assert_eq!(error.expected, *net.governance.address(), "{}", chain.name);
        let call = Subsidies::setRatesCall { usageBps: 5_000, perNode: U256::ZERO.to(), perShard: U256::from(7).to() };
        net.decide(*net.subsidies.address(), &Bytes::from(call.abi_encode())).await;
        mined(net.money.approve(*net.subsidies.address(), U256::MAX).send().await).await;
        mined(net.subsidies.fund(U256::from(FUNDED)).send().await).await;
        net.register(1, 1000, 1).await;
        mined(net.subsidies.process().send().await).await;
        net.pot_holds(&net.subsidies, FUNDED - (WRITE_PRICE + STORAGE_PRICE) / 2 - 4 * 7).await;
        net.audit().await;
    }
}

/// Against a model, on a treasury whose clock the test is: with epochs that nobody asked for, and beyond the number of
/// epochs that can be bought ahead.
#[tokio::test(flavor = "multi_thread")]
async fn money_is_subsidized_once_whenever_the_pot_is_asked() {
    const AHEAD: u32 = 4;
    const PRICE: u64 = 101;
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let owner = net.owner_address;
        let code = Storage::deploy(net.owner.clone(), owner, owner, owner, owner, *net.money.address(), AHEAD, 0);
        let code = *code.await.expect("deployed").address();
        let proxy = FloeProxy::deploy(net.owner.clone(), code).await.expect("deployed");
        let storage = Storage::new(*proxy.address(), net.owner.clone());
        mined(net.money.approve(*storage.address(), U256::MAX).send().await).await;
        let pot = net.pot(*storage.address()).await;
        mined(pot.setRates(15_000, U256::ZERO.to(), U256::ZERO.to()).send().await).await;
        let (mut money, mut counted) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
        let mut left = FUNDED;
        for epoch in 1..16_u32 {
            let price = U256::from(PRICE);
            mined(storage.closeEpoch(epoch, 1 << 40, price, price, account("payee").address()).send().await).await;
            let epochs = 1 + epoch * 7 % AHEAD;
            let units = u64::from(1 + epoch % 3);
            mined(storage.reserve(units << 20, epochs, U256::MAX).send().await).await;
            for bought in epoch..epoch + epochs {
                *money.entry(bought).or_default() += units * PRICE;
            }
            if [3, 4, 7, 8, 9, 10, 11].contains(&epoch) {
                continue;
            }
            mined(pot.process().send().await).await;
            for e in epoch..epoch + AHEAD {
                let total = money.entry(e).or_default();
                let part = (*total - counted.get(&e).copied().unwrap_or(0)) * 15 / 10;
                *total += part;
                left -= part;
                counted.insert(e, *total);
            }
            let found = storage.accounting(AHEAD).call().await.expect("it answers").money;
            let expected: Vec<_> = (epoch..epoch + AHEAD).map(|e| U256::from(money[&e])).collect();
            assert_eq!(found, expected, "epoch {epoch} on {}", chain.name);
            net.pot_holds(&pot, left).await;
        }
    }
}
