//! Thirty epochs and more with forty operators, who sign with their own keys. Some of them run the keepers that nodes run:
//! nothing else moves the clock. Stake moves, nodes join, leave and rotate keys, prices change, blobs are stored, extended,
//! deleted, renewed and expire, subsidies are paid, one node is slashed, one upgrade passes and one fails. Everything adds up
//! at the end of every epoch.

mod setting;

use alloy::primitives::{Address, B256, Bytes, U256, aliases::U96};
use alloy::providers::Provider as _;
use alloy::sol_types::SolCall;
use floe_chain::{ChainError, ControlPlane as _};
use floe_protocol::{Epoch, message::Persistence};

use self::setting::{Operator, SHARDS, Setting};
use super::bindings::{Blobs, Governance, Nodes, Staking, Subsidies};
use super::network::{STORAGE_PRICE, WRITE_PRICE, mined, provider, refusal, tokens};
use super::signing;
use crate::support::{CHAIN_ID, TestChain, chains};

/// How many epochs are gone through.
const EPOCHS: u32 = 32;
/// The epoch whose change gets no quorum of reports.
const STALLED: u32 = 20;
/// The epoch in which the governance sets the rates of subsidies, on which it voted three epochs before.
const SUBSIDIZED: u32 = 5;
/// Money in the pot at first.
const POT: u64 = 100_000_000;
/// Where an upgrade is kept (ERC-1967).
const IMPLEMENTATION: &str = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";

/// What is remembered from one epoch to another.
#[derive(Default)]
struct Memory {
    /// positions that leave, with the epoch in which they can be withdrawn
    leaving: Vec<(U256, u32)>,
    /// the blob that renews itself
    perpetual: Option<usize>,
    /// FLOE that was burned
    burned: U256,
    /// code that a quorum voted for, and code that only some did
    upgrades: Vec<(Address, Bytes)>,
}

impl Setting {
    async fn stake_moves(&self, epoch: u32, memory: &mut Memory) {
        let (place, amount) = (usize::try_from(epoch).expect("a small number"), u64::from(epoch));
        // The owner stakes with one node, Bob with another; Bob claims and takes a part back now and then.
        self.stake(self.operators[place * 5 % 37].id, 100 + 40 * amount).await;
        let bob = self.staking_as(&self.bob);
        let stake = bob.stake(self.operators[place * 11 % 37].id, tokens(300 + amount));
        let receipt = mined(stake.gas(600_000).send().await).await;
        let position = receipt.decoded_log::<Staking::Staked>().expect("it is announced").positionId;
        if epoch.is_multiple_of(3) {
            let part = mined(bob.unstake(position, tokens(100)).gas(700_000).send().await).await;
            let gone = part.decoded_log::<Staking::Withdrawn>();
            assert!(gone.is_some(), "nothing counts on it yet");
        }
        if epoch > 6 {
            let old = position - U256::from(8);
            if bob.claim(old).call().await.is_ok() {
                mined(bob.claim(old).gas(600_000).send().await).await;
            }
        }
        let epoch_now = epoch;
        let due: Vec<_> = memory.leaving.iter().filter(|(_, due)| *due <= epoch_now).copied().collect();
        memory.leaving.retain(|(_, due)| *due > epoch_now);
        for (position, _) in due {
            mined(self.staking.withdraw(position).gas(700_000).send().await).await;
        }
    }

    /// All of the owner's stake with an operator leaves.
    async fn leave(&self, operator: usize, memory: &mut Memory) {
        let id = self.operators[operator].id;
        for number in 1..=self.staking.state().call().await.expect("a view").positions {
            let number = U256::from(number);
            let Ok(position) = self.staking.positionOf(number).call().await else { continue };
            if U256::from(position.nodeId) == id && position.withdrawEpoch == 0 && position.owner == self.owner_address
            {
                let unstake = self.staking.unstake(number, position.principal).gas(700_000);
                let said = unstake.call().await.expect("a view");
                mined(unstake.send().await).await;
                if said.withdrawEpoch != 0 {
                    memory.leaving.push((number, said.withdrawEpoch));
                }
            }
        }
    }

