//! Forty operators, two customers, and the wallets, keys and certificates of all of them.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use floe_chain::{ChainConfig, ControlPlane as _, EpochPhase, EvmChain, RegisterBlob, Wallet};
use floe_protocol::{
    BlobId, Certificate, Committee, ConfirmationCollector, EncodingType, ObjectId,
    bls::SecretKey,
    message::{Message as _, Persistence, StorageConfirmation},
};
use futures::future::join_all;
use serde_json::json;

use crate::contracts::bindings::{Nodes, Staking};
use crate::contracts::network::{
    Deployment, HOUR, STAKE_PER_SHARD, TRANSACTION_GAS_MAX, account, mined, provider, tokens,
};
use crate::contracts::signing;
use crate::support::{
    TestChain,
    keepers::{Keepers, chain_time},
    rpc,
};

pub(super) const OPERATORS: usize = 40;
pub(super) const SHARDS: u16 = 100;
/// Those who have stake at the launch; the others join later.
const FOUNDERS: usize = 37;
/// How many operators run a keeper.
const KEEPERS: usize = 6;
/// How long before a step is due the keepers are looked at more closely, in seconds.
const LEAD: u64 = 3;
/// How long after the time that they wait for keepers may act, in seconds: the jitter, and what passes meanwhile.
const SPREAD: u64 = 7;
/// Subsidies are paid out in the last sixteenth of an epoch.
const PAYOUT_WINDOW: u64 = HOUR / 16;

pub(super) struct Operator {
    pub(super) id: U256,
    pub(super) signer: PrivateKeySigner,
    pub(super) control: EvmChain,
}

/// A blob, and what it should be.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: BlobId,
    pub(super) object: ObjectId,
    pub(super) end: u32,
    pub(super) deletable: bool,
    pub(super) deleted: bool,
}

impl Stored {
    pub(super) fn number(&self) -> U256 {
        U256::from_be_slice(self.object.as_ref())
    }
}

pub(super) struct Setting {
    pub(super) contracts: Deployment,
    pub(super) operators: Vec<Operator>,
    /// By public key, also those that were announced.
    secrets: HashMap<[u8; 48], SecretKey>,
    pub(super) alice: EvmChain,
    pub(super) bob: PrivateKeySigner,
    pub(super) blobs: Vec<Stored>,
    keepers: Keepers,
    roots: u64,
}

impl std::ops::Deref for Setting {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.contracts
    }
}

impl Setting {
    /// A launched network: 37 of the 40 operators have equal stake.
    pub(super) async fn launch(chain: &TestChain) -> Self {
        let contracts = Deployment::new(chain, SHARDS).await;
        let nodes = contracts.register_nodes(OPERATORS).await;
        let config = ChainConfig { poll_interval_ms: 5, ..ChainConfig::new(&chain.rpc_url, contracts.addresses) };
        let connect = async |signer: &PrivateKeySigner| {
            let wallet = Wallet::from_bytes(&signer.to_bytes().0).expect("a key");
            EvmChain::connect(config.clone(), Some(wallet)).await.expect("the chain answers")
        };
        let (alice, bob) = (account("alice"), account("bob"));
        contracts.fund([alice.address(), bob.address()]).await;
        for customer in [alice.address(), bob.address()] {
            mined(contracts.money.mint(customer, U256::from(1_000_000_000_u64)).send().await).await;
            let floe = U256::from(tokens(200_000));
            mined(contracts.floe.transfer(customer, floe).send().await).await;
        }
        let customers = provider(&chain.rpc_url, &bob);
        for (token, spender) in [
            (*contracts.money.address(), *contracts.storage.address()),
            (*contracts.floe.address(), *contracts.staking.address()),
        ] {
            let token = crate::contracts::bindings::FloeToken::new(token, customers.clone());
            mined(token.approve(spender, U256::MAX).send().await).await;
        }
        let mut secrets = HashMap::new();
        for node in &nodes {
            let secret = SecretKey::from_bytes(&node.key.to_bytes()).expect("a key");
            secrets.insert(secret.public_key().to_bytes(), secret);
        }
        let controls = join_all(nodes.iter().map(|node| connect(&node.signer))).await;
        let alice = connect(&alice).await;
        let operators = nodes.into_iter().zip(controls);
        let operators: Vec<_> =
            operators.map(|(node, control)| Operator { id: node.id, signer: node.signer, control }).collect();
        for operator in &operators[..FOUNDERS] {
            contracts.stake(operator.id, STAKE_PER_SHARD).await;
        }
        contracts.fund(operators[..KEEPERS].iter().map(|operator| operator.signer.address())).await;
        let keepers = Keepers::start(operators[..KEEPERS].iter().map(|operator| operator.control.clone()));
        mined(contracts.epochs.launch().gas(TRANSACTION_GAS_MAX).send().await).await;
        Self { contracts, operators, secrets, alice, bob, blobs: Vec::new(), keepers, roots: 0 }
    }

