//! `Timers`: everything a node waits for, in the order in which it must fire.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::SocketAddr,
    time::Duration,
};

use super::{StreamId, Timestamp, directory::Handle, health::Errand, identity::Identity, prefetch};

/// The top three levels of the heap.
const PREFETCHED_MAX: usize = 7;

/// Something that was scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A member was refused a moment ago, and its helpers have had their time to hear of it.
    Accuse {
        /// The member.
        identity: Identity,
        /// Its incarnation then: a newer one is a sign of life.
        incarnation: u16,
    },
    /// Others know more of what was ordered about keys.
    AskForOrders,
    /// A challenged process did not answer in time.
    ChallengeSilent(u64),
    /// News that was held back for a moment goes out.
    Eager,
    /// Compare state with a random member.
    Exchange,
    /// An event still waits for one before it: ask around.
    EventGap,
    /// Events are passed on.
    EventRound,
    /// The lifetime of an event is over.
    EventsOver,
    /// One of foca's own.
    Foca(foca::Timer<Identity>),
    /// Compare state once more: the last exchange left something open.
    FollowUp,
    /// Say hello (again) to this address.
    Hello(SocketAddr),
    /// A suspect is asked directly before its time is over.
    LastCall {
        /// The suspect.
        suspect: Identity,
        /// How many had confirmed the accusation: with one more the calls begin anew.
        confirmed: usize,
    },
    /// Tell more members that we leave; the first round waits until we know any.
    LeaveRound(u8),
    /// A probe that we made for somebody was not answered in time.
    Nack(Errand),
    /// Look for members that we lost.
    Reconnect,
    /// One that is awaited once at a time.
    Once(Once),
    /// Ask who has forgotten a member that was removed here.
    RemovalRound(Handle),
    /// A member is not back from the restart that it announced.
    RestartOverdue(Identity),
    /// A return that was held back has lasted.
    Settled(Handle),
    /// A stream that we dialled takes too long, or one that we serve.
    StreamSilent(StreamId),
    /// A suspicion runs out.
    Suspicion {
        /// The suspect.
        identity: Identity,
        /// The incarnation it was accused in.
        incarnation: u16,
    },
}

/// What is awaited once for each member, however often it is put off: others may give reason for it
/// as often as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Once {
    /// What a member says of itself is passed on once more.
    FactsAgain(Handle),
    /// A member that is over is forgotten.
    Forget(Handle),
}

impl Alarm {
    /// Order of alarms that fire at the same instant: foca's own order first, because its probe
    /// cycle must see the indirect stage before the next probe (foca, `Timer::seq`).
    const fn rank(&self) -> u8 {
        match self {
            Self::Foca(foca::Timer::SendIndirectProbe { .. }) => 0,
            Self::Foca(foca::Timer::ProbeRandomMember(_)) => 1,
            Self::Foca(_) => 2,
            _ => 3,
        }
    }
}

/// A heap ordered by (deadline, rank, order of scheduling). The last component makes entries
/// unique: foca's `Timer` compares equal for different members, so a map keyed by it would lose
/// timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    /// The newest of foca's indirect stages, which nearly always becomes moot at once.
    indirect: Option<Entry>,
    /// When those are due that are awaited once; the heap may have them earlier.
    once: BTreeMap<Once, Timestamp>,
    scheduled: u64,
}

#[derive(Debug)]
struct Entry {
    key: (Timestamp, u8, u64),
    alarm: Alarm,
}

impl Timers {
    pub(super) fn schedule(&mut self, at: Timestamp, alarm: Alarm) {
        self.scheduled += 1;
        let key = (at, alarm.rank(), self.scheduled);
        let entry = Entry { key, alarm };
        let entry = match entry.alarm {
            Alarm::Foca(foca::Timer::SendIndirectProbe { .. }) => self.indirect.replace(entry),
            _ => Some(entry),
        };
        self.heap.extend(entry.map(Reverse));
    }

    /// From now on it is due `at` that time, or when it was due before, if that is later.
    pub(super) fn schedule_once(&mut self, at: Timestamp, once: Once) {
        if self.once.insert(once, at).is_none() {
            self.schedule(at, Alarm::Once(once));
        }
    }

    /// As [`Self::schedule_once`], but never later.
    pub(super) fn hasten(&mut self, at: Timestamp, once: Once) {
        self.once.insert(once, at);
        self.schedule(at, Alarm::Once(once));
    }

    /// See [`prefetch()`]. Of many the first will do: what is below them is hardly looked at.
    pub(super) fn prefetch(&self) {
        let entries = self.heap.as_slice();
        prefetch(&entries[..entries.len().min(PREFETCHED_MAX)]);
    }

    /// Alarms that are waited for.
    pub(super) fn len(&self) -> usize {
        self.heap.len() + usize::from(self.indirect.is_some())
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let next = self.heap.peek().map(|Reverse(entry)| entry.key.0);
        let indirect = self.indirect.as_ref().map(|entry| entry.key.0);
        next.into_iter().chain(indirect).min()
    }

