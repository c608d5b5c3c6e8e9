//! The keys that a node may sign with: the one it has, and the one that it changes to.

use floe_protocol::bls::{PublicKey, SecretKey};

use crate::NodeKeys;

/// Which of the two a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Next,
}

/// Secret keys by their public halves. Never logged.
pub(crate) struct Keyring {
    keys: Vec<(Which, PublicKey, SecretKey)>,
}

impl Keyring {
    pub(crate) fn new(keys: NodeKeys) -> Self {
        let entry = |which, key: SecretKey| (which, key.public_key(), key);
        let next = keys.next_protocol.map(|key| entry(Which::Next, key));
        Self { keys: std::iter::once(entry(Which::Current, keys.protocol)).chain(next).collect() }
    }

    /// The secret half of a public key, if it is here.
    pub(crate) fn of(&self, public: &PublicKey) -> Option<&SecretKey> {
        self.keys.iter().find(|(_, known, _)| known == public).map(|(.., secret)| secret)
    }

    /// Which of the node's keys this is.
    pub(crate) fn which(&self, public: &PublicKey) -> Option<Which> {
        self.keys.iter().find(|(_, known, _)| known == public).map(|(which, ..)| *which)
    }

    /// The public half of the current key.
    pub(crate) fn current(&self) -> &PublicKey {
        &self.keys[0].1
    }

    /// The public half of the next key, where there is one.
    pub(crate) fn next(&self) -> Option<&PublicKey> {
        self.keys.get(1).map(|(_, public, _)| public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_public_half() {
        let [one, two, other] = [1, 2, 3].map(|seed| SecretKey::generate(&[seed; 32]));
        let publics = [one.public_key(), two.public_key(), other.public_key()];
        let ring = Keyring::new(NodeKeys { protocol: one, next_protocol: Some(two) });
        assert_eq!(publics.map(|public| ring.which(&public)), [Some(Which::Current), Some(Which::Next), None]);
        assert_eq!(ring.of(&publics[1]).map(SecretKey::public_key), Some(publics[1]));
        assert!(ring.of(&publics[2]).is_none());
        assert_eq!((ring.current(), ring.next()), (&publics[0], Some(&publics[1])));
        assert_eq!(Keyring::new(NodeKeys { protocol: other, next_protocol: None }).next(), None);
    }
}