    async fn blobs_live(&mut self, epoch: u32, memory: &mut Memory) {
        // One for two epochs, which expires; one that is extended; one that is deleted.
        self.store(2, false).await;
        let kept = self.store(3, false).await;
        let extended = self.alice.extend_blob(self.blobs[kept].object, 1 + epoch % 4).await.expect("the chain answers");
        self.blobs[kept].end = extended.end_epoch.0;
        let gone = self.store(4, true).await;
        if epoch.is_multiple_of(2) {
            self.alice.delete_blob(self.blobs[gone].object).await.expect("the chain answers");
            self.blobs[gone].deleted = true;
        }
        if epoch.is_multiple_of(6) {
            self.batch().await;
        }
        if epoch == 2 {
            let perpetual = self.store(2, false).await;
            let object = self.blobs[perpetual].number();
            let bob = Blobs::new(*self.blobs_at(), provider(&self.rpc_url, &self.bob));
            mined(bob.fund(object, 200_000).gas(300_000).send().await).await;
            memory.perpetual = Some(perpetual);
        }
        if let Some(perpetual) = memory.perpetual
            && self.blobs[perpetual].end <= epoch + 2
        {
            // Anyone may, and this time an operator does.
            let keeper = Blobs::new(*self.blobs_at(), provider(&self.rpc_url, &self.operators[0].signer));
            mined(keeper.renew(self.blobs[perpetual].number()).gas(500_000).send().await).await;
            self.blobs[perpetual].end += 1;
        }
        // A certificate of the epoch before is worth nothing.
        if epoch > 1 {
            let blob = self.new_blob(2, false);
            let committee = self.alice.committee().await.expect("a committee").with_epoch(Epoch(epoch - 1));
            let stale = self.certificate(&committee, blob.blob_id, Persistence::Permanent);
            let object = self.alice.register_blobs(&[blob]).await.expect("the chain answers").remove(0).object;
            let error = self.alice.certify_blob(object.object_id, &stale).await.expect_err("it is refused");
            assert!(matches!(&error, ChainError::Reverted { name, .. } if name == "BadSignature"), "{error}");
        }
    }

    fn blobs_at(&self) -> &Address {
        self.contracts.blobs.address()
    }

    /// Three blobs, one transaction to register them and one to certify them.
    async fn batch(&mut self) {
        let blobs: Vec<_> = (0..3).map(|i| self.new_blob(3, i == 1)).collect();
        let bob = Blobs::new(*self.blobs_at(), provider(&self.rpc_url, &self.bob));
        let entries = blobs.iter().map(|blob| Blobs::NewBlob {
            blobId: B256::from(*blob.blob_id.as_bytes()),
            rootHash: B256::from(blob.root_hash),
            size: blob.size,
            encodingType: 1,
            deletable: blob.deletable,
        });
        let register = bob.registerBatch(entries.collect(), 3, U256::MAX, self.bob.address());
        mined(register.gas(3_000_000).send().await).await;
        let last = self.contracts.blobs.objectCount().call().await.expect("a view");
        let objects: Vec<_> = (0..3).map(|i| last - U256::from(2 - i)).collect();
        let list: Vec<_> = blobs
            .iter()
            .zip(&objects)
            .map(|(blob, object)| (B256::from(*blob.blob_id.as_bytes()), blob.deletable.then_some(*object)))
            .collect();
        let epoch = self.epoch().await;
        let message = signing::batch_confirmation(epoch, CHAIN_ID, *self.blobs_at(), &list);
        let (signers, signature) = self.signed(&message).await;
        mined(bob.certifyBatch(objects, signers, signature).gas(3_000_000).send().await).await;
        for (id, object) in list {
            let until = self.availability.availableUntil(id).call().await.expect("a view");
            assert_eq!(until, if object.is_none() { epoch + 3 } else { 0 });
        }
    }

    /// One node loses a quarter of its stake, in the epoch of the vote.
    async fn slash(&self, operator: usize, memory: &mut Memory) {
        let node = self.operators[operator].id;
        let call: Bytes = Staking::slashCall { nodeId: node, bps: 2_500 }.abi_encode().into();
        let staked = self.staking.poolOf(node).call().await.expect("a view").balance;
        self.vote_for(0..36, *self.staking.address(), &call).await;
        mined(self.governance.execute(*self.staking.address(), call).gas(1_000_000).send().await).await;
        let left = self.staking.poolOf(node).call().await.expect("a view").balance;
        assert_eq!(left, staked - staked / U96::from(4), "a quarter is gone");
        memory.burned += U256::from(staked - left);
    }

