//! What the chain says of one blob id, folded into a record of bounded size.

use floe_protocol::Epoch;
use floe_redstuff::BlobId;
use serde::{Deserialize, Serialize};

/// The event that made a statement true: transaction hash and log index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRef {
    pub(crate) tx: [u8; 32],
    pub(crate) log_index: u64,
}

/// A registration or a certificate: until when it holds (exclusive), and the event that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) end: u32,
    pub(crate) event: EventRef,
}

impl Claim {
    fn holds(&self, now: Epoch) -> bool {
        self.end > now.0
    }
}

/// The first epoch of the unbroken certification, and the certificate that lasts longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certified {
    pub(crate) first_epoch: u32,
    pub(crate) claim: Claim,
}

/// A registration that is kept by itself: one that its owner may delete, since each can go alone, or one in a pool, since
/// its end moves with the pool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Single {
    pub(crate) registered: Claim,
    /// Epoch and event of its certificate.
    pub(crate) certified: Option<(u32, EventRef)>,
    pub(crate) deletable: bool,
    /// The pool that it lies in.
    pub(crate) pool: Option<u64>,
}

impl Single {
    pub(crate) fn holds(&self, now: Epoch) -> bool {
        self.registered.holds(now)
    }

    fn certificate(&self) -> Option<Certified> {
        let (first_epoch, event) = self.certified?;
        Some(Certified { first_epoch, claim: Claim { end: self.registered.end, event } })
    }
}

/// What some registrations of a blob come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The one that lasts longest.
    registered: Option<Claim>,
    /// The certified one that lasts longest, with the first epoch of any certificate.
    certified: Option<Certified>,
}

impl Summary {
    /// Of those that hold now; of all when none does, so that the last end stays known.
    fn of(now: Epoch, singles: impl Iterator<Item = Single> + Clone) -> Self {
        let any = singles.clone().any(|single| single.holds(now));
        let mut summary = Self::default();
        for single in singles.filter(|single| !any || single.holds(now)) {
            if summary.registered.is_none_or(|claim| claim.end < single.registered.end) {
                summary.registered = Some(single.registered);
            }
            summary.certified = merge(summary.certified, single.certificate());
        }
        summary
    }
}

/// All that the events say of one blob id. Several permanent registrations of the same id fold into the longest one;
/// those that are kept one by one are summed up here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlobRecord {
    /// Unencoded bytes, as registered.
    pub(crate) size: u64,
    pub(crate) registered: Option<Claim>,
    pub(crate) certified: Option<Certified>,
    pub(crate) invalid: Option<EventRef>,
    /// What its owners may delete, in pools or not.
    pub(crate) deletable: Summary,
    /// What is permanent and lies in pools; `None` as long as the blob was in no pool.
    pub(crate) pooled: Option<Summary>,
    /// First epoch in which the data may go, once a deletion has taken the last registration: not at once, so that a
    /// reorganisation can take the deletion back.
    pub(crate) dropped_at: Option<u32>,
}

/// What a blob id is to a node at one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Never registered, or ended.
    Unknown,
    /// Registered and not ended; `size` in bytes as registered.
    Registered { size: u64, certified: bool },
    /// Marked invalid on chain.
    Invalid,
}

impl Standing {
    /// Whether data of this blob may be stored, served and confirmed.
    pub(crate) fn is_registered(self) -> bool {
        matches!(self, Self::Registered { .. })
    }
}

impl BlobRecord {
    pub(crate) fn standing(&self, now: Epoch) -> Standing {
        if self.invalid.is_some() {
            return Standing::Invalid;
        }
        if !self.is_registered(now) {
            return Standing::Unknown;
        }
        Standing::Registered { size: self.size, certified: self.certified(now).is_some() }
    }

    /// Whether any registration holds now.
    fn is_registered(&self, now: Epoch) -> bool {
        self.permanent(now).is_some() || self.deletable.registered.is_some_and(|claim| claim.holds(now))
    }

    /// The registration that nobody can delete and that lasts longest, if one holds now.
    pub(crate) fn permanent(&self, now: Epoch) -> Option<Claim> {
        let claims = [self.registered, self.in_pools().registered];
        claims.into_iter().flatten().filter(|claim| claim.holds(now)).max_by_key(|claim| claim.end)
    }

    /// The certificate of a permanent registration, if one holds now.
    pub(crate) fn certified_permanent(&self, now: Epoch) -> Option<Certified> {
        let pooled = self.in_pools().certified.filter(|certified| certified.claim.holds(now));
        merge(self.certified_alone(now), pooled)
    }

    /// The certificate that lasts longest, if one holds now; with the first epoch of any.
    pub(crate) fn certified(&self, now: Epoch) -> Option<Certified> {
        let deletable = self.deletable.certified.filter(|certified| certified.claim.holds(now));
        merge(self.certified_permanent(now), deletable)
    }

    /// The same for permanent ones outside of pools.
    fn certified_alone(&self, now: Epoch) -> Option<Certified> {
        self.certified.filter(|certified| certified.claim.holds(now))
    }

