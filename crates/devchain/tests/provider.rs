//! What a wallet or library does, through a real alloy provider over HTTP.
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, U256, utils::Unit},
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
    sol_types::SolValue,
};
use common::{Served, account, deploy, keep, send};

#[tokio::test]
async fn a_transfer_moves_money_and_has_a_receipt_at_once() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    let to = Address::repeat_byte(0x77);
    let request = TransactionRequest::default().to(to).value(Unit::ETHER.wei());
    let pending = provider.send_transaction(request).await.unwrap();
    let receipt = provider.get_transaction_receipt(*pending.tx_hash()).await.unwrap().unwrap();
    assert!(receipt.status());
    assert_eq!(receipt.gas_used, 21_000);
    assert_eq!(receipt.block_number, Some(1));
    assert_eq!(provider.get_balance(to).await.unwrap(), Unit::ETHER.wei());
    let spent = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price) + Unit::ETHER.wei();
    let left = U256::from(10_000) * Unit::ETHER.wei() - spent;
    assert_eq!(provider.get_balance(account(0)).await.unwrap(), left);

    let tx = provider.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
    assert_eq!(tx.block_hash, receipt.block_hash);
    assert_eq!(tx.inner.signer(), account(0));
    let block = provider.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap().unwrap();
    assert_eq!(Some(block.header.hash), receipt.block_hash);
    assert_eq!(block.header.inner.hash_slow(), block.header.hash);
    assert_eq!(block.transactions.as_transactions().unwrap()[0], tx);
    let receipts = provider.get_block_receipts(BlockId::latest()).await.unwrap().unwrap();
    assert_eq!(receipts, vec![receipt]);
    served.stop().await;
}

#[tokio::test]
async fn a_contract_is_deployed_called_and_its_logs_are_found() {
    let served = Served::memory().await;
    let provider = served.provider(1);
    let contract = deploy(&provider).await;
    assert!(!provider.get_code_at(contract).await.unwrap().is_empty());
    for word in [5, 6] {
        let receipt = send(&provider, keep(contract, word)).await;
        assert_eq!(receipt.logs().len(), 1);
        assert_eq!(receipt.logs()[0].topics()[0], B256::left_padding_from(&[word.try_into().unwrap()]));
    }
    let read = TransactionRequest::default().to(contract);
    assert_eq!(U256::abi_decode(&provider.call(read.clone()).await.unwrap()).unwrap(), U256::from(6));
    assert_eq!(U256::abi_decode(&provider.call(read).block(2.into()).await.unwrap()).unwrap(), U256::from(5));
    assert_eq!(provider.get_storage_at(contract, U256::ZERO).await.unwrap(), U256::from(6));
    assert_eq!(provider.get_storage_at(contract, U256::ZERO).number(1).await.unwrap(), U256::ZERO);

    let all = provider.get_logs(&Filter::new().address(contract).from_block(0)).await.unwrap();
    assert_eq!(all.iter().map(|log| log.block_number.unwrap()).collect::<Vec<_>>(), [2, 3]);
    let five = Filter::new().event_signature(B256::left_padding_from(&[5])).from_block(0);
    assert_eq!(provider.get_logs(&five).await.unwrap(), all[..1]);
    let by_hash = Filter::new().at_block_hash(all[1].block_hash.unwrap());
    assert_eq!(provider.get_logs(&by_hash).await.unwrap(), all[1..]);
    let elsewhere = Filter::new().address(Address::ZERO).from_block(0);
    assert!(provider.get_logs(&elsewhere).await.unwrap().is_empty());
    served.stop().await;
}

#[tokio::test]
async fn filters_report_what_is_new() {
    let served = Served::memory().await;
    let provider = served.provider(2);
    let contract = deploy(&provider).await;
    let logs = provider.new_filter(&Filter::new().address(contract)).await.unwrap();
    let blocks = provider.new_block_filter().await.unwrap();
    send(&provider, keep(contract, 1)).await;
    send(&provider, keep(contract, 2)).await;
    let new = provider.get_filter_changes::<alloy::rpc::types::Log>(logs).await.unwrap();
    assert_eq!(new.len(), 2);
    assert!(provider.get_filter_changes::<alloy::rpc::types::Log>(logs).await.unwrap().is_empty());
    assert_eq!(provider.get_filter_changes::<B256>(blocks).await.unwrap().len(), 2);
    assert!(provider.uninstall_filter(logs).await.unwrap());
    let error = provider.get_filter_changes::<alloy::rpc::types::Log>(logs).await.unwrap_err();
    assert!(error.to_string().contains("filter not found"), "{error}");
    served.stop().await;
}

#[tokio::test]
async fn a_revert_carries_its_data_in_calls_and_estimates() {
    let served = Served::memory().await;
    let provider = served.provider(3);
    let contract = deploy(&provider).await;
    let call = provider.call(keep(contract, 0)).await.unwrap_err();
    let estimate = provider.estimate_gas(keep(contract, 0)).await.unwrap_err();
    for error in [call, estimate] {
        let payload = error.as_error_resp().unwrap();
        assert_eq!(payload.code, 3);
        assert_eq!(payload.message, "execution reverted: zero");
        let data = payload.as_revert_data().unwrap();
        assert_eq!(alloy::sol_types::decode_revert_reason(&data).unwrap(), "revert: zero");
    }
    served.stop().await;
}

#[tokio::test]
async fn estimates_are_enough_and_not_much_more() {
    let served = Served::memory().await;
    let provider = served.provider(4);
    let contract = deploy(&provider).await;
    let request = keep(contract, 9).from(account(4));
    let estimate = provider.estimate_gas(request.clone()).await.unwrap();
    let receipt = send(&provider, request.gas_limit(estimate)).await;
    assert!(receipt.status());
    assert!(estimate <= receipt.gas_used * 110 / 100, "{estimate} for {}", receipt.gas_used);
    let transfer = TransactionRequest::default().from(account(4)).to(account(5)).value(U256::ONE);
    assert_eq!(provider.estimate_gas(transfer.clone()).await.unwrap(), 21_000);
    let beyond = transfer.value(U256::MAX);
    assert!(provider.estimate_gas(beyond).await.unwrap_err().to_string().contains("insufficient funds"));
    served.stop().await;
}

#[tokio::test]
async fn fees_chain_id_and_version_are_told() {
    let served = Served::memory().await;
    let provider = served.provider(0);
    assert_eq!(provider.get_chain_id().await.unwrap(), 31_337);
    assert_eq!(provider.get_net_version().await.unwrap(), 31_337);
    assert!(provider.get_client_version().await.unwrap().starts_with("floe-devchain/"));
    assert!(provider.get_accounts().await.unwrap().is_empty());
    let history = provider.get_fee_history(10, BlockNumberOrTag::Latest, &[10.0, 90.0]).await.unwrap();
    assert_eq!(history.base_fee_per_gas.len(), 2);
    assert_eq!(history.reward.unwrap()[0].len(), 2);
    assert!(provider.get_gas_price().await.unwrap() >= history.base_fee_per_gas[0]);
    served.stop().await;
}
