//! `Tuning`: the protocol's numbers, after memberlist's profiles (reference: `config.go`).

use std::{str::FromStr, time::Duration};

use super::{Patience, Refusals};

/// Named sets of protocol numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// One data centre: round trips below some 10 ms.
    #[default]
    Lan,
    /// One machine.
    Local,
    /// The open internet: round trips to 300 ms.
    Wan,
}

impl Profile {
    /// The word used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Local => "local",
            Self::Wan => "wan",
        }
    }
}

/// There is no profile of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not lan, wan or local")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let mut profiles = [Self::Lan, Self::Wan, Self::Local].into_iter();
        let found = profiles.find(|profile| profile.as_str() == text);
        found.ok_or_else(|| UnknownProfile(text.into()))
    }
}

/// Every number of the protocol that an operator may want to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// A member is probed once in this time.
    pub probe_interval: Duration,
    /// How long a direct probe may take before helpers are asked.
    pub probe_timeout: Duration,
    /// How many helpers are asked, and how many members each round of gossip reaches.
    pub fanout: usize,
    /// Gossip rounds while there is news.
    pub gossip_interval: Duration,
    /// How many members are told of news at the moment it is learned, out of the transmissions of
    /// an update, at most half of them: 0 to 3. With 0 news waits for the next round.
    pub eager_sends: u8,
    /// α of Lifeguard §IV: a suspicion that enough members confirm lasts
    /// α · max(1, log10 n) · probe interval.
    pub suspicion_multiplier: f64,
    /// β of Lifeguard §IV: one that nobody confirms lasts β times as long. 1 for a fixed time.
    pub patience_multiplier: f64,
    /// K of Lifeguard §IV: so many independent confirmations are enough, or as many as there are
    /// other members to confirm.
    pub confirmations: u8,
    /// λ: an update is sent λ · ⌈log10(n + 1)⌉ times by each member.
    pub transmit_multiplier: u32,
    /// S of Lifeguard §IV-A: a node that seems to be slow itself probes up to S + 1 times less
    /// often, and waits as much longer for answers. 0 switches local health off, and nacks with it.
    pub health_max: u8,
    /// Whether a ping to a suspect says that it is one (Lifeguard §IV-C, the buddy system).
    pub buddy: bool,
    /// Whether the failure of a member whom nobody accused before is taken for an accusation only.
    pub corroborate: bool,
    /// Whether a node that finds its own timers late holds its suspicions and accuses nobody.
    pub self_doubt: bool,
    /// Whether the return of a member that keeps failing is held back until it has lasted.
    pub damping: bool,
    /// Whether whoever holds a suspicion asks the suspect itself, at half of the time that is left
    /// and again, and with each confirmation: gossip is chance. Costs each node a few pings for
    /// each suspicion.
    pub last_calls: bool,
    /// Full state is compared with one random member in this time, up to 32 members; above, the
    /// time grows with log2 n as memberlist's does.
    pub exchange_interval: Duration,
    /// Members that are failed or gone are contacted about three times in this time by the whole
    /// cluster together, for ever, so that partitions heal.
    pub reconnect_interval: Duration,
    /// Failed and departed members are forgotten after this time.
    pub forget_after: Duration,
    /// Whether a member whose datagrams do not come is asked over a stream as well, to tell a dead
    /// process and a firewall from a dead host; without it every accusation is of silence. Costs
    /// one dial for each direct probe that fails.
    pub stream_probes: bool,
    /// Whether several members whom a suspect's host refused end the suspicion one probe interval
    /// after it began. Costs some six dials for each suspicion of a refused member.
    pub refused_confirms: bool,
}

