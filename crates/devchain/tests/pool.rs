//! Transactions that wait, are replaced, or are refused, in the words that libraries look for.
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy},
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{DynProvider, Provider},
    rpc::types::AccessList,
    signers::SignerSync,
};
use common::{Served, account, eventually, signer};

const CHAIN: u64 = 31_337;
const GWEI: u128 = 1_000_000_000;

fn sign<T: SignableTransaction<alloy::primitives::Signature>>(index: usize, tx: T) -> Bytes
where
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer(index).sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn transfer(nonce: u64, fee: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee / 2,
        to: TxKind::Call(Address::repeat_byte(5)),
        value: U256::ONE,
        ..Default::default()
    }
}

async fn raw(provider: &DynProvider, bytes: &Bytes) -> Result<B256, String> {
    let sent = provider.client().request::<_, B256>("eth_sendRawTransaction", [bytes]).await;
    sent.map_err(|error| error.as_error_resp().unwrap().message.to_string())
}

async fn is_sealed(provider: &DynProvider, hash: B256) -> bool {
    provider.get_transaction_receipt(hash).await.unwrap().is_some()
}

#[tokio::test]
async fn a_nonce_gap_waits_and_runs_when_it_closes() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let mut waiting = Vec::new();
    for nonce in [3, 1, 2] {
        waiting.push(raw(&provider, &sign(0, transfer(nonce, 2 * GWEI))).await.unwrap());
    }
    assert_eq!(provider.get_transaction_count(account(0)).pending().await.unwrap(), 0);
    let pooled = provider.get_transaction_by_hash(waiting[0]).await.unwrap().unwrap();
    assert_eq!(pooled.block_hash, None);
    assert!(!is_sealed(&provider, waiting[0]).await);
    assert_eq!(raw(&provider, &sign(0, transfer(3, 2 * GWEI))).await.unwrap_err(), "already known");
    raw(&provider, &sign(0, transfer(0, 2 * GWEI))).await.unwrap();
    eventually("the gap closed", || async { is_sealed(&provider, waiting[0]).await }).await;
    for hash in waiting {
        assert!(is_sealed(&provider, hash).await);
    }
    assert_eq!(provider.get_transaction_count(account(0)).await.unwrap(), 4);
    served.stop().await;
}

#[tokio::test]
async fn a_waiting_transaction_is_replaced_only_for_more() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let old = raw(&provider, &sign(0, transfer(1, 20 * GWEI))).await.unwrap();
    let cheap = raw(&provider, &sign(0, transfer(1, 21 * GWEI))).await.unwrap_err();
    assert_eq!(cheap, "replacement transaction underpriced");
    let new = raw(&provider, &sign(0, transfer(1, 22 * GWEI))).await.unwrap();
    raw(&provider, &sign(0, transfer(0, 2 * GWEI))).await.unwrap();
    eventually("the replacement", || async { is_sealed(&provider, new).await }).await;
    assert!(!is_sealed(&provider, old).await);
    assert!(provider.get_transaction_by_hash(old).await.unwrap().is_none());
    served.stop().await;
}

#[tokio::test]
async fn refusals_are_worded_as_by_geth() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let first = sign(0, transfer(0, 2 * GWEI));
    raw(&provider, &first).await.unwrap();
    let refused = async |bytes: Bytes| raw(&provider, &bytes).await.unwrap_err();
    assert_eq!(refused(first).await, "already known");
    let low = refused(sign(0, transfer(0, 3 * GWEI))).await;
    assert_eq!(low, "nonce too low: next nonce 1, tx nonce 0");
    let poor = refused(sign(0, TxEip1559 { value: U256::MAX, ..transfer(1, 2 * GWEI) })).await;
    assert!(poor.starts_with("insufficient funds for gas * price + value"), "{poor}");
    let gas = refused(sign(0, TxEip1559 { gas_limit: 20_000, ..transfer(1, 2 * GWEI) })).await;
    assert!(gas.starts_with("intrinsic gas too low"), "{gas}");
    let large = refused(sign(0, TxEip1559 { gas_limit: 1 << 40, ..transfer(1, 2 * GWEI) })).await;
    assert!(large.starts_with("exceeds block gas limit"), "{large}");
    let fee = refused(sign(0, transfer(1, GWEI / 2))).await;
    assert!(fee.starts_with("max fee per gas less than block base fee"), "{fee}");
    let chain = refused(sign(0, TxEip1559 { chain_id: 1, ..transfer(1, 2 * GWEI) })).await;
    assert!(chain.starts_with("invalid chain id"), "{chain}");
    let size = refused(sign(0, TxEip1559 { input: vec![0; 200_000].into(), ..transfer(1, 2 * GWEI) })).await;
    assert!(size.starts_with("oversized data"), "{size}");
    assert!(refused(Bytes::from_static(&[2, 1, 2])).await.starts_with("invalid transaction"));
    assert_eq!(provider.get_transaction_count(account(0)).pending().await.unwrap(), 1);
    served.stop().await;
}

