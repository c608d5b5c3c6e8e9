//! `floe wallet`: keystores, as geth and cast have them.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use floe_chain::{Address, ChainError, Wallet};
use floe_config::write_secret;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::{Global, WalletAction, WalletArgs},
    error::CliError,
    network::client_file,
    output::Output,
    password::{ask, new_password, open_wallet},
};

/// Longest key that is read from standard input.
const KEY_BYTES_MAX: u64 = 8 * 1024;

/// An account, and the file that it is in.
#[derive(Debug, Serialize)]
struct Account {
    /// `None`: a keystore that does not say.
    address: Option<Address>,
    file: PathBuf,
}

pub(crate) async fn run(global: &Global, args: WalletArgs) -> Result<(), CliError> {
    match args.action {
        WalletAction::New { out } => {
            refuse_existing(&out)?;
            let wallet = new_account()?;
            seal(global, &wallet, out).await
        }
        WalletAction::Import { key_file, out } => {
            refuse_existing(&out)?;
            let wallet = match key_file {
                Some(path) if path.as_os_str() == "-" => from_stdin()?,
                Some(path) => open_wallet(global, &path).await?,
                None => Wallet::from_key_hex(&ask("Secret key (64 hex digits): ".to_owned()).await?)?,
            };
            seal(global, &wallet, out).await
        }
        WalletAction::Export { keystore, out } => {
            refuse_existing(&out)?;
            let wallet = open_wallet(global, &keystore).await?;
            write_secret(&out, &wallet.to_key_hex())?;
            let account = Account { address: Some(wallet.address()), file: out };
            Output::new(global).result(&account, || {
                format!("The key of {} is in {}, unprotected", wallet.address(), account.file.display())
            })
        }
        WalletAction::Address { key_file } => {
            let path = match key_file.or_else(|| global.wallet.clone()) {
                Some(path) => path,
                None => client_file(global)?.wallet_key_file.ok_or(ChainError::NoWallet)?,
            };
            let address = match Wallet::address_in_key_file(&path)? {
                Some(address) => address,
                None => open_wallet(global, &path).await?.address(),
            };
            let account = Account { address: Some(address), file: path };
            Output::new(global).result(&account, || address.to_string())
        }
        WalletAction::List { dir } => list(global, &dir),
    }
}

fn refuse_existing(out: &Path) -> Result<(), CliError> {
    if out.exists() {
        return Err(CliError::usage("CLI-KEY-EXISTS", format!("{} exists: it is not overwritten", out.display())));
    }
    Ok(())
}

/// A key of which nobody has another copy.
fn new_account() -> Result<Wallet, CliError> {
    let mut secret = Zeroizing::new([0_u8; 32]);
    loop {
        getrandom::fill(secret.as_mut()).map_err(|e| CliError::new("CLI-RANDOM", 1, e.to_string()))?;
        // One in 2^128 is beyond the curve's order.
        if let Ok(wallet) = Wallet::from_bytes(&secret) {
            return Ok(wallet);
        }
    }
}

fn from_stdin() -> Result<Wallet, CliError> {
    let mut text = Zeroizing::new(String::with_capacity(2 * 8 * 1024));
    std::io::stdin().lock().take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Wallet::from_key_hex(&text)?)
}

/// Writes a keystore that is known to open.
async fn seal(global: &Global, wallet: &Wallet, out: PathBuf) -> Result<(), CliError> {
    let password = new_password(global).await?;
    let text = wallet.to_keystore(&password)?;
    Wallet::from_keystore(&text, &password)?;
    write_secret(&out, &text)?;
    let account = Account { address: Some(wallet.address()), file: out };
    Output::new(global)
        .result(&account, || format!("Account {}\nKeystore {}", wallet.address(), account.file.display()))
}

fn list(global: &Global, dir: &Path) -> Result<(), CliError> {
    let mut accounts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.path();
        // Other files may lie there too.
        if file.is_file()
            && matches!(Wallet::from_key_file(&file), Err(ChainError::PasswordNeeded { .. }))
            && let Ok(address) = Wallet::address_in_key_file(&file)
        {
            accounts.push(Account { address, file });
        }
    }
    accounts.sort_by(|a, b| a.file.cmp(&b.file));
    Output::new(global).result(&accounts, || {
        let line = |account: &Account| {
            let address = account.address.map_or_else(|| "(does not say)".to_owned(), |address| address.to_string());
            format!("{address:<42}  {}\n", account.file.display())
        };
        accounts.iter().map(line).collect()
    })
}
