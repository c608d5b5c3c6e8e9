//! The account that signs transactions.

mod keystore;

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    primitives::{B256, Signature},
    signers::{SignerSync, local::PrivateKeySigner},
};
use zeroize::Zeroizing;

use crate::{Address, ChainError};

/// Longest key file that is read: a key has 66 characters, a keystore some 500.
const KEY_FILE_BYTES_MAX: u64 = 8 * 1024;

/// A secp256k1 key and the order of its transactions.
///
/// Clones share both, so any number of tasks of one process may send at once. `Debug` shows the address only; the key
/// is erased from memory when the last clone goes.
#[derive(Clone)]
pub struct Wallet {
    inner: Arc<Inner>,
}

struct Inner {
    signer: PrivateKeySigner,
    queues: Mutex<HashMap<u64, NonceQueue>>,
}

/// The order of one account's transactions on one chain.
#[derive(Default)]
pub(crate) struct Order {
    /// The next free nonce. `None` until asked, and after anything that makes it doubtful.
    next: Option<u64>,
    /// Cloned for each transaction under way.
    under_way: Arc<()>,
}

/// Held for a transaction until it is done.
#[derive(Debug)]
pub(crate) struct UnderWay(#[expect(dead_code, reason = "counted, not read")] Arc<()>);

impl Order {
    /// The next nonce, if it can be trusted. With nothing under way it is better asked for: that costs little, and
    /// notices a chain that went back.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let next = self.next.take();
        next.filter(|_| Arc::strong_count(&self.under_way) > 1)
    }

    /// What the next one is thought to be.
    pub(crate) fn expect_next(&mut self, nonce: u64) {
        self.next = Some(nonce);
    }

    pub(crate) fn begin(&self) -> UnderWay {
        UnderWay(Arc::clone(&self.under_way))
    }
}

/// Shared by all who send from the account.
pub(crate) type NonceQueue = Arc<tokio::sync::Mutex<Order>>;

impl Wallet {
    /// The wallet of a secret key: 32 big-endian bytes between 1 and the curve's order.
    ///
    /// # Errors
    /// [`ChainError::InvalidKey`].
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, ChainError> {
        let signer = PrivateKeySigner::from_slice(secret).map_err(|_| ChainError::InvalidKey)?;
        Ok(Self { inner: Arc::new(Inner { signer, queues: Mutex::default() }) })
    }

