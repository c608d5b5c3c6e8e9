use std::collections::BTreeMap;

use floe_chain::{Address, BlobObject, TxHash};
use floe_protocol::ObjectId;
use floe_redstuff::EncodingType;
use floe_store::StoreError;
use proptest::prelude::*;

use super::*;
use crate::ledger::overlay::Rows;
use crate::ledger::record::Standing;

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Default)]
struct Memory(Table);

impl Kv for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, prefix: &[u8]) -> Result<Rows, StoreError> {
        Ok(self.0.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

impl Memory {
    fn commit(&mut self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    fn apply(&mut self, events: &[ChainEvent]) -> Effects {
        let mut effects = Effects::default();
        let mut overlay = Overlay::new(self);
        for event in events {
            apply(&mut overlay, event, &mut effects).expect("memory does not fail");
        }
        let changes = overlay.into_changes();
        self.commit(changes);
        effects
    }

    fn rollback(&mut self, to: &EventCursor) -> RolledBack {
        let mut overlay = Overlay::new(self);
        let outcome = rollback(&mut overlay, to).expect("memory does not fail");
        let changes = overlay.into_changes();
        self.commit(changes);
        outcome
    }

    fn standing(&self, blob: &BlobId) -> Standing {
        let overlay = Overlay::new(self);
        let now = Epoch(epoch(&overlay).expect("ok").map_or(0, |info| info.epoch));
        record(&overlay, blob).expect("ok").map_or(Standing::Unknown, |record| record.standing(now))
    }

    /// Everything but the journal and the cursor.
    fn facts(&self) -> Table {
        let hidden = |key: &[u8]| {
            key.starts_with(keys::UNDO_PREFIX) || [keys::CURSOR, keys::SWEPT, keys::UNDO_FLOOR].contains(&key)
        };
        self.0.iter().filter(|(key, _)| !hidden(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

fn blob(tag: u8) -> BlobId {
    BlobId::from_bytes([tag; 32])
}

fn at(block: u64, kind: EventKind) -> ChainEvent {
    let cursor = EventCursor { block, log_index: 0, block_hash: [0; 32] };
    ChainEvent { cursor, tx: TxHash::from_bytes([u8::try_from(block % 256).expect("small"); 32]), kind }
}

fn registered(tag: u8, end: u32) -> EventKind {
    let object = BlobObject {
        object_id: ObjectId::from_number(1),
        blob_id: blob(tag),
        owner: Address::default(),
        size: 7,
        encoding_type: EncodingType::Rs2,
        deletable: false,
        registered_epoch: Epoch(1),
        certified_epoch: None,
        end_epoch: Epoch(end),
    };
    EventKind::BlobRegistered { object, cost: 1 }
}

fn certified(tag: u8, end: u32) -> EventKind {
    EventKind::BlobCertified {
        blob_id: blob(tag),
        object_id: ObjectId::from_number(1),
        deletable: false,
        certified_epoch: Epoch(1),
        end_epoch: Epoch(end),
    }
}

fn deletable_registered(tag: u8, object: u64, end: u32) -> EventKind {
    let EventKind::BlobRegistered { object: mut registration, cost } = registered(tag, end) else { unreachable!() };
    (registration.deletable, registration.object_id) = (true, ObjectId::from_number(object));
    EventKind::BlobRegistered { object: registration, cost }
}

fn deletable_certified(tag: u8, object: u64, epoch: u32, end: u32) -> EventKind {
    EventKind::BlobCertified {
        blob_id: blob(tag),
        object_id: ObjectId::from_number(object),
        deletable: true,
        certified_epoch: Epoch(epoch),
        end_epoch: Epoch(end),
    }
}

fn extended(tag: u8, object: u64, end: u32) -> EventKind {
    EventKind::BlobExtended {
        blob_id: blob(tag),
        object_id: ObjectId::from_number(object),
        certified_epoch: Epoch(1),
        end_epoch: Epoch(end),
        cost: 1,
    }
}

fn deleted(tag: u8, object: u64) -> EventKind {
    EventKind::BlobDeleted {
        blob_id: blob(tag),
        object_id: ObjectId::from_number(object),
        end_epoch: Epoch(9),
        was_certified: true,
    }
}

fn pool(number: u64, end: u32) -> EventKind {
    EventKind::PoolCreated { pool_id: number, end_epoch: Epoch(end) }
}

fn pool_extended(number: u64, end: u32) -> EventKind {
    EventKind::PoolExtended { pool_id: number, end_epoch: Epoch(end) }
}

/// The number that the contract gives to the first object of a pool.
fn in_pool(pool: u64) -> ObjectId {
    let mut number = [0; 32];
    number[16..24].copy_from_slice(&pool.to_be_bytes());
    number[31] = 1;
    ObjectId::from_bytes(number)
}

fn pooled(tag: u8, pool: u64, deletable: bool, end: u32) -> EventKind {
    EventKind::PooledBlobRegistered {
        pool_id: pool,
        object_id: in_pool(pool),
        blob_id: blob(tag),
        size: 7,
        deletable,
        end_epoch: Epoch(end),
    }
}

fn pooled_certified(tag: u8, pool: u64, deletable: bool, epoch: u32, end: u32) -> EventKind {
    EventKind::PooledBlobCertified {
        blob_id: blob(tag),
        object_id: in_pool(pool),
        deletable,
        certified_epoch: Epoch(epoch),
        end_epoch: Epoch(end),
    }
}

fn pooled_deleted(tag: u8, pool: u64) -> EventKind {
    EventKind::PooledBlobDeleted {
        blob_id: blob(tag),
        object_id: in_pool(pool),
        end_epoch: Epoch(9),
        was_certified: true,
    }
}

fn new_epoch(epoch: u32) -> EventKind {
    EventKind::EpochChanged { epoch: Epoch(epoch), started_at: 0 }
}

#[test]
fn a_blob_from_registration_to_its_end() {
    let mut state = Memory::default();
    let effects = state.apply(&[at(1, new_epoch(1)), at(2, registered(5, 3)), at(3, certified(5, 3))]);
    assert_eq!((effects.registered, effects.certified), (vec![blob(5)], vec![blob(5)]));
    assert_eq!(state.standing(&blob(5)), Standing::Registered { size: 7, certified: true });
    assert!(state.0.contains_key(&keys::expiry(Epoch(3), &blob(5))));
    assert!(state.apply(&[at(4, new_epoch(2)), at(5, new_epoch(3))]).epoch_changed);
    assert_eq!(state.standing(&blob(5)), Standing::Unknown);
}

#[test]
fn an_extension_moves_the_end() {
    for deletable in [false, true] {
        let mut state = Memory::default();
        let (first, second) = if deletable {
            (deletable_registered(5, 1, 3), deletable_certified(5, 1, 1, 3))
        } else {
            (registered(5, 3), certified(5, 3))
        };
        state.apply(&[at(1, new_epoch(1)), at(2, first), at(3, second), at(4, extended(5, 1, 6))]);
        assert!(state.0.contains_key(&keys::expiry(Epoch(6), &blob(5))));
        assert!(!state.0.contains_key(&keys::expiry(Epoch(3), &blob(5))));
        state.apply(&[at(5, new_epoch(2)), at(6, new_epoch(5))]);
        assert_eq!(state.standing(&blob(5)), Standing::Registered { size: 7, certified: true });
        state.apply(&[at(7, new_epoch(6))]);
        assert_eq!(state.standing(&blob(5)), Standing::Unknown);
    }
}

#[test]
fn a_blob_goes_with_its_last_registration() {
    let mut state = Memory::default();
    let held = |certified| Standing::Registered { size: 7, certified };
    state.apply(&[
        at(1, new_epoch(1)),
        at(2, deletable_registered(5, 1, 9)),
        at(3, deletable_registered(5, 2, 4)),
        at(4, deletable_certified(5, 1, 1, 9)),
        at(5, registered(5, 3)),
    ]);
    assert_eq!(state.standing(&blob(5)), held(true));
    state.apply(&[at(6, deleted(5, 1))]);
    assert_eq!(state.standing(&blob(5)), held(false), "the certified one went");
    assert!(state.0.contains_key(&keys::expiry(Epoch(4), &blob(5))), "the latest that is left");
    let before = state.facts();
    state.apply(&[at(7, new_epoch(3))]);
    assert_eq!(state.standing(&blob(5)), held(false), "the permanent one ended, a deletable one is left");
    state.apply(&[at(8, deleted(5, 2))]);
    assert_eq!(state.standing(&blob(5)), Standing::Unknown);
    assert!(state.0.contains_key(&keys::expiry(Epoch(4), &blob(5))), "its data goes with the next epoch, not at once");
    state.rollback(&at(6, deleted(5, 1)).cursor);
    assert_eq!(state.facts(), before);
    state.apply(&[at(7, deletable_registered(5, 3, 8)), at(8, new_epoch(5))]);
    assert_eq!(state.standing(&blob(5)), held(false));
}

#[test]
fn a_blob_in_a_pool_ends_when_the_pool_does() {
    for deletable in [false, true] {
        let mut state = Memory::default();
        let held = |certified| Standing::Registered { size: 7, certified };
        let effects = state.apply(&[at(1, new_epoch(1)), at(2, pool(3, 4)), at(3, pooled(5, 3, deletable, 4))]);
        assert_eq!(effects.registered, [blob(5)]);
        assert_eq!(state.standing(&blob(5)), held(false));
        // It is extended before and after its certificate, and nothing is written for it.
        state.apply(&[at(4, pool_extended(3, 6)), at(5, pooled_certified(5, 3, deletable, 1, 6))]);
        let before = state.facts();
        let extended = at(6, pool_extended(3, 8));
        state.apply(std::slice::from_ref(&extended));
        assert_eq!(state.facts().len(), before.len());
        state.apply(&[at(7, new_epoch(7))]);
        assert_eq!(state.standing(&blob(5)), held(true));
        let record = record(&Overlay::new(&state), &blob(5)).unwrap().unwrap();
        assert_eq!((record.end(), record.permanent(Epoch(7)).is_some()), (Some(Epoch(8)), !deletable));
        assert_eq!(record.certified(Epoch(7)).map(|certified| certified.first_epoch), Some(1));

        // The sweep finds it at the end that was written, and puts it where it belongs.
        assert!(state.0.contains_key(&keys::expiry(Epoch(6), &blob(5))));
        let mut overlay = Overlay::new(&state);
        refresh(&mut overlay, &blob(5)).unwrap();
        let changes = overlay.into_changes();
        state.commit(changes);
        assert!(!state.0.contains_key(&keys::expiry(Epoch(6), &blob(5))));
        assert!(state.0.contains_key(&keys::expiry(Epoch(8), &blob(5))));

        state.apply(&[at(8, new_epoch(8))]);
        assert_eq!(state.standing(&blob(5)), Standing::Unknown);
        state.rollback(&at(5, new_epoch(1)).cursor);
        state.apply(&[at(6, new_epoch(6))]);
        assert_eq!(state.standing(&blob(5)), Standing::Unknown, "the second extension did not happen");
    }
}

#[test]
fn pools_and_single_registrations_hold_a_blob_independently() {
    let mut state = Memory::default();
    let held = |certified| Standing::Registered { size: 7, certified };
    state.apply(&[
        at(1, new_epoch(1)),
        at(2, pool(1, 9)),
        at(3, pool(2, 5)),
        at(4, pooled(5, 1, true, 9)),
        at(5, pooled_certified(5, 1, true, 1, 9)),
        at(6, pooled(5, 2, false, 5)),
        at(7, registered(5, 3)),
    ]);
    assert_eq!(state.standing(&blob(5)), held(true));
    state.apply(&[at(8, pooled_deleted(5, 1)), at(9, new_epoch(4))]);
    assert_eq!(state.standing(&blob(5)), held(false), "what lies in the other pool is left");
    state.apply(&[at(10, pool_extended(1, 99)), at(11, new_epoch(5))]);
    assert_eq!(state.standing(&blob(5)), Standing::Unknown, "it left that pool before");
}

#[test]
fn an_event_that_comes_twice_counts_once() {
    let mut state = Memory::default();
    state.apply(&[at(1, new_epoch(1)), at(2, registered(5, 3))]);
    let before = state.0.clone();
    assert_eq!(state.apply(&[at(1, new_epoch(9)), at(2, registered(6, 3))]), Effects::default());
    assert_eq!(state.0, before);
}

#[test]
fn the_index_by_end_follows_the_longest_registration() {
    let mut state = Memory::default();
    state.apply(&[at(1, new_epoch(1)), at(2, registered(5, 3)), at(3, registered(5, 8)), at(4, registered(5, 4))]);
    let index: Vec<_> = state.range(keys::EXPIRY_PREFIX).expect("ok").into_iter().map(|(key, _)| key).collect();
    assert_eq!(index, vec![keys::expiry(Epoch(8), &blob(5))]);
}

#[test]
fn a_rollback_beyond_the_journal_starts_over() {
    let mut state = Memory::default();
    state.apply(&[at(1, new_epoch(1)), at(2, registered(5, 3))]);
    state.apply(&[at(4 * UNDO_BLOCKS, registered(6, 3))]);
    let to = EventCursor { block: 1, log_index: 0, block_hash: [0; 32] };
    assert_eq!(state.rollback(&to), RolledBack::StartOver);
    assert!(state.0.is_empty(), "{:?}", state.0);
}

fn any_event() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        (0u8..4, 1u32..9).prop_map(|(tag, end)| registered(tag, end)),
        (0u8..4, 1u32..9).prop_map(|(tag, end)| certified(tag, end)),
        (1u32..9).prop_map(new_epoch),
        (1u64..3, 1u32..9).prop_map(|(number, end)| pool(number, end)),
        (1u64..3, 1u32..9).prop_map(|(number, end)| pool_extended(number, end)),
        (0u8..4, 1u64..3, any::<bool>(), 1u32..9)
            .prop_map(|(tag, pool, deletable, end)| pooled(tag, pool, deletable, end)),
        (0u8..4, 1u64..3, any::<bool>()).prop_map(|(tag, pool, own)| pooled_certified(tag, pool, own, 1, 9)),
        (0u8..4, 1u64..3).prop_map(|(tag, pool)| pooled_deleted(tag, pool)),
        (0u8..4).prop_map(|tag| EventKind::BlobInvalidated { blob_id: blob(tag), epoch: Epoch(1) }),
    ]
}

proptest! {
    /// Taking events back leaves the state as if they had never come, however they were batched.
    #[test]
    fn a_rollback_restores_what_was(
        kept in proptest::collection::vec(any_event(), 0..12),
        lost in proptest::collection::vec(any_event(), 0..12),
    ) {
        let number = |events: Vec<EventKind>, from: u64| -> Vec<ChainEvent> {
            events.into_iter().zip(from..).map(|(kind, block)| at(block, kind)).collect()
        };
        let fork = 1 + kept.len() as u64;
        let kept = number(kept, 1);
        let mut state = Memory::default();
        state.apply(&kept);
        let before = state.facts();
        for event in number(lost, fork) {
            state.apply(&[event]);
        }
        let to = EventCursor { block: fork - 1, log_index: 0, block_hash: [0; 32] };
        state.rollback(&to);
        prop_assert_eq!(state.facts(), before);
        prop_assert_eq!(progress(&Overlay::new(&state)).expect("ok").events, kept.len() as u64);
    }
}