    pub(super) async fn epoch(&self) -> u32 {
        self.epochs.currentEpoch().call().await.expect("a view")
    }

    /// The staking contract as somebody calls it.
    pub(super) fn staking_as(&self, signer: &PrivateKeySigner) -> Staking::StakingInstance<DynProvider> {
        Staking::new(*self.staking.address(), provider(&self.rpc_url, signer))
    }

    /// Every account that ever has a token.
    pub(super) fn accounts(&self) -> Vec<Address> {
        let operators = self.operators.iter().map(|operator| operator.signer.address());
        let alice = Address::from(*self.alice.signer_address().expect("it has a wallet").as_bytes());
        let contracts = [*self.storage.address(), *self.staking.address(), *self.subsidies.address()];
        let others = [self.owner_address, alice, self.bob.address()].into_iter().chain(contracts);
        operators.chain(others).collect()
    }

    // The clock

    /// Lets time pass until shortly before a moment, in seconds since 1970.
    async fn pass_until(&self, moment: u64) {
        let now = chain_time(&self.rpc_url).await;
        self.keepers.pass(&self.rpc_url, moment.saturating_sub(now + LEAD)).await;
    }

    /// Lets time pass, second by second, as long as keepers may take for what is due.
    async fn pass_spread(&self) {
        for _ in 0..LEAD + SPREAD {
            self.keepers.pass(&self.rpc_url, 1).await;
        }
    }

    /// Lets time pass until the keepers take the clock's next step, which leads to this phase. None does before it is due.
    async fn step(&self, to: EpochPhase) {
        let before = self.alice.network().await.expect("the chain answers");
        self.pass_until(before.next_step_at).await;
        for _ in 0..LEAD + SPREAD {
            let now = self.alice.network().await.expect("the chain answers");
            if now.phase == to {
                return;
            }
            assert_eq!(now.phase, before.phase, "epoch {}", before.epoch);
            self.keepers.pass(&self.rpc_url, 1).await;
        }
        panic!("epoch {}: no keeper has taken the step from {:?} to {to:?}", before.epoch, before.phase);
    }

    /// The accounts that began the epochs, in order, without the launch.
    pub(super) async fn beginners(&self) -> Vec<Address> {
        let begun = self.epochs.EpochChangeStarted_filter().from_block(0).query().await.expect("the chain answers");
        let mut accounts = Vec::new();
        for (_, log) in &begun[1..] {
            let hash = log.transaction_hash.expect("it is in a block");
            let transaction = rpc(&self.rpc_url, "eth_getTransactionByHash", json!([hash])).await;
            accounts.push(transaction["result"]["from"].as_str().expect("an account").parse().expect("an address"));
        }
        accounts
    }

    /// Lets an epoch pass. Members report, until the change is complete or, without a quorum, for the time of an epoch.
    pub(super) async fn change(&self, with_quorum: bool) {
        let epoch = self.epoch().await;
        self.step(EpochPhase::Selected).await;
        let end = self.alice.network().await.expect("the chain answers").next_step_at;
        self.pass_until(end - PAYOUT_WINDOW).await;
        let processed = self.subsidies.processedEpoch().call().await.expect("a view");
        assert!(processed < epoch, "epoch {epoch}: subsidies are paid late in an epoch");
        self.pass_spread().await;
        let (rates, processed) = (self.subsidies.rates(), self.subsidies.processedEpoch());
        if rates.call().await.expect("a view").perNode != 0 {
            assert_eq!(processed.call().await.expect("a view"), epoch, "subsidies were paid");
        }
        self.step(EpochPhase::Sync).await;
        let committee = self.alice.committee().await.expect("a committee");
        assert_eq!(committee.epoch().0, epoch + 1);
        let members = self.operators.iter().filter(|operator| {
            committee.members().iter().any(|member| U256::from_be_slice(member.node_id.as_ref()) == operator.id)
        });
        let few = if with_quorum { usize::MAX } else { 5 };
        let reports = join_all(members.take(few).map(|member| member.control.report_synced(committee.epoch()))).await;
        assert!(reports.into_iter().all(|report| report.expect("the chain answers")), "each reports once");
        if !with_quorum {
            assert_eq!(self.alice.network().await.expect("the chain answers").phase, EpochPhase::Sync);
            self.step(EpochPhase::Done).await;
        }
        assert_eq!(self.alice.network().await.expect("the chain answers").phase, EpochPhase::Done);
    }

    // Blobs