#[tokio::test]
async fn one_bad_transaction_does_not_take_others_along() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    // Nonce 0 can never run, so 1 waits until a better 0 comes.
    let good = raw(&provider, &sign(0, transfer(1, 2 * GWEI))).await.unwrap();
    let bad = sign(0, TxEip1559 { gas_limit: 20_000, ..transfer(0, 2 * GWEI) });
    assert!(raw(&provider, &bad).await.unwrap_err().starts_with("intrinsic gas too low"));
    assert!(!is_sealed(&provider, good).await);
    raw(&provider, &sign(0, transfer(0, 2 * GWEI))).await.unwrap();
    eventually("the one that waited", || async { is_sealed(&provider, good).await }).await;
    served.stop().await;
}

#[tokio::test]
async fn all_transaction_types_run() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let to = TxKind::Call(Address::repeat_byte(6));
    let (gas_limit, gas_price) = (100_000, 2 * GWEI);
    let legacy = TxLegacy { chain_id: Some(CHAIN), nonce: 0, gas_price, gas_limit, to, ..Default::default() };
    let unprotected = TxLegacy { chain_id: None, nonce: 1, ..legacy.clone() };
    let listed = TxEip2930 {
        chain_id: CHAIN,
        nonce: 2,
        gas_price,
        gas_limit,
        to,
        access_list: AccessList::default(),
        ..Default::default()
    };
    let authorization = Authorization { chain_id: U256::from(CHAIN), address: Address::repeat_byte(9), nonce: 0 };
    let signature = signer(1).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let delegating = TxEip7702 {
        chain_id: CHAIN,
        nonce: 4,
        gas_limit,
        max_fee_per_gas: gas_price,
        to: Address::repeat_byte(6),
        authorization_list: vec![authorization.into_signed(signature)],
        ..Default::default()
    };
    let raws =
        [sign(0, legacy), sign(0, unprotected), sign(0, listed), sign(0, transfer(3, 2 * GWEI)), sign(0, delegating)];
    for (bytes, ty) in raws.iter().zip([0, 0, 1, 2, 4]) {
        let hash = raw(&provider, bytes).await.unwrap();
        let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
        assert!(receipt.status());
        assert_eq!(receipt.inner.tx_type() as u8, ty);
        let stored: Bytes = provider.client().request("eth_getRawTransactionByHash", [hash]).await.unwrap();
        assert_eq!(&stored, bytes);
    }
    let delegation = provider.get_code_at(account(1)).await.unwrap();
    assert_eq!(delegation[..3], [0xef, 0x01, 0x00]);
    assert_eq!(provider.get_transaction_count(account(1)).await.unwrap(), 1);
    assert!(provider.get_code_at(account(1)).number(4).await.unwrap().is_empty());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = floe_devchain::ChainOptions { dir: Some(dir.path().into()), ..Default::default() };
    let served = Served::start(options).await;
    let each = 40;
    let sends = (0..10).flat_map(|index| (0..each).map(move |nonce| (index, nonce)));
    let provider = served.provider(0);
    let tasks: Vec<_> = sends
        .map(|(index, nonce)| {
            let provider = provider.clone();
            tokio::spawn(async move { raw(&provider, &sign(index, transfer(nonce, 2 * GWEI))).await.unwrap() })
        })
        .collect();
    let mut hashes = Vec::new();
    for task in tasks {
        hashes.push(task.await.unwrap());
    }
    for hash in &hashes {
        eventually("all sealed", || async { is_sealed(&provider, *hash).await }).await;
    }
    for index in 0..10 {
        assert_eq!(provider.get_transaction_count(account(index)).await.unwrap(), each);
    }
    let blocks = provider.get_block_number().await.unwrap();
    assert!(blocks < 400, "transactions that queue up share blocks: {blocks}");
    served.stop().await;
}
