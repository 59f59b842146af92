//! Holding back the returns of members that keep failing.

use foca::Member;

use super::Node;
use crate::swim::{
    MemberState, Timestamp,
    damping::{Held, Unrest},
    identity::Identity,
    roster::{Record, Standing},
    timers::Alarm,
};

impl Node {
    /// What becomes of a member's unrest now that its standing is `next`, and the record that
    /// consumers go on to hold if they are not told of its return yet. A new generation begins
    /// anew: its process was started by somebody.
    pub(super) fn damp(
        &self,
        member: &Member<Identity>,
        prior: Option<&Record>,
        next: &Standing,
    ) -> (Unrest, Option<Held>) {
        let generation = member.id().life.generation();
        let same = |prior: &&Record| prior.life.generation() == generation;
        let Some(prior) = prior.filter(same) else {
            return (Unrest::CALM, None);
        };
        if let Standing::Restarting { due } = next {
            return (prior.unrest, awaiting(prior, *due));
        }
        if !self.tuning.damping {
            return (Unrest::CALM, None);
        }
        let unrest = match next {
            Standing::Alive => prior.unrest.back_from(&prior.standing, self.now),
            _ => prior.unrest,
        };
        let returned = unrest != prior.unrest;
        let until = self.now + unrest.hold(self.tuning.probe_interval);
        let held = match next {
            Standing::Alive if returned => Some(Held {
                told: Box::new(prior.told().clone()),
                until,
            }),
            Standing::Alive | Standing::Suspect(_) => prior.held.clone(),
            Standing::Failed(_)
            | Standing::Left { .. }
            | Standing::Removed
            | Standing::Restarting { .. } => None,
        };
        let lasts = |held: &Held| *next != Standing::Alive || self.now < held.until;
        (unrest, held.filter(lasts))
    }

    /// Consumers are told of a return that has lasted.
    pub(super) fn await_settling(
        &mut self,
        prior: Option<&Record>,
        identity: Identity,
        next: &Record,
    ) {
        let until = |record: &Record| record.held.as_ref().map(|held| held.until);
        let Some(at) = until(next) else { return };
        if next.standing == Standing::Alive
            && prior
                .is_none_or(|prior| prior.standing != Standing::Alive || until(prior) != Some(at))
        {
            self.timers.schedule(at, Alarm::Settled(identity.handle));
        }
    }
}

/// A goodbye says no incarnation, as a refutation must: until the restart, consumers go on to hold
/// a member suspect, or failed, that was so when it announced one.
fn awaiting(prior: &Record, due: Timestamp) -> Option<Held> {
    let told = prior.told();
    (told.standing.shown() != MemberState::Alive).then(|| Held {
        told: Box::new(told.clone()),
        until: due,
    })
}
