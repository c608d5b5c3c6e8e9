//! Turns confirmations as they arrive into one certificate.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Certificate, CertifiedMessage};
use crate::{
    Committee,
    bls::{self, PublicKey, Signature},
    message::{MessageError, SignedMessage, StorageConfirmation},
};

/// Collects storage confirmations.
pub type ConfirmationCollector = Collector<StorageConfirmation>;

/// Why a signed message was not taken, or why there is no certificate yet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CollectError {
    /// No such member.
    #[error("member {member} does not exist: there are {members}")]
    UnknownMember {
        /// The index given.
        member: usize,
        /// Members of the committee.
        members: usize,
    },
    /// That member's message is already here.
    #[error("member {member} has already signed")]
    AlreadySigned {
        /// Its index.
        member: usize,
    },
    /// The message is malformed or states something else.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Too little weight so far.
    #[error("signers hold {weight} shards, {needed} are needed")]
    NotEnough {
        /// Shards held by those who signed.
        weight: u32,
        /// Shards needed.
        needed: u32,
    },
    /// These members' signatures do not verify. They have been removed; the others remain, and the members
    /// may sign again.
    #[error("bad signatures of members {members:?}")]
    BadSignatures {
        /// Their indices, ascending.
        members: Vec<usize>,
    },
}

/// Signed messages of a committee that must all state the same.
///
/// Signatures are not checked one by one: [`certificate`](Self::certificate) sums them and checks the sum once. Only
/// if that fails it halves the set, again and again, to name the bad ones.
#[derive(Debug, Clone)]
pub struct Collector<T> {
    committee: Committee,
    expected: T,
    message: Vec<u8>,
    signatures: BTreeMap<u16, Signature>,
    weight: u32,
}

impl<T: CertifiedMessage> Collector<T> {
    /// Begins a collection of `expected`, whose epoch should be the committee's.
    #[must_use]
    pub fn new(committee: &Committee, expected: T) -> Self {
        Self {
            committee: committee.clone(),
            message: expected.to_bytes(),
            expected,
            signatures: BTreeMap::new(),
            weight: 0,
        }
    }

    /// Takes a member's message if it states what is expected; its signature is not checked yet. Gives the weight
    /// collected so far.
    ///
    /// # Errors
    /// [`CollectError::UnknownMember`], [`CollectError::AlreadySigned`] or [`CollectError::Message`].
    pub fn add(&mut self, member: usize, signed: SignedMessage<T>) -> Result<u32, CollectError> {
        let members = self.committee.members().len();
        let index = u16::try_from(member)
            .ok()
            .filter(|_| member < members)
            .ok_or(CollectError::UnknownMember { member, members })?;
        if self.signatures.contains_key(&index) {
            return Err(CollectError::AlreadySigned { member });
        }
        signed.check_states(&self.expected)?;
        self.signatures.insert(index, *signed.signature());
        self.weight += u32::from(self.committee.weight(member));
        Ok(self.weight)
    }

    /// What the members are to sign.
    #[must_use]
    pub fn expected(&self) -> &T {
        &self.expected
    }

    /// Shards held by those who signed.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The weight that a certificate takes.
    #[must_use]
    pub fn weight_needed(&self) -> u32 {
        T::weight_needed(&self.committee)
    }

    /// Whether the weight suffices.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.weight >= self.weight_needed()
    }

    /// Sums the signatures and verifies the sum.
    ///
    /// Bad signatures are found by bisection and removed. If what remains is still enough, the next call gives the
    /// certificate; if not, collect more and call again.
    ///
    /// # Errors
    /// [`CollectError::NotEnough`] or [`CollectError::BadSignatures`].
    pub fn certificate(&mut self) -> Result<Certificate, CollectError> {
        if !self.is_complete() {
            return Err(CollectError::NotEnough { weight: self.weight, needed: self.weight_needed() });
        }
        let signers: Vec<(u16, &PublicKey, &Signature)> = self
            .signatures
            .iter()
            .filter_map(|(&index, signature)| {
                let member = self.committee.member(usize::from(index))?;
                Some((index, &member.public_key, signature))
            })
            .collect();
        if let Some(signature) = verified_sum(&self.message, &signers) {
            return Ok(Certificate {
                signers: signers.iter().map(|&(index, ..)| index).collect(),
                message: self.message.clone(),
                signature,
            });
        }
        let mut bad = Vec::new();
        bisect(&self.message, &signers, &mut bad);
        if bad.is_empty() {
            // Only keys that cancel each other out fail together and verify apart: no subset can be trusted.
            bad.extend(signers.iter().map(|&(index, ..)| index));
        }
        for index in &bad {
            self.signatures.remove(index);
            self.weight -= u32::from(self.committee.weight(usize::from(*index)));
        }
        Err(CollectError::BadSignatures { members: bad.into_iter().map(usize::from).collect() })
    }
}

/// The sum of the signatures, if it verifies.
fn verified_sum(message: &[u8], signers: &[(u16, &PublicKey, &Signature)]) -> Option<Signature> {
    let sum = bls::aggregate(signers.iter().map(|&(_, _, signature)| signature)).ok()?;
    let keys = signers.iter().map(|&(_, key, _)| key);
    bls::fast_aggregate_verify(keys, message, &sum).ok()?;
    Some(sum)
}

/// Appends the signers of a set whose sum does not verify and who, alone, do not verify either.
fn bisect(message: &[u8], signers: &[(u16, &PublicKey, &Signature)], bad: &mut Vec<u16>) {
    if let [(index, ..)] = signers {
        bad.push(*index);
        return;
    }
    let (left, right) = signers.split_at(signers.len() / 2);
    for half in [left, right] {
        if verified_sum(message, half).is_none() {
            bisect(message, half, bad);
        }
    }
}
