//! Operations on attributes.

use alloy::primitives::Address;

use crate::bindings::Attributes;
use crate::machine::driver::Driver;
use crate::machine::model::attributes::{MOST, MOST_KEY_BYTES, MOST_VALUE_BYTES, Object, Rule};
use crate::machine::operations::Draw;

/// Keys that people use.
const KEYS: [&str; 5] = ["content-type", "content-language", "link", "_walrusBlobType", "a"];

impl Driver {
    fn object(&self, draw: &mut Draw) -> Object {
        let entries = self.entries();
        let pooled = draw.percent(40) && !entries.is_empty();
        if pooled { Object::Pooled(draw.pick(&entries)) } else { Object::Single(self.blob(draw)) }
    }

    fn owner_of_object(&self, object: Object) -> Option<Address> {
        match object {
            Object::Single(id) => self.model.blob_deeds.owners.get(&id).copied(),
            Object::Pooled(entry) => self.model.pool_deeds.owners.get(&entry.pool).copied(),
        }
    }

    /// A key, mostly one that is there if it should be.
    fn attribute_key(&self, draw: &mut Draw, object: Object, there: bool) -> String {
        let said = self.model.said.get(&object.number());
        let known: Vec<_> = said.map_or(Vec::new(), |said| said.keys().cloned().collect());
        let others: Vec<_> = KEYS.iter().map(|key| (*key).to_owned()).filter(|key| !known.contains(key)).collect();
        let (wanted, rest) = if there { (known, others) } else { (others, known) };
        match draw.below(40) {
            0 => String::new(),
            1 => "k".repeat(MOST_KEY_BYTES + 1),
            2 => "k".repeat(MOST_KEY_BYTES),
            3..=5 if !rest.is_empty() => draw.pick(&rest),
            _ if !wanted.is_empty() => draw.pick(&wanted),
            _ => "k".to_owned(),
        }
    }

    fn attribute_value(draw: &mut Draw) -> String {
        match draw.below(40) {
            0 => "v".repeat(MOST_VALUE_BYTES + 1),
            1 => "v".repeat(MOST_VALUE_BYTES),
            _ => "v".repeat(usize::try_from(draw.below(40)).expect("small")),
        }
    }

    pub(super) fn set_attributes(&mut self, draw: &mut Draw) {
        let object = self.object(draw);
        let (by, at) = (self.mostly(draw, self.owner_of_object(object)), self.model.at.attributes);
        let rule = draw.pick(&[Rule::New, Rule::Known, Rule::Any]);
        let there = rule == Rule::Known || (rule == Rule::Any && draw.percent(50));
        let mut pairs: Vec<_> = (0..draw.below(4))
            .map(|_| (self.attribute_key(draw, object, there), Self::attribute_value(draw)))
            .collect();
        if draw.percent(3) {
            // As many as there may be, or one more.
            let count = MOST + usize::from(draw.percent(50));
            pairs = (0..count).map(|i| (format!("key {i}"), String::new())).collect();
        }
        let objectId = object.number();
        let list = pairs.iter().map(|(key, value)| Attributes::Attribute { key: key.clone(), value: value.clone() });
        let list = list.collect();
        match rule {
            Rule::New => {
                let call = Attributes::addCall { objectId, added: list };
                self.act(by, at, call, |model| model.set_attributes(by, object, rule, &pairs));
            }
            Rule::Known => {
                let call = Attributes::replaceCall { objectId, changed: list };
                self.act(by, at, call, |model| model.set_attributes(by, object, rule, &pairs));
            }
            Rule::Any => {
                let call = Attributes::insertOrUpdateCall { objectId, attributes_: list };
                self.act(by, at, call, |model| model.set_attributes(by, object, rule, &pairs));
            }
        }
    }

    pub(super) fn remove_attributes(&mut self, draw: &mut Draw) {
        // Mostly where there is something to remove.
        let said =
            self.model.said.iter().filter(|(number, said)| !said.is_empty() && self.model.is_registered(**number));
        let said: Vec<_> = said.map(|(number, _)| Object::of(*number)).collect();
        let object = if said.is_empty() || draw.percent(15) { self.object(draw) } else { draw.pick(&said) };
        let by = self.mostly(draw, self.owner_of_object(object));
        let mut keys: Vec<_> = (0..draw.below(4)).map(|_| self.attribute_key(draw, object, true)).collect();
        if draw.percent(85) {
            // None twice.
            keys.sort();
            keys.dedup();
        }
        let call = Attributes::removeCall { objectId: object.number(), keys: keys.clone() };
        self.act(by, self.model.at.attributes, call, |model| model.remove_attributes(by, object, &keys));
    }
}
