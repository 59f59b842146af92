//! `Peers`: where other members were when they were last seen, for the next start.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::page::Content;
use crate::{
    feed::Member,
    swim::{MemberId, Timestamp},
};

/// Peers that are remembered; those not seen for longest give way.
const PEERS_MAX: usize = 1_000;
/// Who was seen so much earlier than the newest is forgotten. Reckoned from the newest, not from
/// now: a host that was switched off for a year still has nothing better.
const AGE_MAX_S: u64 = 30 * 24 * 60 * 60;
/// When somebody was seen is kept to the hour, so that a cluster in which nothing changes costs no
/// write.
const STEP_S: u64 = 60 * 60;

/// Other members, the newest first, each name and each address once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peers {
    peers: Vec<Peer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Peer {
    name: String,
    address: SocketAddr,
    /// Seconds since 1970.
    seen: u64,
}

impl Content for Peers {
    const KIND: &'static str = "peers";
}

impl Peers {
    /// These and whoever of `members` lives now, but for `own`.
    pub(super) fn renewed(&self, now: Timestamp, members: &[Arc<Member>], own: MemberId) -> Self {
        let seen = now.as_micros() / 1_000_000 / STEP_S * STEP_S;
        // Nobody was seen later than now: left so by a clock that was ahead once, a peer would be
        // the newest for ever, and every other too old.
        let held = self.peers.iter().map(|peer| Peer {
            seen: peer.seen.min(seen),
            ..peer.clone()
        });
        let mut named: BTreeMap<_, _> = held.map(|peer| (peer.name.clone(), peer)).collect();
        let here = members.iter().map(|member| &member.view);
        for view in here.filter(|view| view.state.is_active() && view.card.id != own) {
            let (name, address) = (view.card.name.clone(), view.card.address);
            if !address.ip().is_unspecified() {
                let peer = Peer {
                    name: name.clone(),
                    address,
                    seen,
                };
                named.insert(name, peer);
            }
        }
        Self::of(named.into_values().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Where they were, the newest first.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.peers.iter().map(|peer| peer.address).collect()
    }

    /// Whoever had an address last has it now.
    fn of(mut peers: Vec<Peer>) -> Self {
        peers.sort_by_key(|peer| std::cmp::Reverse(peer.seen));
        let newest = peers.first().map_or(0, |peer| peer.seen);
        let mut taken = BTreeSet::new();
        peers.retain(|peer| {
            peer.seen.saturating_add(AGE_MAX_S) >= newest && taken.insert(peer.address)
        });
        peers.truncate(PEERS_MAX);
        Self { peers }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        feed::{Epoch, Feed, Filter},
        swim::{Card, Change, MemberState, MemberView, Tags},
    };

    const HOUR: Duration = Duration::from_secs(3_600);

    fn view(name: &str, address: &str, state: MemberState) -> MemberView {
        MemberView {
            card: Arc::new(Card {
                id: MemberId::new("blue", name),
                name: name.into(),
                generation: 1,
                address: address.parse().unwrap(),
                tags: Tags::default(),
            }),
            state,
            incarnation: 0,
            suspicion: None,
            reason: None,
            app: None,
            down_since: None,
        }
    }

    /// What a feed shows of these members, the first of whom is ourselves.
    fn shown(members: &[MemberView]) -> Vec<Arc<Member>> {
        let mut feed = Feed::new(Epoch(1), Timestamp::ZERO, &members[0]);
        for member in &members[1..] {
            let change = match member.state {
                MemberState::Failed => Change::Failed(member.clone()),
                _ => Change::Join {
                    member: member.clone(),
                    previous: None,
                },
            };
            feed.publish(Timestamp::ZERO, &change);
        }
        feed.snapshot(&Filter::default()).members
    }

    fn renewed(peers: &Peers, hours: u32, others: &[(&str, &str, MemberState)]) -> Peers {
        let mut members = vec![view("me", "10.0.0.1:7946", MemberState::Alive)];
        members.extend(
            others
                .iter()
                .map(|(name, at, state)| view(name, at, *state)),
        );
        let now = Timestamp::ZERO + HOUR * (1_000_000 + hours);
        peers.renewed(now, &shown(&members), members[0].card.id)
    }

    fn names(peers: &Peers) -> Vec<&str> {
        peers.peers.iter().map(|peer| peer.name.as_str()).collect()
    }

    #[test]
    fn others_that_live_are_remembered_and_stay_so_when_they_are_gone() {
        let (alive, failed) = (MemberState::Alive, MemberState::Failed);
        let both = [
            ("n2", "10.0.0.2:7946", alive),
            ("n3", "10.0.0.3:7946", alive),
            ("n4", "10.0.0.4:7946", failed),
            ("n5", "0.0.0.0:7946", alive),
        ];
        let first = renewed(&Peers::default(), 0, &both);
        assert_eq!(names(&first), ["n2", "n3"]);
        let later = renewed(&first, 2, &both[1..2]);
        assert_eq!(names(&later), ["n3", "n2"], "the newest first");
        assert_eq!(
            renewed(&first, 0, &[]),
            first,
            "nothing new, nothing to write"
        );
        assert_eq!(names(&renewed(&later, 720, &both[1..2])), ["n3", "n2"]);
        assert_eq!(names(&renewed(&later, 721, &both[1..2])), ["n3"]);
        assert_eq!(names(&renewed(&later, 9_000, &[])), ["n3", "n2"]);
    }

    #[test]
    fn a_clock_that_was_ahead_makes_nobody_forgotten() {
        let alive = MemberState::Alive;
        let ahead = renewed(&Peers::default(), 9_000, &[("n2", "10.0.0.2:7946", alive)]);
        let third = [("n3", "10.0.0.3:7946", alive)];
        let right = renewed(&ahead, 0, &third);
        assert_eq!(names(&right), ["n2", "n3"]);
        assert_eq!(names(&renewed(&right, 721, &third)), ["n3"]);
    }

    #[test]
    fn a_name_has_one_address_and_an_address_one_name() {
        let alive = MemberState::Alive;
        let before = [
            ("n2", "10.0.0.2:7946", alive),
            ("n3", "10.0.0.3:7946", alive),
        ];
        let first = renewed(&Peers::default(), 0, &before);
        let moved = renewed(&first, 1, &[("n2", "10.0.0.3:7946", alive)]);
        assert_eq!(moved.addresses(), ["10.0.0.3:7946".parse().unwrap()]);
        assert_eq!(names(&moved), ["n2"]);
    }

    #[test]
    fn the_oldest_give_way() {
        let peer = |number: u64| Peer {
            name: format!("n{number}"),
            address: ([10, 0, 0, 1], u16::try_from(number).unwrap()).into(),
            seen: number,
        };
        let peers = Peers::of((1..=1_100).map(peer).collect());
        assert_eq!(peers.peers.len(), 1_000);
        assert_eq!(peers.peers[0].name, "n1100");
        assert_eq!(peers.peers[999].name, "n101");
    }
}
