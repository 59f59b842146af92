//! `Network`: what happens to bytes between two machines. Decides, never carries: the world owns
//! the heap and delivers what a [`Verdict`] tells it to.

mod bursts;
mod cables;
mod chance;
mod conditions;
mod latency;
mod place;
mod rate;
mod rules;
mod zones;

use std::{collections::BTreeSet, time::Duration};

use rand_xoshiro::Xoshiro256PlusPlus;

pub use bursts::Bursts;
pub(super) use chance::{chance, draw};
pub(super) use conditions::deserialize_share;
pub use conditions::{Conditions, Mtu};
pub use latency::{Latency, LogNormal};
pub use place::Place;
pub use rate::Rate;
pub use rules::{Cargo, Effect, Machines, Rule, RuleId};
pub use zones::Zones;

use super::Slot;
use crate::swim::Timestamp;
use bursts::Lines;
use cables::Cables;

/// A held-back datagram is late by at most this many times the longest latency, or the 99th
/// percentile of one that has no longest.
const HOLD_BACK: u32 = 10;
/// A lost segment of a stream is sent again after this long, doubling (RFC 6298's minimum).
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);
/// A stream gives up after this many lost transmissions of one segment.
const RETRANSMITS_MAX: u32 = 5;

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It never arrives.
    Drop,
    /// It arrives after the delay.
    Deliver(Duration),
    /// It arrives after both delays.
    Duplicate(Duration, Duration),
    /// It does not arrive, and the sender is told so after the delay.
    Reject(Duration),
}

/// A datagram that was sent, or a part of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: Timestamp,
    pub(super) from: Slot,
    pub(super) to: Slot,
    /// Its payload.
    pub(super) bytes: usize,
}

/// Conditions, zones, and everything that makes one pair of machines differ from others.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) conditions: Conditions,
    pub(super) zones: Option<Zones>,
    /// Each slot's side of the partition; empty when there is none.
    sides: Vec<u16>,
    blocks: BTreeSet<(Slot, Slot)>,
    /// Rules in force, in the order they were imposed.
    rules: Vec<(RuleId, Rule)>,
    lines: Lines,
    cables: Cables,
}

