//! What transactions would cost under the draft repricing of state, EIP-8037 (state creation gas cost increase, as of its
//! last call): state that was not there before is paid by the byte.

use alloy::primitives::B256;
use serde_json::{Value, json};

use crate::support::TestChain;

/// Gas for each new byte of state.
const COST_PER_STATE_BYTE: u64 = 1_530;
/// Bytes that a new storage slot counts as.
const SLOT_BYTES: u64 = 64;
/// Bytes that a new account counts as, beside its code.
const ACCOUNT_BYTES: u64 = 120;
/// What is no longer paid for a new slot: 20,000 less the 2,900 of a write.
const SLOT_GAS_BEFORE: u64 = 20_000 - 2_900;
/// What is no longer paid for a new contract: 32,000 less 9,000.
const ACCOUNT_GAS_BEFORE: u64 = 32_000 - 9_000;
/// What is no longer paid for a byte of code.
const CODE_GAS_BEFORE: u64 = 200;
/// What the hash of a word of new code costs.
const CODE_WORD_GAS: u64 = 6;

/// State that was not there before a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) slots: u64,
    pub(super) accounts: u64,
    pub(super) code_bytes: u64,
}

impl Growth {
    /// From the states before and after a transaction; `None` on a chain that does not tell.
    pub(super) async fn of(chain: &TestChain, tx: B256) -> Option<Self> {
        if !chain.is_anvil() {
            return None;
        }
        let options = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
        let difference = chain.rpc("debug_traceTransaction", json!([tx, options])).await;
        let mut growth = Self::default();
        for (address, after) in difference["post"].as_object().expect("a state") {
            let before = &difference["pre"][address];
            if let (Some(code), true) = (after["code"].as_str(), before["code"].is_null()) {
                growth.accounts += 1;
                growth.code_bytes += u64::try_from((code.len() - 2) / 2).expect("a length");
            }
            let slots = after["storage"].as_object().into_iter().flatten();
            let new = slots.filter(|(slot, value)| !is_zero(value) && is_zero(&before["storage"][slot.as_str()]));
            growth.slots += u64::try_from(new.count()).expect("a number");
        }
        Some(growth)
    }

    /// What a transaction that cost `gas` would cost.
    pub(super) fn repriced(self, gas: u64) -> u64 {
        let Self { slots, accounts, code_bytes } = self;
        let dropped = SLOT_GAS_BEFORE * slots + ACCOUNT_GAS_BEFORE * accounts + CODE_GAS_BEFORE * code_bytes;
        let bytes = SLOT_BYTES * slots + ACCOUNT_BYTES * accounts + code_bytes;
        gas - dropped + CODE_WORD_GAS * code_bytes.div_ceil(32) + COST_PER_STATE_BYTE * bytes
    }
}

fn is_zero(word: &Value) -> bool {
    word.as_str().is_none_or(|digits| digits.trim_start_matches("0x").bytes().all(|digit| digit == b'0'))
}

/// A line of the table: what a transaction costs, and would cost under the draft where the chain tells.
pub(super) async fn show(chain: &TestChain, what: &str, gas: u64, tx: B256) {
    let draft = match Growth::of(chain, tx).await {
        Some(growth) => format!(
            "draft {:9}  ({} slots, {} accounts, {} bytes of code)",
            growth.repriced(gas),
            growth.slots,
            growth.accounts,
            growth.code_bytes
        ),
        None => String::new(),
    };
    println!("{:9} {what:52} {gas:9}  {draft}", chain.name);
}

#[test]
fn a_new_slot_costs_its_bytes_instead_of_its_set() {
    let slot = Growth { slots: 1, ..Growth::default() };
    assert_eq!(slot.repriced(100_000), 100_000 - 17_100 + 97_920);
    let contract = Growth { accounts: 1, code_bytes: 33, ..Growth::default() };
    assert_eq!(contract.repriced(100_000), 100_000 - 23_000 - 6_600 + 12 + 1_530 * 153);
    assert_eq!(Growth::default().repriced(7), 7);
}
