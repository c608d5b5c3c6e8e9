//! Reverts, decoded into the contract's own words.

use alloy::{
    primitives::U256,
    sol_types::{Panic, Revert, SolError, SolInterface},
};

use crate::bindings::{
    Attributes, Availability, Blobs, Committee, Deployer, Epochs, FloeToken, Governance, Intents, Nodes, Pools,
    Staking, Storage, Subsidies, TestStablecoin,
};

/// A decoded revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reverted {
    pub(crate) name: String,
    pub(crate) detail: String,
    /// `ERC20InsufficientBalance`: what the payer has and what it needs.
    pub(crate) short_of: Option<ShortOf>,
}

/// A payer with too few tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortOf {
    pub(crate) available: u128,
    pub(crate) needed: u128,
}

/// Reads revert data. Never fails: data of a foreign contract is `Unknown`, with the bytes.
pub(crate) fn decode(data: &[u8]) -> Reverted {
    let plain = |name: &str, detail: String| Reverted { name: name.to_owned(), detail, short_of: None };
    if let Ok(revert) = Revert::abi_decode(data) {
        return plain("Error", revert.reason);
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return plain("Panic", panic.to_string());
    }
    if let Ok(short) = FloeToken::ERC20InsufficientBalance::abi_decode(data) {
        let short_of = ShortOf { available: clamp(short.balance), needed: clamp(short.needed) };
        let detail = format!("balance: {}, needed: {}", short.balance, short.needed);
        return Reverted { name: "ERC20InsufficientBalance".to_owned(), detail, short_of: Some(short_of) };
    }
    let shown = shown::<Committee::CommitteeErrors>(data)
        .or_else(|| shown::<Blobs::BlobsErrors>(data))
        .or_else(|| shown::<Pools::PoolsErrors>(data))
        .or_else(|| shown::<Attributes::AttributesErrors>(data))
        .or_else(|| shown::<Subsidies::SubsidiesErrors>(data))
        .or_else(|| shown::<Epochs::EpochsErrors>(data))
        .or_else(|| shown::<Nodes::NodesErrors>(data))
        .or_else(|| shown::<Staking::StakingErrors>(data))
        .or_else(|| shown::<Governance::GovernanceErrors>(data))
        .or_else(|| shown::<Deployer::DeployerErrors>(data))
        .or_else(|| shown::<Storage::StorageErrors>(data))
        .or_else(|| shown::<Availability::AvailabilityErrors>(data))
        .or_else(|| shown::<Intents::IntentsErrors>(data))
        .or_else(|| shown::<FloeToken::FloeTokenErrors>(data))
        .or_else(|| shown::<TestStablecoin::TestStablecoinErrors>(data));
    match shown {
        Some(shown) => {
            let (name, detail) = split_debug(&shown);
            plain(name, detail.to_owned())
        }
        None if data.is_empty() => plain("Unknown", "no reason given".to_owned()),
        None => plain("Unknown", format!("0x{}", hex::encode(data.get(..256).unwrap_or(data)))),
    }
}

fn shown<E: SolInterface + std::fmt::Debug>(data: &[u8]) -> Option<String> {
    E::abi_decode(data).ok().map(|error| format!("{error:?}"))
}

/// `NoQuorum(NoQuorum { weight: 3, needed: 7 })` → `NoQuorum`, `weight: 3, needed: 7`.
fn split_debug(shown: &str) -> (&str, &str) {
    let (name, inside) = shown.split_once('(').unwrap_or((shown, ""));
    let detail = inside.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(fields, _)| fields);
    (name.trim(), detail.trim())
}

/// Amounts beyond 128 bits are shown as the largest.
pub(crate) fn clamp(amount: U256) -> u128 {
    u128::try_from(amount).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, FixedBytes};

    use super::*;

    #[test]
    fn errors_keep_their_name_and_arguments() {
        let error = Committee::NoQuorum { weight: U256::from(3), needed: U256::from(7) };
        let decoded = decode(&error.abi_encode());
        assert_eq!((decoded.name.as_str(), decoded.detail.as_str()), ("NoQuorum", "weight: 3, needed: 7"));

        let error = Blobs::WrongBlobId { expected: FixedBytes([1; 32]), got: FixedBytes([2; 32]) };
        let decoded = decode(&error.abi_encode());
        assert_eq!(decoded.name, "WrongBlobId");
        assert!(decoded.detail.contains(&format!("expected: 0x{}", "01".repeat(32))), "{}", decoded.detail);

        let decoded = decode(&Committee::BadSignature {}.abi_encode());
        assert_eq!((decoded.name.as_str(), decoded.detail.as_str()), ("BadSignature", ""));
    }

    #[test]
    fn texts_panics_shortages_and_foreign_data() {
        assert_eq!(decode(&Revert::from("no").abi_encode()).detail, "no");
        assert_eq!(decode(&Panic::from(0x11_u64).abi_encode()).name, "Panic");
        let short =
            FloeToken::ERC20InsufficientBalance { sender: Address::ZERO, balance: U256::from(1), needed: U256::MAX };
        let short = decode(&short.abi_encode()).short_of.unwrap();
        assert_eq!(short, ShortOf { available: 1, needed: u128::MAX });
        assert_eq!(decode(&[0xde, 0xad, 0xbe, 0xef]).detail, "0xdeadbeef");
        assert_eq!(decode(&[]).name, "Unknown");
    }
}
