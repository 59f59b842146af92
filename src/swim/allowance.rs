//! `Allowance`: how many answers may go to whoever is no member.
//!
//! No answer is longer than what it answers, but addresses can be forged, so that we would send it
//! to somebody who never asked. So there is a rate for each source and one for all together. Each
//! rate is one time, until which it is used up (the generic cell rate algorithm, ITU-T I.371,
//! annex A): answers take it further ahead of the clock, by no more than [`SPAN`].

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use super::Timestamp;

/// After silence as many may go at once as in this time.
const SPAN: Duration = Duration::from_secs(4);
/// One in this time to each source: 250 a second, 1,000 at once. Many agents may share an address.
const SOURCE_INTERVAL: Duration = Duration::from_millis(4);
/// One in this time to all together: 4,000 a second, 16,000 at once. They may all join at once.
const TOTAL_INTERVAL: Duration = Duration::from_micros(250);
/// Sources share rates by a hash that nobody else can know, so that inventing them takes no memory:
/// one for each value of a byte of it.
const RATES: usize = 256;

/// See the module. 2 KiB.
#[derive(Debug)]
pub(super) struct Allowance {
    total: Rate,
    sources: [Rate; RATES],
}

/// Used up until then.
#[derive(Clone, Copy, Debug, Default)]
struct Rate(Timestamp);

impl Default for Allowance {
    fn default() -> Self {
        Self {
            total: Rate::default(),
            sources: [Rate::default(); RATES],
        }
    }
}

impl Allowance {
    /// Whether one more answer may go to the source with this hash. Then it is counted.
    pub(super) fn spend(&mut self, source: u64, now: Timestamp) -> bool {
        let [place, ..] = source.to_le_bytes();
        let of_source = &mut self.sources[usize::from(place)];
        let is_left = of_source.is_left(now) && self.total.is_left(now);
        if is_left {
            of_source.use_up(now, SOURCE_INTERVAL);
            self.total.use_up(now, TOTAL_INTERVAL);
        }
        is_left
    }
}

impl Rate {
    fn is_left(self, now: Timestamp) -> bool {
        self.0 - now < SPAN
    }

    fn use_up(&mut self, now: Timestamp, interval: Duration) {
        self.0 = self.0.max(now) + interval;
    }
}

/// Whom an address counts for: a host has as many addresses of its IPv6 network as it likes.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const AT_ONCE_EACH: u64 = 1_000;
    const AT_ONCE: u64 = 16_000;

    fn spent(allowance: &mut Allowance, sources: impl Iterator<Item = u64>, now: Timestamp) -> u64 {
        sources
            .map(|source| u64::from(allowance.spend(source, now)))
            .sum()
    }

    fn sources(source: u64) -> impl Iterator<Item = u64> {
        std::iter::repeat_n(source, 20_000)
    }

    #[test]
    fn each_source_has_as_many_at_once_as_in_four_seconds_and_no_more() {
        let mut allowance = Allowance::default();
        assert_eq!(spent(&mut allowance, sources(7), NOW), AT_ONCE_EACH);
        assert_eq!(spent(&mut allowance, sources(8), NOW), AT_ONCE_EACH);
        let soon = NOW + SPAN / 4;
        assert_eq!(spent(&mut allowance, sources(7), soon), AT_ONCE_EACH / 4);
        let later = NOW + SPAN * 100;
        assert_eq!(spent(&mut allowance, sources(7), later), AT_ONCE_EACH);
    }

    #[test]
    fn all_sources_together_have_a_rate_too_and_who_is_refused_spends_nothing() {
        let mut allowance = Allowance::default();
        assert_eq!(spent(&mut allowance, 0..1_000_000, NOW), AT_ONCE);
        let soon = NOW + SPAN / 4;
        assert_eq!(spent(&mut allowance, 0..1_000_000, soon), AT_ONCE / 4);
    }
}
