//! Why a relay refuses, with the HTTP status and the stable code of each.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use floe_chain::{Address, ChainError};
use floe_protocol::ObjectId;
use thiserror::Error;

use crate::api::{ErrorAnswer, ErrorFields, Revert};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The body is not what was expected.
    #[error("cannot read the request: {0}")]
    Malformed(String),
    /// The body is longer than allowed.
    #[error("the request is longer than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The body did not arrive in time.
    #[error("the request did not arrive within {secs} s")]
    TooSlow {
        /// The limit.
        secs: u64,
    },
    /// The intent is for another chain or contract.
    #[error(
        "the intent is for contract {got} on chain {got_chain}; this relay serves {expected} on chain {expected_chain}"
    )]
    WrongNetwork {
        /// The intent's contract.
        got: Address,
        /// The intent's chain.
        got_chain: u64,
        /// The relay's contract.
        expected: Address,
        /// The relay's chain.
        expected_chain: u64,
    },
    /// The intent names another relayer, or none.
    #[error("the intent has to name {relayer} as its relayer")]
    WrongRelayer {
        /// This relay's account.
        relayer: Address,
    },
    /// The intent ends too soon, or begins later.
    #[error(
        "the intent has to be valid now and for {needed_secs} s more; it is from {valid_after} to {valid_before}, and it is {now}"
    )]
    NotInForce {
        /// The chain's time.
        now: u64,
        /// Of the intent.
        valid_after: u64,
        /// Of the intent.
        valid_before: u64,
        /// How long it has to be valid at least.
        needed_secs: u64,
    },
    /// The signature is not that of the owner's key.
    #[error("the signature is not that of {owner}")]
    WrongSignature {
        /// Who should have signed.
        owner: Address,
    },
    /// The intent allows less than the relay asks for.
    #[error("the intent allows a fee of {offered}, but {needed} is asked for")]
    FeeTooLow {
        /// Allowed.
        offered: u128,
        /// Asked for.
        needed: u128,
    },
    /// The intent was cancelled by its owner.
    #[error("the intent was cancelled")]
    Cancelled,
    /// The owner has too little of the payment token.
    #[error("{owner} has {available}, but the intent needs {needed}, in the payment token's smallest unit")]
    OwnerFunds {
        /// Who.
        owner: Address,
        /// Has.
        available: u128,
        /// Needs.
        needed: u128,
    },
    /// The contract refuses.
    #[error("the contract refuses: {name} {detail}")]
    Refused {
        /// Name of its error.
        name: String,
        /// Its arguments.
        detail: String,
    },
    /// This relay has not registered the blob for a fee, so it does not pay for its certificate.
    #[error("registration {object} was not carried out by this relay in that transaction")]
    NotRelayed {
        /// The registration.
        object: ObjectId,
    },
    /// No registration, too many, one twice, or several for the certificate of one.
    #[error("a certificate is for one registration, that of a batch for 1 to {max} different ones; these are {got}")]
    WrongCount {
        /// How many were given.
        got: usize,
        /// The most.
        max: usize,
    },
    /// The certificate costs more gas than the fees of its registrations have paid for.
    #[error("the certificate costs {gas} gas, but the fees of what it certifies have paid for {paid}")]
    CertificateTooDear {
        /// What it costs.
        gas: u64,
        /// What was paid for.
        paid: u64,
    },
    /// Certificates for this registration have failed too often.
    #[error("{failures} certificates for registration {object} have failed: this relay pays for no more")]
    CertificatesFailed {
        /// The registration.
        object: ObjectId,
        /// How many.
        failures: usize,
    },
    /// Too many requests.
    #[error("the relay is receiving too many requests; please try again later")]
    Busy,
    /// Too many transactions have failed in their blocks.
    #[error("too many transactions have failed within an hour; please try again later")]
    Paused,
    /// The relay's account has no native coin left, or the chain does not answer.
    #[error("the relay cannot serve now: {0}")]
    Unavailable(String),
    /// A defect.
    #[error("an internal error: {0}")]
    Internal(String),
}

impl RelayError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "RELAY-MALFORMED",
            Self::TooLarge { .. } => "RELAY-TOO-LARGE",
            Self::TooSlow { .. } => "RELAY-TOO-SLOW",
            Self::WrongNetwork { .. } => "RELAY-WRONG-NETWORK",
            Self::WrongRelayer { .. } => "RELAY-WRONG-RELAYER",
            Self::NotInForce { .. } => "RELAY-NOT-IN-FORCE",
            Self::WrongSignature { .. } => "RELAY-WRONG-SIGNATURE",
            Self::FeeTooLow { .. } => "RELAY-FEE-TOO-LOW",
            Self::Cancelled => "RELAY-CANCELLED",
            Self::OwnerFunds { .. } => "RELAY-OWNER-FUNDS",
            Self::Refused { .. } => "RELAY-REFUSED",
            Self::NotRelayed { .. } => "RELAY-NOT-RELAYED",
            Self::WrongCount { .. } => "RELAY-WRONG-COUNT",
            Self::CertificateTooDear { .. } => "RELAY-CERTIFICATE-TOO-DEAR",
            Self::CertificatesFailed { .. } => "RELAY-CERTIFICATES-FAILED",
            Self::Busy => "RELAY-BUSY",
            Self::Paused => "RELAY-PAUSED",
            Self::Unavailable(_) => "RELAY-UNAVAILABLE",
            Self::Internal(_) => "RELAY-INTERNAL",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_)
            | Self::WrongNetwork { .. }
            | Self::WrongRelayer { .. }
            | Self::WrongCount { .. }
            | Self::NotInForce { .. }
            | Self::WrongSignature { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::FeeTooLow { .. } | Self::OwnerFunds { .. } | Self::CertificateTooDear { .. } => {
                StatusCode::PAYMENT_REQUIRED
            }
            Self::Cancelled | Self::Refused { .. } | Self::CertificatesFailed { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NotRelayed { .. } => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Paused | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<ChainError> for RelayError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Reverted { name, detail } => Self::Refused { name, detail },
            ChainError::InvalidArgument { detail } => Self::Malformed(detail),
            error => {
                // An empty account, another chain: the operator's to mend. An endpoint that does not answer may come back.
                if error.is_retryable() {
                    tracing::warn!(%error, code = error.code(), "the chain does not answer");
                } else {
                    tracing::error!(%error, code = error.code(), "the relay cannot serve");
                }
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl IntoResponse for RelayError {
    fn into_response(self) -> Response {
        let revert = match &self {
            Self::Refused { name, detail } => Some(Revert { name: name.clone(), detail: detail.clone() }),
            _ => None,
        };
        let fields = ErrorFields { code: self.code().to_owned(), message: self.to_string(), revert };
        (self.status(), Json(ErrorAnswer { error: fields })).into_response()
    }
}
