//! What the commands of owners, delegators and operators share: the chain, the account, and tokens as people write them.

use floe_chain::{Address, ChainConfig, ChainError, ControlPlane as _, EvmChain, NetworkInfo, Wallet};
use floe_config::load_node;
use floe_protocol::{NodeId, ObjectId};

use crate::{
    args::{Amount, Global},
    error::{CliError, EXIT_NOT_FOUND},
    network,
    output::{Output, amount},
    password::open_wallet,
};

/// A network, and the wallet's place in it.
pub(crate) struct Session {
    pub(crate) chain: EvmChain,
    pub(crate) info: NetworkInfo,
    pub(crate) output: Output,
}

impl Session {
    /// With the wallet that there is, if there is one.
    pub(crate) async fn open(global: &Global) -> Result<Self, CliError> {
        let file = network::client_file(global)?;
        let wallet = network::wallet(global, &file).await?;
        Self::with(global, file.chain, wallet).await
    }

    /// With this wallet.
    pub(crate) async fn with(global: &Global, chain: ChainConfig, wallet: Option<Wallet>) -> Result<Self, CliError> {
        let chain = EvmChain::connect(chain, wallet).await?;
        let info = chain.network().await?;
        Ok(Self { chain, info, output: Output::new(global) })
    }

    /// As a node speaks: `--config` may name a node's configuration, whose account then signs, unless `--wallet` names
    /// another. The node is the one that was named, the configured one, or the account's.
    pub(crate) async fn of_node(global: &Global, named: Option<NodeId>) -> Result<(Self, NodeId), CliError> {
        let file = global.config.as_deref().and_then(|path| load_node(path).ok());
        let (session, configured) = match file {
            Some(file) => {
                let key = global.wallet.as_ref().unwrap_or(&file.account_key_file);
                let wallet = open_wallet(global, key).await?;
                let id = (file.node_id != 0).then(|| NodeId::from_number(file.node_id));
                (Self::with(global, file.chain, Some(wallet)).await?, id)
            }
            None => (Self::open(global).await?, None),
        };
        if let Some(node) = named.or(configured) {
            return Ok((session, node));
        }
        let account = session.account()?;
        let node = session.chain.node_of(account).await?.ok_or_else(|| {
            let message = format!("the account {account} runs no node");
            let advice = "Name the node's configuration with --config node.toml, or its number with --node ID.";
            CliError { advice: Some(advice), ..CliError::new("CLI-NO-NODE", EXIT_NOT_FOUND, message) }
        })?;
        Ok((session, node))
    }

    /// The wallet's account.
    pub(crate) fn account(&self) -> Result<Address, CliError> {
        Ok(self.chain.signer_address().ok_or(ChainError::NoWallet)?)
    }

    /// The account that was named, or the wallet's.
    pub(crate) fn account_or(&self, named: Option<Address>) -> Result<Address, CliError> {
        named.map_or_else(|| self.account(), Ok)
    }

    /// The token that storage is paid in.
    pub(crate) fn payment(&self) -> Token<'_> {
        Token { symbol: &self.info.payment_token_symbol, decimals: self.info.payment_token_decimals }
    }
}

/// A token's name and unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) decimals: u8,
}

/// The token that is staked.
pub(crate) const FLOE: Token<'static> = Token { symbol: "FLOE", decimals: 18 };
/// The chain's own coin, whatever its name.
pub(crate) const COIN: Token<'static> = Token { symbol: "coins", decimals: 18 };

impl Token<'_> {
    /// Whole tokens, with the symbol.
    pub(crate) fn show(&self, units: u128) -> String {
        amount(units, self.decimals, self.symbol)
    }

    /// What was typed, in the smallest unit.
    pub(crate) fn units(&self, typed: Amount) -> Result<u128, CliError> {
        typed
            .units(self.decimals)
            .map_err(|why| CliError::usage("CLI-BAD-AMOUNT", format!("amount of {}: {why}", self.symbol)))
    }
}

/// An amount in JSON: a text, because numbers of 18 decimals do not survive every reader.
pub(crate) fn units(amount: u128) -> String {
    amount.to_string()
}

/// A number of epochs as people read it.
pub(crate) fn epochs(count: u64) -> String {
    if count == 1 { "1 epoch".to_owned() } else { format!("{count} epochs") }
}

/// A node as people type it.
pub(crate) fn node_number(id: NodeId) -> String {
    id.to_number().map_or_else(|| id.to_string(), |number| number.to_string())
}

/// A registration as people type it.
pub(crate) fn object_number(id: ObjectId) -> String {
    id.to_number().map_or_else(|| id.to_string(), |number| number.to_string())
}

/// Lines of cells, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_typed_and_shown_alike() {
        let typed: Amount = "12.25".parse().unwrap();
        let units = FLOE.units(typed).unwrap();
        assert_eq!(FLOE.show(units), "12.25 FLOE");
        let error = Token { symbol: "TUSD", decimals: 1 }.units(typed).unwrap_err();
        assert_eq!((error.code.as_str(), error.exit), ("CLI-BAD-AMOUNT", 2));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb"], ["ccc", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    bb\nccc");
    }
}
