//! `Plan`: what is done, how often, and about how long that takes.

use std::{collections::BTreeSet, time::Duration};

use super::phase::Phase;
use crate::swim::Profile;

/// How long an agent is stopped.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
/// For so long afterwards what is told of it is still told of that.
pub(super) const AFTERMATH: Duration = Duration::from_secs(5);
/// Before the agents are at rest.
pub(super) const CALM: Duration = Duration::from_secs(3);
/// So many clusters start in a repetition; the last one goes on.
pub(super) const BOOTSTRAPS: u32 = 3;

/// What is done with either side.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) nodes: u16,
    pub(super) repetitions: u16,
    pub(super) profile: Profile,
    pub(super) phases: BTreeSet<Phase>,
    /// How long a phase goes on.
    pub(super) time: Duration,
}

/// Whose agents are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Serf,
}

impl Side {
    /// The program's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "headcount",
            Self::Serf => "serf",
        }
    }
}

impl Plan {
    /// Whose turn it is, one after the other, in repetitions from 1. Who begins alternates.
    pub(super) fn turns(&self, with_serf: bool) -> Vec<(u16, Side)> {
        let sides = |repetition: u16| match (with_serf, repetition % 2) {
            (false, _) => vec![Side::Ours],
            (true, 1) => vec![Side::Ours, Side::Serf],
            (true, _) => vec![Side::Serf, Side::Ours],
        };
        let turn = |repetition| {
            sides(repetition)
                .into_iter()
                .map(move |side| (repetition, side))
        };
        (1..=self.repetitions).flat_map(turn).collect()
    }

    /// Whether this is done at all: a cluster always starts.
    pub(super) fn has(&self, phase: Phase) -> bool {
        phase == Phase::Bootstrap || self.phases.contains(&phase)
    }

    /// What is done with a cluster that stands.
    pub(super) fn after_start(&self) -> impl Iterator<Item = Phase> {
        let phases = self.phases.iter().copied();
        phases.filter(|phase| *phase != Phase::Bootstrap)
    }

    /// About how long a side's turn takes.
    pub(super) fn turn(&self, side: Side) -> Duration {
        let phases = Phase::ALL.into_iter().filter(|phase| self.has(*phase));
        phases.map(|phase| self.takes(phase, side)).sum()
    }

    /// About how long a phase takes, from runs with 25 agents.
    pub(super) fn takes(&self, phase: Phase, side: Side) -> Duration {
        let fixed = match (phase, side) {
            (Phase::Bootstrap, Side::Ours) => Duration::from_secs(2),
            (Phase::Bootstrap, Side::Serf) => Duration::from_secs(8),
            (Phase::Steady, _) => CALM,
            (Phase::Pause, _) => PAUSE + AFTERMATH,
            (Phase::Partition, Side::Ours) => Duration::from_secs(15),
            (Phase::Partition, Side::Serf) => Duration::from_secs(40),
            // The last blow is waited for.
            (Phase::Crash, Side::Serf) => Duration::from_secs(6),
            _ => Duration::from_secs(1),
        };
        fixed + phase.lasts(self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_alternate_and_so_does_who_begins() {
        let plan = Plan {
            nodes: 3,
            repetitions: 2,
            profile: Profile::Lan,
            phases: BTreeSet::from([Phase::Crash]),
            time: Duration::from_secs(1),
        };
        let (ours, serf) = (Side::Ours, Side::Serf);
        assert_eq!(plan.turns(false), [(1, ours), (2, ours)]);
        assert_eq!(
            plan.turns(true),
            [(1, ours), (1, serf), (2, serf), (2, ours)]
        );
        assert!(plan.has(Phase::Bootstrap) && plan.has(Phase::Crash) && !plan.has(Phase::Leave));
        assert_eq!(plan.after_start().collect::<Vec<_>>(), [Phase::Crash]);
    }
}
