//! What becomes of what another node tells.

use std::collections::{BTreeMap, BTreeSet};

use foca::{Member, State};

use super::Node;
use crate::swim::{
    Life, MemberId, directory::Handle, envelope::Envelope, identity::Identity, wire::Update,
};

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
        let (stated, raised) = {
            let gate = self.gate.borrow();
            (gate.pending.stated.len(), gate.pending.raised.len())
        };
        // An isolated node tells of its healing when it has company again.
        let was_lost = !self.is_isolated() && self.was_lost(envelope);
        let about: Vec<_> = {
            let gate = self.gate.borrow();
            updates
                .iter()
                .map(|update| update.id(&gate.cluster))
                .collect()
        };
        let held = self.held(&about);
        let mut members = Vec::with_capacity(updates.len());
        let mut disputes = Vec::new();
        {
            let mut gate = self.gate.borrow_mut();
            if let Some(handle) = gate.directory.handle(envelope.sender) {
                gate.sender = Identity {
                    handle,
                    life: envelope.life,
                };
            }
            let forget_after = self.tuning.forget_after;
            for (index, (update, id)) in updates.iter().zip(about).enumerate() {
                let handle = gate.directory.handle(id);
                let listed = handle.and_then(|handle| held.get(&handle).cloned());
                let presumed = handle.filter(|handle| gate.is_beyond(*handle));
                let held = listed.or_else(|| Some(gate.presumed(presumed?)));
                let claim = updates.get(index + 1);
                if held.is_none() && !gate.is_worth_a_card(update, claim, forget_after) {
                    continue;
                }
                members.push(gate.import(update, held.as_ref(), forget_after));
                disputes.extend(held.and_then(|held| disputed(update, &held)));
            }
            for stated in &mut gate.pending.stated[stated..] {
                stated.is_rumour = gossip;
            }
            for raised in &mut gate.pending.raised[raised..] {
                raised.is_rumour = gossip;
            }
        }
        if let Some(junk) = self.gate.borrow_mut().noticed.junk.take() {
            self.stats.count_junk(junk);
        }
        let result = self.engine.apply(members.into_iter(), gossip);
        self.check(result);
        if !disputes.is_empty() {
            self.follow_up();
        }
        if gossip && self.engine.active() > active && updates.len() > 1 {
            self.follow_up_soon();
        }
        for (handle, life) in disputes {
            self.tell_held_over(handle, life);
        }
        if was_lost && !self.was_lost(envelope) {
            self.settle();
            self.tell_healed(self.engine.active());
        }
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

/// A member that one side holds alive and the other failed, and the life it must move beyond.
fn disputed(update: &Update<'_>, held: &Member<Identity>) -> Option<(Handle, Life)> {
    let (identity, down) = (*held.id(), held.state() == State::Down);
    let disputed = match update {
        Update::Failed {
            life, incarnation, ..
        } => !down && *life == identity.life && *incarnation >= held.incarnation(),
        Update::Alive { life, .. } => down && *life <= identity.life,
        _ => false,
    };
    disputed.then_some((identity.handle, identity.life))
}
