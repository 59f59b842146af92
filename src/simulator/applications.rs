//! `Applications`: what was said of the applications beside nodes, and when the others heard it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Application, Distribution, Slot, World};
use crate::swim::{AppStatus, Input, MemberView, Timestamp};

/// The last word of every node, and how long each of the others took to hear one.
#[derive(Debug, Default)]
pub(super) struct Applications {
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

impl Applications {
    /// From each word until each of the others told it who ran when it was said.
    pub(super) const fn heard(&self) -> &Distribution {
        &self.heard
    }

    fn say(&mut self, now: Timestamp, of: Slot, generation: u32, app: AppStatus) {
        let word = Word {
            at: now,
            generation,
            app,
            told: BTreeSet::from([of]),
        };
        self.words.insert(of, word);
    }

    fn notice(
        &mut self,
        (now, started): (Timestamp, Timestamp),
        (at, of): (Slot, Slot),
        view: &MemberView,
    ) {
        let Some(word) = self.words.get_mut(&of) else {
            return;
        };
        let is_it = view.app.as_ref() == Some(&word.app) && view.card.generation == word.generation;
        if is_it && started <= word.at && word.told.insert(at) {
            self.heard.record_time(now - word.at);
        }
    }
}

impl World {
    /// Lets the application in `slot` start or end, if its agent runs.
    pub(super) fn set_application(&mut self, slot: Slot, application: Application) {
        let now = self.now();
        let Some(process) = self.process_mut(slot).filter(|process| !process.paused) else {
            return;
        };
        let generation = process.node.own_sketch().life.generation();
        let status = application.status();
        self.applications.say(now, slot, generation, status.clone());
        self.input(slot, Input::App(Some(&status)));
    }

    /// The process in `at` told of the member that runs, or ran, in `of`.
    pub(super) fn notice_application(&mut self, at: Slot, of: Slot, view: &MemberView) {
        let times = self
            .machine(at)
            .process
            .as_ref()
            .map(|process| (self.now(), process.started));
        if let Some(times) = times.filter(|_| view.app.is_some()) {
            self.applications.notice(times, (at, of), view);
        }
    }
}
