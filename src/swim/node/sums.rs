//! What an exchange tells, and the sums that show beforehand whether and where two nodes differ.

use std::{hash::Hasher, net::IpAddr};

use foca::{Member, State};
use siphasher::sip::SipHasher24;

use super::Node;
use crate::swim::{
    Card, Life, MemberId,
    identity::Identity,
    parts::{Parts, part_of},
    roster::Standing,
    wire::{Update, WireCard},
};

impl Node {
    /// All we know of these parts: ourselves first, cards before claims, and last what members say
    /// of themselves and what their applications raised.
    pub(super) fn state(&self, parts: Parts) -> Vec<Update<'static>> {
        let gate = self.gate.borrow();
        let covered = |update: &Update<'_>| parts.cover(update.id(&gate.cluster));
        let mut updates = vec![gate.introduction()];
        for member in &self.tellable() {
            let identity = *member.id();
            if !parts.cover(gate.directory.id(identity.handle)) {
                continue;
            }
            let incarnation = member.incarnation();
            let card = || Some(WireCard::own(gate.card_of(identity)?.as_ref()));
            let life = identity.life;
            match member.state() {
                State::Alive => {}
                State::Suspect => {
                    updates.extend(card().map(|card| Update::Alive {
                        card,
                        life,
                        incarnation,
                    }));
                }
                State::Down => updates.extend(card().map(|card| Update::Known { card, life })),
            }
            updates.extend(gate.clothe(member));
        }
        updates.extend(gate.statements().filter(covered));
        updates.extend(gate.events().filter(covered));
        updates
    }

    /// Whom an exchange is about: everyone in the list, or, where lists differ, whoever is not
    /// simply alive.
    fn tellable(&self) -> Vec<Member<Identity>> {
        let gate = self.gate.borrow();
        if !gate.scope.is_partial() {
            return self.engine.members().cloned().collect();
        }
        let records = gate.roster.records();
        records.map(|(handle, _)| gate.presumed(handle)).collect()
    }

    /// In how many parts we compare what we know.
    pub(super) fn part_count(&self) -> usize {
        let gate = self.gate.borrow();
        Parts::count_for(match gate.scope.is_partial() {
            true => gate.roster.records().len(),
            false => self.engine.members().len(),
        })
    }

    /// A sum over everyone we show.
    pub(super) fn digest(&self) -> u64 {
        self.sums(1)[0]
    }

    /// For each of so many parts a sum over everyone in it whom we show, so that the order does not
    /// matter: id, address, life, and incarnation or the way it went. Suspicions are left out: they
    /// pass. The address is there because two processes with one name may have had one life. And
    /// everybody's facts and events.
    pub(super) fn sums(&self, count: usize) -> Vec<u64> {
        let mut sums = vec![0_u64; count];
        let mut add = |id: MemberId, hash: u64| {
            let sum = &mut sums[part_of(id, count)];
            *sum = sum.wrapping_add(hash);
        };
        let gate = self.gate.borrow();
        if !gate.scope.is_partial() {
            let own = hash(&gate.card, gate.me.life, gate.incarnation.into());
            add(gate.id, own);
        }
        for member in &self.tellable() {
            if let (Some(card), Some(what)) = (gate.card_of(*member.id()), self.what(member)) {
                add(card.id, hash(&card, member.id().life, what));
            }
        }
        for (handle, generation, facts) in gate.facts.iter() {
            let id = gate.directory.id(handle);
            add(id, hash_facts(id, generation, facts.version));
        }
        for ((handle, generation), next, last) in gate.events.marks() {
            let id = gate.directory.id(handle);
            add(id, hash_events(id, generation, [next, last]));
        }
        sums
    }

    /// The incarnation of a member that is there, or the way that another one went; `None` when it
    /// was removed.
    fn what(&self, member: &Member<Identity>) -> Option<u32> {
        let gate = self.gate.borrow();
        let record = gate.roster.record(member.id().handle);
        match (member.state(), record.map(|record| &record.standing)) {
            (State::Alive | State::Suspect, _) => Some(u32::from(member.incarnation())),
            (State::Down, Some(Standing::Removed)) => None,
            (State::Down, Some(Standing::Left { .. })) => Some(u32::MAX),
            (State::Down, Some(Standing::Restarting { .. })) => Some(u32::MAX - 2),
            (State::Down, _) => Some(u32::MAX - 1),
        }
    }
}

