//! `Forgotten`: lives that this process has forgotten. Whoever remembers them longer, because it
//! heard of their end later or was told to, must not make them news again.

use std::collections::{BTreeMap, VecDeque};

use super::{Life, MemberId};

/// Those forgotten before so many others are no longer known: nobody speaks of them any more.
const MEMBERS_MAX: usize = 16_384;

/// The last life of each member that was forgotten.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    lives: BTreeMap<MemberId, Life>,
    oldest_first: VecDeque<MemberId>,
}

impl Forgotten {
    pub(super) fn add(&mut self, id: MemberId, life: Life) {
        if self.lives.insert(id, life).is_some() {
            return;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > MEMBERS_MAX {
            let oldest = self.oldest_first.pop_front();
            oldest.map(|oldest| self.lives.remove(&oldest));
        }
    }

    /// Whether this life, or one after it, was forgotten.
    pub(super) fn covers(&self, id: MemberId, life: Life) -> bool {
        self.lives.get(&id).is_some_and(|last| life <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_stays_forgotten_until_many_others_are() {
        let id = |number: u64| MemberId(number);
        let mut forgotten = Forgotten::default();
        let [first, second] = [1, 2].map(Life::first);
        forgotten.add(id(0), second);
        assert!(forgotten.covers(id(0), first) && forgotten.covers(id(0), second));
        assert!(!forgotten.covers(id(0), second.next()));
        assert!(!forgotten.covers(id(1), first));
        for number in 1..=MEMBERS_MAX as u64 {
            forgotten.add(id(number), first);
        }
        assert!(!forgotten.covers(id(0), first));
        assert!(forgotten.covers(id(1), first));
        assert_eq!(forgotten.lives.len(), MEMBERS_MAX);
    }
}
