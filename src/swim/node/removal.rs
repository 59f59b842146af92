//! Forgetting a member on an operator's word, and counting who has forgotten it.
//!
//! The removal itself is gossip, as every claim is. Once gossip has had its time, whoever was told
//! to remove the member asks every living member, by a message of its own, whether it did. Members
//! that do not say so are asked again, and named in the end: whom gossip missed hears of it when it
//! compares its state with somebody's.

use std::{collections::BTreeSet, time::Duration};

use foca::{Member, State};

use super::Node;
use crate::swim::{
    Junk, Life, MemberId, Output, Removed,
    directory::Handle,
    envelope::{Envelope, Kind},
    gate::Gate,
    identity::Identity,
    roster::{Claim, Standing},
    timers::Alarm,
    wire::{self, Forget},
};

/// From the removal to the first round of questions, and between two of them.
const ROUND_PAUSE: Duration = Duration::from_millis(500);
/// Rounds after which whoever has not answered is named.
const ROUNDS: u8 = 5;

/// A removal that is being counted.
#[derive(Debug)]
pub(super) struct Removal {
    name: String,
    /// The life that is down from its beginning.
    life: Life,
    /// Who said that it has forgotten the member.
    applied: BTreeSet<Handle>,
    rounds: u8,
}

impl Node {
    /// Whether [`crate::swim::Input::Remove`] would have any effect. O(n) in the members that are
    /// not simply alive.
    pub fn is_removable(&self, name: &str) -> bool {
        removable(&self.gate.borrow(), name).is_some()
    }

