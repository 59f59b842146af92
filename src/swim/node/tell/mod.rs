//! From belief to change: what foca's list says now against what was told last.

use foca::{Member, State};

use super::Node;
use crate::swim::{
    Change, Evidence, MemberState, MemberView, Output, Suspicion, Timestamp,
    damping::Unrest,
    directory::Handle,
    gate::{Heard, Touch},
    identity::Identity,
    roster::{Accusation, Claim, Record, Standing},
    timers::{Alarm, Once},
};

/// One thing to tell of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Failed,
    Join { previous: Option<MemberState> },
    Left,
    Refuted,
    Removed,
    Restart { previous_generation: u32 },
    Suspect,
    Update,
}

impl Node {
    /// Tells what is new about the touched members.
    pub(super) fn tell(&mut self, touched: &[Touch]) {
        let mut pending: Vec<Touch> = touched.to_vec();
        // The first life replaced is the one that consumers know.
        pending.sort_by_key(|touch| (touch.handle, touch.replaces.is_none()));
        pending.dedup_by_key(|touch| touch.handle);
        for touch in pending {
            self.tell_member(touch);
        }
    }

    fn tell_member(&mut self, touch: Touch) {
        let handle = touch.handle;
        if self.gate.borrow().is_beyond(handle) {
            return;
        }
        let Some(held) = self.engine.find(handle).cloned() else {
            return self.tell_gone(handle);
        };
        let prior = self.prior(&held, touch);
        let next = self.next(&held, prior.as_ref());
        self.tell_transition(prior.as_ref(), *held.id(), &next);
        self.gate.borrow_mut().tell(handle, next);
    }

    /// Tells how the member came from `prior` to `next`, and starts the clock that ends it.
    pub(super) fn tell_transition(
        &mut self,
        prior: Option<&Record>,
        identity: Identity,
        next: &Record,
    ) {
        let ended = prior.and_then(|prior| self.tell_end(identity.handle, prior, next));
        let shown = ended.as_ref().or(prior);
        for step in steps(shown, next) {
            match (step, shown) {
                // The life that removes it was never anybody's, and may be one that we have no
                // card of: consumers know the one before.
                (Step::Removed, Some(last)) => self.tell_removed(identity.handle, last),
                _ => self.tell_step(step, identity, next),
            }
        }
        self.note_trouble(prior, identity.handle, next);
        self.pass_on(prior, identity, next);
        self.look_for_ourselves(prior, identity, next);
        self.await_end(prior, identity, next);
        self.await_settling(prior, identity, next);
    }

    /// Looks through foca's whole list for what the touches missed: O(n), now and then.
    pub(super) fn audit(&self) {
        let mut gate = self.gate.borrow_mut();
        let differs = |held: &&Member<Identity>| {
            let handle = held.id().handle;
            let told = match gate.roster.record(handle) {
                Some(record) if record.life == held.id().life => record.standing.state(),
                Some(_) => return true,
                None => State::Alive,
            };
            let is_told =
                told == State::Down || gate.roster.incarnation(handle) == held.incarnation();
            !gate.roster.knows(handle) || told != held.state() || !is_told
        };
        let missed: Vec<Handle> = self
            .engine
            .members()
            .filter(differs)
            .map(|held| held.id().handle)
            .collect();
        for handle in missed {
            gate.touch(handle);
        }
    }

    /// What was told last; `None` when nothing was.
    fn prior(&self, held: &Member<Identity>, touch: Touch) -> Option<Record> {
        let gate = self.gate.borrow();
        if !gate.roster.knows(touch.handle) {
            return None;
        }
        let alive = || Record::alive(touch.replaces.unwrap_or_else(|| held.id().life));
        Some(
            gate.roster
                .record(touch.handle)
                .cloned()
                .unwrap_or_else(alive),
        )
    }