    /// Reads 64 hex digits, with or without `0x`, white space around them allowed.
    ///
    /// # Errors
    /// [`ChainError::InvalidKey`], without the text.
    pub fn from_key_hex(text: &str) -> Result<Self, ChainError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, secret.as_mut()).map_err(|_| ChainError::InvalidKey)?;
        Self::from_bytes(&secret)
    }

    /// Reads a file with the hex form of a key. On Unix it must be readable by its owner only.
    ///
    /// # Errors
    /// [`ChainError::KeyFile`], [`ChainError::InsecureKeyFile`], [`ChainError::InvalidKey`], or
    /// [`ChainError::PasswordNeeded`] if it is a keystore: open it with
    /// [`from_keystore_file`](Self::from_keystore_file).
    pub fn from_key_file(path: impl AsRef<Path>) -> Result<Self, ChainError> {
        let path = path.as_ref();
        let text = read(path)?;
        if keystore::is_keystore(&text) {
            return Err(ChainError::PasswordNeeded { path: path.display().to_string() });
        }
        Self::from_key_hex(&text)
    }

    /// Opens a keystore file (version 3, as geth, cast and others write it) with its password.
    ///
    /// # Errors
    /// [`ChainError::KeyFile`], [`ChainError::WrongPassword`] or [`ChainError::BadKeystore`].
    pub fn from_keystore_file(path: impl AsRef<Path>, password: &str) -> Result<Self, ChainError> {
        Self::from_keystore(&read(path.as_ref())?, password)
    }

    /// Opens the text of a keystore. It takes about as long as one is willing to wait, as is meant by its maker.
    ///
    /// # Errors
    /// [`ChainError::WrongPassword`] or [`ChainError::BadKeystore`].
    pub fn from_keystore(text: &str, password: &str) -> Result<Self, ChainError> {
        let signer = keystore::decrypt(text, password)?;
        Ok(Self { inner: Arc::new(Inner { signer, queues: Mutex::default() }) })
    }

    /// The account that a key file is of: for a keystore what it says, unverified, without its password. `None`: it is
    /// a keystore that does not say.
    ///
    /// # Errors
    /// As [`from_key_file`](Self::from_key_file) and [`from_keystore_file`](Self::from_keystore_file).
    pub fn address_in_key_file(path: impl AsRef<Path>) -> Result<Option<Address>, ChainError> {
        let text = read(path.as_ref())?;
        if keystore::is_keystore(&text) {
            return keystore::address(&text);
        }
        Self::from_key_hex(&text).map(|wallet| Some(wallet.address()))
    }

    /// The key under a password, as a keystore of version 3: what [`from_keystore`](Self::from_keystore), geth and cast
    /// read.
    ///
    /// # Errors
    /// [`ChainError::BadKeystore`] if the folder for temporary files cannot be used.
    pub fn to_keystore(&self, password: &str) -> Result<String, ChainError> {
        let secret = Zeroizing::new(self.inner.signer.to_bytes().0);
        keystore::encrypt(&secret, self.address(), password)
    }

    /// The account of this key.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::from_evm(self.inner.signer.address())
    }

    /// The key as `0x` and 64 hex digits: what [`from_key_file`](Self::from_key_file) reads. Write it nowhere but to
    /// a file of mode 0600.
    #[must_use]
    pub fn to_key_hex(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(self.inner.signer.to_bytes().0);
        let mut text = Zeroizing::new(String::with_capacity(66));
        text.push_str("0x");
        let mut digits = Zeroizing::new([0_u8; 64]);
        if hex::encode_to_slice(secret.as_slice(), digits.as_mut()).is_ok() {
            text.extend(digits.iter().map(|&digit| char::from(digit)));
        }
        text
    }

    pub(crate) fn sign(&self, hash: &B256) -> Result<Signature, ChainError> {
        self.inner.signer.sign_hash_sync(hash).map_err(|_| ChainError::InvalidKey)
    }

    pub(crate) fn nonce_queue(&self, chain_id: u64) -> NonceQueue {
        let mut queues = self.inner.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(chain_id).or_default())
    }
}

/// The text of a key file. Only its owner may be able to read it, unless it is under a password.
fn read(path: &Path) -> Result<Zeroizing<String>, ChainError> {
    use std::io::Read as _;
    let failed = |detail: String| ChainError::KeyFile { path: path.display().to_string(), detail };
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let info = file.metadata().map_err(|e| failed(e.to_string()))?;
    if info.len() > KEY_FILE_BYTES_MAX {
        return Err(failed(format!("{} bytes are no key", info.len())));
    }
    // Enough room at once: growing would leave copies of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * 8 * 1024));
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
    // Asked of the open file, so that nobody can swap it between the check and the read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = info.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 && !keystore::is_keystore(&text) {
            return Err(ChainError::InsecureKeyFile { path: path.display().to_string(), mode });
        }
    }
    Ok(text)
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_key_gives_its_address_and_is_never_shown() {
        let wallet = Wallet::from_key_hex(KEY).unwrap();
        assert_eq!(wallet.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(*wallet.to_key_hex(), KEY);
        assert!(!format!("{wallet:?}").contains("ac0974"));
    }

    #[test]
    fn bad_keys_are_refused_without_repeating_them() {
        for text in ["", "0x12", &"0".repeat(64), &"f".repeat(64), &KEY[..65], "zz"] {
            assert_eq!(Wallet::from_key_hex(text).unwrap_err(), ChainError::InvalidKey);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_must_be_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Wallet::from_key_file(&path), Err(ChainError::InsecureKeyFile { mode: 0o640, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Wallet::from_key_file(&path).is_ok());
        assert!(matches!(Wallet::from_key_file(dir.path().join("none")), Err(ChainError::KeyFile { .. })));

        let wallet = Wallet::from_key_hex(KEY).unwrap();
        std::fs::write(&path, wallet.to_keystore("secret").unwrap()).unwrap();
        assert!(matches!(Wallet::from_key_file(&path), Err(ChainError::PasswordNeeded { .. })));
        assert_eq!(Wallet::address_in_key_file(&path).unwrap(), Some(wallet.address()));
        assert_eq!(*Wallet::from_keystore_file(&path, "secret").unwrap().to_key_hex(), KEY);
        // What cast writes is so, and the password protects it.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Wallet::from_keystore_file(&path, "secret").is_ok());
    }
}
