//! `Cables`: each machine hangs on one, and what it sends and gets waits for its turn there.

use std::time::Duration;

use super::Rate;
use crate::{simulator::Slot, swim::Timestamp};

/// Until when the cables of all machines are taken, out of each and into each, as time since the
/// epoch: to the nanosecond, as small packets take less than the clock's microsecond.
///
/// The way in is taken in the order of sending, not of arriving: exact where all latencies are
/// equal, and within their difference otherwise.
#[derive(Debug, Default)]
pub(super) struct Cables {
    out: Vec<Duration>,
    into: Vec<Duration>,
}

impl Cables {
    /// What so many bytes wait for, and take, that leave `from` at `at`.
    pub(super) fn carry(
        &mut self,
        rate: Rate,
        at: Timestamp,
        [from, to]: [Slot; 2],
        bytes: usize,
    ) -> Duration {
        let (at, time) = (Duration::from_micros(at.as_micros()), rate.time(bytes));
        let left = take(&mut self.out, from, at, time);
        // The first bit arrives when it was sent, the last one when the last one was.
        take(&mut self.into, to, left - time, time) - at
    }
}

/// Takes a cable for `time` as soon as it is free. When that is over.
fn take(cables: &mut Vec<Duration>, slot: Slot, at: Duration, time: Duration) -> Duration {
    if cables.len() <= slot.index() {
        cables.resize(slot.index() + 1, Duration::ZERO);
    }
    let cable = &mut cables[slot.index()];
    *cable = (*cable).max(at) + time;
    *cable
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1_000_000;

    #[test]
    fn whoever_sends_to_many_is_waited_for_and_so_is_whoever_hears_from_many() {
        let rate: Rate = "1Gbit/s".parse().expect("a rate");
        let mut cables = Cables::default();
        let mut carry = |from, to| {
            let ends = [Slot(from), Slot(to)];
            let delay = cables.carry(rate, Timestamp::ZERO, ends, MEGABYTE);
            delay.as_millis()
        };
        assert_eq!([carry(0, 1), carry(0, 2), carry(0, 3)], [8, 16, 24]);
        assert_eq!([carry(4, 9), carry(5, 9), carry(6, 9)], [8, 16, 24]);
        assert_eq!(carry(7, 8), 8, "others wait for nobody");
    }
}
