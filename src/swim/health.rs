//! `Health`: how far a node trusts itself (Lifeguard §IV-A, the local health multiplier).
//!
//! Who hears nobody is more likely at fault itself than everybody else is. A node that seems slow
//! probes less often and waits longer for answers, so that it accuses fewer of the healthy.

use std::time::Duration;

use super::identity::Identity;

/// A counter from 0, healthy, to S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Health {
    score: u8,
    max: u8,
}

impl Health {
    pub(super) const fn new(max: u8) -> Self {
        Self { score: 0, max }
    }

    /// From now on the score is at most `max`.
    pub(super) fn limit(&mut self, max: u8) {
        self.max = max;
        self.score = self.score.min(max);
    }

    pub(super) const fn score(self) -> u8 {
        self.score
    }

    /// Probe intervals and time-outs grow by the score: base · (score + 1).
    pub(super) fn stretch(self, base: Duration) -> Duration {
        base * (u32::from(self.score) + 1)
    }

    /// Something went as it does with a healthy node.
    pub(super) const fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// Something went as it does with a node that is slow or cut off.
    pub(super) fn worse(&mut self, points: u8) {
        self.score = self.max.min(self.score.saturating_add(points));
    }
}

/// The probe that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) target: Identity,
    pub(super) number: foca::ProbeNumber,
    /// By the target itself or by way of a helper.
    pub(super) answered: bool,
    /// Members that were asked to probe it for us.
    pub(super) helpers: u8,
    /// Helpers that said that they had no answer either: we hear others well.
    pub(super) nacks: u8,
}

impl Probe {
    pub(super) const fn new(target: Identity, number: foca::ProbeNumber) -> Self {
        Self {
            target,
            number,
            answered: false,
            helpers: 0,
            nacks: 0,
        }
    }

    /// What it says against ourselves that it failed: a point for each helper that we did not hear
    /// of. One that failed though all were heard says something of the target alone. This is
    /// memberlist's rule, chosen by measurement over the paper's, by which a failed probe costs a
    /// point, and another one if any nack is missing (`simulations/VALIDATION.md`).
    pub(super) const fn points(self) -> u8 {
        match self.helpers {
            0 => 1,
            helpers => helpers.saturating_sub(self.nacks),
        }
    }
}

/// A probe that somebody asked us to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) asker: Identity,
    pub(super) target: Identity,
    pub(super) number: foca::ProbeNumber,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_stays_between_nothing_and_its_maximum() {
        let mut health = Health::new(2);
        health.better();
        assert_eq!(health.score(), 0);
        for _ in 0..3 {
            health.worse(1);
        }
        assert_eq!(health.score(), 2);
        assert_eq!(
            health.stretch(Duration::from_secs(1)),
            Duration::from_secs(3)
        );
    }

    #[test]
    fn without_a_maximum_nothing_is_stretched() {
        let mut health = Health::new(0);
        health.worse(1);
        assert_eq!(
            health.stretch(Duration::from_secs(1)),
            Duration::from_secs(1)
        );
    }
}