impl Tuning {
    /// The numbers of `profile`.
    pub const fn new(profile: Profile) -> Self {
        match profile {
            Profile::Lan => Self {
                probe_interval: Duration::from_secs(1),
                probe_timeout: Duration::from_millis(500),
                fanout: 3,
                gossip_interval: Duration::from_millis(200),
                eager_sends: 3,
                suspicion_multiplier: 2.9,
                patience_multiplier: 6.0,
                confirmations: 3,
                health_max: 8,
                buddy: true,
                corroborate: true,
                self_doubt: true,
                damping: true,
                last_calls: true,
                transmit_multiplier: 4,
                exchange_interval: Duration::from_secs(30),
                reconnect_interval: Duration::from_secs(30),
                forget_after: Duration::from_secs(24 * 60 * 60),
                stream_probes: true,
                refused_confirms: true,
            },
            Profile::Wan => Self {
                probe_interval: Duration::from_secs(5),
                probe_timeout: Duration::from_secs(3),
                fanout: 4,
                gossip_interval: Duration::from_millis(500),
                suspicion_multiplier: 6.0,
                exchange_interval: Duration::from_secs(60),
                ..Self::new(Profile::Lan)
            },
            Profile::Local => Self {
                probe_timeout: Duration::from_millis(200),
                gossip_interval: Duration::from_millis(100),
                suspicion_multiplier: 3.0,
                exchange_interval: Duration::from_secs(15),
                ..Self::new(Profile::Lan)
            },
        }
    }

    /// SWIM with a fixed time for suspicions: the numbers of `profile` without Lifeguard and
    /// without what we add to it. It is what theory is about, and what to compare with.
    pub const fn swim(profile: Profile) -> Self {
        Self {
            patience_multiplier: 1.0,
            confirmations: 0,
            health_max: 0,
            buddy: false,
            corroborate: false,
            self_doubt: false,
            damping: false,
            last_calls: false,
            stream_probes: false,
            refused_confirms: false,
            ..Self::new(profile)
        }
    }

    /// How long a suspicion lasts among `members` active members, ourselves included.
    pub fn patience(&self, members: usize) -> Patience {
        let min = self.suspicion_timeout(members);
        // All but ourselves, the suspect and, where we are not the accuser, the accuser.
        let others = members.saturating_sub(2);
        Patience {
            min,
            max: min.mul_f64(self.patience_multiplier.max(1.0)),
            confirmations: others.min(self.confirmations.into()),
            refusals: self.refusals(members),
        }
    }

    /// Three members that were refused; two where there are no three others; never one.
    fn refusals(&self, members: usize) -> Option<Refusals> {
        let enough = members.saturating_sub(1).min(3);
        let span = self.probe_interval;
        (self.refused_confirms && enough >= 2).then_some(Refusals { enough, span })
    }

    /// So many members may be refused at once, and their suspicions end soon. When more are, a
    /// firewall that rejects is likelier than as many deaths.
    pub fn refused_at_once_max(&self, members: usize) -> usize {
        (members / 16).max(1)
    }

    /// How long a suspicion that enough members confirmed lasts among `members` active members,
    /// ourselves included.
    pub fn suspicion_timeout(&self, members: usize) -> Duration {
        // Not the platform's, whose last bit differs: deadlines must be the same everywhere.
        let scale = libm::log10(members.max(1) as f64).max(1.0);
        self.probe_interval
            .mul_f64(self.suspicion_multiplier * scale)
    }

    /// When a helper says that it had no answer either: after 80 % of the probe time-out, or of
    /// the time that the asker has left where that is less (Lifeguard §IV-A; memberlist waits for
    /// the whole time-out, so that its nacks come too late).
    pub fn nack_after(&self) -> Duration {
        let left = self.probe_interval.saturating_sub(self.probe_timeout);
        left.min(self.probe_timeout).mul_f64(0.8)
    }

    /// How often each member sends one update: λ · ⌈log10(n + 1)⌉, at least 6 so that half of it
    /// is one full round of gossip even in the smallest cluster.
    pub fn transmissions(&self, members: usize) -> u8 {
        let digits = (members.max(1) + 1).ilog10() + 1;
        let exact_power = 10usize.pow(digits - 1) == members.max(1) + 1;
        let ceiling = if exact_power { digits - 1 } else { digits };
        u8::try_from((self.transmit_multiplier * ceiling).max(6)).unwrap_or(u8::MAX)
    }

    /// Time between two state exchanges among `members` members (memberlist's `pushPullScale`).
    pub fn exchange_interval(&self, members: usize) -> Duration {
        let scale = match members {
            0..=32 => 1,
            _ => members.next_power_of_two().ilog2() - 5 + 1,
        };
        self.exchange_interval * scale
    }
}