impl Network {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            zones: None,
            sides: Vec::new(),
            blocks: BTreeSet::new(),
            rules: Vec::new(),
            lines: Lines::default(),
            cables: Cables::default(),
        }
    }

    /// Only machines on the same side reach each other. Slots beyond the list are on side 0.
    pub(super) fn partition(&mut self, sides: &[u16]) {
        self.sides.clear();
        self.sides.extend_from_slice(sides);
    }

    /// Nothing from `from` reaches `to`; the other way stays open.
    pub(super) fn block(&mut self, from: Slot, to: Slot) {
        self.blocks.insert((from, to));
    }

    /// Lets a rule hold; it takes the place of the one that had its number.
    pub(super) fn impose(&mut self, id: RuleId, rule: Rule) {
        self.lift(id);
        self.rules.push((id, rule));
    }

    /// Ends a rule and returns it, if it was in force.
    pub(super) fn lift(&mut self, id: RuleId) -> Option<Rule> {
        let index = self.rules.iter().position(|(known, _)| *known == id)?;
        Some(self.rules.remove(index).1)
    }

    /// Numbers of all rules in force.
    pub(super) fn rule_ids(&self) -> Vec<RuleId> {
        self.rules.iter().map(|(id, _)| *id).collect()
    }

    /// Whether nobody is cut off, no pair of machines differs from others, and packets of any size
    /// get through: what the conditions lose is lost by chance.
    pub(super) fn is_undisturbed(&self) -> bool {
        let whole = self.sides.is_empty() && self.blocks.is_empty() && self.rules.is_empty();
        whole && self.conditions.mtu.is_none()
    }

    /// Ends every partition and block.
    pub(super) fn heal(&mut self) {
        self.sides.clear();
        self.blocks.clear();
    }

    /// Whether any of the cargo gets from `from` to `to`.
    fn reaches(&self, from: Slot, to: Slot, cargo: Cargo) -> bool {
        let path = self.path(from, to, cargo);
        self.is_open(from, to) && path.loss < 1.0 && !path.reject
    }

    /// Whether a stream between the two can live: its acknowledgements need the way back.
    pub(super) fn connects(&self, one: Slot, other: Slot) -> bool {
        self.reaches(one, other, Cargo::Streams) && self.reaches(other, one, Cargo::Streams)
    }

    /// Whether a stream that `from` dials to `to` is turned back on its way.
    pub(super) fn rejects_dial(&self, from: Slot, to: Slot) -> bool {
        self.is_open(from, to) && self.path(from, to, Cargo::Streams).reject
    }

    /// Judges one datagram.
    pub(super) fn verdict(&mut self, rng: &mut Xoshiro256PlusPlus, sent: Sent) -> Verdict {
        let Sent { from, to, .. } = sent;
        let path = self.path(from, to, Cargo::Datagrams);
        let fits = path.mtu.is_none_or(|mtu| mtu.fits(sent.bytes));
        if path.reject && self.is_open(from, to) {
            return Verdict::Reject(path.latency.draw(rng));
        }
        // What is lost on its way has left all the same.
        let carried = self.carried(sent);
        if !fits || !self.is_open(from, to) || self.loses(rng, sent, path) {
            return Verdict::Drop;
        }
        let delay = carried + self.datagram_delay(rng, path.latency);
        if chance(rng, self.conditions.duplication) {
            Verdict::Duplicate(delay, carried + self.datagram_delay(rng, path.latency))
        } else {
            Verdict::Deliver(delay)
        }
    }

    /// Whether this datagram is damaged on its way.
    pub(super) fn corrupts(&self, rng: &mut Xoshiro256PlusPlus) -> bool {
        chance(rng, self.conditions.corruption)
    }

    /// Whether a stream that is dialled now never opens.
    pub(super) fn fails_dial(&self, rng: &mut Xoshiro256PlusPlus) -> bool {
        chance(rng, self.conditions.dial_failures)
    }

    /// Whether a stream that opens now will break.
    pub(super) fn dooms_stream(&self, rng: &mut Xoshiro256PlusPlus) -> bool {
        chance(rng, self.conditions.stream_breaks)
    }

    /// How long a part of a stream takes, or `None` when the stream gave up: streams do not
    /// lose bytes, they send them again, later and later.
    pub(super) fn stream_delay(
        &mut self,
        rng: &mut Xoshiro256PlusPlus,
        sent: Sent,
    ) -> Option<Duration> {
        let Sent { at, from, to, .. } = sent;
        if !self.connects(from, to) {
            return None;
        }
        let carried = self.carried(sent);
        let path = self.path(from, to, Cargo::Streams);
        let mut lines = self.lines.pair(ends(from, to));
        let latency = path.latency.draw(rng);
        let mut waited = Duration::ZERO;
        for attempt in 0..RETRANSMITS_MAX {
            let bursts = self.conditions.bursts;
            let burst = bursts.is_some_and(|bursts| lines.lose(rng, at + waited, bursts));
            if !burst && !chance(rng, path.loss) {
                return Some(carried + waited + latency);
            }
            waited += RETRANSMIT_AFTER * (1 << attempt);
        }
        None
    }

    /// What the cables at both ends take, where they have a limit.
    fn carried(&mut self, sent: Sent) -> Duration {
        let ends = [sent.from, sent.to];
        let bytes = sent.bytes + conditions::HEADERS;
        self.conditions.link.map_or(Duration::ZERO, |rate| {
            self.cables.carry(rate, sent.at, ends, bytes)
        })
    }

    /// One draw of the latency between the two.
    pub(super) fn latency(&self, rng: &mut Xoshiro256PlusPlus, from: Slot, to: Slot) -> Duration {
        self.path(from, to, Cargo::Streams).latency.draw(rng)
    }

    fn loses(&mut self, rng: &mut Xoshiro256PlusPlus, sent: Sent, path: Path) -> bool {
        let ends = ends(sent.from, sent.to);
        let bursts = self.conditions.bursts;
        bursts.is_some_and(|bursts| self.lines.lose(rng, sent.at, bursts, ends))
            || chance(rng, path.loss)
    }

    fn datagram_delay(&self, rng: &mut Xoshiro256PlusPlus, latency: Latency) -> Duration {
        let delay = latency.draw(rng);
        if chance(rng, self.conditions.reordering) {
            delay + draw(rng, Duration::ZERO, latency.high() * HOLD_BACK)
        } else {
            delay
        }
    }

    /// What holds on the way from one machine to another.
    fn path(&self, from: Slot, to: Slot, cargo: Cargo) -> Path {
        let Conditions {
            latency, loss, mtu, ..
        } = self.conditions;
        let zones = self.zones.as_ref();
        let latency = zones.map_or(latency, |zones| zones.latency(from, to));
        let mut path = Path {
            latency,
            loss,
            mtu,
            reject: false,
        };
        for (_, rule) in &self.rules {
            if rule.applies(from, to, cargo) {
                path.suffer(rule.effect);
            }
        }
        path
    }

    fn is_open(&self, from: Slot, to: Slot) -> bool {
        self.side(from) == self.side(to) && !self.blocks.contains(&(from, to))
    }

    fn side(&self, slot: Slot) -> u16 {
        self.sides.get(slot.index()).copied().unwrap_or_default()
    }
}

