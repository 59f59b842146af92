//! `Heap`: what will happen, in the order it will.
//!
//! A calendar queue (Brown 1988): nearly all that is caused happens within a second or two, so it
//! is put into buckets of a moment each, unsorted, and only the moment that is due is sorted. With
//! a million processes a plain heap would miss the cache twenty times for each event, and it would
//! not tell what happens after the next thing.

use std::{cmp::Reverse, collections::BinaryHeap, mem};

use bytes::Bytes;

use super::{
    Place, Slot,
    carriage::{LinkId, Side},
};
use crate::{simulator::Fault, swim::Timestamp};

/// A moment is 2^9 µs: long enough that a large world has many things in it, of which those after
/// the next are known, and hardly longer than anything takes that one of them causes.
const MOMENT_BITS: u32 = 9;
/// So many moments are in buckets, just over the second after which a node probes again; what
/// happens later waits in a heap.
const MOMENTS: usize = 1 << 11;
/// Room that a bucket keeps when it is empty.
const KEPT_PER_MOMENT: usize = 8;

/// Everything that will happen. Ties happen in the order they were caused, so that the order
/// never depends on how this is built.
#[derive(Debug)]
pub(super) struct Heap {
    /// What happens in the moment that is due, the next last.
    due: Vec<Occurrence>,
    /// What was caused for that moment when it had begun, or for one before.
    late: BinaryHeap<Reverse<Occurrence>>,
    moment: u64,
    /// What happens in the moments after, each in the bucket of its number modulo their count.
    soon: Vec<Vec<Occurrence>>,
    soon_count: usize,
    /// What happens after these.
    later: BinaryHeap<Reverse<Occurrence>>,
    sequence: u64,
}

impl Default for Heap {
    fn default() -> Self {
        Self {
            due: Vec::new(),
            late: BinaryHeap::new(),
            moment: 0,
            soon: std::iter::repeat_with(Vec::new).take(MOMENTS).collect(),
            soon_count: 0,
            later: BinaryHeap::new(),
            sequence: 0,
        }
    }
}

impl Heap {
    /// Lets `what` happen at `at`.
    pub(super) fn push(&mut self, at: Timestamp, what: What) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.place(Occurrence { at, sequence, what });
    }

    /// Takes out what happens next, unless it is after `end`.
    pub(super) fn pop_until(&mut self, end: Timestamp) -> Option<(Timestamp, What)> {
        while self.due.is_empty() && self.late.is_empty() {
            self.turn()?;
        }
        let (due, late) = (self.due.last(), self.late.peek().map(|late| &late.0));
        let is_late = late.is_some_and(|late| due.is_none_or(|due| late < due));
        let next = if is_late { late? } else { due? };
        if next.at > end {
            return None;
        }
        let next = match is_late {
            true => self.late.pop()?.0,
            false => self.due.pop()?,
        };
        Some((next.at, next.what))
    }

    /// What happens after so many other things, if it is in the moment that is due and nothing is
    /// caused that comes before it.
    pub(super) fn ahead(&self, others: usize) -> Option<&What> {
        self.due.iter().rev().nth(others).map(|next| &next.what)
    }

    fn place(&mut self, occurrence: Occurrence) {
        let moment = occurrence.moment();
        if moment <= self.moment {
            self.late.push(Reverse(occurrence));
        } else if moment - self.moment < MOMENTS as u64 {
            self.soon[bucket(moment)].push(occurrence);
            self.soon_count += 1;
        } else {
            self.later.push(Reverse(occurrence));
        }
    }

    /// Goes on to the next moment in which something may happen. `None` if nothing will.
    fn turn(&mut self) -> Option<()> {
        self.moment = match self.soon_count {
            0 => self.later.peek()?.0.moment(),
            _ => self.moment + 1,
        };
        let horizon = self.moment + MOMENTS as u64;
        while self
            .later
            .peek()
            .is_some_and(|Reverse(next)| next.moment() < horizon)
        {
            let Reverse(next) = self.later.pop()?;
            self.place(next);
        }
        let bucket = &mut self.soon[bucket(self.moment)];
        self.soon_count -= bucket.len();
        mem::swap(&mut self.due, bucket);
        self.due.sort_unstable_by(|one, other| other.cmp(one));
        // A storm would leave its room behind in every bucket that it passed.
        bucket.shrink_to(KEPT_PER_MOMENT);
        Some(())
    }
}

