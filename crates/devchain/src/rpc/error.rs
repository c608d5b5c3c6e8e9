use crate::DevChainError;
use alloy::primitives::Bytes;
use alloy::sol_types::{Panic, Revert, SolError};
use serde::Serialize;

/// A JSON-RPC error. Codes are those of geth: -32000 for a refused request, 3 for a revert.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Bytes>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn parse() -> Self {
        Self::new(-32700, "parse error")
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    pub(crate) fn unknown_method(method: &str) -> Self {
        Self::new(-32601, format!("the method {method} does not exist/is not available"))
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    /// The request was understood and refused.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(-32000, message)
    }

    /// The query is larger than this chain answers.
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(-32005, message)
    }

    /// A call or transaction that reverted, with the reason if it is a standard one and the data in any case.
    pub(crate) fn reverted(data: Bytes) -> Self {
        let reason = Revert::abi_decode(&data)
            .map(|revert| revert.reason)
            .or_else(|_| Panic::abi_decode(&data).map(|panic| format!("{panic}")));
        let message = match reason {
            Ok(reason) => format!("execution reverted: {reason}"),
            Err(_) => "execution reverted".into(),
        };
        Self { code: 3, message, data: Some(data) }
    }
}

impl From<DevChainError> for RpcError {
    fn from(error: DevChainError) -> Self {
        let code = if matches!(error, DevChainError::StateNotKept { .. }) { -32000 } else { -32603 };
        Self::new(code, error.to_string())
    }
}
