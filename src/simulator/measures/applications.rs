//! `Applications`: what was said of the applications beside nodes, and when the others heard it.

use std::collections::{BTreeMap, BTreeSet};

use super::Distribution;
use crate::{
    simulator::Slot,
    swim::{AppStatus, MemberView, Timestamp},
};

/// The last word of every node, and how long each of the others took to hear one.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Applications {
    words: BTreeMap<Slot, Word>,
    heard: Distribution,
}

#[derive(Debug)]
struct Word {
    at: Timestamp,
    generation: u32,
    app: AppStatus,
    told: BTreeSet<Slot>,
}

/// A process that tells of others.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct Hearer {
    pub(in crate::simulator) slot: Slot,
    pub(in crate::simulator) started: Timestamp,
}

impl Applications {
    /// From each word until each of the others told it who ran when it was said.
    pub(in crate::simulator) const fn heard(&self) -> &Distribution {
        &self.heard
    }

    /// The application of `of`, whose process is of that generation, is said to be so.
    pub(in crate::simulator) fn say(
        &mut self,
        now: Timestamp,
        of: Slot,
        generation: u32,
        app: AppStatus,
    ) {
        let word = Word {
            at: now,
            generation,
            app,
            told: BTreeSet::from([of]),
        };
        self.words.insert(of, word);
    }

    /// `hearer` shows the member of `of` as `view` now.
    pub(in crate::simulator) fn notice(
        &mut self,
        now: Timestamp,
        hearer: Hearer,
        of: Slot,
        view: &MemberView,
    ) {
        let Some(word) = self.words.get_mut(&of) else {
            return;
        };
        let is_it = view.app.as_ref() == Some(&word.app) && view.card.generation == word.generation;
        if is_it && hearer.started <= word.at && word.told.insert(hearer.slot) {
            self.heard.record_time(now - word.at);
        }
    }
}
