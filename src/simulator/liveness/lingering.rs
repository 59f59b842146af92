//! Views that did not become equal in time: which promise that breaks, and whose view it is.

use crate::{
    simulator::{Promise, Slot, World, promises::Breach},
    swim::{MemberState, MemberView},
};

/// A belief that outlived its time.
struct Lingering {
    observer: Slot,
    breach: Breach,
}

impl World {
    /// Notes that the views were not equal in time, or did not stay so. `seen` is what was noticed
    /// first; a wrong belief about somebody's life goes before other differences.
    pub(super) fn violate_convergence(&mut self, seen: String, when: &str) {
        match self.lingering() {
            Some(Lingering { observer, breach }) => {
                let seen = format!("{}; {when}", breach.seen);
                self.violate(breach.promise, observer, seen);
            }
            None => self.violate_all(Promise::ViewsConverge, format!("{seen}; {when}")),
        }
    }

    fn lingering(&self) -> Option<Lingering> {
        self.living().find_map(|observer| {
            let node = self.node(observer)?;
            node.members().find_map(|view| {
                let breach = self.belies(&view)?;
                Some(Lingering { observer, breach })
            })
        })
    }

    /// Which promise a belief about a member's life breaks.
    fn belies(&self, view: &MemberView) -> Option<Breach> {
        let slots = self.machines_of(view.card.id);
        if slots.is_empty() {
            return None;
        }
        let runs = slots.iter().find(|slot| self.node(**slot).is_some());
        let (promise, truth) = match (view.state, runs) {
            (MemberState::Failed | MemberState::Left, Some(slot)) => {
                let truth = format!("{} runs", self.label(*slot));
                (Promise::NoHealthyFailed, truth)
            }
            (MemberState::Alive | MemberState::Suspect, None) => {
                (Promise::NoDeadAlive, "it is not there".into())
            }
            _ => return None,
        };
        let (name, state) = (&view.card.name, view.state);
        let seen = format!("holds {name} {state:?}, but {truth}");
        Some(Breach { promise, seen })
    }
}