fn bucket(moment: u64) -> usize {
    usize::try_from(moment % MOMENTS as u64).expect("as small as the number of buckets")
}

/// One thing that will happen. Kept small: worlds have millions of them.
#[derive(Debug)]
struct Occurrence {
    at: Timestamp,
    sequence: u64,
    what: What,
}

impl Occurrence {
    const fn moment(&self) -> u64 {
        self.at.as_micros() >> MOMENT_BITS
    }
}

#[derive(Debug)]
pub(super) enum What {
    Audit,
    Connect {
        link: LinkId,
        bytes: Bytes,
    },
    Datagram {
        from: Place,
        to: Place,
        bytes: Bytes,
    },
    Fault(Box<Fault>),
    /// A process has taken in what it heard.
    Free {
        slot: Slot,
        process: u32,
    },
    /// A refusal of a datagram on its way back.
    Refused {
        by: Place,
        to: Place,
    },
    /// Who was stopped for a while goes on, unless something else was done to it since.
    StopOver(Slot),
    StreamClosed {
        link: LinkId,
        side: Side,
    },
    StreamFrame {
        link: LinkId,
        side: Side,
        bytes: Bytes,
    },
    Wake {
        slot: Slot,
        process: u32,
    },
}

impl PartialEq for Occurrence {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Occurrence {}

impl PartialOrd for Occurrence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Occurrence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn wake(number: u32) -> What {
        let (slot, process) = (Slot(0), number);
        What::Wake { slot, process }
    }

    #[test]
    fn everything_happens_in_order_however_far_away_it_was() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut heap = Heap::default();
        let (mut now, mut caused) = (0, 0);
        let mut last = (0, 0);
        for number in 0..20_000u32 {
            let far = [0, 3, 900, 70_000, 3_000_000, 90_000_000][rng.random_range(0..6)];
            heap.push(Timestamp::from_micros(now + far), wake(number));
            caused += 1;
            if rng.random_bool(0.5) {
                let (at, _) = heap.pop_until(Timestamp::from_micros(u64::MAX)).unwrap();
                now = at.as_micros();
                caused -= 1;
            }
        }
        while let Some((at, What::Wake { process, .. })) =
            heap.pop_until(Timestamp::from_micros(u64::MAX))
        {
            let next = (at.as_micros(), process);
            assert!(last < next, "{next:?} after {last:?}");
            last = next;
            caused -= 1;
        }
        assert_eq!(caused, 0);
    }

    #[test]
    fn what_is_ahead_in_a_moment_is_what_happens_then() {
        let mut heap = Heap::default();
        let due = [10, 3, 7, 3].map(|after| Timestamp::from_micros(5_000 + after));
        (0..)
            .zip(due)
            .for_each(|(number, at)| heap.push(at, wake(number)));
        let process = |what: &What| match what {
            What::Wake { process, .. } => *process,
            _ => unreachable!("only wakes are pushed"),
        };
        let pop = |heap: &mut Heap| process(&heap.pop_until(due[0]).unwrap().1);
        assert_eq!(pop(&mut heap), 1);
        let ahead: Vec<_> = (0..4).map_while(|n| heap.ahead(n)).map(process).collect();
        assert_eq!(ahead, [3, 2, 0]);
        assert_eq!([(); 3].map(|()| pop(&mut heap)), ahead[..]);
    }

    #[test]
    fn what_comes_after_the_end_stays_and_what_is_caused_before_it_comes_first() {
        let mut heap = Heap::default();
        let at = Timestamp::from_micros;
        heap.push(at(50_000_000), wake(1));
        assert!(heap.pop_until(at(49_999_999)).is_none());
        heap.push(at(10), wake(2));
        let next = heap.pop_until(at(60_000_000)).map(|(at, _)| at.as_micros());
        assert_eq!(next, Some(10));
    }
}