    /// Forgets a failed or departed member everywhere. It becomes one more life that is down from
    /// its beginning: that is a change, so foca gossips it, and it dominates what came before.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(identity) = removable(&self.gate.borrow(), name) else {
            return;
        };
        let after = Identity {
            life: identity.life.next(),
            ..identity
        };
        let update = Member::new(after, 0, State::Down);
        self.gate.borrow_mut().hear(&update, Claim::Removed, 0);
        let result = self.engine.apply(std::iter::once(update), true);
        self.check(result);
        let removal = Removal {
            name: name.into(),
            life: after.life,
            applied: BTreeSet::new(),
            rounds: 0,
        };
        if self.removals.insert(after.handle, removal).is_none() {
            self.schedule(ROUND_PAUSE, Alarm::RemovalRound(after.handle));
        }
        // Consumers hear of it before whoever asked.
        self.settle();
        self.conclude_removal(after.handle);
    }

    /// Asks those who have not answered yet, or gives them up.
    pub(super) fn removal_round(&mut self, removed: Handle) {
        let Some(removal) = self.removals.get_mut(&removed) else {
            return;
        };
        removal.rounds += 1;
        if removal.rounds > ROUNDS {
            return self.end_removal(removed);
        }
        let message = Forget {
            id: self.gate.borrow().directory.id(removed),
            life: removal.life,
            is_done: false,
        };
        for member in self.yet_to_forget(removed) {
            self.say_forget(member, message);
        }
        self.schedule(ROUND_PAUSE, Alarm::RemovalRound(removed));
        // Who was waited for may be gone.
        self.conclude_removal(removed);
    }

    /// Living members that did not say that they have forgotten this one, which may be back.
    fn yet_to_forget(&self, removed: Handle) -> Vec<Identity> {
        let Some(removal) = self.removals.get(&removed) else {
            return Vec::new();
        };
        let others = self.engine.living().map(|held| *held.id());
        let others = others.filter(|member| member.handle != removed);
        let waiting = others.filter(|member| !removal.applied.contains(&member.handle));
        waiting.collect()
    }

    /// All answers come together: the members are looked through only when they may be all.
    fn conclude_removal(&mut self, removed: Handle) {
        let said = |removal: &Removal| removal.applied.len() + 1 >= self.engine.active();
        if self.removals.get(&removed).is_some_and(said) && self.yet_to_forget(removed).is_empty() {
            self.end_removal(removed);
        }
    }

    fn end_removal(&mut self, removed: Handle) {
        let missing = self.yet_to_forget(removed);
        let Some(removal) = self.removals.remove(&removed) else {
            return;
        };
        let gate = self.gate.borrow();
        let name = |member: &Identity| match gate.card_of(*member) {
            Some(card) => card.name.clone(),
            None => gate.directory.id(member.handle).to_string(),
        };
        let mut missing: Vec<_> = missing.iter().map(name).collect();
        drop(gate);
        missing.sort();
        let did = |held: &&Member<Identity>| removal.applied.contains(&held.id().handle);
        let others = self.engine.living().filter(did).count();
        self.push(Output::Removed(Box::new(Removed {
            name: removal.name,
            applied_by: others + 1,
            missing,
        })));
    }

    fn say_forget(&mut self, to: Identity, message: Forget) {
        let (id, address) = {
            let gate = self.gate.borrow();
            (gate.directory.id(to.handle), gate.address_of(to))
        };
        if let Some(address) = address {
            self.send(Kind::Forget, (id, address), &message);
        }
    }

    pub(super) fn on_forget(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let message: Forget = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let sender = self.acquaintance(envelope).ok_or(Junk::Stranger)?;
        if self.gate.borrow().leaving.is_some() {
            return Ok(());
        }
        match message.is_done {
            true => self.count_removal(sender, message),
            false => self.confirm_removal(sender, message),
        }
        Ok(())
    }

    /// Says that we have forgotten a member that somebody else removes; if we have not, that one
    /// asks again.
    fn confirm_removal(&mut self, asker: Identity, Forget { id, life, .. }: Forget) {
        if self.has_forgotten(id, life) {
            let is_done = true;
            self.say_forget(asker, Forget { id, life, is_done });
        }
    }

    /// Whether nothing is held of a member in that life, or in one before it.
    fn has_forgotten(&self, id: MemberId, life: Life) -> bool {
        let gate = self.gate.borrow();
        let Some(handle) = gate.directory.handle(id) else {
            return true;
        };
        match gate.roster.record(handle) {
            _ if handle == gate.me.handle => false,
            Some(record) if record.standing == Standing::Removed => record.life >= life,
            Some(record) => record.life > life,
            None if !gate.roster.knows(handle) => true,
            None => {
                let held = self.engine.find(handle);
                held.is_some_and(|held| held.id().life > life)
            }
        }
    }

    fn count_removal(&mut self, sender: Identity, Forget { id, life, .. }: Forget) {
        let handle = self.gate.borrow().directory.handle(id);
        let Some(handle) = handle else { return };
        let removal = self.removals.get_mut(&handle);
        if let Some(removal) = removal.filter(|removal| removal.life == life) {
            removal.applied.insert(sender.handle);
            self.conclude_removal(handle);
        }
    }
}

