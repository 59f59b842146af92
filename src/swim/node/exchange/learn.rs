//! What becomes of what another node tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use foca::{Member, State};

use super::Node;
use crate::swim::{
    MemberId, directory::Handle, envelope::Envelope, identity::Identity, wire::Update,
};

/// What foca hears of all that another node told.
struct Lesson {
    claims: Vec<Member<Identity>>,
    /// Whom one side holds alive and the other failed, in the life that must be moved beyond.
    disputed: Vec<Identity>,
}

impl Node {
    /// Takes over what another node knows, and passes on what is new, unless those who know it
    /// already taught it to one who knew nobody.
    pub(in crate::swim::node) fn import(
        &mut self,
        envelope: &Envelope<'_>,
        updates: &[Update<'_>],
        gossip: bool,
    ) {
        let active = self.engine.active();
        // An isolated node tells of its healing when it has company again.
        let was_lost = !self.is_isolated() && self.was_lost(envelope);
        let lesson = self.judge_all(envelope, updates, gossip);
        let result = self.engine.apply(lesson.claims.into_iter(), gossip);
        self.check(result);
        if !lesson.disputed.is_empty() {
            self.follow_up();
        }
        if gossip && self.engine.active() > active && updates.len() > 1 {
            self.follow_up_soon();
        }
        for life in lesson.disputed {
            self.tell_held_over(life);
        }
        if was_lost && !self.was_lost(envelope) {
            self.settle();
            self.tell_healed(self.engine.active());
        }
    }

    /// Passes through the gate what another node tells. What is no claim is passed on as claims
    /// are, once they are told.
    fn judge_all(
        &mut self,
        envelope: &Envelope<'_>,
        updates: &[Update<'_>],
        gossip: bool,
    ) -> Lesson {
        let mark = {
            let mut gate = self.gate.borrow_mut();
            if let Some(handle) = gate.directory.handle(envelope.sender) {
                let life = envelope.life;
                gate.sender = Identity { handle, life };
            }
            gate.pending.mark()
        };
        let lesson = self.judge_each(updates);
        let junk = {
            let mut gate = self.gate.borrow_mut();
            gate.pending.pass_on_since(mark, gossip);
            mem::take(&mut gate.noticed).junk
        };
        if let Some(junk) = junk {
            self.stats.count_junk(junk);
        }
        lesson
    }

    fn judge_each(&self, updates: &[Update<'_>]) -> Lesson {
        let about = self.about(updates);
        let held = self.held(&about);
        let mut gate = self.gate.borrow_mut();
        let forget_after = self.tuning.forget_after;
        let mut claims = Vec::with_capacity(updates.len());
        let mut disputed = Vec::new();
        for (index, (update, id)) in updates.iter().zip(about).enumerate() {
            let handle = gate.directory.handle(id);
            let listed = handle.and_then(|handle| held.get(&handle).cloned());
            let presumed = handle.filter(|handle| gate.is_beyond(*handle));
            let held = listed.or_else(|| Some(gate.presumed(presumed?)));
            let claim = updates.get(index + 1);
            if held.is_none() && !gate.is_worth_a_card(update, claim, forget_after) {
                continue;
            }
            claims.push(gate.import(update, held.as_ref(), forget_after));
            let held = held.filter(|held| is_disputed(update, held));
            disputed.extend(held.map(|held| *held.id()));
        }
        Lesson { claims, disputed }
    }

    /// Whom each of these is about.
    fn about(&self, updates: &[Update<'_>]) -> Vec<MemberId> {
        let gate = self.gate.borrow();
        let ids = updates.iter().map(|update| update.id(&gate.cluster));
        ids.collect()
    }

    /// What the list holds of these members. One look through the list.
    fn held(&self, about: &[MemberId]) -> BTreeMap<Handle, Member<Identity>> {
        let gate = self.gate.borrow();
        let about = about.iter().filter_map(|id| gate.directory.handle(*id));
        let about: BTreeSet<_> = about.collect();
        let members = self.engine.members();
        let held = members.filter(|held| about.contains(&held.id().handle));
        held.map(|held| (held.id().handle, held.clone())).collect()
    }

    /// Whether we hold the sender down in the very process that speaks: it never went away, we
    /// lost each other.
    fn was_lost(&self, envelope: &Envelope<'_>) -> bool {
        let handle = self.gate.borrow().directory.handle(envelope.sender);
        let held = handle.and_then(|handle| self.engine.find(handle));
        held.is_some_and(|held| {
            held.state() == State::Down && held.id().life.generation() == envelope.life.generation()
        })
    }
}

/// Whether one side holds the member alive and the other failed: it must move beyond this life.
fn is_disputed(update: &Update<'_>, held: &Member<Identity>) -> bool {
    let (identity, down) = (held.id(), held.state() == State::Down);
    match update {
        Update::Failed {
            life, incarnation, ..
        } => !down && *life == identity.life && *incarnation >= held.incarnation(),
        Update::Alive { life, .. } => down && *life <= identity.life,
        _ => false,
    }
}
