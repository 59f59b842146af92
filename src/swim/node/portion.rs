//! What is told at once. A state that is large is told in portions, each of whole parts: neither
//! side holds more than one of an exchange, what came is kept when the stream breaks, and sums that
//! are compared again after each portion show what is still to be told.

use std::mem;

use rand::RngExt;

use super::Node;
use crate::swim::{
    FRAME_BYTES_MAX, MemberId,
    parts::Parts,
    wire::{self, Frame, Update},
};

/// Of a portion, unless a single part has more. A link of half a megabit a second takes both sides'
/// in the time for which an exchange may be silent.
const PORTION_BYTES: usize = 256 * 1024;
/// So many updates are a portion, whatever they tell: the largest is an event of some 1,200 bytes.
const UPDATES_SAFE: usize = PORTION_BYTES / 2048;
/// Of a frame, its head and seal left out.
const STATE_BYTES_MAX: usize = FRAME_BYTES_MAX - 4096;

/// As much of what we know of some parts as is told at once.
#[derive(Debug)]
pub(super) struct Portion {
    /// Of these it is all.
    pub(super) parts: Parts,
    pub(super) updates: Vec<Update<'static>>,
    /// There is more to tell.
    pub(super) is_cut: bool,
}

impl Portion {
    pub(super) fn into_state(self) -> Frame<'static> {
        Frame::State {
            parts: self.parts,
            updates: self.updates,
            is_cut: self.is_cut,
        }
    }

    pub(super) fn into_finish(self) -> Frame<'static> {
        Frame::Finish {
            updates: self.updates,
            is_cut: self.is_cut,
        }
    }
}

impl Node {
    /// The part that `listener` is in comes first, as it must hear what is said of itself. Where
    /// the others begin is drawn, so that differences that last hide no others.
    pub(super) fn portion(&mut self, parts: Parts, listener: MemberId) -> Portion {
        let mut updates = self.state(parts);
        if updates.len() <= UPDATES_SAFE {
            return Portion {
                parts,
                updates,
                is_cut: false,
            };
        }
        let all = parts.split(self.part_count());
        let start = self.rng.random_range(1..updates.len());
        let cluster = self.gate.borrow().cluster.clone();
        let ids = updates.iter().map(|update| update.id(&cluster));
        let sizes = all.sum(ids.zip(sizes(&updates)));
        let parts = all.within(PORTION_BYTES, &sizes, (listener, start));
        let mut is_introduction = true;
        updates
            .retain(|update| mem::take(&mut is_introduction) || parts.cover(update.id(&cluster)));
        // More than a portion is one part alone, and hardly ever more than a frame takes.
        let is_large = sizes.iter().any(|size| *size > PORTION_BYTES);
        let is_clipped = is_large && clip_to(STATE_BYTES_MAX, &mut updates, start);
        Portion {
            parts,
            updates,
            is_cut: is_clipped || parts != all,
        }
    }
}