    /// What the current committee signs: a quorum, every fourth member only if it is needed.
    pub(super) fn certificate(&self, committee: &Committee, blob_id: BlobId, persistence: Persistence) -> Certificate {
        let statement = StorageConfirmation { epoch: committee.epoch(), blob_id, persistence };
        let mut collector = ConfirmationCollector::new(committee, statement);
        let (silent, loud): (Vec<_>, Vec<_>) =
            committee.members().iter().enumerate().partition(|(index, _)| index % 4 == 3);
        for (index, member) in loud.into_iter().chain(silent) {
            if !collector.is_complete() {
                let secret = &self.secrets[&member.public_key.to_bytes()];
                collector.add(index, statement.sign(secret)).expect("a member of the committee");
            }
        }
        collector.certificate().expect("a quorum")
    }

    /// A certificate for the contracts, over any message.
    pub(super) async fn signed(&self, message: &[u8]) -> (Bytes, [B256; 8]) {
        let committee = self.alice.committee().await.expect("a committee");
        let signers: Vec<_> = (0..committee.members().len()).collect();
        let keys: Vec<_> = committee
            .members()
            .iter()
            .map(|member| &self.secrets[&member.public_key.to_bytes()])
            .map(|secret| blst::min_pk::SecretKey::from_bytes(&*secret.to_bytes()).expect("a key"))
            .collect();
        let signature = signing::aggregate(&keys.iter().collect::<Vec<_>>(), message);
        (signing::bitmap(&signers), signing::g2(&signature))
    }

    pub(super) fn new_blob(&mut self, epochs_ahead: u32, deletable: bool) -> RegisterBlob {
        self.roots += 1;
        let mut root_hash = [0; 32];
        root_hash[..8].copy_from_slice(&self.roots.to_le_bytes());
        let (size, encoding_type) = (10_000 * self.roots, EncodingType::Rs2);
        let blob_id = BlobId::from_root(encoding_type, size, &root_hash);
        RegisterBlob { blob_id, root_hash, size, encoding_type, epochs_ahead, deletable, owner: None }
    }

    /// Registers and certifies a blob of Alice; gives its place in the list.
    pub(super) async fn store(&mut self, epochs: u32, deletable: bool) -> usize {
        let blob = self.new_blob(epochs, deletable);
        let registered = self.alice.register_blobs(&[blob]).await.expect("the chain answers").remove(0).object;
        let committee = self.alice.committee().await.expect("a committee");
        let certificate = self.certificate(&committee, registered.blob_id, registered.persistence());
        self.alice.certify_blob(registered.object_id, &certificate).await.expect("the chain answers");
        let end = registered.end_epoch.0;
        self.blobs.push(Stored {
            id: registered.blob_id,
            object: registered.object_id,
            end,
            deletable,
            deleted: false,
        });
        self.blobs.len() - 1
    }

    // Nodes

    /// A node announces another key.
    pub(super) async fn rotate(&mut self, operator: usize, seed: &str) {
        let key = signing::secret_key(seed);
        let secret = SecretKey::from_bytes(&key.to_bytes()).expect("a key");
        let Operator { id, signer, .. } = &self.operators[operator];
        let proof = self.possession(signer.address()).await.prove(&key);
        let nodes = self.nodes_as(signer);
        let announced = nodes.setNextKey(*id, signing::g1(&key.sk_to_pk()), proof);
        mined(announced.gas(1_000_000).send().await).await;
        self.secrets.insert(secret.public_key().to_bytes(), secret);
    }

    /// All operators vote for prices and capacity.
    pub(super) async fn vote_terms(&self, terms: impl Fn(usize) -> Nodes::Votes) {
        let votes = self.operators.iter().enumerate().map(async |(i, operator)| {
            let nodes = self.nodes_as(&operator.signer);
            mined(nodes.vote(operator.id, terms(i)).gas(200_000).send().await).await;
        });
        join_all(votes).await;
    }

    /// Some operators vote for a call; those who are no members are left out.
    pub(super) async fn vote_for(&self, operators: std::ops::Range<usize>, target: Address, data: &Bytes) {
        let epoch = self.epoch().await;
        let votes = self.operators[operators].iter().map(async |operator| {
            let seat = self.committee.seatOf(epoch, operator.id).call().await.expect("a view");
            if !seat.weight.is_zero() {
                let governance = provider(&self.rpc_url, &operator.signer);
                let governance = crate::contracts::bindings::Governance::new(*self.governance.address(), governance);
                let vote = governance.vote(operator.id, target, data.clone());
                // Once there is a quorum, the others come too late.
                let _ = vote.gas(500_000).send().await.expect("it is sent").get_receipt().await.expect("it is mined");
            }
        });
        join_all(votes).await;
    }
}
