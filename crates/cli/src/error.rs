//! Errors as people see them: what happened, a stable code, what to do; and the exit code.

use crate::session::{COIN, FLOE};

/// Exit code: the command was not usable.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit code: what was asked for does not exist.
pub(crate) const EXIT_NOT_FOUND: u8 = 3;
/// Exit code: something that is needed does not answer.
pub(crate) const EXIT_UNAVAILABLE: u8 = 4;
/// Exit code: the command was interrupted; what a shell shows for a program that SIGINT ended.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;
/// Exit code: standard output was closed; what a shell shows for a program that SIGPIPE ended.
pub(crate) const EXIT_BROKEN_PIPE: u8 = 141;
const BROKEN_PIPE: &str = "CLI-BROKEN-PIPE";
/// Exit code for what fits no other.
const EXIT_OTHER: u8 = 1;

/// An error that ends the command.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) code: String,
    pub(crate) message: String,
    /// What to do, where the message does not say it.
    pub(crate) advice: Option<&'static str>,
    pub(crate) exit: u8,
}

impl CliError {
    pub(crate) fn new(code: impl Into<String>, exit: u8, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), advice: None, exit }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, EXIT_USAGE, message)
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.code == BROKEN_PIPE
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(BROKEN_PIPE, EXIT_BROKEN_PIPE, error.to_string()),
            _ => Self::new("CLI-IO", EXIT_OTHER, error.to_string()),
        }
    }
}

impl From<floe_client::ClientError> for CliError {
    fn from(error: floe_client::ClientError) -> Self {
        let new = Self::new(error.code(), error.exit_code(), error.to_string());
        let refused = match &error {
            floe_client::ClientError::Chain(refusal) => crate::advice::of(refusal),
            _ => None,
        };
        Self { advice: Some(refused.unwrap_or_else(|| error.advice())), ..new }
    }
}

impl From<floe_chain::ChainError> for CliError {
    fn from(error: floe_chain::ChainError) -> Self {
        use floe_chain::ChainError as E;
        let exit = match &error {
            error if error.is_retryable() => EXIT_UNAVAILABLE,
            E::Reverted { name, .. } if name.starts_with("Unknown") => EXIT_NOT_FOUND,
            E::InvalidArgument { .. } => EXIT_USAGE,
            _ => EXIT_OTHER,
        };
        let message = match &error {
            // Coins and FLOE have decimals that are known here; of the payment token the smallest unit has to do.
            E::InsufficientFunds { asset, account, needed, available } => {
                let token = match asset.as_str() {
                    "FLOE" => Some(FLOE),
                    "the native coin" => Some(COIN),
                    _ => None,
                };
                token.map(|token| {
                    let (has, needs) = (token.show(*available), token.show(*needed));
                    format!("account {account} has {has}, but {needs} are needed: fund the account")
                })
            }
            _ => None,
        };
        let message = message.unwrap_or_else(|| error.to_string());
        Self { advice: crate::advice::of(&error), ..Self::new(error.code(), exit, message) }
    }
}

impl From<floe_config::ConfigError> for CliError {
    fn from(error: floe_config::ConfigError) -> Self {
        Self::usage(error.code(), error.to_string())
    }
}

impl From<floe_testbed::devnet::DevnetError> for CliError {
    fn from(error: floe_testbed::devnet::DevnetError) -> Self {
        use floe_testbed::devnet::DevnetError as E;
        let exit = match &error {
            E::PortTaken { .. }
            | E::OtherNetwork { .. }
            | E::BadPlan(_)
            | E::AlreadyRunning { .. }
            | E::NotOurs { .. }
            | E::Folder { .. } => EXIT_USAGE,
            E::UnknownNode { .. } => EXIT_NOT_FOUND,
            E::NotRunning | E::NodeFailed { .. } | E::Refused(_) => EXIT_UNAVAILABLE,
            _ => EXIT_OTHER,
        };
        Self::new(error.code(), exit, error.to_string())
    }
}