fn removable(gate: &Gate, name: &str) -> Option<Identity> {
    gate.roster
        .records()
        .filter(|(_, record)| {
            matches!(record.standing, Standing::Failed(_) | Standing::Left { .. })
        })
        .map(|(handle, record)| Identity {
            handle,
            life: record.life,
        })
        .find(|identity| {
            gate.card_of(*identity)
                .is_some_and(|card| card.name == name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{
        Input, MemberState,
        node::tests::{Arrival, Few, address, node},
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// Members of whom the last one failed.
    fn with_a_dead_one(count: usize) -> Few {
        let mut few = Few::joined(count);
        few.nodes[count - 1] = None;
        few.run(SECOND * 30);
        few
    }

    fn remove(few: &mut Few, name: &str) {
        few.input(0, Input::Remove { name });
    }

    fn answers(few: &Few) -> Vec<(usize, Vec<String>)> {
        let answers = few.removed.iter();
        let answer = |removed: &Removed| (removed.applied_by, removed.missing.clone());
        answers.map(answer).collect()
    }

    fn asked(few: &Few, at: usize) -> usize {
        let to_it = |(_, to, arrival): &&(usize, usize, Arrival)| match arrival {
            Arrival::Datagram(_, bytes) => *to == at && bytes[2] == Kind::Forget as u8,
            _ => false,
        };
        few.captured.iter().filter(to_it).count()
    }

    #[test]
    fn every_living_member_says_that_it_has_forgotten() {
        let mut few = with_a_dead_one(8);
        remove(&mut few, "n7");
        few.run(SECOND);
        assert_eq!(answers(&few), [(7, vec![])]);
        for at in 1..7 {
            assert_eq!(asked(&few, at), 1, "n{at}");
            assert_eq!(few.state(at, "n7"), None);
        }
        few.run(SECOND * 10);
        assert_eq!(answers(&few).len(), 1, "said once");
    }

    #[test]
    fn who_is_alone_has_forgotten_at_once() {
        let mut few = with_a_dead_one(2);
        let (now, name) = (few.now, "n1");
        let node = few.nodes[0].as_mut().unwrap();
        let outputs: Vec<_> = node.handle(now, Input::Remove { name }).collect();
        let [Output::Change(change), Output::Removed(removed)] = &outputs[..] else {
            panic!("consumers are told first: {outputs:?}");
        };
        assert_eq!((change.kind(), removed.applied_by), ("removed", 1));
        assert!(removed.missing.is_empty());
    }

    #[test]
    fn whoever_does_not_answer_is_named() {
        let mut few = with_a_dead_one(5);
        let stopped = few.nodes[2].take();
        remove(&mut few, "n4");
        few.run(SECOND * 3);
        assert_eq!(answers(&few), [(3, vec!["n2".into()])]);
        assert_eq!(asked(&few, 2), usize::from(ROUNDS));
        few.nodes[2] = stopped;
        few.run(SECOND * 60);
        assert_eq!(few.state(2, "n4"), None, "an exchange told it");
    }

    #[test]
    fn whom_gossip_missed_is_named_until_it_hears_of_it() {
        let mut few = with_a_dead_one(4);
        few.deaf_to = Some((2, Kind::Swim));
        remove(&mut few, "n3");
        few.run(SECOND * 3);
        assert_eq!(few.state(2, "n3"), Some(MemberState::Failed), "only asked");
        assert_eq!(answers(&few), [(2, vec!["n2".into()])]);
        few.deaf_to = None;
        few.run(SECOND * 60);
        assert_eq!(few.state(2, "n3"), None);
    }

    #[test]
    fn a_newcomer_that_never_heard_of_it_has_nothing_to_forget() {
        let mut few = with_a_dead_one(3);
        remove(&mut few, "n2");
        few.add(node("n3", 3, 1, 9));
        few.input(3, Input::Join(&[address(0)]));
        few.run(SECOND * 2);
        assert_eq!(answers(&few), [(3, vec![])]);
    }

    #[test]
    fn who_is_back_meanwhile_is_not_waited_for() {
        let mut few = with_a_dead_one(4);
        let stopped = few.nodes[2].take();
        remove(&mut few, "n3");
        few.nodes[3] = Some(node("n3", 3, 2, 9));
        few.input(3, Input::Join(&[address(0)]));
        few.run(SECOND);
        few.nodes[2] = stopped;
        // It need not wait for the luck of gossip.
        let woken = few.nodes[2].as_mut().unwrap();
        woken.open_exchange(address(0), None);
        few.run(SECOND * 3);
        assert_eq!(answers(&few), [(3, vec![])]);
        assert_eq!(few.state(2, "n3"), Some(MemberState::Alive));
    }

    #[test]
    fn only_what_is_down_can_be_removed_and_is_counted() {
        let mut few = Few::joined(2);
        for name in ["n0", "n1", "n9"] {
            assert!(!few.nodes[0].as_ref().unwrap().is_removable(name));
            remove(&mut few, name);
        }
        few.run(SECOND * 5);
        assert_eq!((answers(&few), asked(&few, 1)), (vec![], 0));
        assert_eq!(few.state(0, "n1"), Some(MemberState::Alive));
    }
}
