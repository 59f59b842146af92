//! The phases of a run as time passes in them, and the promise of the last one: everything is
//! healed, and views must become and stay equal.

use std::{ops::ControlFlow, time::Duration};

use super::{Phase, Promise, STABLE_FOR, Watcher, World};

/// Whoever watches is asked this often, in virtual time.
const WATCHED_EVERY: Duration = Duration::from_secs(1);

/// How views are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// They must be equal within this time.
    pub(super) within: Duration,
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
        while self.now() < end && self.violations.is_empty() {
            watcher(phase, self.now() - self.counting_since)?;
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
        let failures = self.measures.false_failures;
        let answer = self.run_watched(Phase::Liveness, STABLE_FOR, watcher);
        if answer.is_break() {
            return None;
        }
        if !self.violations.is_empty() {
            return Some(took);
        }
        if self.measures.false_failures > failures {
            let seen = "a living member was called failed after convergence".into();
            self.violate_all(Promise::HealthyStay, seen);
            return Some(took);
        }
        // A rumour of old that was refuted meanwhile: the return may be held back.
        let within = self.longest_hold();
        self.agree(Patience { within, ..patience }, |_| None, watcher)?;
        Some(took)
    }

    /// How long a return may be held back by anybody.
    fn longest_hold(&self) -> Duration {
        let holds = self
            .machines
            .iter()
            .map(|machine| machine.spec.tuning.longest_hold());
        holds.max().unwrap_or_default()
    }

    fn agree(
        &mut self,
        Patience { within, every }: Patience,
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
            if !self.violations.is_empty() {
                return None;
            }
            if spent >= within {
                self.violate_convergence(seen);
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