    /// What is to be told now.
    pub(super) fn next(&self, held: &Member<Identity>, prior: Option<&Record>) -> Record {
        let gate = self.gate.borrow();
        let heard = gate.heard(*held.id(), held.state());
        let same = |prior: &&Record| prior.life == held.id().life;
        let standing = match held.state() {
            State::Alive => Standing::Alive,
            State::Suspect => Standing::Suspect(self.doubt(held, prior)),
            State::Down => down(
                heard.map(|heard| (&heard.claim, ago(self.now, Some(heard)))),
                prior.filter(same).map(|prior| &prior.standing),
                gate.accusation(*held.id()),
            ),
        };
        let since = match prior {
            Some(prior) if same(&prior) && prior.standing == standing => prior.since,
            _ => ago(self.now, heard),
        };
        // A goodbye says no incarnation; what was published before it does not go back.
        let told = prior.filter(same).map_or(0, |prior| prior.incarnation);
        let (unrest, damped) = match gate.is_beyond(held.id().handle) {
            true => (Unrest::CALM, None),
            false => self.damp(held, prior, &standing),
        };
        Record {
            life: held.id().life,
            incarnation: held.incarnation().max(told),
            standing,
            since,
            unrest,
            held: damped,
        }
    }

    /// Starts the clock that ends the new standing.
    fn await_end(&mut self, prior: Option<&Record>, identity: Identity, next: &Record) {
        let is_new =
            prior.is_none_or(|prior| (prior.life, &prior.standing) != (next.life, &next.standing));
        if !is_new {
            return;
        }
        match &next.standing {
            Standing::Alive => {}
            Standing::Suspect(doubt) => {
                self.await_end_of_suspicion(identity, next.incarnation, doubt);
                self.schedule_last_call(identity, doubt);
            }
            Standing::Restarting { due } => {
                self.timers.schedule(*due, Alarm::RestartOverdue(identity));
                let member = self.gate.borrow().directory.id(identity.handle);
                self.push(Output::Restarting { member, due: *due });
            }
            Standing::Failed(_) | Standing::Left { .. } | Standing::Removed => {
                let at = next.since + self.tuning.forget_after;
                self.timers.schedule_once(at, Once::Forget(identity.handle));
            }
        }
    }

    fn tell_step(&mut self, step: Step, identity: Identity, next: &Record) {
        let Some(mut member) = self.view(identity, next) else {
            return;
        };
        match step {
            Step::Failed => {
                self.note_loss();
                self.change(Change::Failed(member));
            }
            Step::Join { previous } => {
                self.follow_up();
                settle_as_alive(&mut member);
                self.change(Change::Join { member, previous });
            }
            Step::Left => self.change(Change::Left(member)),
            Step::Refuted => {
                settle_as_alive(&mut member);
                self.change(Change::Refuted(member));
            }
            Step::Removed => self.change(Change::Removed(member)),
            Step::Restart {
                previous_generation,
            } => {
                settle_as_alive(&mut member);
                self.change(Change::Restart {
                    member,
                    previous_generation,
                });
            }
            Step::Suspect => {
                member.state = MemberState::Suspect;
                member.suspicion = self.suspicion(&next.told().standing);
                self.change(Change::Suspect(member));
            }
            Step::Update => self.change(Change::Update(member)),
        }
    }

    /// Who was away while a member failed or left hears of its removal only. Consumers that wait
    /// for ends hear of one all the same, and what is shown from then on.
    fn tell_end(&mut self, handle: Handle, last: &Record, next: &Record) -> Option<Record> {
        if next.standing != Standing::Removed || last.told().standing.is_over() {
            return None;
        }
        let ended = Record {
            standing: Standing::Failed(self.told_of_end(last)),
            since: next.since,
            held: None,
            ..last.clone()
        };
        let life = last.life;
        for step in steps(Some(last), &ended) {
            self.tell_step(step, Identity { handle, life }, &ended);
        }
        Some(ended)
    }

    /// Whoever accused it before, or who says now that it is over.
    fn told_of_end(&self, last: &Record) -> Accusation {
        let gate = self.gate.borrow();
        last.standing.accusation().unwrap_or_else(|| Accusation {
            by: gate.directory.id(gate.sender.handle),
            evidence: Evidence::HeldFailed,
        })
    }

