//! Keystores: a secret key under a password, in the JSON form (version 3) that geth, cast and most wallets write.
//!
//! <https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>

use std::path::Path;

use alloy::signers::{
    k256::elliptic_curve::rand_core::OsRng,
    local::{LocalSignerError, PrivateKeySigner},
};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Address, ChainError};

/// Most memory that a keystore may ask the derivation of its key to take. Common ones take 8 to 256 MiB.
const SCRYPT_BYTES_MAX: u64 = 1 << 30;
/// Most rounds of a PBKDF2 derivation; common ones take 262,144.
const PBKDF2_ROUNDS_MAX: u64 = 10_000_000;
/// Name of the file in a folder of its own, while it is not in its place.
const NAME: &str = "keystore";

/// What must hold of a keystore before it is given to the decryption, which trusts its lengths.
#[derive(Deserialize)]
struct Form {
    version: u8,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    #[serde(default)]
    address: Option<String>,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    #[serde(default)]
    n: u64,
    #[serde(default)]
    r: u64,
    #[serde(default)]
    p: u64,
    #[serde(default)]
    c: u64,
    #[serde(default)]
    prf: String,
}

/// Whether a text may be a keystore rather than the hex form of a key.
pub(super) fn is_keystore(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The account that the keystore says it is of. Nothing vouches for it, and not all say it.
pub(super) fn address(text: &str) -> Result<Option<Address>, ChainError> {
    let form = check(text)?;
    let address = form.address.filter(|address| !address.is_empty());
    let parse = |address: String| {
        let digits = address.trim_start_matches("0x");
        format!("0x{}", digits.to_lowercase()).parse().map_err(|_| bad(format!("{address} is no address")))
    };
    address.map(parse).transpose()
}

/// Takes the key out.
pub(super) fn decrypt(text: &str, password: &str) -> Result<PrivateKeySigner, ChainError> {
    let form = check(text)?;
    let folder = Folder::new()?;
    folder.write(text)?;
    let signer = match PrivateKeySigner::decrypt_keystore(folder.file(), password) {
        Ok(signer) => signer,
        Err(LocalSignerError::EcdsaError(_)) => return Err(ChainError::InvalidKey),
        // The only check that a well-formed keystore can fail.
        Err(_) => return Err(ChainError::WrongPassword),
    };
    let said = form.address.unwrap_or_default().trim_start_matches("0x").to_lowercase();
    let is = hex::encode(signer.address());
    if said.is_empty() || said == is {
        Ok(signer)
    } else {
        Err(bad(format!("it says it is of 0x{said}, but its key is that of 0x{is}")))
    }
}

/// Puts the key under a password. The form has the address, as that of geth has.
pub(super) fn encrypt(secret: &[u8; 32], account: Address, password: &str) -> Result<String, ChainError> {
    let folder = Folder::new()?;
    PrivateKeySigner::encrypt_keystore(folder.path(), &mut OsRng, secret, password, Some(NAME))
        .map_err(|e| bad(e.to_string()))?;
    let text = folder.read()?;
    let mut form: Value = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if let Some(fields) = form.as_object_mut() {
        fields.insert("address".to_owned(), hex::encode(account.as_bytes()).into());
    }
    Ok(form.to_string())
}

/// The form, if its lengths and costs are within bounds.
fn check(text: &str) -> Result<Form, ChainError> {
    let form: Form = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
    let Crypto { cipher, cipherparams, ciphertext, kdf, kdfparams, mac } = &form.crypto;
    if form.version != 3 {
        return Err(bad(format!("version {}, expected 3", form.version)));
    }
    if cipher != "aes-128-ctr" {
        return Err(bad(format!("cipher {cipher}, expected aes-128-ctr")));
    }
    for (what, hex_text, bytes) in [("iv", &cipherparams.iv, 16), ("ciphertext", ciphertext, 32), ("mac", mac, 32)] {
        if hex::decode(hex_text).map_or(0, |decoded| decoded.len()) != bytes {
            return Err(bad(format!("{what} is not {bytes} bytes of hex")));
        }
    }
    if kdfparams.dklen != 32 {
        return Err(bad(format!("a derived key of {} bytes, expected 32", kdfparams.dklen)));
    }
    let KdfParams { n, r, p, c, prf, .. } = kdfparams;
    let within = match kdf.as_str() {
        "scrypt" => {
            let bytes = n.checked_mul(*r).and_then(|product| product.checked_mul(128));
            let cost = n.is_power_of_two() && *n > 1 && bytes.is_some_and(|bytes| bytes <= SCRYPT_BYTES_MAX);
            // The function is defined for n below 2^(16 r).
            cost && (1..=16).contains(p) && u64::from(n.trailing_zeros()) < r.saturating_mul(16)
        }
        "pbkdf2" => prf == "hmac-sha256" && (1..=PBKDF2_ROUNDS_MAX).contains(c),
        other => return Err(bad(format!("key derivation {other}, expected scrypt or pbkdf2"))),
    };
    if within { Ok(form) } else { Err(bad(format!("the parameters of {kdf} are out of range"))) }
}

fn bad(detail: String) -> ChainError {
    ChainError::BadKeystore { detail }
}

/// A folder that only its owner can open: the library reads and writes files, with no say in their mode.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, ChainError> {
        let mut random = [0_u8; 16];
        alloy::signers::k256::elliptic_curve::rand_core::RngCore::try_fill_bytes(&mut OsRng, &mut random)
            .map_err(|e| bad(e.to_string()))?;
        let path = std::env::temp_dir().join(format!("floe-{}", hex::encode(random)));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|e| bad(format!("{}: {e}", path.display())))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.join(NAME)
    }

    fn write(&self, text: &str) -> Result<(), ChainError> {
        std::fs::write(self.file(), text).map_err(|e| bad(e.to_string()))
    }

    fn read(&self) -> Result<Zeroizing<String>, ChainError> {
        std::fs::read_to_string(self.file()).map(Zeroizing::new).map_err(|e| bad(e.to_string()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a temporary folder stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "testpassword";
    const SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
    /// Well-formed, but nobody knows the password.
    const SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{
        "dklen":32,"n":8192,"p":1,"r":8,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
        "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    /// The example of the specification.
    const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{
        "c":262144,"dklen":32,"prf":"hmac-sha256","salt":
        "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

    #[test]
    fn the_example_of_the_specification_opens() {
        assert!(is_keystore(PBKDF2) && address(PBKDF2).unwrap().is_none());
        assert_eq!(hex::encode(decrypt(PBKDF2, PASSWORD).unwrap().to_bytes()), SECRET);
    }

    #[test]
    fn what_is_put_under_a_password_comes_out_with_it_alone() {
        let secret = [7; 32];
        let account = Address::from_evm(PrivateKeySigner::from_slice(&secret).unwrap().address());
        let text = encrypt(&secret, account, "pässword").unwrap();
        assert!(!text.contains(&hex::encode(secret)));
        assert_eq!(address(&text).unwrap(), Some(account));
        assert_eq!(decrypt(&text, "pässword").unwrap().to_bytes().0, secret);
        assert_eq!(decrypt(&text, "password").unwrap_err(), ChainError::WrongPassword);
        assert_eq!(decrypt(&text, "").unwrap_err(), ChainError::WrongPassword);
        let other = text.replace(&hex::encode(account.as_bytes()), &"1".repeat(40));
        assert!(matches!(decrypt(&other, "pässword"), Err(ChainError::BadKeystore { .. })));
    }

    #[test]
    fn what_is_malformed_or_too_dear_is_refused() {
        assert_eq!(decrypt(SCRYPT, PASSWORD).unwrap_err(), ChainError::WrongPassword);
        let changes = [
            ("\"version\":3", "\"version\":1"),
            ("aes-128-ctr", "aes-128-cbc"),
            ("83dbcc02d8ccb40e466191a123791e0e", "83dbcc"),
            ("83dbcc02d8ccb40e466191a123791e0e", "zz"),
            ("d172bf74", ""),
            ("2103ac29", ""),
            ("\"dklen\":32", "\"dklen\":16"),
            ("\"n\":8192", "\"n\":8191"),
            ("\"n\":8192", "\"n\":1073741824"),
            ("\"n\":8192", "\"n\":0"),
            ("\"n\":8192", "\"n\":-1"),
            ("\"p\":1", "\"p\":1000"),
            ("\"r\":8", "\"r\":0"),
            ("\"r\":8", "\"r\":18446744073709551615"),
            ("\"kdf\":\"scrypt\"", "\"kdf\":\"argon2\""),
            ("\"kdf\":\"scrypt\"", "\"kdf\":\"pbkdf2\""),
            ("\"mac\"", "\"Mac\""),
        ];
        for (from, to) in changes {
            let text = SCRYPT.replacen(from, to, 1);
            assert_ne!(text, SCRYPT, "{from}");
            assert!(matches!(decrypt(&text, PASSWORD), Err(ChainError::BadKeystore { .. })), "{to}");
        }
        for text in ["", "{", "{}", "[]", &SCRYPT[..300]] {
            assert!(matches!(decrypt(text, PASSWORD), Err(ChainError::BadKeystore { .. })), "{text}");
        }
    }
}
