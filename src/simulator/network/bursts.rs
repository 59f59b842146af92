//! `Bursts`: losses that come in bursts, after Gilbert (1960) and Elliott (1963).
//!
//! Each machine's line to the network is up or down and changes at random, as a Markov chain in
//! continuous time. Nothing gets through a line that is down, in or out: one burst takes a ping
//! and the helpers' pings alike, which losses that are independent of each other never do. The
//! chain is looked at only when a datagram comes by; that it went on in between is in the odds.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{super::time_text, chance::chance, conditions::deserialize_share};
use crate::swim::Timestamp;

/// How often machines are cut off for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// Share of datagrams that are lost to bursts, at either end; 0 to 0.9.
    #[serde(deserialize_with = "deserialize_burst_share")]
    pub share: f64,
    /// How long a burst lasts on average; lengths are exponentially distributed.
    #[serde(
        serialize_with = "time_text::serialize",
        deserialize_with = "deserialize_mean"
    )]
    pub mean: Duration,
}

impl Bursts {
    /// Share of time that a line is down, so that [`Bursts::share`] of all pairs have one that is.
    fn down(self) -> f64 {
        1.0 - libm::sqrt(1.0 - self.share)
    }

    /// How much of a line's state `elapsed` ago is still in what it is now, 1 to 0.
    fn memory(self, elapsed: Duration) -> f64 {
        let relaxation = self.mean.as_secs_f64() * (1.0 - self.down());
        libm::exp(-elapsed.as_secs_f64() / relaxation)
    }
}

fn deserialize_burst_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = deserialize_share(deserializer).ok();
    let legal = share.filter(|share| *share <= 0.9);
    legal.ok_or_else(|| de::Error::custom("share takes 0.0 to 0.9"))
}

fn deserialize_mean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let mean = time_text::deserialize(deserializer).ok();
    let legal = mean.filter(|mean| *mean >= Duration::from_millis(1));
    legal.ok_or_else(|| de::Error::custom("mean takes 1ms to 31d"))
}

/// The state of every machine's line when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Whether a datagram between the lines with these two indices is lost now.
    pub(super) fn lose(
        &mut self,
        rng: &mut Xoshiro256PlusPlus,
        now: Timestamp,
        bursts: Bursts,
        ends: [usize; 2],
    ) -> bool {
        let mut pair = self.pair(ends);
        let lost = pair.lose(rng, now, bursts);
        for (index, line) in ends.into_iter().zip(pair.0) {
            if self.0.len() <= index {
                self.0.resize(index + 1, Line::default());
            }
            self.0[index] = line;
        }
        lost
    }

    /// A copy of two lines, to follow into the future.
    pub(super) fn pair(&self, ends: [usize; 2]) -> Pair {
        Pair(ends.map(|index| self.0.get(index).copied().unwrap_or_default()))
    }
}

/// Two machines' lines.
#[derive(Debug)]
pub(super) struct Pair([Line; 2]);

impl Pair {
    /// Whether either of them is down at `at`, no earlier than before.
    pub(super) fn lose(
        &mut self,
        rng: &mut Xoshiro256PlusPlus,
        at: Timestamp,
        bursts: Bursts,
    ) -> bool {
        let [one, other] = &mut self.0;
        // Both, even when one is down: the other must not look as if nobody had asked.
        one.is_down(rng, at, bursts) | other.is_down(rng, at, bursts)
    }
}

/// What a line was when it was last looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Line(Option<(Timestamp, bool)>);

impl Line {
    fn is_down(&mut self, rng: &mut Xoshiro256PlusPlus, at: Timestamp, bursts: Bursts) -> bool {
        let long_run = bursts.down();
        let odds = match self.0 {
            None => long_run,
            Some((before, was_down)) => {
                let was = f64::from(u8::from(was_down));
                long_run + (was - long_run) * bursts.memory(at - before)
            }
        };
        let is_down = chance(rng, odds.clamp(0.0, 1.0));
        self.0 = Some((at, is_down));
        is_down
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const BURSTS: Bursts = Bursts {
        share: 0.19,
        mean: Duration::from_millis(500),
    };

    /// Whether a datagram is lost at each millisecond.
    fn losses(bursts: Bursts, count: u64) -> Vec<bool> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut lines = Lines::default();
        let mut at =
            |ms: u64| lines.lose(&mut rng, Timestamp::from_micros(ms * 1_000), bursts, [0, 3]);
        (0..count).map(&mut at).collect()
    }

    #[test]
    fn bursts_take_their_share() {
        let lost = losses(BURSTS, 2_000_000)
            .into_iter()
            .filter(|lost| *lost)
            .count();
        assert!(
            (360_000..400_000).contains(&lost),
            "lost {lost} of 2,000,000"
        );
    }

    /// A burst is over when both lines are up again, and each is down for a tenth of the time.
    #[test]
    fn bursts_last_as_long_as_they_should() {
        let lost = losses(BURSTS, 2_000_000);
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let mean = lost.iter().filter(|lost| **lost).count() / bursts;
        assert!((500..560).contains(&mean), "{mean} ms");
    }

    #[test]
    fn a_line_that_was_just_looked_at_has_not_changed() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut lines = Lines::default();
        for ms in (0..100_000).step_by(1_000) {
            let now = Timestamp::from_micros(ms * 1_000);
            let mut lose = || lines.lose(&mut rng, now, BURSTS, [0, 1]);
            assert_eq!(lose(), lose());
        }
    }
}