    /// The member is told as it was `last`.
    fn tell_removed(&mut self, handle: Handle, last: &Record) {
        let identity = Identity {
            handle,
            life: last.life,
        };
        self.tell_step(Step::Removed, identity, last);
    }

    /// foca has forgotten it, so do we.
    fn tell_gone(&mut self, handle: Handle) {
        let record = self.gate.borrow().roster.record(handle).cloned();
        if let Some(record) = record
            && record.standing != Standing::Removed
        {
            self.tell_removed(handle, &record);
            self.remember_contact(Identity {
                handle,
                life: record.life,
            });
        }
        self.gate.borrow_mut().forget(handle);
    }

    /// Our own incarnation or generation moved.
    pub(super) fn tell_ourselves(&mut self) {
        let told = {
            let gate = self.gate.borrow();
            (gate.me.life, gate.incarnation)
        };
        if told != self.told && self.gate.borrow().leaving.is_none() {
            if told.0 == self.told.0 {
                self.stats.refutations += 1;
                self.health.worse(1);
            }
            self.told = told;
            let change = Change::Update(self.own_view());
            self.change(change);
        }
    }

    pub(super) fn own_view(&self) -> MemberView {
        let gate = self.gate.borrow();
        let leaving = gate.leaving.as_ref().map(|goodbye| goodbye.reason.clone());
        MemberView {
            card: self.own_card(),
            state: if leaving.is_some() {
                MemberState::Left
            } else {
                MemberState::Alive
            },
            incarnation: gate.me.life.published(gate.incarnation),
            suspicion: None,
            reason: leaving,
            app: gate.app(gate.me),
            down_since: None,
        }
    }

    /// The accusation in words. One that has been confirmed has no time left.
    fn suspicion(&self, standing: &Standing) -> Option<Suspicion> {
        let Accusation { by, evidence } = standing.accusation()?;
        let deadline = standing.doubt().map_or(self.now, |doubt| doubt.deadline);
        let by_name = self.gate.borrow().name(by);
        Some(Suspicion {
            by,
            by_name,
            evidence,
            deadline,
        })
    }

    pub(super) fn view(&self, identity: Identity, record: &Record) -> Option<MemberView> {
        let gate = self.gate.borrow();
        let told = record.told();
        let life = told.life;
        let identity = Identity { life, ..identity };
        let reason = match &told.standing {
            Standing::Left { reason } => Some(reason.clone()),
            Standing::Failed(accusation) if accusation.evidence == Evidence::RestartOverdue => {
                Some("restart overdue".into())
            }
            _ => None,
        };
        Some(MemberView {
            card: gate.card_shown(identity)?,
            state: told.standing.shown(),
            incarnation: life.published(told.incarnation),
            suspicion: self
                .suspicion(&told.standing)
                .filter(|_| told.standing.is_active()),
            reason,
            app: gate.app(identity),
            down_since: told.standing.is_over().then_some(told.since),
        })
    }
}

/// The standing of a member that foca holds down. A goodbye is the member's own word: it wins over
/// a failure that others saw, and no later rumour of a failure undoes it.
fn down(
    heard: Option<(&Claim, Timestamp)>,
    prior: Option<&Standing>,
    accusation: Accusation,
) -> Standing {
    let prior = prior.filter(|standing| !standing.is_active());
    let is_overdue = accusation.evidence == Evidence::RestartOverdue;
    match (heard, prior) {
        (Some((Claim::Removed, _)), _) | (_, Some(Standing::Removed)) => Standing::Removed,
        (_, Some(left @ Standing::Left { .. })) => left.clone(),
        (Some((Claim::Left { reason }, _)), _) => Standing::Left {
            reason: reason.clone(),
        },
        (Some((Claim::Failed(_), _)), Some(Standing::Restarting { .. })) if is_overdue => {
            Standing::Failed(accusation)
        }
        (Some((Claim::Restarting { eta }, since)), None) => {
            Standing::Restarting { due: since + *eta }
        }
        (_, Some(failed)) => failed.clone(),
        _ => Standing::Failed(accusation),
    }
}

