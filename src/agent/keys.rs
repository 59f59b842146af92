//! Keys that are replaced while the agent runs: what may be asked for, and what keeps the cluster
//! together.

use std::sync::Arc;

use crate::{
    names::some_of,
    swim::{Key, KeyChange, KeyId, KeyRing, Keys, Node},
};

/// What is asked about keys.
#[derive(Clone, Debug)]
pub(super) enum KeyRequest {
    /// Who has which.
    Show,
    /// Everybody shall accept this one.
    Add(Arc<Key>),
    /// Everybody shall seal with this one; if forced, also where somebody does not accept it.
    Use { id: KeyId, is_forced: bool },
    /// Nobody shall have this one any more.
    Remove(KeyId),
    /// The key file was changed by hand.
    Replace(Keys),
}

/// Who has which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keyring {
    /// Ours, the one that seals first.
    pub(super) ours: Vec<KeyId>,
    /// Every member's that did not leave, ours included, by name.
    pub(super) rings: Vec<KeyRing>,
}

/// Why keys stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyRefusal {
    #[error("gossip is plain text here: start the agents with a --key-file")]
    Plaintext,
    #[error(
        "there are {} keys already: remove one that nobody seals with",
        Keys::COUNT_MAX
    )]
    Full,
    #[error("this agent has no key {0}; `headcount keys list` shows those that there are")]
    Unknown(KeyId),
    #[error("key {0} seals here: use another one first")]
    Primary(KeyId),
    #[error("key {id} is not accepted by {}: they could not read it", some_of(.missing))]
    NotAccepted { id: KeyId, missing: Vec<String> },
    #[error("not stored in the key file of {}: its next start is locked out", some_of(.by))]
    Unstored { by: Vec<String> },
    #[error("{} still seal with key {id}, or do not say what with", some_of(.by))]
    InUse { id: KeyId, by: Vec<String> },
}

impl Keyring {
    pub(super) fn of(node: &mut Node) -> Self {
        Self {
            ours: node.keys().ids().collect(),
            rings: node.key_rings(),
        }
    }

    /// The members that `lack` something, by name.
    fn those(&self, lack: impl Fn(&KeyRing) -> bool) -> Vec<String> {
        let lacking = self.rings.iter().filter(|ring| lack(ring));
        lacking.map(|ring| ring.member.clone()).collect()
    }