fn ends(from: Slot, to: Slot) -> [usize; 2] {
    [from, to].map(Slot::index)
}

/// The way from one machine to another.
#[derive(Clone, Copy, Debug)]
struct Path {
    latency: Latency,
    loss: f64,
    mtu: Option<Mtu>,
    reject: bool,
}

impl Path {
    fn suffer(&mut self, effect: Effect) {
        self.loss = 1.0 - (1.0 - self.loss) * (1.0 - effect.loss);
        self.latency = effect.latency.unwrap_or(self.latency);
        self.mtu = self.mtu.into_iter().chain(effect.mtu).min();
        self.reject |= effect.reject;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const fn sent(from: u32, to: u32, bytes: usize) -> Sent {
        let (from, to) = (Slot(from), Slot(to));
        Sent {
            at: Timestamp::ZERO,
            from,
            to,
            bytes,
        }
    }

    fn reaches(network: &Network, from: Slot, to: Slot) -> bool {
        network.reaches(from, to, Cargo::Datagrams)
    }

    fn rng() -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(1)
    }

    #[test]
    fn a_block_is_one_way_and_a_partition_is_not() {
        let mut network = Network::new(Conditions::LAN);
        network.block(Slot(0), Slot(1));
        assert!(!reaches(&network, Slot(0), Slot(1)) && reaches(&network, Slot(1), Slot(0)));
        assert!(!network.connects(Slot(1), Slot(0)));
        network.heal();
        network.partition(&[0, 1]);
        assert!(!reaches(&network, Slot(0), Slot(1)) && !reaches(&network, Slot(1), Slot(0)));
        assert!(network.connects(Slot(0), Slot(2)));
    }

    #[test]
    fn losses_have_their_share() {
        let mut network = Network::new(Conditions::lossy(0.25));
        let mut rng = rng();
        let mut verdicts = (0..10_000).map(|_| network.verdict(&mut rng, sent(0, 1, 100)));
        let lost = verdicts.by_ref().filter(|v| *v == Verdict::Drop).count();
        assert!((2_300..2_700).contains(&lost), "lost {lost} of 10,000");
    }

