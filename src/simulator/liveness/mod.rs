//! The phases of a run as time passes in them, and the promise of the last one: everything is
//! healed, and views must become and stay equal.

mod lingering;
mod truth;

use std::{ops::ControlFlow, time::Duration};

use super::{Promise, World};

/// Once all views are equal nothing may change for this long.
pub const STABLE_FOR: Duration = Duration::from_secs(20);
/// Whoever watches is asked this often, in virtual time.
const WATCHED_EVERY: Duration = Duration::from_secs(1);

/// The key by which a scenario says how soon views must be equal: who reads that they were not
/// must know that it was the scenario's bound.
pub(super) const CONVERGE_WITHIN: &str = "converge_within";

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The cluster forms; nothing is counted yet.
    Forming,
    /// Faults strike.
    Safety,
    /// Everything is healed.
    Liveness,
}

/// Told about once per virtual second how far a run is, and when a phase begins; says whether to
/// go on.
pub type Watcher<'a> = dyn FnMut(Phase, Duration) -> ControlFlow<()> + 'a;

/// How views are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// They must be equal within this time.
    pub(super) within: Duration,
    /// What a scenario, or a node, calls that time.
    pub(super) bound: &'static str,
    /// They are compared this often; to compare all is n².
    pub(super) every: Duration,
}

impl World {
    /// Lets `span` pass in `phase`, until a promise is broken or `watcher` wants no more.
    pub(super) fn run_watched(
        &mut self,
        phase: Phase,
        span: Duration,
        watcher: &mut Watcher<'_>,
    ) -> ControlFlow<()> {
        // By time stamps: a span may have nanoseconds, of which a world knows nothing.
        let end = self.now() + span;
        while self.now() < end && self.violations().is_empty() {
            watcher(phase, self.counted_for())?;
            self.run_for(WATCHED_EVERY.min(end - self.now()));
        }
        ControlFlow::Continue(())
    }

    /// Waits until `unfinished` has nothing to say any more and all views are equal; then nobody
    /// may fail for a while, and views are equal again once no return is held back. Tells how long
    /// the views took, unless they did not become equal or `watcher` wants no more.
    pub(super) fn live(
        &mut self,
        patience: Patience,
        unfinished: impl Fn(&Self) -> Option<String>,
        watcher: &mut Watcher<'_>,
    ) -> Option<Duration> {
        let took = self.agree(patience, unfinished, watcher)?;
        let failures = self.measures().false_failures;
        let answer = self.run_watched(Phase::Liveness, STABLE_FOR, watcher);
        if answer.is_break() {
            return None;
        }
        if !self.violations().is_empty() {
            return Some(took);
        }
        if self.measures().false_failures > failures {
            let seen = "a living member was called failed after convergence".into();
            self.violate_all(Promise::HealthyStay, seen);
            return Some(took);
        }
        // A rumour of old that was refuted meanwhile: the return may be held back.
        let held_back = Patience {
            within: self.longest_hold(),
            bound: "the longest that a return is held back",
            ..patience
        };
        self.agree(held_back, |_| None, watcher)?;
        Some(took)
    }

    /// How long a return may be held back by anybody.
    fn longest_hold(&self) -> Duration {
        let holds = self
            .slots()
            .map(|slot| self.spec(slot).tuning.longest_hold());
        holds.max().unwrap_or_default()
    }

    fn agree(
        &mut self,
        Patience {
            within,
            bound,
            every,
        }: Patience,
        unfinished: impl Fn(&Self) -> Option<String>,
        watcher: &mut Watcher<'_>,
    ) -> Option<Duration> {
        let begin = self.now();
        loop {
            let spent = self.now() - begin;
            let disagreement = || self.disagreement().or_else(|| self.undelivered());
            let Some(seen) = unfinished(self).or_else(disagreement) else {
                return Some(spent);
            };
            if !self.violations().is_empty() {
                return None;
            }
            if spent >= within {
                let within = humantime::format_duration(within);
                self.violate_convergence(seen, &format!("{bound} = {within} is over"));
                return None;
            }
            let span = every.min(within - spent);
            let answer = self.run_watched(Phase::Liveness, span, watcher);
            if answer.is_break() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Scenario;

    #[test]
    fn whoever_reads_that_views_were_not_equal_in_time_reads_whose_time_that_was() {
        let text = "# Nobody is so fast.\nnodes = 4\nduration = \"10s\"\n[[fault]]\n\
                    kind = \"crash\"\nat = \"9900ms\"\n[expect]\nconverge_within = \"2ms\"\n";
        let scenario = Scenario::parse("mine.toml", text).expect("legal");
        let outcome = scenario.run(1, &mut |_, _| ControlFlow::Continue(()));
        let seen = &outcome.run.violations[0].seen;
        assert!(seen.ends_with("; converge_within = 2ms is over"), "{seen}");
    }
}
