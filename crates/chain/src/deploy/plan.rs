//! Which contracts a network has, and where each will be: they know each other's addresses before any of them exists.

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    sol_types::SolConstructor,
};

use super::DeployOptions;
use crate::{
    ContractAddresses,
    bindings::{
        Attributes, Availability, Blobs, Committee, Epochs, FloeProxy, FloeToken, Governance, Intents, Nodes, Pools,
        Staking, Storage, Subsidies, TestStablecoin,
    },
};

/// A contract whose code the governance can replace, in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
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
    const ALL: [Self; 10] = [
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
    fn creation_code(self, plan: &Plan) -> Bytes {
        let [governance, nodes, committee, staking, epochs, storage, blobs, pools, ..] =
            Self::ALL.map(|part| plan.place(Piece::Proxy(part)));
        let (floe, payment_token) = (plan.place(Piece::FloeToken), plan.payment_token());
        let availability = plan.place(Piece::Availability);
        let Plan { options, owner: launcher, .. } = *plan;
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
                    availability_: availability,
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
                    burnBasisPoints_: options.burn_basis_points,
                },
            ),
            Self::Blobs => creation(
                &Blobs::BYTECODE,
                &Blobs::constructorCall {
                    governance_: governance,
                    nShards_: shards,
                    committee_: committee,
                    treasury_: storage,
                    availability_: availability,
                },
            ),
            Self::Pools => creation(
                &Pools::BYTECODE,
                &Pools::constructorCall {
                    governance_: governance,
                    nShards_: shards,
                    committee_: committee,
                    treasury_: storage,
                    availability_: availability,
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

/// One creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    FloeToken,
    /// The test money, where the network has no payment token of its own.
    TestToken,
    /// Code that a proxy refers to.
    Code(Part),
    Proxy(Part),
    /// It has no proxy, as the next.
    Availability,
    Intents,
}

/// Everything that the deployer creates, in order. Where each piece is follows from its place in the order alone.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    deployer: Address,
    owner: Address,
    options: DeployOptions,
    pieces: Vec<Piece>,
}

impl Plan {
    pub(super) fn new(deployer: Address, owner: Address, options: &DeployOptions) -> Self {
        let mut pieces = vec![Piece::FloeToken];
        if options.payment_token.is_none() {
            pieces.push(Piece::TestToken);
        }
        pieces.extend(Part::ALL.into_iter().flat_map(|part| [Piece::Code(part), Piece::Proxy(part)]));
        pieces.extend([Piece::Availability, Piece::Intents]);
        Self { deployer, owner, options: *options, pieces }
    }

    /// How many contracts there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// What the n-th creation is.
    pub(super) fn name(&self, index: usize) -> String {
        match self.pieces.get(index) {
            Some(Piece::Code(part)) => format!("{part:?}"),
            Some(Piece::Proxy(part)) => format!("proxy of {part:?}"),
            Some(piece) => format!("{piece:?}"),
            None => String::new(),
        }
    }

    /// The n-th contract's code with the arguments of its constructor.
    pub(super) fn code(&self, index: usize) -> Option<Bytes> {
        Some(match *self.pieces.get(index)? {
            Piece::FloeToken => creation(&FloeToken::BYTECODE, &FloeToken::constructorCall { holder: self.owner }),
            Piece::TestToken => creation(&TestStablecoin::BYTECODE, &TestStablecoin::constructorCall {}),
            Piece::Code(part) => part.creation_code(self),
            Piece::Proxy(part) => {
                let implementation = self.place(Piece::Code(part));
                creation(&FloeProxy::BYTECODE, &FloeProxy::constructorCall { implementation })
            }
            Piece::Availability => {
                let blobs = self.place(Piece::Proxy(Part::Blobs));
                let clock = self.place(Piece::Proxy(Part::Epochs));
                let pools = self.place(Piece::Proxy(Part::Pools));
                let writers = Availability::constructorCall { clock_: clock, blobs_: blobs, pools_: pools };
                creation(&Availability::BYTECODE, &writers)
            }
            Piece::Intents => {
                let uses = Intents::constructorCall {
                    blobs_: self.place(Piece::Proxy(Part::Blobs)),
                    treasury_: self.place(Piece::Proxy(Part::Storage)),
                    paymentToken_: self.payment_token(),
                };
                creation(&Intents::BYTECODE, &uses)
            }
        })
    }

    /// The same for the same software, owner and rules, whatever the deployer.
    pub(super) fn digest(&self) -> B256 {
        let anywhere = Self { deployer: Address::ZERO, ..self.clone() };
        let codes = (0..anywhere.len()).filter_map(|index| anywhere.code(index));
        keccak256(codes.flat_map(|code| code.to_vec()).collect::<Vec<u8>>())
    }

    pub(super) fn addresses(&self, first_block: u64) -> ContractAddresses {
        let at = |piece| crate::Address::from_evm(self.place(piece));
        let proxy = |part| at(Piece::Proxy(part));
        ContractAddresses {
            committee: proxy(Part::Committee),
            nodes: proxy(Part::Nodes),
            staking: proxy(Part::Staking),
            epochs: proxy(Part::Epochs),
            governance: proxy(Part::Governance),
            blobs: proxy(Part::Blobs),
            pools: proxy(Part::Pools),
            attributes: proxy(Part::Attributes),
            subsidies: proxy(Part::Subsidies),
            storage: proxy(Part::Storage),
            availability: at(Piece::Availability),
            intents: at(Piece::Intents),
            payment_token: crate::Address::from_evm(self.payment_token()),
            floe_token: at(Piece::FloeToken),
            first_block,
        }
    }

    fn payment_token(&self) -> Address {
        self.options.payment_token.map_or_else(|| self.place(Piece::TestToken), |token| token.evm())
    }

    /// Where the n-th contract is.
    pub(super) fn address(&self, index: usize) -> Address {
        self.deployer.create(index as u64 + 1)
    }

    /// Where a piece is. One that is not part of the plan is nowhere.
    fn place(&self, piece: Piece) -> Address {
        let index = self.pieces.iter().position(|other| *other == piece);
        index.map_or(Address::ZERO, |index| self.address(index))
    }
}

/// Code followed by the arguments of its constructor.
pub(super) fn creation(code: &[u8], arguments: &impl SolConstructor) -> Bytes {
    [code, &arguments.abi_encode()].concat().into()
}