    fn in_pools(&self) -> Summary {
        self.pooled.unwrap_or_default()
    }

    /// The last end epoch of any claim; the data may go from then on.
    pub(crate) fn end(&self) -> Option<Epoch> {
        let pooled = self.in_pools();
        let claims = [self.registered, self.deletable.registered, pooled.registered];
        let certificates = [self.certified, self.deletable.certified, pooled.certified];
        let ends = claims.iter().flatten().map(|claim| claim.end);
        let ends = ends.chain(certificates.iter().flatten().map(|certified| certified.claim.end));
        ends.chain(self.dropped_at).max().map(Epoch)
    }

    /// Sums the registrations up that are kept one by one.
    pub(crate) fn sum_up(&mut self, now: Epoch, singles: &[Single]) {
        self.deletable = Summary::of(now, singles.iter().copied().filter(|single| single.deletable));
        if self.pooled.is_some() || singles.iter().any(|single| single.pool.is_some()) {
            self.pooled = Some(Summary::of(now, singles.iter().copied().filter(|single| !single.deletable)));
        }
    }

    /// Notes whether the last registration has gone before its end.
    pub(crate) fn note_dropped(&mut self, now: Epoch) {
        if self.is_registered(now) {
            self.dropped_at = None;
        } else {
            self.dropped_at.get_or_insert(now.0.saturating_add(1));
        }
    }

    pub(crate) fn register(&mut self, now: Epoch, size: u64, claim: Claim) {
        self.size = size;
        self.dropped_at = None;
        match &mut self.registered {
            Some(known) if known.holds(now) && known.end >= claim.end => {}
            slot => *slot = Some(claim),
        }
    }

    pub(crate) fn certify(&mut self, now: Epoch, epoch: Epoch, claim: Claim) {
        match self.certified_alone(now) {
            None => self.certified = Some(Certified { first_epoch: epoch.0, claim }),
            Some(mut known) if claim.end > known.claim.end => {
                known.claim = claim;
                self.certified = Some(known);
            }
            Some(_) => {}
        }
    }
}

/// The longer of two certificates, with the earlier first epoch.
fn merge(a: Option<Certified>, b: Option<Certified>) -> Option<Certified> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    let claim = if b.claim.end > a.claim.end { b.claim } else { a.claim };
    Some(Certified { first_epoch: a.first_epoch.min(b.first_epoch), claim })
}

/// Converts between the record and its stored bytes.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("records hold only integers, byte arrays and options")
}

/// `None` for bytes that this version did not write.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    bcs::from_bytes(bytes).ok()
}

/// Bytes under a state key that do not decode.
#[derive(Debug, thiserror::Error)]
#[error("the stored record of blob {blob} does not decode ({bytes} bytes)")]
pub(crate) struct BadRecord {
    pub(crate) blob: BlobId,
    pub(crate) bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(end: u32, tag: u8) -> Claim {
        Claim { end, event: EventRef { tx: [tag; 32], log_index: 0 } }
    }

    #[test]
    fn a_registration_ends_at_the_start_of_its_end_epoch() {
        let mut record = BlobRecord::default();
        record.register(Epoch(1), 5, claim(3, 1));
        assert_eq!(record.standing(Epoch(2)), Standing::Registered { size: 5, certified: false });
        assert_eq!(record.standing(Epoch(3)), Standing::Unknown);
    }

    #[test]
    fn the_longest_registration_and_certificate_win() {
        let mut record = BlobRecord::default();
        record.register(Epoch(1), 5, claim(9, 1));
        record.register(Epoch(1), 5, claim(3, 2));
        assert_eq!(record.registered, Some(claim(9, 1)));
        record.certify(Epoch(1), Epoch(1), claim(3, 3));
        record.certify(Epoch(2), Epoch(2), claim(9, 4));
        assert_eq!(record.certified, Some(Certified { first_epoch: 1, claim: claim(9, 4) }));
        record.certify(Epoch(2), Epoch(2), claim(4, 5));
        assert_eq!(record.certified, Some(Certified { first_epoch: 1, claim: claim(9, 4) }));
        assert_eq!(record.end(), Some(Epoch(9)));
    }

    #[test]
    fn a_new_life_after_the_end_forgets_the_old_certificate() {
        let mut record = BlobRecord::default();
        record.register(Epoch(1), 5, claim(3, 1));
        record.certify(Epoch(1), Epoch(1), claim(3, 2));
        record.register(Epoch(5), 5, claim(7, 3));
        assert_eq!(record.standing(Epoch(5)), Standing::Registered { size: 5, certified: false });
        record.certify(Epoch(6), Epoch(6), claim(7, 4));
        assert_eq!(record.certified.map(|c| c.first_epoch), Some(6));
    }

    #[test]
    fn invalid_overrides_all() {
        let mut record = BlobRecord::default();
        record.register(Epoch(1), 5, claim(3, 1));
        record.invalid = Some(EventRef { tx: [9; 32], log_index: 4 });
        assert_eq!(record.standing(Epoch(1)), Standing::Invalid);
        assert_eq!(decode::<BlobRecord>(&encode(&record)), Some(record));
    }
}
