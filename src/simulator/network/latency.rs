//! `Latency`: how long bytes are under way.

use std::{fmt, time::Duration};

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
    ser::SerializeStruct,
};

use super::{
    super::time_text,
    chance::{draw, draw_normal},
};

/// The 99th percentile of the normal distribution with mean 0 and deviation 1.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// Nothing on Earth is under way for longer, except what waits in a queue.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// How long a datagram is under way, one way: a distribution that each datagram draws from.
///
/// In a file it is `"5ms"`, `"1ms..5ms"`, or `{ median = "5ms", p99 = "20ms" }`, with `sigma`
/// instead of `p99` if one prefers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Most are near the median, few take many times as long: as on real networks.
    LogNormal(LogNormal),
    /// Anything between the two with equal odds; constant when they are equal.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
}

/// The parameters of a log-normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    median: Duration,
    sigma: f64,
}

impl LogNormal {
    /// With a greater sigma, one in a hundred takes more than a thousand times the median.
    pub const SIGMA_MAX: f64 = 3.0;

    /// Half of all draws are below `median`; their logarithms have the standard deviation `sigma`.
    /// `None` unless `sigma` is 0 to [`Self::SIGMA_MAX`].
    pub fn new(median: Duration, sigma: f64) -> Option<Self> {
        let legal = (0.0..=Self::SIGMA_MAX).contains(&sigma);
        legal.then_some(Self { median, sigma })
    }

    /// Half of all draws are below `median`, 99 of 100 below `p99`. `None` when there is no such
    /// distribution, or its sigma were too great.
    pub fn with_p99(median: Duration, p99: Duration) -> Option<Self> {
        let ratio = p99.as_secs_f64() / median.as_secs_f64();
        Self::new(median, libm::log(ratio) / NORMAL_P99)
    }

    /// The draw that lies `deviations` from the median. No draw is further off than 8.6, which
    /// is 10¹¹ times the median at most and far from overflow.
    fn at(self, deviations: f64) -> Duration {
        self.median.mul_f64(libm::exp(self.sigma * deviations))
    }
}

impl Latency {
    /// Always the same.
    pub const fn constant(latency: Duration) -> Self {
        let (min, max) = (latency, latency);
        Self::Uniform { min, max }
    }

    /// One draw.
    pub(in crate::simulator) fn draw(self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        match self {
            Self::LogNormal(normal) => normal.at(draw_normal(rng)),
            Self::Uniform { min, max } => draw(rng, min, max),
        }
    }

    /// What all draws but one in a hundred are below.
    pub(super) fn high(self) -> Duration {
        match self {
            Self::LogNormal(normal) => normal.at(NORMAL_P99),
            Self::Uniform { max, .. } => max,
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogNormal(LogNormal { median, sigma }) => {
                let p99 = u64::try_from(self.high().as_micros()).unwrap_or(u64::MAX);
                let p99 = humantime::format_duration(Duration::from_micros(p99));
                let median = humantime::format_duration(*median);
                write!(
                    formatter,
                    "log-normal, median {median}, p99 {p99} (sigma {sigma:.3})"
                )
            }
            Self::Uniform { min, max } => formatter.write_str(&time_text::format_range(*min, *max)),
        }
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::LogNormal(LogNormal { median, sigma }) => {
                let mut table = serializer.serialize_struct("LogNormal", 2)?;
                let median = humantime::format_duration(*median).to_string();
                table.serialize_field("median", &median)?;
                table.serialize_field("sigma", sigma)?;
                table.end()
            }
            Self::Uniform { min, max } => {
                serializer.serialize_str(&time_text::format_range(*min, *max))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads a latency as it is written: a text or a table.
struct Written;

impl<'de> de::Visitor<'de> for Written {
    type Value = Latency;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"5ms\", \"1ms..5ms\" or { median = \"5ms\", p99 = \"20ms\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Latency, E> {
        let (min, max) = time_text::parse_range(text).map_err(E::custom)?;
        match max <= LATENCY_MAX {
            true => Ok(Latency::Uniform { min, max }),
            false => Err(E::custom("a latency takes up to 1m")),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Latency, A::Error> {
        let keys = Keys::deserialize(MapAccessDeserializer::new(map))?;
        keys.log_normal()
            .map(Latency::LogNormal)
            .map_err(de::Error::custom)
    }
}

/// A log-normal latency as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(with = "time_text")]
    median: Duration,
    #[serde(default, deserialize_with = "time_text::deserialize_some")]
    p99: Option<Duration>,
    sigma: Option<f64>,
}

impl Keys {
    fn log_normal(self) -> Result<LogNormal, &'static str> {
        if self.median.is_zero() || self.median > LATENCY_MAX {
            return Err("median takes more than 0s, up to 1m");
        }
        match (self.p99, self.sigma) {
            (Some(p99), None) => {
                LogNormal::with_p99(self.median, p99).ok_or("p99 takes 1 to 1000 times the median")
            }
            (None, Some(sigma)) => {
                LogNormal::new(self.median, sigma).ok_or("sigma takes 0.0 to 3.0")
            }
            _ => Err("takes median with either p99 or sigma"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const MEDIAN: Duration = Duration::from_millis(20);
    const P99: Duration = Duration::from_millis(100);

    fn drawn(latency: Latency, count: usize) -> Vec<Duration> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        (0..count).map(|_| latency.draw(&mut rng)).collect()
    }

    #[test]
    fn a_log_normal_latency_has_its_median_and_its_p99() {
        let normal = LogNormal::with_p99(MEDIAN, P99).expect("it exists");
        let mut drawn = drawn(Latency::LogNormal(normal), 100_000);
        drawn.sort_unstable();
        let near = |at: usize, expected: Duration| {
            let ratio = drawn[at].as_secs_f64() / expected.as_secs_f64();
            assert!(
                (0.97..1.03).contains(&ratio),
                "{:?}, not {expected:?}",
                drawn[at]
            );
        };
        near(50_000, MEDIAN);
        near(99_000, P99);
        near(1_000, Duration::from_millis(4));
    }

    /// A golden value: another platform, compiler or version of `libm` must not change a bit.
    #[test]
    fn log_normal_draws_are_the_same_everywhere() {
        let normal = LogNormal::with_p99(MEDIAN, P99).expect("it exists");
        let total: Duration = drawn(Latency::LogNormal(normal), 10_000).iter().sum();
        assert_eq!(total, Duration::new(253, 808_238_820));
    }

    #[test]
    fn a_latency_that_cannot_vary_draws_nothing() {
        let constant = Latency::Uniform {
            min: MEDIAN,
            max: MEDIAN,
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let before = rng.clone();
        assert_eq!(constant.draw(&mut rng), MEDIAN);
        assert_eq!(rng, before);
    }

    #[test]
    fn impossible_distributions_do_not_exist() {
        assert_eq!(LogNormal::with_p99(P99, MEDIAN), None);
        assert_eq!(LogNormal::with_p99(MEDIAN, MEDIAN * 2_000), None);
        assert_eq!(LogNormal::with_p99(Duration::ZERO, MEDIAN), None);
        assert_eq!(LogNormal::new(MEDIAN, f64::NAN), None);
    }
}
