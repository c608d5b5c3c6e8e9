//! The treasury alone, with the test as its clock and its registrar: what is paid out, burned and carried, and how far
//! prices move.

use alloy::primitives::{Address, U256};
use alloy::providers::DynProvider;

use super::bindings::{FloeProxy, FloeToken, Storage};
use super::network::{Deployment, account, mined, refusal};
use crate::support::{TestChain, chains};

/// FLOE is the payment token here, because it can burn; 3 % of each epoch's money.
const BURN: u16 = 300;

struct Treasury {
    storage: Storage::StorageInstance<DynProvider>,
    money: FloeToken::FloeTokenInstance<DynProvider>,
    owner: Address,
    payee: Address,
    supply: U256,
    paid: U256,
}

impl Treasury {
    async fn new(chain: &TestChain) -> Self {
        let net = Deployment::new(chain, 4).await;
        let owner = net.owner_address;
        let money = FloeToken::deploy(net.owner.clone(), owner).await.expect("it answers");
        let code = Storage::deploy(net.owner.clone(), owner, owner, owner, owner, *money.address(), 10, BURN)
            .await
            .expect("it answers");
        let proxy = FloeProxy::deploy(net.owner.clone(), *code.address()).await.expect("it answers");
        let storage = Storage::new(*proxy.address(), net.owner.clone());
        mined(money.approve(*storage.address(), U256::MAX).send().await).await;
        let supply = money.totalSupply().call().await.expect("it answers");
        Self { storage, money, owner, payee: account("nodes").address(), supply, paid: U256::ZERO }
    }

    /// Closes the running epoch; gives what it paid and what it burned.
    async fn close(&mut self, epoch: u32, capacity: u64, price: u64, payee: Address) -> (U256, U256) {
        let prices = U256::from(price);
        let receipt = mined(self.storage.closeEpoch(epoch, capacity, prices, prices, payee).send().await).await;
        let event = receipt.decoded_log::<Storage::EpochClosed>().expect("it is announced").data;
        self.paid += event.paid;
        self.audit().await;
        (event.paid, event.burned)
    }

    /// What went in went out, was burned, or is still there.
    async fn audit(&self) {
        let balance = async |who| self.money.balanceOf(who).call().await.expect("it answers");
        let held = self.storage.held().call().await.expect("it answers");
        assert_eq!(balance(*self.storage.address()).await, held);
        assert_eq!(balance(self.payee).await, self.paid);
        let burned = self.supply - self.money.totalSupply().call().await.expect("it answers");
        assert_eq!(balance(self.owner).await + held + self.paid + burned, self.supply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_epoch_is_paid_out_once_less_what_is_burned() {
    for chain in chains().await {
        let mut treasury = Treasury::new(&chain).await;
        let payee = treasury.payee;
        treasury.close(1, 1 << 30, 101, Address::ZERO).await;
        mined(treasury.storage.reserve(1, 3, U256::MAX).send().await).await;
        mined(treasury.storage.addSubsidy(U256::from(11), 3).send().await).await;
        let parts = [5, 0, 7].map(U256::from).to_vec();
        mined(treasury.storage.addPerEpochSubsidies(parts).send().await).await;
        mined(treasury.storage.addToCurrent(U256::from(1)).send().await).await;
        let money = treasury.storage.accounting(4).call().await.expect("it answers").money;
        assert_eq!(money, [101 + 5 + 5 + 1, 101 + 3, 101 + 3 + 7, 0].map(U256::from), "{}", chain.name);
        treasury.audit().await;

        assert_eq!(treasury.close(2, 1 << 30, 101, payee).await, (U256::from(109), U256::from(3)));
        // Without anyone to pay, the money stays for those who come.
        assert_eq!(treasury.close(3, 1 << 30, 101, Address::ZERO).await, (U256::ZERO, U256::ZERO));
        assert_eq!(treasury.storage.accounting(1).call().await.expect("it answers").money[0], U256::from(104 + 111));
        assert_eq!(treasury.close(4, 1 << 30, 101, payee).await, (U256::from(209), U256::from(6)));
        assert_eq!(treasury.close(5, 1 << 30, 101, payee).await, (U256::ZERO, U256::ZERO));
        assert_eq!(treasury.storage.held().call().await.expect("it answers"), U256::ZERO);

        let again = treasury.storage.closeEpoch(5, 1, U256::ONE, U256::ONE, payee).call().await;
        assert_eq!(refusal::<Storage::EpochNotNext, _>(again).expected, 6);
        for epochs in [0, 11] {
            let refused = treasury.storage.addSubsidy(U256::ONE, epochs).call().await;
            assert_eq!(refusal::<Storage::EpochsAheadOutOfRange, _>(refused).max, 10);
        }
        let refused = treasury.storage.addPerEpochSubsidies(vec![U256::ONE; 11]).call().await;
        refusal::<Storage::EpochsAheadOutOfRange, _>(refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_move_prices_by_a_quarter_at_most() {
    for chain in chains().await {
        let mut treasury = Treasury::new(&chain).await;
        let rules = async |treasury: &Treasury| {
            let storage = &treasury.storage;
            let price = storage.storagePrice().call().await.expect("it answers");
            assert_eq!(storage.writePrice().call().await.expect("it answers"), price);
            (price.to::<u64>(), storage.totalCapacity().call().await.expect("it answers"))
        };
        let mut epoch = 0;
        // The first votes are taken as they are.
        for (vote, capacity, expected) in [
            (1000, 1000, (1000, 1000)),
            (1100, 900, (1100, 900)),
            (u64::MAX, u64::MAX, (1375, 1125)),
            (0, 0, (1032, 844)),
            (0, 0, (774, 633)),
            (3, 3, (581, 475)),
        ] {
            epoch += 1;
            treasury.close(epoch, capacity, vote, Address::ZERO).await;
            assert_eq!(rules(&treasury).await, expected, "epoch {epoch} on {}", chain.name);
        }
        // What is sold stays sold: capacity never falls below it.
        mined(treasury.storage.reserve(470, 5, U256::MAX).send().await).await;
        treasury.close(7, 0, 581, Address::ZERO).await;
        assert_eq!(rules(&treasury).await, (581, 470));
        // From zero a price gets away by the smallest unit.
        let mut price = 581;
        for next in 8..40 {
            treasury.close(next, 470, 0, Address::ZERO).await;
            price -= std::cmp::max(price / 4, 1).min(price);
            assert_eq!(rules(&treasury).await.0, price);
        }
        assert_eq!(price, 0);
        treasury.close(40, 470, 9, Address::ZERO).await;
        assert_eq!(rules(&treasury).await.0, 1);
    }
}
