//! `Outages`: every crash, and when the others noticed it.
//!
//! It is told of crashes and of every `failed`, at every node whatever is watched: who is first
//! and who is last cannot be sampled.

use std::{collections::BTreeMap, mem, time::Duration};

use super::Distribution;
use crate::{simulator::Slot, swim::Timestamp};

/// One crash, and when it was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Who crashed.
    pub of: Slot,
    /// When.
    pub at: Timestamp,
    /// How long until the first of the others told `failed`.
    pub first: Option<Duration>,
    /// How long until all had told it who ran when it happened and still run.
    pub all: Option<Duration>,
    /// How many told it, of those who ran when it happened.
    pub told: usize,
    /// How many of them still run and have not told it; none when it was cut short.
    pub missing: usize,
    /// Whether its process was started again before all had told.
    pub cut_short: bool,
}

/// Every crash so far.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Outages {
    running: Slots,
    open: BTreeMap<Slot, Open>,
    closed: Vec<Outage>,
    learned: Distribution,
    spread: Distribution,
}

/// A crash that not everybody has told of.
#[derive(Debug)]
struct Open {
    outage: Outage,
    generation: u32,
    /// Who ran when it happened, still runs and has not told.
    awaited: Slots,
}

/// A set of slots, one bit for each: a mass crash among many keeps one for each victim.
#[derive(Clone, Debug, Default)]
struct Slots {
    words: Vec<u64>,
    count: usize,
}

impl Outages {
    /// Forgets every crash, and goes on with who runs.
    pub(in crate::simulator) fn forget(&mut self) {
        *self = Self {
            running: mem::take(&mut self.running),
            ..Self::default()
        };
    }

    /// A process starts in `slot`: if one crashed there, nobody needs to notice any more.
    pub(in crate::simulator) fn start(&mut self, slot: Slot) {
        self.running.insert(slot);
        if let Some(mut open) = self.open.remove(&slot) {
            open.outage.cut_short = true;
            open.outage.missing = 0;
            self.closed.push(open.outage);
        }
    }

    /// The process of `of` crashed in `generation`; all others that run should notice.
    pub(in crate::simulator) fn crash(&mut self, now: Timestamp, of: Slot, generation: u32) {
        self.stop(now, of);
        let outage = Outage {
            of,
            at: now,
            first: None,
            all: None,
            told: 0,
            missing: self.running.count,
            cut_short: false,
        };
        let open = Open {
            outage,
            generation,
            awaited: self.running.clone(),
        };
        self.open.insert(of, open);
    }

    /// The process of `slot` does not run any more, and nobody waits for its word.
    pub(in crate::simulator) fn stop(&mut self, now: Timestamp, slot: Slot) {
        self.running.remove(slot);
        let mut complete = Vec::new();
        for (of, open) in &mut self.open {
            if open.strike(slot) && open.outage.missing == 0 {
                open.outage.all = open.outage.first.map(|_| now - open.outage.at);
                complete.push(*of);
            }
        }
        complete.into_iter().for_each(|of| self.close(of));
    }

    /// `observer` told that `generation` of `of` failed.
    pub(in crate::simulator) fn notice(
        &mut self,
        now: Timestamp,
        of: Slot,
        generation: u32,
        observer: Slot,
    ) {
        let Some(open) = self.open.get_mut(&of) else {
            return;
        };
        if open.generation != generation || !open.strike(observer) {
            return;
        }
        let outage = &mut open.outage;
        let after = now - outage.at;
        let first = *outage.first.get_or_insert(after);
        outage.told += 1;
        self.learned.record_time(after);
        self.spread.record_time(after - first);
        if outage.missing == 0 {
            outage.all = Some(after);
            self.close(of);
        }
    }

    /// All of them, in the order of the crashes.
    pub(in crate::simulator) fn all(&self) -> Vec<Outage> {
        let open = self.open.values().map(|open| open.outage.clone());
        let mut all: Vec<_> = self.closed.iter().cloned().chain(open).collect();
        all.sort_by_key(|outage| (outage.at, outage.of));
        all
    }

