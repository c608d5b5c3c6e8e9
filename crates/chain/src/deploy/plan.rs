//! Which contracts a network has behind proxies, and where each will be: they know each other's addresses before any of
//! them exists.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolConstructor,
};

use super::DeployOptions;
use crate::bindings::{Attributes, Blobs, Committee, Epochs, Governance, Nodes, Pools, Staking, Storage, Subsidies};

/// A contract whose code the governance can replace, in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Governance,
    Nodes,
    Committee,
    Staking,
    Epochs,
    Storage,
    Blobs,
    Pools,
    Attributes,
    Subsidies,
}

impl Part {
    pub(super) const ALL: [Self; 10] = [
        Self::Governance,
        Self::Nodes,
        Self::Committee,
        Self::Staking,
        Self::Epochs,
        Self::Storage,
        Self::Blobs,
        Self::Pools,
        Self::Attributes,
        Self::Subsidies,
    ];

    /// The contract's code with the arguments of its constructor.
    pub(super) fn creation_code(
        self,
        places: &Places,
        launcher: Address,
        payment_token: Address,
        floe: Address,
        options: &DeployOptions,
    ) -> Bytes {
        let [governance, nodes, committee, staking, epochs, storage, blobs, pools, ..] =
            Self::ALL.map(|part| places.proxy(part));
        let shards = options.n_shards;
        match self {
            Self::Governance => creation(
                &Governance::BYTECODE,
                &Governance::constructorCall {
                    governance_: governance,
                    committee_: committee,
                    nodes_: nodes,
                    staking_: staking,
                },
            ),
            Self::Nodes => creation(
                &Nodes::BYTECODE,
                &Nodes::constructorCall {
                    governance_: governance,
                    epochs_: epochs,
                    committee_: committee,
                    staking_: staking,
                },
            ),
            Self::Committee => creation(
                &Committee::BYTECODE,
                &Committee::constructorCall {
                    governance_: governance,
                    epochs_: epochs,
                    nodes_: nodes,
                    nShards_: shards,
                },
            ),
            Self::Staking => creation(
                &Staking::BYTECODE,
                &Staking::constructorCall {
                    governance_: governance,
                    floe_: floe,
                    paymentToken_: payment_token,
                    epochs_: epochs,
                    nodes_: nodes,
                    committee_: committee,
                    nShards_: shards,
                },
            ),
            Self::Epochs => creation(
                &Epochs::BYTECODE,
                &Epochs::constructorCall {
                    governance_: governance,
                    launcher_: launcher,
                    nShards_: shards,
                    epochDuration_: options.epoch_duration_secs,
                    committee_: committee,
                    nodes_: nodes,
                    staking_: staking,
                    money_: storage,
                    availability_: places.availability(),
                },
            ),
            Self::Storage => creation(
                &Storage::BYTECODE,
                &Storage::constructorCall {
                    governance_: governance,
                    clock_: epochs,
                    blobs_: blobs,
                    pools_: pools,
                    paymentToken_: payment_token,
                    maxEpochsAhead_: options.max_epochs_ahead,
                    burnBasisPoints_: 0,
                },
            ),
            Self::Blobs => creation(
                &Blobs::BYTECODE,
                &Blobs::constructorCall {
                    governance_: governance,
                    nShards_: shards,
                    committee_: committee,
                    treasury_: storage,
                    availability_: places.availability(),
                },
            ),
            Self::Pools => creation(
                &Pools::BYTECODE,
                &Pools::constructorCall {
                    governance_: governance,
                    nShards_: shards,
                    committee_: committee,
                    treasury_: storage,
                    availability_: places.availability(),
                },
            ),
            Self::Attributes => creation(
                &Attributes::BYTECODE,
                &Attributes::constructorCall { governance_: governance, blobs_: blobs, pools_: pools },
            ),
            Self::Subsidies => creation(
                &Subsidies::BYTECODE,
                &Subsidies::constructorCall {
                    governance_: governance,
                    paymentToken_: payment_token,
                    treasury_: storage,
                    staking_: staking,
                    committee_: committee,
                },
            ),
        }
    }
}

/// Code followed by the arguments of its constructor.
pub(super) fn creation(code: &[u8], arguments: &impl SolConstructor) -> Bytes {
    [code, &arguments.abi_encode()].concat().into()
}

/// The addresses that follow from that of the deployer: for each part its code, then its proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    deployer: Address,
}

impl Places {
    pub(super) fn of(deployer: crate::Address) -> Self {
        Self { deployer: deployer.evm() }
    }

    pub(super) fn code(&self, part: Part) -> Address {
        self.deployer.create(2 * part as u64 + 1)
    }

    pub(super) fn proxy(&self, part: Part) -> Address {
        self.deployer.create(2 * part as u64 + 2)
    }

    /// Where `Availability` is, which has no proxy: it comes after all parts.
    pub(super) fn availability(&self) -> Address {
        self.deployer.create(2 * Part::ALL.len() as u64 + 1)
    }

    /// Where `Intents` is, which has none either.
    pub(super) fn intents(&self) -> Address {
        self.deployer.create(2 * Part::ALL.len() as u64 + 2)
    }
}
