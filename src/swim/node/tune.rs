//! Other numbers of the protocol in a node that runs.

use std::time::Duration;

use super::{Node, Tuning};
use crate::swim::{Timestamp, directory::Handle, identity::Identity, roster::Record, timers::Once};

impl Node {
    /// Clocks that run keep the time they were set to, but for those that forget members.
    pub(super) fn tune(&mut self, tuning: &Tuning) {
        let forgets_sooner = tuning.forget_after < self.tuning.forget_after;
        self.tuning = tuning.clone();
        self.health.limit(tuning.health_max);
        self.gate.borrow_mut().tune(tuning);
        let result = self.engine.tune(tuning);
        self.check(result);
        // Where it takes longer, whoever is forgotten too early is put off.
        if forgets_sooner {
            self.forget_sooner();
        }
    }

    /// The clocks of members that consumers were told are over ring earlier.
    fn forget_sooner(&mut self) {
        let over: Vec<_> = {
            let gate = self.gate.borrow();
            let ends = |(handle, record)| Some((handle, self.forgotten_at(record)?));
            gate.roster.records().filter_map(ends).collect()
        };
        for (handle, at) in over {
            self.timers.hasten(at, Once::Forget(handle));
        }
    }

    /// When a member that is over has been so for long enough.
    fn forgotten_at(&self, record: &Record) -> Option<Timestamp> {
        let is_over = record.standing.is_over();
        is_over.then(|| record.since + self.tuning.forget_after)
    }

    /// A member has been over for long enough, or an earlier life of it was to be, or it was to be
    /// by an earlier tuning.
    pub(super) fn forget(&mut self, handle: Handle) {
        let record = self.gate.borrow().roster.record(handle).cloned();
        let Some(record) = record else { return };
        let Some(at) = self.forgotten_at(&record) else {
            return;
        };
        if at > self.now {
            return self.timers.schedule_once(at, Once::Forget(handle));
        }
        let life = record.life;
        let gone = foca::Timer::RemoveDown(Identity { handle, life });
        let result = self.engine.timer(gone);
        self.check(result);
        self.gate.borrow_mut().touch(handle);
    }

    /// How long to wait where foca asks to be woken `after` so long. Its own pace it keeps for
    /// ever, ours may change; and probes take the longer the less we trust ourselves.
    pub(super) fn pace(&self, timer: &foca::Timer<Identity>, after: Duration) -> Duration {
        match timer {
            foca::Timer::ProbeRandomMember(_) => self.health.stretch(self.tuning.probe_interval),
            foca::Timer::SendIndirectProbe { .. } => self.health.stretch(self.tuning.probe_timeout),
            _ => after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{Input, MemberState, node::tests::Few};

    const MINUTE: Duration = Duration::from_secs(60);

    /// How many probes the first node makes in a minute.
    fn probes(few: &mut Few) -> u64 {
        let made = |few: &Few| few.nodes[0].as_ref().map_or(0, |node| node.stats().probes);
        let before = made(few);
        few.run(MINUTE);
        made(few) - before
    }

    fn tuned(few: &mut Few, change: impl FnOnce(&mut Tuning)) {
        let mut tuning = few.nodes[0].as_ref().expect("it runs").tuning.clone();
        change(&mut tuning);
        few.input(0, Input::Tuning(&tuning));
    }

    #[test]
    fn probes_keep_the_new_pace() {
        let mut few = Few::joined(3);
        let before = probes(&mut few);
        tuned(&mut few, |tuning| tuning.probe_interval *= 5);
        // The probe that was due by the old pace is the one that may be more.
        let after = probes(&mut few);
        assert!(
            (before / 5..=before / 5 + 1).contains(&after),
            "{before} to {after}"
        );
        assert_eq!(few.state(1, "n0"), Some(MemberState::Alive));
    }

    /// Three, of whom the last one has just failed.
    fn with_a_dead_one() -> Few {
        let mut few = Few::joined(3);
        few.nodes[2] = None;
        few.run(MINUTE);
        assert_eq!(few.state(0, "n2"), Some(MemberState::Failed));
        few
    }

    #[test]
    fn who_failed_is_forgotten_sooner() {
        let mut few = with_a_dead_one();
        tuned(&mut few, |tuning| tuning.forget_after = MINUTE);
        few.run(MINUTE);
        assert_eq!(few.state(0, "n2"), None);
        assert_eq!(few.state(1, "n2"), Some(MemberState::Failed));
    }

    #[test]
    fn who_failed_is_remembered_longer() {
        let mut few = with_a_dead_one();
        tuned(&mut few, |tuning| tuning.forget_after = MINUTE * 3);
        tuned(&mut few, |tuning| tuning.forget_after = MINUTE * 6);
        few.run(MINUTE * 4);
        assert_eq!(few.state(0, "n2"), Some(MemberState::Failed));
        few.run(MINUTE * 2);
        assert_eq!(few.state(0, "n2"), None);
    }
}