    /// From each crash until each of the others told it.
    pub(in crate::simulator) const fn learned(&self) -> &Distribution {
        &self.learned
    }

    /// From the first `failed` told of each crash until each of the others told it.
    pub(in crate::simulator) const fn spread(&self) -> &Distribution {
        &self.spread
    }

    fn close(&mut self, of: Slot) {
        let closed = self.open.remove(&of);
        self.closed.extend(closed.map(|open| open.outage));
    }
}

impl Open {
    /// Waits no longer for `observer`, and says whether it did before.
    fn strike(&mut self, observer: Slot) -> bool {
        let awaited = self.awaited.remove(observer);
        self.outage.missing = self.awaited.count;
        awaited
    }
}

impl Slots {
    fn insert(&mut self, slot: Slot) {
        let (word, bit) = (slot.index() / 64, 1 << (slot.index() % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.count += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Takes it out, and says whether it was there.
    fn remove(&mut self, slot: Slot) -> bool {
        let bit = 1 << (slot.index() % 64);
        match self.words.get_mut(slot.index() / 64) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                self.count -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn running(slots: &[u32]) -> Outages {
        let mut outages = Outages::default();
        slots.iter().for_each(|slot| outages.start(Slot(*slot)));
        outages
    }

    #[test]
    fn the_first_and_the_last_count_and_the_dead_are_not_waited_for() {
        let mut outages = running(&[0, 1, 2, 70]);
        outages.crash(at(1), Slot(0), 1);
        outages.notice(at(3), Slot(0), 2, Slot(1));
        outages.notice(at(4), Slot(0), 1, Slot(1));
        outages.notice(at(5), Slot(0), 1, Slot(70));
        assert_eq!(outages.all()[0].all, None);
        assert_eq!((outages.all()[0].told, outages.all()[0].missing), (2, 1));
        outages.stop(at(6), Slot(2));
        let outage = &outages.all()[0];
        assert_eq!(outage.first, Some(Duration::from_secs(3)));
        assert_eq!(outage.all, Some(Duration::from_secs(5)));
        assert_eq!((outage.told, outage.missing), (2, 0));
        assert!(!outage.cut_short);
    }

    #[test]
    fn a_restart_cuts_it_short() {
        let mut outages = running(&[0, 1]);
        outages.crash(at(1), Slot(0), 1);
        outages.start(Slot(0));
        outages.notice(at(4), Slot(0), 1, Slot(1));
        assert!(outages.all()[0].cut_short && outages.all()[0].first.is_none());
        assert_eq!(outages.all()[0].missing, 0);
    }

    #[test]
    fn who_starts_later_is_not_waited_for() {
        let mut outages = running(&[0, 1, 2]);
        outages.crash(at(1), Slot(0), 1);
        outages.stop(at(2), Slot(2));
        outages.start(Slot(2));
        outages.notice(at(4), Slot(0), 1, Slot(2));
        assert_eq!((outages.all()[0].told, outages.all()[0].missing), (0, 1));
        outages.forget();
        outages.crash(at(5), Slot(1), 1);
        assert_eq!((outages.all().len(), outages.all()[0].missing), (1, 1));
    }

    #[test]
    fn everybody_learns_once_and_the_first_begins_the_spread() {
        let mut outages = running(&[0, 1, 2, 3]);
        outages.crash(at(1), Slot(0), 1);
        for (second, observer) in [(4, 1), (4, 1), (5, 2), (9, 7)] {
            outages.notice(at(second), Slot(0), 1, Slot(observer));
        }
        let (learned, spread) = (outages.learned().thousandths(), outages.spread());
        assert_eq!((learned.count, learned.p50.round()), (2, 3_000.0));
        assert_eq!((spread.count(), spread.percentiles().p50), (2, 0.0));
    }
}