    /// The next alarm whose deadline is not after `now`.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Alarm> {
        loop {
            match self.pop(now)? {
                Alarm::Once(once) if !self.is_due(once, now) => {}
                alarm => return Some(alarm),
            }
        }
    }

    /// Whether it was not put off, and did not ring before.
    fn is_due(&mut self, once: Once, now: Timestamp) -> bool {
        match self.once.get(&once) {
            Some(due) if *due > now => {
                self.schedule(*due, Alarm::Once(once));
                false
            }
            _ => self.once.remove(&once).is_some(),
        }
    }

    fn pop(&mut self, now: Timestamp) -> Option<Alarm> {
        if self.deadline()? > now {
            return None;
        }
        let next = self.heap.peek().map(|Reverse(entry)| entry);
        match (&self.indirect, next) {
            (Some(indirect), Some(next)) if next < indirect => {}
            (Some(_), _) => return self.take_indirect(),
            _ => {}
        }
        self.heap.pop().map(|Reverse(entry)| entry.alarm)
    }

    /// The newest of foca's indirect stages, before its time.
    pub(super) fn take_indirect(&mut self) -> Option<Alarm> {
        self.indirect.take().map(|entry| entry.alarm)
    }

    /// Moves everything by `delay`, as if the time had not passed.
    pub(super) fn postpone_all(&mut self, delay: Duration) {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        for Reverse(entry) in &mut entries {
            entry.key.0 = entry.key.0 + delay;
        }
        if let Some(entry) = &mut self.indirect {
            entry.key.0 = entry.key.0 + delay;
        }
        for due in self.once.values_mut() {
            *due = *due + delay;
        }
        self.heap = entries.into();
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::Life;

    fn suspicion(handle: u32) -> Alarm {
        let member_id = Identity {
            handle,
            life: Life::first(1),
        };
        Alarm::Foca(foca::Timer::ChangeSuspectToDown {
            member_id,
            incarnation: 0,
            token: 0,
        })
    }

    fn drain(timers: &mut Timers, now: Timestamp) -> Vec<Alarm> {
        std::iter::from_fn(|| timers.pop_due(now)).collect()
    }

    #[test]
    fn timers_that_foca_holds_equal_all_fire_in_the_order_they_were_scheduled() {
        let at = Timestamp::from_micros(5);
        let mut timers = Timers::default();
        for handle in [3, 1, 2] {
            timers.schedule(at, suspicion(handle));
        }
        assert_eq!(
            drain(&mut timers, at),
            [suspicion(3), suspicion(1), suspicion(2)]
        );
    }

    #[test]
    fn the_indirect_stage_fires_before_the_next_probe_at_the_same_instant() {
        let at = Timestamp::from_micros(5);
        let indirect = Alarm::Foca(foca::Timer::SendIndirectProbe {
            probed_id: Identity {
                handle: 1,
                life: Life::first(1),
            },
            token: 0,
        });
        let probe = Alarm::Foca(foca::Timer::ProbeRandomMember(0));
        let mut timers = Timers::default();
        timers.schedule(at, Alarm::Reconnect);
        timers.schedule(at, probe.clone());
        timers.schedule(at, indirect.clone());
        assert_eq!(drain(&mut timers, at), [indirect, probe, Alarm::Reconnect]);
    }

    #[test]
    fn an_alarm_fires_at_its_deadline_and_not_before() {
        let mut timers = Timers::default();
        timers.schedule(Timestamp::from_micros(5), Alarm::Reconnect);
        assert_eq!(drain(&mut timers, Timestamp::from_micros(4)), []);
        assert_eq!(
            drain(&mut timers, Timestamp::from_micros(5)),
            [Alarm::Reconnect]
        );
        assert_eq!(timers.deadline(), None);
    }

    #[test]
    fn what_is_awaited_once_rings_once_and_not_before_it_was_put_off_to() {
        let at = Timestamp::from_micros;
        let forget = Once::Forget(3);
        let mut timers = Timers::default();
        for micros in 5..1_000 {
            timers.schedule_once(at(micros), forget);
        }
        assert_eq!(timers.len(), 1, "however often it is put off");
        assert_eq!(drain(&mut timers, at(998)), []);
        timers.hasten(at(999), forget);
        assert_eq!(drain(&mut timers, at(2_000)), [Alarm::Once(forget)]);
        timers.schedule_once(at(3_000), forget);
        assert_eq!(drain(&mut timers, at(3_000)), [Alarm::Once(forget)]);
    }

    #[test]
    fn postponing_keeps_order_and_distance() {
        let mut timers = Timers::default();
        timers.schedule(Timestamp::from_micros(5), Alarm::Eager);
        timers.schedule(Timestamp::from_micros(9), Alarm::Exchange);
        timers.schedule_once(Timestamp::from_micros(9), Once::Forget(1));
        timers.schedule_once(Timestamp::from_micros(20), Once::Forget(1));
        timers.postpone_all(Duration::from_micros(100));
        assert_eq!(
            drain(&mut timers, Timestamp::from_micros(105)),
            [Alarm::Eager]
        );
        assert_eq!(timers.deadline(), Some(Timestamp::from_micros(109)));
        assert_eq!(
            drain(&mut timers, Timestamp::from_micros(119)),
            [Alarm::Exchange]
        );
        assert_eq!(timers.deadline(), Some(Timestamp::from_micros(120)));
    }
}
