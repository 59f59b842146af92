//! `Network`: what happens to bytes between two machines. Decides, never carries: the world owns
//! the heap and delivers what a [`Verdict`] tells it to.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::{Slot, time_text};

/// The gossip port of every simulated process.
const PORT: u16 = 7946;
/// A held-back datagram is late by at most this many times the longest latency.
const HOLD_BACK: u32 = 10;
/// A lost segment of a stream is sent again after this long, doubling (RFC 6298's minimum).
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);
/// A stream gives up after this many lost transmissions of one segment.
const RETRANSMITS_MAX: u32 = 5;

/// An address in the simulated network: 10.0.0.1 and up, always the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub(super) u32);

impl Place {
    const NET: u32 = u32::from_be_bytes([10, 0, 0, 1]);

    /// The socket address a process at this place is reached at.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip(), PORT)
    }

    /// Where a stream dialled from this place seems to come from: not the gossip port.
    pub(super) fn ephemeral(self, link: u32) -> SocketAddr {
        let port = 40_000 + u16::try_from(link % 20_000).expect("below 20,000");
        SocketAddr::new(self.ip(), port)
    }

    /// The place behind `address`, if it is one of this network.
    pub(super) fn behind(address: SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(v4) if v4.port() == PORT => {
                v4.ip().to_bits().checked_sub(Self::NET).map(Self)
            }
            _ => None,
        }
    }

    fn ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(Self::NET + self.0))
    }
}

/// How well the network carries, the same for every pair of machines. In a plan's file what is
/// not said is as on a healthy [LAN](Conditions::LAN).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Shortest one-way latency.
    #[serde(with = "time_text")]
    pub latency_min: Duration,
    /// Longest one-way latency; drawn uniformly.
    #[serde(with = "time_text")]
    pub latency_max: Duration,
    /// Share of datagrams that never arrive, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    #[serde(rename = "duplicate")]
    pub duplication: f64,
    /// Share of datagrams that are held back, so that later ones overtake them.
    #[serde(rename = "reorder")]
    pub reordering: f64,
    /// Share of datagrams that arrive with one byte changed.
    #[serde(rename = "corrupt")]
    pub corruption: f64,
}

impl Conditions {
    /// One data centre, nothing lost: 0.5 to 2 ms.
    pub const LAN: Self = Self {
        latency_min: Duration::from_micros(500),
        latency_max: Duration::from_millis(2),
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        corruption: 0.0,
    };

    /// [`Conditions::LAN`] that loses `loss` of all datagrams.
    pub const fn lossy(loss: f64) -> Self {
        Self { loss, ..Self::LAN }
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self::LAN
    }
}

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It never arrives.
    Drop,
    /// It arrives after the delay.
    Deliver(Duration),
    /// It arrives after both delays.
    Duplicate(Duration, Duration),
}

/// Conditions, partitions and one-way blocks.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) conditions: Conditions,
    /// Each slot's side of the partition; empty when there is none.
    sides: Vec<u16>,
    blocks: BTreeSet<(Slot, Slot)>,
}

impl Network {
    pub(super) const fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            sides: Vec::new(),
            blocks: BTreeSet::new(),
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

    /// Ends every partition and block.
    pub(super) fn heal(&mut self) {
        self.sides.clear();
        self.blocks.clear();
    }

    /// Whether a datagram from `from` may reach `to`.
    pub(super) fn reaches(&self, from: Slot, to: Slot) -> bool {
        self.side(from) == self.side(to) && !self.blocks.contains(&(from, to))
    }

    /// Whether a stream between the two can live: its acknowledgements need the way back.
    pub(super) fn connects(&self, one: Slot, other: Slot) -> bool {
        self.reaches(one, other) && self.reaches(other, one)
    }

    /// Judges one datagram.
    pub(super) fn verdict(&self, rng: &mut Xoshiro256PlusPlus, from: Slot, to: Slot) -> Verdict {
        if !self.reaches(from, to) || chance(rng, self.conditions.loss) {
            return Verdict::Drop;
        }
        let delay = self.datagram_delay(rng);
        if chance(rng, self.conditions.duplication) {
            Verdict::Duplicate(delay, self.datagram_delay(rng))
        } else {
            Verdict::Deliver(delay)
        }
    }

    /// Whether this datagram is damaged on its way.
    pub(super) fn corrupts(&self, rng: &mut Xoshiro256PlusPlus) -> bool {
        chance(rng, self.conditions.corruption)
    }

    /// How long one segment of a stream takes, or `None` when the stream gave up: streams do not
    /// lose bytes, they send them again, later and later.
    pub(super) fn stream_delay(&self, rng: &mut Xoshiro256PlusPlus) -> Option<Duration> {
        let mut delay = self.latency(rng);
        for attempt in 0..RETRANSMITS_MAX {
            if !chance(rng, self.conditions.loss) {
                return Some(delay);
            }
            delay += RETRANSMIT_AFTER * (1 << attempt);
        }
        None
    }

    /// One draw of the latency.
    pub(super) fn latency(&self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        draw(
            rng,
            self.conditions.latency_min,
            self.conditions.latency_max,
        )
    }

    fn datagram_delay(&self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        let delay = self.latency(rng);
        if chance(rng, self.conditions.reordering) {
            delay + draw(rng, Duration::ZERO, self.conditions.latency_max * HOLD_BACK)
        } else {
            delay
        }
    }

    fn side(&self, slot: Slot) -> u16 {
        self.sides.get(slot.index()).copied().unwrap_or_default()
    }
}

/// True with probability `share`; draws nothing when it is 0, so that a fault that is off does
/// not shift the randomness of those that are on.
pub(super) fn chance(rng: &mut Xoshiro256PlusPlus, share: f64) -> bool {
    share > 0.0 && rng.random_bool(share)
}

/// A duration between two, in whole microseconds.
pub(super) fn draw(rng: &mut Xoshiro256PlusPlus, min: Duration, max: Duration) -> Duration {
    if min >= max {
        return min;
    }
    Duration::from_micros(rng.random_range(micros(min)..=micros(max)))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("simulated durations are below 584,942 years")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn places_are_addresses_and_back() {
        for place in [Place(0), Place(255), Place(70_000), Place(1_000_000)] {
            assert_eq!(Place::behind(place.address()), Some(place));
        }
        assert_eq!(Place::behind(Place(3).ephemeral(9)), None);
        assert_eq!(Place(0).address().to_string(), "10.0.0.1:7946");
    }

    #[test]
    fn a_block_is_one_way_and_a_partition_is_not() {
        let mut network = Network::new(Conditions::LAN);
        network.block(Slot(0), Slot(1));
        assert!(!network.reaches(Slot(0), Slot(1)) && network.reaches(Slot(1), Slot(0)));
        assert!(!network.connects(Slot(1), Slot(0)));
        network.heal();
        network.partition(&[0, 1]);
        assert!(!network.reaches(Slot(0), Slot(1)) && !network.reaches(Slot(1), Slot(0)));
        assert!(network.connects(Slot(0), Slot(2)));
    }

    #[test]
    fn losses_have_their_share() {
        let network = Network::new(Conditions::lossy(0.25));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut verdicts = (0..10_000).map(|_| network.verdict(&mut rng, Slot(0), Slot(1)));
        let lost = verdicts.by_ref().filter(|v| *v == Verdict::Drop).count();
        assert!((2_300..2_700).contains(&lost), "lost {lost} of 10,000");
    }
}