/// A member alone counts the versions of its facts, so that equal versions are equal facts.
fn hash_facts(id: MemberId, generation: u32, version: u32) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write_u64(id.0);
    hasher.write_u32(generation);
    hasher.write_u32(version);
    hasher.finish()
}

/// How far a node is with the events of one process.
fn hash_events(id: MemberId, generation: u32, marks: [u64; 2]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write_u64(id.0);
    hasher.write_u32(generation);
    marks.into_iter().for_each(|mark| hasher.write_u64(mark));
    hasher.finish()
}

fn hash(card: &Card, life: Life, what: u32) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write_u64(card.id.0);
    match card.address.ip() {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.write_u16(card.address.port());
    hasher.write_u32(life.to_bits());
    hasher.write_u32(what);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::tests::{Arrival, Few, address},
        *,
    };
    use crate::swim::{AppStatus, Input, wire};

    const MEMBERS: usize = 60;
    const FORGETFUL: usize = 7;

    fn app_of(few: &Few, at: usize, name: &str) -> Option<AppStatus> {
        few.nodes[at].as_ref()?.member(name)?.app
    }

    /// All know each other, and all but one have heard that the application beside `n3` is up.
    fn one_behind() -> Few {
        let mut few = Few::joined(MEMBERS);
        let forgetful = few.nodes[FORGETFUL].take();
        few.input(3, Input::App(Some(&AppStatus::Up)));
        few.run(Duration::from_millis(400));
        few.nodes[FORGETFUL] = forgetful;
        few.captured.clear();
        few
    }

    /// Bytes of the frames sent so far.
    fn frames(few: &Few) -> Vec<usize> {
        let frames = few.captured.iter().filter_map(|(.., what)| match what {
            Arrival::Frame(.., bytes) => Some(bytes.len()),
            _ => None,
        });
        frames.collect()
    }

    fn exchange(few: &mut Few) {
        let nodes = few.nodes.iter_mut().flatten();
        nodes.for_each(|node| node.follow_up = None);
        let dialling = few.nodes[FORGETFUL].as_mut().unwrap();
        dialling.open_exchange(address(20), None);
        few.input(FORGETFUL, Input::Deadline);
        few.run(Duration::from_millis(8));
    }

    #[test]
    fn who_knows_nearly_everything_is_told_the_rest() {
        let mut few = one_behind();
        assert_eq!(app_of(&few, FORGETFUL, "n3"), None);
        exchange(&mut few);
        assert_eq!(app_of(&few, FORGETFUL, "n3"), Some(AppStatus::Up));
        let [open, sums, state, finish] = frames(&few)[..] else {
            panic!("{:?}", frames(&few));
        };
        let whole = few.nodes[20].as_ref().unwrap().state(Parts::ALL);
        let whole = wire::encoded(&whole).len();
        let told = open + sums + state + finish;
        assert!(told < whole / 2, "{told} of twice {whole} bytes");
        let follows_up = few
            .nodes
            .iter()
            .flatten()
            .any(|node| node.follow_up.is_some());
        assert!(!follows_up, "nobody new was told of");
        few.captured.clear();
        exchange(&mut few);
        assert_eq!(frames(&few).len(), 2, "and now they agree");
    }

    #[test]
    fn the_digest_is_the_sum_of_all_parts() {
        let few = Few::joined(20);
        let node = few.nodes[0].as_ref().unwrap();
        for count in [1, 2, 64] {
            let sum = node.sums(count).into_iter().fold(0, u64::wrapping_add);
            assert_eq!(sum, node.digest());
        }
    }
}
