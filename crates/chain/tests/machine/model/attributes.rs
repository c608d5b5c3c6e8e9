//! Attributes: what the owner of a registration says about it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use super::pools::Entry;
use super::{Model, Ruling, refuse, wide};
use crate::bindings::{Attributes, Blobs, Storage};

/// Most attributes of one registration, bytes of a key, and bytes of a value.
pub(crate) const MOST: usize = 32;
pub(crate) const MOST_KEY_BYTES: usize = 64;
pub(crate) const MOST_VALUE_BYTES: usize = 1024;

/// All attributes, by the number of the registration.
pub(crate) type Said = BTreeMap<U256, BTreeMap<String, String>>;

/// A registration, in a pool or outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Single(u64),
    Pooled(Entry),
}

impl Object {
    pub(crate) fn number(self) -> U256 {
        match self {
            Self::Single(id) => U256::from(id),
            Self::Pooled(entry) => entry.number(),
        }
    }

    pub(crate) fn of(number: U256) -> Self {
        let (pool, place) = ((number >> 64_usize).to::<u64>(), (number & U256::from(u64::MAX)).to::<u64>());
        if pool == 0 { Self::Single(place) } else { Self::Pooled(Entry { pool, place }) }
    }
}

/// Which keys may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    New,
    Known,
    Any,
}

impl Model {
    pub(crate) fn set_attributes(
        &mut self,
        by: Address,
        object: Object,
        rule: Rule,
        pairs: &[(String, String)],
    ) -> Ruling<()> {
        self.owns(by, object, pairs.len())?;
        let objectId = object.number();
        let said = self.said.entry(objectId).or_default();
        for (key, value) in pairs {
            let known = said.contains_key(key);
            if rule == Rule::New && known {
                return refuse(Attributes::AttributeExists { objectId, key: key.clone() });
            }
            if rule == Rule::Known && !known {
                return refuse(Attributes::UnknownAttribute { objectId, key: key.clone() });
            }
            if key.is_empty() || key.len() > MOST_KEY_BYTES {
                let (got, max) = (wide(key.len() as u64), wide(MOST_KEY_BYTES as u64));
                return refuse(Attributes::KeyLengthOutOfRange { got, max });
            }
            if value.len() > MOST_VALUE_BYTES {
                let (got, max) = (wide(value.len() as u64), wide(MOST_VALUE_BYTES as u64));
                return refuse(Attributes::ValueTooLong { got, max });
            }
            if !known && said.len() == MOST {
                return refuse(Attributes::TooManyAttributes { max: wide(MOST as u64) });
            }
            said.insert(key.clone(), value.clone());
            let event = Attributes::AttributeSet { objectId, key: key.clone(), value: value.clone() };
            self.events.tell(self.at.attributes, event);
        }
        Ok(())
    }

    pub(crate) fn remove_attributes(&mut self, by: Address, object: Object, keys: &[String]) -> Ruling<()> {
        self.owns(by, object, keys.len())?;
        let objectId = object.number();
        let said = self.said.entry(objectId).or_default();
        for key in keys {
            if said.remove(key).is_none() {
                return refuse(Attributes::UnknownAttribute { objectId, key: key.clone() });
            }
            self.events.tell(self.at.attributes, Attributes::AttributeRemoved { objectId, key: key.clone() });
        }
        Ok(())
    }

    /// Whether there is such a registration.
    pub(crate) fn is_registered(&self, number: U256) -> bool {
        match Object::of(number) {
            Object::Single(id) => self.blobs.contains_key(&id),
            Object::Pooled(entry) => self.entry(entry).is_ok(),
        }
    }

    fn owns(&self, by: Address, object: Object, count: usize) -> Ruling<()> {
        if count == 0 {
            return refuse(Blobs::EmptyBatch {});
        }
        if !self.is_registered(object.number()) {
            return refuse(Blobs::UnknownObject { objectId: object.number() });
        }
        let (deeds, token) = match object {
            Object::Single(id) => (&self.blob_deeds, id),
            Object::Pooled(entry) => (&self.pool_deeds, entry.pool),
        };
        let refused = || refuse(Storage::ERC721InsufficientApproval { operator: by, tokenId: wide(token) });
        deeds.authorized(by, token).map_or_else(|_| refused(), |_| Ok(()))
    }
}
