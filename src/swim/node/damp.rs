//! Holding back the returns of members that keep failing.

use foca::Member;

use super::Node;
use crate::swim::{
    Evidence, MemberId, MemberState, Timestamp,
    damping::{Held, Unrest},
    directory::Handle,
    identity::Identity,
    losses::{is_loss, is_lost, is_return},
    roster::{Accusation, Record, Standing},
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
        let interval = self.tuning.probe_interval;
        let unrest = match next {
            Standing::Alive => self.unrest_of_returned(prior),
            _ => prior.unrest,
        };
        let returned = unrest.counts_more_than(prior.unrest);
        let until = self.now + unrest.hold(interval);
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

    /// What the other side of a cut said of ours is not counted. Whoever the cut took from us is
    /// marked as its own, whoever accused it: by that we know the other side.
    fn unrest_of_returned(&self, prior: &Record) -> Unrest {
        let cut = self
            .losses
            .cut_behind(prior.since, self.tuning.probe_interval);
        let unrest = prior.unrest.back_from(&prior.standing, cut, self.now);
        let was_taken =
            matches!(prior.standing, Standing::Failed(_)) && !unrest.counts_more_than(prior.unrest);
        match was_taken || !self.is_accused_by_the_other_side(prior) {
            true => unrest,
            false => prior.unrest,
        }
    }

    /// Whether those who accused it were cut off from it: each side of a cut fails the other, and
    /// says so when the two meet.
    fn is_accused_by_the_other_side(&self, record: &Record) -> bool {
        let is_theirs = |accusation: Accusation| {
            accusation.evidence == Evidence::HeldFailed || self.was_cut_off(accusation.by)
        };
        let interval = self.tuning.probe_interval;
        record.standing.accusation().is_some_and(is_theirs)
            && self.losses.has_other_side(self.now, interval)
    }

    /// Whether we have lost that member, or it came back from the last cut.
    fn was_cut_off(&self, member: MemberId) -> bool {
        let gate = self.gate.borrow();
        let handle = gate.directory.handle(member);
        let record = handle.and_then(|handle| gate.roster.record(handle));
        record.is_some_and(|record| {
            record.standing != Standing::Alive || self.losses.has_taken(record.unrest)
        })
    }

    /// A member is lost, or no longer: others may be so with it. What the other side of a cut says
    /// of ours is no loss.
    pub(super) fn note_trouble(&mut self, prior: Option<&Record>, member: Handle, next: &Record) {
        let Some(prior) = prior else { return };
        let interval = self.tuning.probe_interval;
        if is_loss(&prior.standing, &next.standing) && !self.is_accused_by_the_other_side(next) {
            let size = self.cluster_size();
            self.losses.note(member, self.now, size, interval);
        }
        if !is_lost(&next.standing) {
            self.losses.note_found(member);
        }
        if is_return(&prior.standing, &next.standing) {
            self.losses.note_return(prior.since, self.now, interval);
            // A cut brings many back at once.
            if self.tuning.last_calls && self.losses.is_time_to_ask(self.now, interval) {
                self.ask_suspects();
            }
        }
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
/// a member suspect, or failed, that was so when it announced one. One that was removed they do
/// not hold: it joins.
fn awaiting(prior: &Record, due: Timestamp) -> Option<Held> {
    let told = prior.told();
    let is_shown = told.standing != Standing::Removed;
    (is_shown && told.standing.shown() != MemberState::Alive).then(|| Held {
        told: Box::new(told.clone()),
        until: due,
    })
}
