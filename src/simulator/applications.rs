//! What applications beside nodes do, and that others hear of it.

use super::{Application, Slot, World, measures::Hearer};
use crate::swim::{Input, MemberView};

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
        let process = self.machine(at).process.as_ref();
        let hearer = process.map(|process| Hearer {
            slot: at,
            started: process.started,
        });
        if let Some(hearer) = hearer.filter(|_| view.app.is_some()) {
            self.applications.notice(self.now(), hearer, of, view);
        }
    }
}
