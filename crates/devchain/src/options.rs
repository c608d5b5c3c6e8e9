use crate::limits::CONNECTIONS_MAX;
use alloy::primitives::{Address, U256};
use revm::primitives::hardfork::SpecId;
use std::{fmt, path::PathBuf, str::FromStr};

/// What a chain is made from. The chain id and the rules of a directory never change.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// EIP-155 chain id; 31337 is what development tools expect.
    pub chain_id: u64,
    /// Where the chain lives; `None` keeps it in memory.
    pub dir: Option<PathBuf>,
    /// Balances at genesis in wei, in addition to [`crate::dev_accounts`].
    pub funded: Vec<(Address, U256)>,
    /// The rules of the EVM.
    pub hardfork: Hardfork,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { chain_id: 31_337, dir: None, funded: Vec::new(), hardfork: Hardfork::default() }
    }
}

/// The rules of the EVM, by the name of the upgrade that introduced them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardfork {
    /// May 2025: BLS12-381 precompiles, set-code transactions.
    #[default]
    Prague,
    /// December 2025: gas limit of a transaction 2²⁴, secp256r1 precompile.
    Osaka,
}

impl Hardfork {
    pub(crate) const fn spec(self) -> SpecId {
        match self {
            Self::Prague => SpecId::PRAGUE,
            Self::Osaka => SpecId::OSAKA,
        }
    }

    /// As it is stored.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Prague => 1,
            Self::Osaka => 2,
        }
    }

    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Prague),
            2 => Some(Self::Osaka),
            _ => None,
        }
    }
}

impl fmt::Display for Hardfork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prague => "prague",
            Self::Osaka => "osaka",
        })
    }
}

impl FromStr for Hardfork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "prague" => Ok(Self::Prague),
            "osaka" => Ok(Self::Osaka),
            other => Err(format!("unknown hardfork {other:?}: prague or osaka")),
        }
    }
}

/// How a chain is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections of both kinds together; further ones wait.
    pub connections_max: usize,
    /// Whether anyone may move the clock ahead with `evm_increaseTime` and the like. Turn it off on a shared network.
    pub time_control: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { connections_max: CONNECTIONS_MAX, time_control: true }
    }
}
