//! `Outbox`: the events that are passed on, each in several rounds with ever longer pauses. The
//! first rounds make it fast, the last ones outlive a burst of loss.

use std::{collections::VecDeque, time::Duration};

use super::Source;
use crate::swim::Timestamp;

/// Between two sendings, and between the first two rounds of an event.
pub(in crate::swim) const PAUSE: Duration = Duration::from_millis(5);
/// From the first to the last some 10 s pass.
const ROUNDS_MAX: u8 = 13;
/// Events of our own that wait for one of their first rounds. More are not taken: what was not
/// passed on a few times must not make room for what comes.
const UNSENT_MAX: usize = 128;
const FIRST_ROUNDS: usize = 3;
/// Events that wait for any round. Those with the fewest rounds to go give way.
const RUMOURS_MAX: usize = 4_096;

/// An event and when it is passed on next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::swim) struct Rumour {
    pub(in crate::swim) source: Source,
    pub(in crate::swim) number: u64,
    due: Timestamp,
}

/// Events by the rounds they had, each queue in the order in which they are due.
#[derive(Debug, Default)]
pub(in crate::swim) struct Outbox {
    rounds: [VecDeque<Rumour>; ROUNDS_MAX as usize],
}

impl Outbox {
    /// An event that we passed on to nobody yet.
    pub(in crate::swim) fn add(&mut self, due: Timestamp, source: Source, number: u64) {
        let rumour = Rumour {
            source,
            number,
            due,
        };
        self.rounds[0].push_back(rumour);
        if self.len() > RUMOURS_MAX {
            let last = self.rounds.iter_mut().rev();
            let mut last = last.filter(|round| !round.is_empty());
            last.next().and_then(VecDeque::pop_front);
        }
    }

    pub(in crate::swim) fn len(&self) -> usize {
        self.rounds.iter().map(VecDeque::len).sum()
    }

    /// Whether no more events of `source`, ourselves, are taken.
    pub(in crate::swim) fn is_full(&self, source: Source) -> bool {
        let unsent = self.rounds[..FIRST_ROUNDS].iter().flatten();
        unsent.filter(|rumour| rumour.source == source).count() >= UNSENT_MAX
    }

    /// When the next is due.
    pub(in crate::swim) fn due(&self) -> Option<Timestamp> {
        let first = self.rounds.iter().filter_map(VecDeque::front);
        first.map(|rumour| rumour.due).min()
    }

    /// What is due, the newest rumours first, for as long as `has_room` takes it. What it took has
    /// its next round later, if there is one in `rounds`.
    pub(in crate::swim) fn send(
        &mut self,
        now: Timestamp,
        rounds: u8,
        mut has_room: impl FnMut(&Rumour) -> bool,
    ) {
        let rounds = rounds.clamp(1, ROUNDS_MAX);
        for round in 0..ROUNDS_MAX {
            let queue = &mut self.rounds[usize::from(round)];
            let due = queue.iter().take_while(|rumour| rumour.due <= now);
            let sent = due.take_while(|rumour| has_room(rumour)).count();
            let sent: Vec<_> = queue.drain(..sent).collect();
            if round + 1 < rounds {
                let due = now + PAUSE * (1 << round);
                let later = sent.into_iter().map(|rumour| Rumour { due, ..rumour });
                self.rounds[usize::from(round) + 1].extend(later);
            }
        }
    }

    /// Takes back what we passed on to nobody yet.
    pub(in crate::swim) fn take_unsent(&mut self, source: Source) -> Vec<u64> {
        let unsent = self.rounds[0]
            .iter()
            .filter(|rumour| rumour.source == source);
        let numbers = unsent.map(|rumour| rumour.number).collect();
        self.rounds[0].retain(|rumour| rumour.source != source);
        numbers
    }
}
