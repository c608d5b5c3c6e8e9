//! What can go wrong between this process and the chain.

use thiserror::Error;

use crate::{Address, TxHash};

/// A failure of the control plane. Endpoints are named by scheme and host only: their paths often carry access keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No answer from the endpoint, after retries.
    #[error("cannot reach the chain at {endpoint} ({method}): {detail}")]
    Unreachable {
        /// Scheme, host and port.
        endpoint: String,
        /// The request that went unanswered.
        method: &'static str,
        /// What the connection said.
        detail: String,
    },
    /// The endpoint answered with an error of its own.
    #[error("the chain's endpoint refused {method}: {message} (code {rpc_code})")]
    Rpc {
        /// The request.
        method: &'static str,
        /// JSON-RPC error code.
        rpc_code: i64,
        /// Its words.
        message: String,
    },
    /// An answer that makes no sense: another kind of server, or contracts of another network.
    #[error("cannot make sense of the chain's answer to {method}: {detail}")]
    BadAnswer {
        /// The request or contract function.
        method: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The address of the endpoint is not one.
    #[error("not an endpoint address: {detail}; expected http://, https://, ws:// or wss://")]
    InvalidUrl {
        /// What is wrong with it.
        detail: String,
    },
    /// The endpoint serves another chain than the configured one.
    #[error("the endpoint serves chain {got}, but this network lives on chain {expected}: check the RPC address")]
    WrongChain {
        /// The endpoint's chain id.
        got: u64,
        /// The configured one.
        expected: u64,
    },
    /// Two endpoints serve different histories. Nothing is delivered until they agree again.
    #[error(
        "the endpoints {endpoint_a} and {endpoint_b} disagree about block {block} ({detail}): one of them is wrong or on \
         another fork; nothing is believed until they agree"
    )]
    EndpointsDisagree {
        /// Scheme, host and port of the one.
        endpoint_a: String,
        /// Scheme, host and port of the other.
        endpoint_b: String,
        /// The block that was compared, or the last of those whose logs were.
        block: u64,
        /// What each says.
        detail: String,
    },
    /// There is no code at a contract's address.
    #[error("there is no {contract} contract at {address}: another chain, or a chain that was reset?")]
    NoContract {
        /// Which contract.
        contract: &'static str,
        /// The configured address.
        address: Address,
    },
    /// A contract refused.
    #[error("the contract refused: {name}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Reverted {
        /// Name of the contract's error, `Error` for a plain text, `Panic` for a failed assertion, `OutOfGas`, or
        /// `Unknown`.
        name: String,
        /// Its arguments as `name: value` pairs, or the text.
        detail: String,
    },
    /// The account holds too little.
    #[error("account {account} has {available} of {asset}'s smallest units, but {needed} are needed: fund the account")]
    InsufficientFunds {
        /// `native coin`, or the symbol of the payment token.
        asset: String,
        /// The account that pays.
        account: Address,
        /// Needed, in the smallest unit.
        needed: u128,
        /// Held, in the smallest unit.
        available: u128,
    },
    /// A transaction was asked for without a wallet.
    #[error("this needs an account to send transactions from, and none is configured")]
    NoWallet,
    /// A transaction was sent but not seen in a block, or not deep enough, in time. It may still happen.
    #[error("transaction {tx} was not confirmed within {waited_secs} s; it may still be")]
    Unconfirmed {
        /// The transaction.
        tx: TxHash,
        /// How long it was waited for.
        waited_secs: u64,
    },
    /// Another transaction took this one's place in the account's order. Nothing of this one happened.
    #[error(
        "transaction {tx} was displaced by another one of the same account (nonce {nonce}); nothing of it happened"
    )]
    Displaced {
        /// The transaction that will never happen.
        tx: TxHash,
        /// The place both wanted.
        nonce: u64,
    },
    /// The secret is not 32 bytes of hex in the curve's range. The text is not shown.
    #[error("not a secp256k1 secret key: expected 64 hex digits within the curve's range")]
    InvalidKey,
    /// A key file cannot be read.
    #[error("cannot read the key file {path}: {detail}")]
    KeyFile {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
    /// Others on this machine can read the key.
    #[error("the key file {path} has mode {mode:04o}, so others can read it: chmod 600 {path}")]
    InsecureKeyFile {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is a keystore, whose password nobody gave.
    #[error("{path} is a keystore: its password is needed")]
    PasswordNeeded {
        /// The file.
        path: String,
    },
    /// The password does not open the keystore.
    #[error("the password does not open the keystore")]
    WrongPassword,
    /// The keystore is not of the form that is known, or cannot be made.
    #[error("not a usable keystore (version 3): {detail}")]
    BadKeystore {
        /// What is wrong with it.
        detail: String,
    },
    /// The committee on chain breaks a rule of the protocol.
    #[error("the committee on chain is not valid: {detail}")]
    BadCommittee {
        /// Which rule.
        detail: String,
    },
    /// A relay refuses an intent or a certificate, or makes no sense.
    #[error("the relay at {relay} refuses: {message} [{relay_code}]")]
    Relay {
        /// Scheme, host and port.
        relay: String,
        /// Its stable code.
        relay_code: String,
        /// Its words.
        message: String,
    },
    /// No answer from the relay, after retries. What was signed may still be carried out.
    #[error("cannot reach the relay at {relay}: {detail}")]
    RelayUnreachable {
        /// Scheme, host and port.
        relay: String,
        /// What the connection said.
        detail: String,
    },
    /// A value that the contracts cannot take.
    #[error("invalid argument: {detail}")]
    InvalidArgument {
        /// What is wrong with it.
        detail: String,
    },
}

impl ChainError {
    /// A stable code for people and scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "CHAIN-UNREACHABLE",
            Self::Rpc { .. } => "CHAIN-RPC",
            Self::BadAnswer { .. } => "CHAIN-BAD-ANSWER",
            Self::InvalidUrl { .. } => "CHAIN-INVALID-URL",
            Self::WrongChain { .. } => "CHAIN-WRONG-CHAIN",
            Self::EndpointsDisagree { .. } => "CHAIN-ENDPOINTS-DISAGREE",
            Self::NoContract { .. } => "CHAIN-NO-CONTRACT",
            Self::Reverted { .. } => "CHAIN-REVERTED",
            Self::InsufficientFunds { .. } => "CHAIN-INSUFFICIENT-FUNDS",
            Self::NoWallet => "CHAIN-NO-WALLET",
            Self::Unconfirmed { .. } => "CHAIN-UNCONFIRMED",
            Self::Displaced { .. } => "CHAIN-DISPLACED",
            Self::InvalidKey => "CHAIN-INVALID-KEY",
            Self::KeyFile { .. } => "CHAIN-KEY-FILE",
            Self::InsecureKeyFile { .. } => "CHAIN-INSECURE-KEY-FILE",
            Self::PasswordNeeded { .. } => "CHAIN-PASSWORD-NEEDED",
            Self::WrongPassword => "CHAIN-WRONG-PASSWORD",
            Self::BadKeystore { .. } => "CHAIN-BAD-KEYSTORE",
            Self::BadCommittee { .. } => "CHAIN-BAD-COMMITTEE",
            Self::Relay { .. } => "CHAIN-RELAY-REFUSED",
            Self::RelayUnreachable { .. } => "CHAIN-RELAY-UNREACHABLE",
            Self::InvalidArgument { .. } => "CHAIN-INVALID-ARGUMENT",
        }
    }

    /// Whether the same call may succeed a little later with nothing changed by anyone.
    ///
    /// A transaction that ended [`Unreachable`](Self::Unreachable) or [`Unconfirmed`](Self::Unconfirmed) may have
    /// happened: look before paying twice.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unconfirmed { .. }
                | Self::Displaced { .. }
                | Self::RelayUnreachable { .. }
                | Self::EndpointsDisagree { .. }
        )
    }
}