    #[test]
    fn rules_add_up_and_go_away_one_by_one() {
        let mut network = Network::new(Conditions::lossy(0.5));
        let slow = Latency::Uniform {
            min: RETRANSMIT_AFTER,
            max: RETRANSMIT_AFTER,
        };
        let effect = Effect {
            loss: 0.5,
            latency: Some(slow),
            mtu: Mtu::new(600),
            ..Effect::default()
        };
        let to = Machines::only([Slot(1)]);
        let rule = |effect| Rule {
            from: Machines::all(),
            to: to.clone(),
            effect,
        };
        network.impose(RuleId(1), rule(effect));
        network.impose(
            RuleId(2),
            rule(Effect {
                mtu: Mtu::new(900),
                ..Effect::default()
            }),
        );
        let path = network.path(Slot(0), Slot(1), Cargo::Datagrams);
        assert_eq!(
            (path.loss, path.latency, path.mtu),
            (0.75, slow, Mtu::new(600))
        );
        assert_eq!(network.path(Slot(1), Slot(0), Cargo::Datagrams).loss, 0.5);
        network.impose(RuleId(1), rule(Effect::BLOCK));
        assert!(!reaches(&network, Slot(0), Slot(1)) && reaches(&network, Slot(1), Slot(0)));
        assert_eq!(
            network.lift(RuleId(1)).map(|rule| rule.effect),
            Some(Effect::BLOCK)
        );
        assert_eq!(network.lift(RuleId(1)), None);
        assert_eq!(
            network.path(Slot(0), Slot(1), Cargo::Datagrams).mtu,
            Mtu::new(900)
        );
    }

    #[test]
    fn what_is_too_large_for_the_path_vanishes() {
        let mtu = Mtu::new(1_000);
        let mut network = Network::new(Conditions {
            mtu,
            ..Conditions::LAN
        });
        let mut rng = rng();
        assert_eq!(network.verdict(&mut rng, sent(0, 1, 973)), Verdict::Drop);
        assert_ne!(network.verdict(&mut rng, sent(0, 1, 972)), Verdict::Drop);
        assert!(network.stream_delay(&mut rng, sent(0, 1, 2_000)).is_some());
    }

    #[test]
    fn a_stream_outlives_a_burst_and_gives_up_in_a_long_one() {
        let give_ups = |mean| {
            let bursts = Some(Bursts { share: 0.5, mean });
            let mut network = Network::new(Conditions {
                bursts,
                ..Conditions::LAN
            });
            let mut rng = rng();
            let mut delay = || network.stream_delay(&mut rng, sent(0, 1, 100));
            (0..1_000).filter(|_| delay().is_none()).count()
        };
        let (short, long) = (give_ups(Duration::from_millis(50)), give_ups(HOUR));
        assert!(
            short < 80 && (450..550).contains(&long),
            "{short} and {long}"
        );
    }

    #[test]
    fn a_firewall_may_reject_and_let_streams_pass() {
        let mut network = Network::new(Conditions::LAN);
        let rule = |effect| Rule {
            from: Machines::all(),
            to: Machines::only([Slot(1)]),
            effect,
        };
        let mut effect = Effect {
            reject: true,
            only: Some(Cargo::Datagrams),
            ..Effect::default()
        };
        network.impose(RuleId(1), rule(effect));
        let verdict = network.verdict(&mut rng(), sent(0, 1, 100));
        assert!(matches!(verdict, Verdict::Reject(_)), "{verdict:?}");
        assert!(network.connects(Slot(0), Slot(1)) && !network.rejects_dial(Slot(0), Slot(1)));
        effect.only = None;
        network.impose(RuleId(1), rule(effect));
        assert!(!network.connects(Slot(0), Slot(1)) && network.rejects_dial(Slot(0), Slot(1)));
        network.partition(&[0, 1]);
        assert!(!network.rejects_dial(Slot(0), Slot(1)));
        assert_eq!(network.verdict(&mut rng(), sent(0, 1, 100)), Verdict::Drop);
    }

    const HOUR: Duration = Duration::from_secs(3_600);
}
