//! The control plane: who stores what, until when, and who vouched for it, kept by contracts on an EVM chain.
//!
//! Everything above sees the [`ControlPlane`] trait and types free of any chain's particulars; [`EvmChain`] implements
//! it over standard JSON-RPC, the same way for the embedded chain, a test chain and a public one. [`deploy`] sets a
//! network up.
//!
//! ```no_run
//! use floe_chain::{ChainConfig, ContractAddresses, ControlPlane, EvmChain, EventCursor, EventItem, Wallet};
//! use futures::StreamExt as _;
//!
//! # async fn example(contracts: ContractAddresses) -> Result<(), floe_chain::ChainError> {
//! let wallet = Wallet::from_key_file("/etc/floe/account.key")?;
//! let chain = EvmChain::connect(ChainConfig::new("http://127.0.0.1:8545", contracts), Some(wallet)).await?;
//! println!("epoch {}", chain.network().await?.epoch);
//!
//! let mut events = chain.events(EventCursor::default()).await?;
//! while let Some(item) = events.next().await {
//!     match item? {
//!         EventItem::Event(event) => println!("{:?}", event.kind),
//!         EventItem::CaughtUp(cursor) => println!("nothing more up to block {}", cursor.block),
//!         EventItem::Rollback(cursor) => println!("undo everything after block {}", cursor.block),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - Events come in the chain's order, each exactly once, from any cursor that was seen before. A reorganisation no
//!   deeper than the configured confirmation depth is invisible; a deeper one is announced by
//!   [`EventItem::Rollback`] before what happened instead.
//! - Any number of transactions may be under way from one [`Wallet`]: its clones share one order. Other programs that
//!   use the same account cost retries, not errors.
//! - A transaction that reverts says the contract's error by name, with its arguments, and usually before it is sent.
//! - An endpoint that is down is waited for: by calls for some seconds, by the event stream for as long as it takes.
//! - With several endpoints, the next one is asked at once where one is down, overloaded, late, or serves another chain.
//!   A transaction keeps its nonce and its bytes from endpoint to endpoint, so it happens once at most.
//! - With several endpoints, events are delivered only as far as two of them have the same blocks and logs. Where they
//!   do not, the stream says so ([`ChainError::EndpointsDisagree`]), delivers nothing, and goes on when they agree again.
//!
//! # Limits
//!
//! Calls are answered by one endpoint, which is believed once it serves the right chain id: it can lie about everything
//! else. So can the only endpoint that is left when the others are down or far behind. Point them at nodes that you
//! trust, best run by different people.

mod address;
mod bindings;
mod config;
mod control;
pub mod deploy;
mod error;
mod event;
mod evm;
mod follow;
mod intent;
mod keeper;
mod model;
mod revert;
mod rpc;
mod send;
mod wallet;

pub use address::{Address, HexError, ProposalId, TxHash};
pub use config::{ChainConfig, ContractAddresses};
pub use control::ControlPlane;
pub use error::ChainError;
pub use event::{ChainEvent, EventCursor, EventItem, EventKind, EventStream};
pub use evm::{BATCH_REGISTRATIONS_MAX, EvmChain};
pub use intent::{
    ExecutedIntent, Intent, IntentAction, IntentDomain, IntentId, IntentKind, IntentOutcome, IntentTerms,
    OwnerSignature, SignedIntent,
};
pub use keeper::{Keeper, KeeperClock};
pub use model::{
    Action, Balances, BlobFund, BlobObject, CreatedPool, Deleted, DestroyedPool, DueRenewal, EpochPhase, EpochStep,
    Extended, NetworkInfo, NodeDescription, NodeInfo, NodePool, Paid, Pool, Proposal, ProposalState, RegisterBlob,
    Registered, Renewed, Reserved, ResizedPool, STORAGE_UNIT_BYTES, StakePosition, StakeState, Staked, StorageResource,
    SubsidiesPaid, SubsidyPot, Unstaked, Voted, Withdrawn,
};
pub use rpc::{EndpointState, EndpointStatus};
pub use wallet::Wallet;