fn ago(now: Timestamp, heard: Option<&Heard>) -> Timestamp {
    heard.map_or(now, |heard| now.before(heard.age))
}

/// The accusation that follows is told in a change of its own.
fn settle_as_alive(member: &mut MemberView) {
    member.state = MemberState::Alive;
    member.suspicion = None;
}

/// Everything a consumer must hear to get from `prior` to `next`.
fn steps(prior: Option<&Record>, next: &Record) -> Vec<Step> {
    let (prior, next) = (prior.map(Record::told), next.told());
    let known = prior.filter(|prior| prior.standing != Standing::Removed);
    let Some(prior) = known else {
        let was_removed = prior.is_some_and(|removed| removed.life == next.life);
        return arrival(None, &next.standing, was_removed);
    };
    if !prior.standing.is_over() {
        return onward(prior, next);
    }
    let previous = Some(prior.standing.shown());
    match &next.standing {
        Standing::Alive | Standing::Suspect(_) | Standing::Restarting { .. } => {
            arrival(previous, &next.standing, false)
        }
        Standing::Removed => vec![Step::Removed],
        Standing::Left { .. } if previous != Some(MemberState::Left) => vec![Step::Left],
        Standing::Failed(_) if previous != Some(MemberState::Failed) => vec![Step::Failed],
        _ if (prior.life, prior.incarnation) != (next.life, next.incarnation) => {
            vec![Step::Update]
        }
        _ => vec![],
    }
}

fn arrival(previous: Option<MemberState>, next: &Standing, was_removed: bool) -> Vec<Step> {
    match next {
        Standing::Alive | Standing::Restarting { .. } => vec![Step::Join { previous }],
        Standing::Suspect(_) => vec![Step::Join { previous }, Step::Suspect],
        // A newcomer hears of members that failed or left before it came; who was removed on
        // purpose does not come back as a corpse.
        Standing::Failed(_) if !was_removed => vec![Step::Failed],
        Standing::Left { .. } if !was_removed => vec![Step::Left],
        Standing::Failed(_) | Standing::Left { .. } | Standing::Removed => vec![],
    }
}

/// From alive or suspect to whatever is next.
fn onward(prior: &Record, next: &Record) -> Vec<Step> {
    let previous_generation = prior.life.generation();
    let restarted = next.life.generation() > previous_generation;
    let moved = (prior.life, prior.incarnation) != (next.life, next.incarnation);
    let was_suspect = prior.standing.doubt().is_some();
    let was_announced = matches!(prior.standing, Standing::Restarting { .. });
    match &next.standing {
        // Its own goodbye proves that a suspect was well.
        Standing::Alive | Standing::Restarting { .. } if restarted => vec![Step::Restart {
            previous_generation,
        }],
        Standing::Alive | Standing::Restarting { .. } if was_suspect => vec![Step::Refuted],
        Standing::Alive | Standing::Restarting { .. } if moved => vec![Step::Update],
        Standing::Alive | Standing::Restarting { .. } => vec![],
        Standing::Suspect(_) if restarted => {
            vec![
                Step::Restart {
                    previous_generation,
                },
                Step::Suspect,
            ]
        }
        Standing::Suspect(_) if was_suspect && moved => vec![Step::Refuted, Step::Suspect],
        Standing::Suspect(_) if was_suspect => vec![],
        Standing::Suspect(_) => vec![Step::Suspect],
        Standing::Failed(_) if was_suspect || was_announced => vec![Step::Failed],
        // The accusation was lost on the way; the failure says what it was.
        Standing::Failed(_) => vec![Step::Suspect, Step::Failed],
        Standing::Left { .. } => vec![Step::Left],
        Standing::Removed => vec![Step::Removed],
    }
}

#[cfg(test)]
mod tests;
