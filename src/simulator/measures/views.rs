//! `Views`: in how many different ways the processes of a world see who is there.

use std::{collections::BTreeSet, mem};

use crate::simulator::Slot;

/// How every process sees the cluster, as one number each. A view is the set of members that are
/// alive or suspect; equal views have equal numbers.
///
/// Lists are never walked: a process's number is changed by what it tells, and beside the number
/// only those members are kept of whom it thinks otherwise than it began with.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// By slot; `None` where no process runs.
    views: Vec<Option<View>>,
    /// By slot: who was there when all agreed.
    agreed: Vec<bool>,
    /// The number of that view.
    agreed_number: u64,
    /// Whether all have agreed: before, whoever starts is waited for.
    begun: bool,
    /// The number of different views, unless a view changed since it was counted.
    counted: Option<u32>,
    /// Reused, so that counting allocates nothing.
    sorted: Vec<u64>,
}

#[derive(Debug)]
struct View {
    number: u64,
    /// Whether it began with what all agreed on, rather than with itself alone.
    agreed: bool,
    /// Of whom it has changed its mind since it began.
    turned: BTreeSet<Slot>,
}

impl Views {
    pub(super) fn add_machine(&mut self) {
        self.views.push(None);
        self.agreed.push(false);
    }

    /// From now on whoever runs is taken to see everybody who runs.
    pub(super) fn agree(&mut self) {
        let running = self.views.iter().map(Option::is_some);
        self.agreed = running.collect();
        let there = self.slots().filter(|slot| self.agreed[slot.index()]);
        self.agreed_number = there.fold(0, |number, slot| number ^ weight(slot));
        for slot in self.slots() {
            if self.agreed[slot.index()] {
                self.start(slot, true);
            }
        }
        self.begun = true;
        self.counted = None;
    }

    /// A process starts and sees itself; and, if it knows all, everybody who was there when all
    /// agreed, and everybody who came later: whoever knows all presumes a newcomer there.
    pub(super) fn start(&mut self, slot: Slot, knows_all: bool) {
        if knows_all && self.begun && !self.agreed[slot.index()] {
            self.presume(slot);
        }
        let number = match (knows_all, self.agreed[slot.index()]) {
            (true, true) => self.agreed_number,
            (true, false) => self.agreed_number ^ weight(slot),
            (false, _) => weight(slot),
        };
        self.views[slot.index()] = Some(View {
            number,
            agreed: knows_all,
            turned: BTreeSet::new(),
        });
        self.counted = None;
    }

    /// From now on whoever knows all sees the member of `slot` without a word about it.
    fn presume(&mut self, slot: Slot) {
        self.agreed[slot.index()] = true;
        self.agreed_number ^= weight(slot);
        for view in self.views.iter_mut().flatten().filter(|view| view.agreed) {
            // Who was told of it already sees it as before.
            if !view.turned.remove(&slot) {
                view.number ^= weight(slot);
            }
        }
    }

    pub(super) fn end(&mut self, slot: Slot) {
        self.views[slot.index()] = None;
        self.counted = None;
    }

    /// The process in `at` sees the member of `of`, or sees it no more.
    pub(super) fn note(&mut self, at: Slot, of: Slot, present: bool) {
        let Some(view) = &mut self.views[at.index()] else {
            return;
        };
        let before = (view.agreed && self.agreed[of.index()]) || at == of;
        let turned = match present == before {
            true => view.turned.remove(&of),
            false => view.turned.insert(of),
        };
        if turned {
            view.number ^= weight(of);
            self.counted = None;
        }
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.views.len()).map(Slot::at)
    }

    /// How many different views there are.
    pub(super) fn distinct(&mut self) -> u32 {
        if let Some(counted) = self.counted {
            return counted;
        }
        let mut sorted = mem::take(&mut self.sorted);
        sorted.clear();
        sorted.extend(self.views.iter().flatten().map(|view| view.number));
        sorted.sort_unstable();
        sorted.dedup();
        let counted = u32::try_from(sorted.len()).expect("slots are u32");
        self.sorted = sorted;
        self.counted = Some(counted);
        counted
    }
}

/// The member's share of a view's number: any two sets of members differ in their sums, but for
/// one chance in 2^64 (the finaliser of splitmix64, which is a permutation).
const fn weight(slot: Slot) -> u64 {
    let mut bits = (slot.0 as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(count: u32) -> Views {
        let mut views = Views::default();
        for slot in (0..count).map(Slot) {
            views.add_machine();
            views.start(slot, false);
        }
        views
    }

    #[test]
    fn a_cluster_that_forms_ends_with_one_view() {
        let mut views = started(3);
        assert_eq!(views.distinct(), 3);
        for (at, of) in [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2)] {
            views.note(Slot(at), Slot(of), true);
        }
        assert_eq!(views.distinct(), 2);
        views.note(Slot(2), Slot(0), true);
        assert_eq!(views.distinct(), 1);
    }

    #[test]
    fn a_view_is_what_is_seen_and_not_how_it_came_to_be() {
        let mut views = started(4);
        views.agree();
        assert_eq!(views.distinct(), 1);
        views.end(Slot(3));
        views.note(Slot(0), Slot(3), false);
        assert_eq!(views.distinct(), 2);
        // Left after failed says nothing new, and neither does a suspicion.
        views.note(Slot(0), Slot(3), false);
        views.note(Slot(1), Slot(2), true);
        assert_eq!(views.distinct(), 2);
        views.note(Slot(1), Slot(3), false);
        views.note(Slot(2), Slot(3), false);
        assert_eq!(views.distinct(), 1);
        // Somebody who knew nothing learns the same.
        views.start(Slot(3), false);
        assert_eq!(views.distinct(), 2);
        for other in [0, 1, 2] {
            views.note(Slot(other), Slot(3), true);
            views.note(Slot(3), Slot(other), true);
        }
        assert_eq!(views.distinct(), 1);
        // So does somebody who takes everybody for alive until told otherwise.
        views.start(Slot(2), true);
        assert_eq!(views.distinct(), 1);
    }

    #[test]
    fn whoever_knows_all_presumes_a_newcomer_there() {
        let mut views = Views::default();
        (0..5).for_each(|_| views.add_machine());
        (0..3).for_each(|slot| views.start(Slot(slot), true));
        views.agree();
        views.note(Slot(0), Slot(4), true);
        views.start(Slot(3), true);
        assert_eq!(
            views.distinct(),
            2,
            "one was told of somebody who is not there yet"
        );
        views.note(Slot(1), Slot(3), true);
        views.start(Slot(4), true);
        assert_eq!(views.distinct(), 1);
        views.note(Slot(2), Slot(4), false);
        assert_eq!(views.distinct(), 2, "and that it is gone is told");
    }
}