    /// New code for the registry of nodes, for which some operators vote.
    async fn propose(&self, voters: std::ops::Range<usize>) -> (Address, Bytes) {
        let code = Nodes::deploy(
            self.owner.clone(),
            *self.governance.address(),
            *self.epochs.address(),
            *self.committee.address(),
            *self.staking.address(),
        );
        let code = *code.await.expect("deployed").address();
        let call: Bytes =
            Nodes::upgradeToAndCallCall { newImplementation: code, data: Bytes::new() }.abi_encode().into();
        self.vote_for(voters, *self.nodes_registry.address(), &call).await;
        (code, call)
    }

    /// The pot is filled, and the operators vote for rates.
    async fn fill_pot(&self) {
        let pot = *self.subsidies.address();
        mined(self.money.approve(pot, U256::MAX).send().await).await;
        mined(self.subsidies.fund(U256::from(POT)).send().await).await;
        self.vote_for(0..36, pot, &rates()).await;
    }

    async fn implementation(&self) -> Address {
        let slot = IMPLEMENTATION.parse().expect("a number");
        let word = self.owner.get_storage_at(*self.nodes_registry.address(), slot).await.expect("the chain answers");
        Address::from_word(word.into())
    }

    /// What there is of each token is what everyone has, and nobody is owed more than there is.
    async fn check(&self, epoch: u32, memory: &Memory) {
        let (mut money, mut floe) = (U256::ZERO, U256::ZERO);
        for account in self.accounts() {
            money += self.money.balanceOf(account).call().await.expect("a view");
            floe += self.floe.balanceOf(account).call().await.expect("a view");
        }
        assert_eq!(money, self.money.totalSupply().call().await.expect("a view"), "epoch {epoch}: money");
        assert_eq!(floe, self.floe.totalSupply().call().await.expect("a view"), "epoch {epoch}: FLOE");
        let genesis = self.floe.INITIAL_SUPPLY().call().await.expect("a view");
        assert_eq!(floe + memory.burned, genesis, "epoch {epoch}: FLOE that was burned");
        self.audit().await;
        let pot = self.subsidies.pot().call().await.expect("a view");
        let has = self.money.balanceOf(*self.subsidies.address()).call().await.expect("a view");
        assert_eq!(has, pot, "epoch {epoch}: the pot");

        let members = self.committee.members(self.epoch().await).call().await.expect("a view");
        assert_eq!(members.weights.iter().sum::<u16>(), SHARDS, "all shards have an owner");
        for blob in &self.blobs {
            let until = self.alice.available_until(&blob.id).await.expect("the chain answers").map(|end| end.0);
            assert_eq!(until, (!blob.deletable).then_some(blob.end), "epoch {epoch}: {blob:?}");
            let available =
                self.availability.isAvailable(B256::from(*blob.id.as_bytes())).call().await.expect("a view");
            assert_eq!(available, !blob.deletable && blob.end > self.epoch().await, "epoch {epoch}: {blob:?}");
        }
    }

    /// Stake and rewards, position by position.
    async fn check_stake(&self) {
        let (mut stake, mut rewards) = (U256::ZERO, U256::from(self.staking.carried().call().await.expect("a view")));
        for number in 1..=self.staking.state().call().await.expect("a view").positions {
            if let Ok(value) = self.staking.valueOf(U256::from(number)).call().await {
                stake += value.amount;
                rewards += value.earned;
            }
        }
        for Operator { id, .. } in &self.operators {
            rewards += U256::from(self.staking.poolOf(*id).call().await.expect("a view").commission);
        }
        let has = self.floe.balanceOf(*self.staking.address()).call().await.expect("a view");
        assert!(has >= stake && has - stake < U256::from(1_000), "{has} FLOE for stake of {stake}");
        let has = self.money.balanceOf(*self.staking.address()).call().await.expect("a view");
        // Less than a unit is lost for each pool and position in each epoch.
        assert!(has >= rewards && has - rewards < U256::from(10_000), "{has} for rewards of {rewards}");
        assert!(rewards > U256::from(10_000), "there were rewards: {rewards}");
    }
}

/// A tenth more than what users pay, and something for each node and shard.
fn rates() -> Bytes {
    let (per_node, per_shard) = (U256::from(100).to(), U256::from(10).to());
    Subsidies::setRatesCall { usageBps: 1_000, perNode: per_node, perShard: per_shard }.abi_encode().into()
}

