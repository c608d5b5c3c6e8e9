//! The last failure of each node, for the error that a person sees and the log.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{error::NodeFailure, view::View};

/// Last failures by member index; cheap to clone, shared by the tasks of one operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    by_member: Arc<Mutex<BTreeMap<usize, String>>>,
}

impl Failures {
    pub(crate) fn note(&self, member: usize, reason: impl Into<String>) {
        self.lock().insert(member, reason.into());
    }

    /// Notes it unless something was noted for the member before.
    pub(crate) fn note_if_none(&self, member: usize, reason: &str) {
        self.lock().entry(member).or_insert_with(|| reason.to_owned());
    }

    pub(crate) fn clear(&self, member: usize) {
        self.lock().remove(&member);
    }

    /// The failures with the names of the nodes.
    pub(crate) fn named(&self, view: &View) -> Vec<NodeFailure> {
        self.lock()
            .iter()
            .map(|(&index, reason)| {
                let member = view.member(index);
                NodeFailure {
                    node: member.node_id,
                    name: member.name.clone(),
                    address: member.address.clone(),
                    shards: view.committee.weight(index),
                    reason: reason.clone(),
                }
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, String>> {
        self.by_member.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