fn sizes(updates: &[Update<'_>]) -> impl Iterator<Item = usize> {
    let mut scratch = Vec::new();
    updates.iter().map(move |update| {
        scratch.clear();
        wire::put(&mut scratch, update);
        scratch.len()
    })
}

/// Leaves out, if it must, what comes last when all but the first are told from `start` on. Gives
/// whether it did.
fn clip_to(bytes_max: usize, updates: &mut Vec<Update<'_>>, start: usize) -> bool {
    let mut sizes: Vec<_> = sizes(updates).collect();
    if sizes.iter().sum::<usize>() <= bytes_max {
        return false;
    }
    let start = start.min(updates.len() - 1);
    sizes[1..].rotate_left(start - 1);
    updates[1..].rotate_left(start - 1);
    let mut room = bytes_max;
    let fits = |size: &&usize| {
        room.checked_sub(**size)
            .inspect(|left| room = *left)
            .is_some()
    };
    let told = sizes.iter().take_while(fits).count();
    updates.truncate(told);
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::swim::{
        Input, StreamEnd, StreamId,
        node::tests::{Arrival, Few, address},
    };

    const MEMBERS: usize = 40;
    /// So many that three portions tell of all.
    const EVENTS: usize = 16;
    const EVENT_BYTES: usize = 1_000;

    /// All know each other and have raised events, and one more is about to join.
    fn with_much_to_tell() -> Few {
        let mut few = Few::new(MEMBERS + 1);
        for at in 1..MEMBERS {
            few.input(at, Input::Join(&[address(0)]));
        }
        few.run(Duration::from_secs(10));
        let (name, payload) = ("deploy", "x".repeat(EVENT_BYTES));
        for at in (0..MEMBERS).flat_map(|at| [at; EVENTS]) {
            let payload = &payload;
            few.input(at, Input::Event { name, payload });
        }
        few.run(Duration::from_secs(10));
        few.captured.clear();
        few.input(MEMBERS, Input::Join(&[address(0)]));
        few
    }

    /// Events that the newcomer has heard of.
    fn heard(few: &Few) -> usize {
        let kinds = few.kinds(MEMBERS);
        kinds.into_iter().filter(|kind| *kind == "user").count()
    }

    /// Bytes of the frames that were sent to the newcomer.
    fn told(few: &Few) -> Vec<usize> {
        let frames = few.captured.iter().filter_map(|(_, to, what)| match what {
            Arrival::Frame(.., bytes) if *to == MEMBERS => Some(bytes.len()),
            _ => None,
        });
        frames.collect()
    }

    #[test]
    fn a_large_state_comes_in_portions_on_one_stream() {
        let mut few = with_much_to_tell();
        few.run(Duration::from_millis(20));
        assert_eq!(heard(&few), MEMBERS * EVENTS);
        let told = told(&few);
        assert!(told.iter().sum::<usize>() < MEMBERS * EVENTS * EVENT_BYTES * 11 / 10);
        assert!(
            told.iter().all(|bytes| *bytes < PORTION_BYTES + 1_000),
            "{told:?}"
        );
    }

    #[test]
    fn what_takes_a_slow_line_longer_than_it_may_be_silent_comes_all_the_same() {
        let mut few = with_much_to_tell();
        few.frame_latency = Duration::from_secs(3);
        few.run(Duration::from_secs(60));
        assert_eq!(heard(&few), MEMBERS * EVENTS);
    }

    #[test]
    fn what_came_before_a_stream_broke_is_kept_and_not_told_again() {
        let mut few = with_much_to_tell();
        while heard(&few) == 0 {
            few.run(Duration::from_millis(1));
        }
        let kept = heard(&few);
        assert!(kept < MEMBERS * EVENTS, "{kept}");
        let dialled =
            |((at, stream), _): (&(usize, StreamId), _)| (*at == MEMBERS).then_some(*stream);
        let stream = few.dialled.iter().find_map(dialled).unwrap();
        let end = StreamEnd::Closed;
        few.input(MEMBERS, Input::StreamClosed { stream, end });
        // Nobody else tells it the rest.
        few.nodes[1..MEMBERS].fill_with(|| None);
        few.captured.clear();
        let newcomer = few.nodes[MEMBERS].as_mut().unwrap();
        newcomer.open_exchange(address(0), None);
        few.input(MEMBERS, Input::Deadline);
        few.run(Duration::from_secs(1));
        assert_eq!(heard(&few), MEMBERS * EVENTS);
        let told: usize = told(&few).iter().sum();
        assert!(
            told < (MEMBERS * EVENTS - kept) * EVENT_BYTES * 11 / 10,
            "{told} after {kept}"
        );
    }

    #[test]
    fn what_one_frame_does_not_take_is_left_out_from_any_place() {
        let few = Few::joined(20);
        let whole = few.nodes[0].as_ref().unwrap().state(Parts::ALL);
        let bytes = |updates: &[Update<'_>]| -> usize {
            let sizes = updates.iter().map(|update| wire::encoded(update).len());
            sizes.sum()
        };
        let mut kept = whole.clone();
        assert!(!clip_to(bytes(&whole), &mut kept, 7));
        assert_eq!(kept, whole);
        let half = bytes(&whole) / 2;
        let mut told = vec![false; whole.len()];
        for start in 1..whole.len() {
            let mut clipped = whole.clone();
            assert!(clip_to(half, &mut clipped, start));
            assert!(bytes(&clipped) <= half && clipped.len() >= whole.len() / 2 - 1);
            assert_eq!(clipped[..2], [whole[0].clone(), whole[start].clone()]);
            for (update, told) in whole.iter().zip(&mut told) {
                *told |= clipped.contains(update);
            }
        }
        assert!(told.iter().all(|told| *told));
    }
}