async fn epoch_of(net: &mut Setting, epoch: u32, memory: &mut Memory) {
    net.stake_moves(epoch, memory).await;
    net.blobs_live(epoch, memory).await;
    if epoch == SUBSIDIZED {
        mined(net.governance.execute(*net.subsidies.address(), rates()).gas(500_000).send().await).await;
    }
    match epoch {
        2 => net.fill_pot().await,
        4 | 8 | 12 => {
            // An operator who waited has stake from now on.
            let newcomer = 36 + usize::try_from(epoch / 4).expect("a small number");
            net.stake(net.operators[newcomer].id, 900).await;
        }
        6 => net.leave(3, memory).await,
        14 => net.leave(20, memory).await,
        5 | 15 | 25 => {
            for operator in [1, 17, 30] {
                net.rotate(operator, &format!("operator {operator} from {epoch}")).await;
            }
        }
        10 => net.slash(22, memory).await,
        11 => memory.upgrades.push(net.propose(0..40).await),
        13 => {
            let failing = net.propose(0..10).await;
            let early = net.governance.execute(*net.nodes_registry.address(), memory.upgrades[0].1.clone());
            refusal::<Governance::DelayNotOver, _>(early.call().await);
            memory.upgrades.push(failing);
        }
        16 => {
            let (code, call) = memory.upgrades[0].clone();
            let registry = *net.nodes_registry.address();
            mined(net.governance.execute(registry, call).gas(1_000_000).send().await).await;
            assert_eq!(net.implementation().await, code, "the upgrade is in force");
            let refused = net.governance.execute(registry, memory.upgrades[1].1.clone()).call().await;
            refusal::<Governance::NotApproved, _>(refused);
            assert_ne!(net.implementation().await, memory.upgrades[1].0);
        }
        7 | 18 | 26 => {
            let more = u64::from(epoch) * 10;
            net.vote_terms(|operator| Nodes::Votes {
                capacity: 1 << 40,
                storagePrice: U96::from(STORAGE_PRICE + more + u64::try_from(operator % 5).expect("a small number")),
                writePrice: U96::from(WRITE_PRICE + more),
            })
            .await;
        }
        _ => {}
    }
    if epoch.is_multiple_of(7) {
        // Commission can be collected in the second half of an epoch only.
        let operator = &net.operators[2];
        let refused = net.staking_as(&operator.signer).collectCommission(operator.id).call().await;
        refusal::<Staking::CommissionBlocked, _>(refused);
    }
}

async fn long_run(chain: &TestChain) {
    let mut net = Setting::launch(chain).await;
    let mut memory = Memory::default();
    let mut prices = Vec::new();
    for epoch in 1..=EPOCHS {
        assert_eq!(net.epoch().await, epoch);
        epoch_of(&mut net, epoch, &mut memory).await;
        net.check(epoch, &memory).await;
        prices.push(net.storage.storagePrice().call().await.expect("a view"));
        if epoch.is_multiple_of(8) {
            net.check_stake().await;
        }
        net.change(epoch != STALLED).await;
    }
    prices.dedup();
    assert!(prices.len() >= 3, "prices have changed: {prices:?}");
    let members = net.committee.members(EPOCHS + 1).call().await.expect("a view").nodeIds;
    for (operator, in_committee) in [(3, false), (20, false), (37, true), (38, true), (39, true)] {
        // Those who stake with everyone by turns may have brought one back.
        let with_stake = net.staking.stakeOf(net.operators[operator].id, EPOCHS + 1).call().await.expect("a view");
        assert!(in_committee || with_stake < U256::from(tokens(5_000)));
        assert!(!in_committee || members.contains(&net.operators[operator].id), "operator {operator}");
    }
    assert!(net.blobs[memory.perpetual.expect("it was registered")].end > EPOCHS, "it has renewed itself to the end");
    net.check(EPOCHS + 1, &memory).await;
    net.check_stake().await;
    let beginners = net.beginners().await;
    assert_eq!(beginners.len(), usize::try_from(EPOCHS).expect("a small number"), "each epoch was begun once");
    let keepers = beginners.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert!(keepers >= 3, "the steps are spread among the keepers: {keepers} of them have begun epochs");
    let pot = net.subsidies.pot().call().await.expect("a view");
    assert!(pot + U256::from(100 * (EPOCHS - SUBSIDIZED)) < U256::from(POT), "subsidies were paid: {pot} are left");
    println!("{}: {EPOCHS} epochs, {} blobs, {} FLOE burned", chain.name, net.blobs.len(), memory.burned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_lives_through_thirty_epochs_and_everything_adds_up() {
    for chain in chains().await {
        long_run(&chain).await;
    }
}
