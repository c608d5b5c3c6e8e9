//! A relay: it submits what accounts without native coin have signed, pays the gas, and keeps a fee in the token that
//! storage is paid in.
//!
//! ```text
//! curl http://127.0.0.1:31416/v1/relay
//! ```
//!
//! | Route | |
//! |---|---|
//! | `GET /v1/relay` | [`RelayTerms`]: fees, chain, contracts, the relay's account |
//! | `POST /v1/intents` | a [`SignedIntent`](floe_chain::SignedIntent); answers with [`IntentAnswer`] when it is carried out |
//! | `POST /v1/certificates` | a [`CertificateRequest`]; answers with [`CertificateAnswer`] when it is on chain |
//! | `GET /healthz`, `/readyz` | `OK`; ready when the chain answers and the account can pay for gas |
//!
//! [`RelayedChain`] is the other side: a control plane for an account without native coin.
//!
//! # What is promised
//!
//! - An intent is carried out once, however often it is handed in: what is under way is waited for, and what is done is
//!   found on chain and told again, also after a restart. The relay keeps nothing on disk.
//! - Every request is simulated on the chain before gas is paid for it, and refused with the contract's own reason.
//! - A certificate is taken only for registrations that this relay has carried out for their fees, and once for each. What
//!   proves that is the chain: the request names the transactions.
//! - Requests at work and waiting, bodies and connections have ceilings ([`RelayConfig`]). So has what the relay can lose
//!   to transactions that were good when they were simulated and failed in their block: beyond
//!   [`failures_per_hour_max`](RelayConfig::failures_per_hour_max) it refuses everything for a while.
//! - The key is in no log and no answer.
//!
//! # Limits
//!
//! Intents have to name the relay: whoever sees one that anyone may submit can take its fee first. The price of the native
//! coin is a number in the configuration, not an oracle's.

mod api;
mod client;
mod config;
mod desk;
mod error;
mod http;
mod prices;
mod relay;
mod serve;

pub use api::{
    CertificateAnswer, CertificateRequest, IntentAnswer, RelayContracts, RelayFees, RelayTerms, RelayedRegistration,
};
pub use client::{RelayOptions, RelayedChain};
pub use config::RelayConfig;
pub use error::RelayError;
pub use relay::Relay;
pub use serve::{ServeError, serve};
