//! What calls of a kind have needed, so that not each is executed twice: once for the estimate, once in its block.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::Call;
use crate::Address;

/// What is offered for a call of a known kind, in parts of the estimate of another one: state differs from call to call.
/// What is offered and not needed is not paid.
const AMPLE_FACTOR: u64 = 2;
/// Kinds that are remembered; all are forgotten beyond that.
const KINDS_MAX: usize = 256;

/// The same function of the same contract, with arguments of the same length. A call without arguments is of no kind: all
/// that it costs depends on the state, as for the steps of the clock, which cost a multiple when a committee changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    to: Address,
    selector: [u8; 4],
    data_len: usize,
}

impl Kind {
    fn of(call: &Call) -> Option<Self> {
        let (selector, arguments) = call.data.split_first_chunk()?;
        if arguments.is_empty() {
            return None;
        }
        Some(Self { to: call.to?, selector: *selector, data_len: call.data.len() })
    }
}

/// Ample gas limits, by kind of call.
///
/// An estimate also shows a revert before anything is paid. So a kind counts as known only while its calls succeed: after
/// one that did not, the next is estimated again.
#[derive(Default)]
pub(super) struct GasBook {
    ample: Mutex<HashMap<Kind, u64>>,
}

impl GasBook {
    /// A limit that calls of this kind have kept well below.
    pub(super) fn known(&self, call: &Call) -> Option<u64> {
        self.lock().get(&Kind::of(call)?).copied()
    }

    /// The call succeeded with a limit from an estimate.
    pub(super) fn succeeded(&self, call: &Call, estimated: u64) {
        let Some(kind) = Kind::of(call) else { return };
        let mut ample = self.lock();
        if ample.len() >= KINDS_MAX {
            ample.clear();
        }
        ample.insert(kind, estimated.saturating_mul(AMPLE_FACTOR));
    }

    /// The call did not succeed.
    pub(super) fn failed(&self, call: &Call) {
        if let Some(kind) = Kind::of(call) {
            self.lock().remove(&kind);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Kind, u64>> {
        // Only hints: what a panic left behind is as good as any.
        self.ample.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;

    fn call(to: Option<u8>, data: &[u8]) -> Call {
        Call { to: to.map(|byte| Address::from_bytes([byte; 20])), data: Bytes::copy_from_slice(data), value: 0 }
    }

    #[test]
    fn a_kind_is_known_from_its_success_to_its_failure() {
        let book = GasBook::default();
        let first = call(Some(1), &[1, 2, 3, 4, 5]);
        assert_eq!(book.known(&first), None);
        book.succeeded(&first, 100);
        assert_eq!(book.known(&call(Some(1), &[1, 2, 3, 4, 9])), Some(200));
        for other in [call(Some(2), &[1, 2, 3, 4, 5]), call(Some(1), &[1, 2, 3, 5, 5]), call(Some(1), &[1, 2, 3, 4])] {
            assert_eq!(book.known(&other), None);
        }
        book.failed(&first);
        assert_eq!(book.known(&first), None);
    }

    #[test]
    fn what_has_no_function_or_no_arguments_is_never_known() {
        let book = GasBook::default();
        for call in [call(None, &[1, 2, 3, 4, 5]), call(Some(1), &[]), call(Some(1), &[1, 2, 3, 4])] {
            book.succeeded(&call, 100);
            assert_eq!(book.known(&call), None);
        }
    }
}