    /// What `request` comes to, unless it would part somebody from the others. `None` when it asks
    /// for no change.
    pub(super) fn consent<'a>(
        &self,
        request: &'a KeyRequest,
    ) -> Result<Option<KeyChange<'a>>, KeyRefusal> {
        if self.ours.is_empty() {
            return Err(KeyRefusal::Plaintext);
        }
        Ok(Some(match request {
            KeyRequest::Show => return Ok(None),
            KeyRequest::Replace(keys) => KeyChange::Replace(keys),
            KeyRequest::Add(key) => {
                let is_full = self.ours.len() >= Keys::COUNT_MAX;
                if is_full && !self.ours.contains(&key.id()) {
                    return Err(KeyRefusal::Full);
                }
                KeyChange::Add(key)
            }
            KeyRequest::Use { id, is_forced } => {
                let id = *id;
                if !self.ours.contains(&id) {
                    return Err(KeyRefusal::Unknown(id));
                }
                let missing = self.those(|ring| !ring.keys.contains(&id));
                if !missing.is_empty() && !is_forced {
                    return Err(KeyRefusal::NotAccepted { id, missing });
                }
                KeyChange::Use(id)
            }
            KeyRequest::Remove(id) => KeyChange::Remove(self.may_remove(*id)?),
        }))
    }

    fn may_remove(&self, id: KeyId) -> Result<KeyId, KeyRefusal> {
        if self.ours.first() == Some(&id) {
            return Err(KeyRefusal::Primary(id));
        }
        if self.rings.iter().all(|ring| !ring.keys.contains(&id)) {
            return Err(KeyRefusal::Unknown(id));
        }
        let by = self.those(|ring| ring.keys.first().is_none_or(|primary| *primary == id));
        if !by.is_empty() {
            return Err(KeyRefusal::InUse { id, by });
        }
        let by = self.those(|ring| !ring.is_stored);
        match by.is_empty() {
            true => Ok(id),
            false => Err(KeyRefusal::Unstored { by }),
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn key(byte: u8) -> Arc<Key> {
        Arc::new(Key::new(&Zeroizing::new([byte; 32])))
    }

    fn id(byte: u8) -> KeyId {
        key(byte).id()
    }

    /// Members n0, n1, … with these keys, of whom we are the first.
    fn keyring(rings: &[&[u8]]) -> Keyring {
        let ids = |bytes: &[u8]| bytes.iter().map(|byte| id(*byte)).collect::<Vec<_>>();
        let ring = |(at, bytes): (usize, &&[u8])| KeyRing {
            member: format!("n{at}"),
            keys: ids(bytes),
            is_stored: true,
        };
        Keyring {
            ours: ids(rings[0]),
            rings: rings.iter().enumerate().map(ring).collect(),
        }
    }

    fn refused(rings: &[&[u8]], request: KeyRequest) -> Option<KeyRefusal> {
        keyring(rings).consent(&request).err()
    }

    #[test]
    fn a_key_is_used_once_all_accept_it_or_by_force() {
        let asked = |byte, is_forced| KeyRequest::Use {
            id: id(byte),
            is_forced,
        };
        assert_eq!(refused(&[&[1, 2], &[1, 2]], asked(2, false)), None);
        let lacking = refused(&[&[1, 2], &[1], &[]], asked(2, false));
        let missing = vec!["n1".into(), "n2".into()];
        assert_eq!(
            lacking,
            Some(KeyRefusal::NotAccepted { id: id(2), missing })
        );
        assert_eq!(refused(&[&[1, 2], &[1], &[]], asked(2, true)), None);
        assert_eq!(
            refused(&[&[1]], asked(2, true)),
            Some(KeyRefusal::Unknown(id(2)))
        );
    }

    #[test]
    fn a_key_is_removed_once_nobody_seals_with_it() {
        let asked = || KeyRequest::Remove(id(1));
        assert_eq!(refused(&[&[2, 1], &[2, 1]], asked()), None);
        assert_eq!(refused(&[&[2], &[2, 1]], asked()), None, "one has it left");
        let by = vec!["n1".into(), "n2".into()];
        assert_eq!(
            refused(&[&[2, 1], &[1, 2], &[]], asked()),
            Some(KeyRefusal::InUse { id: id(1), by })
        );
        assert_eq!(
            refused(&[&[1, 2], &[2]], asked()),
            Some(KeyRefusal::Primary(id(1)))
        );
        assert_eq!(
            refused(&[&[1]], asked()),
            Some(KeyRefusal::Primary(id(1))),
            "and so never the last one"
        );
        assert_eq!(
            refused(&[&[2], &[2]], asked()),
            Some(KeyRefusal::Unknown(id(1)))
        );
        let mut unstored = keyring(&[&[2, 1], &[2, 1]]);
        unstored.rings[1].is_stored = false;
        let by = vec!["n1".into()];
        let refused = unstored.consent(&asked()).err();
        assert_eq!(refused, Some(KeyRefusal::Unstored { by }));
    }

    #[test]
    fn there_is_room_for_sixteen_and_none_in_plain_text() {
        let all: Vec<u8> = (1..=16).collect();
        let add = |byte| KeyRequest::Add(key(byte));
        assert_eq!(refused(&[&all[..15]], add(16)), None);
        assert_eq!(refused(&[&all], add(16)), None, "it is there already");
        assert_eq!(refused(&[&all], add(17)), Some(KeyRefusal::Full));
        assert_eq!(refused(&[&[]], add(1)), Some(KeyRefusal::Plaintext));
        assert_eq!(
            refused(&[&[]], KeyRequest::Show),
            Some(KeyRefusal::Plaintext)
        );
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let by = (0..12).map(|at| format!("n{at}")).collect();
        let text = KeyRefusal::InUse { id: id(1), by }.to_string();
        assert!(text.starts_with("n0, n1, "), "{text}");
        assert!(text.contains("n9 and 2 more still seal"), "{text}");
    }
}
