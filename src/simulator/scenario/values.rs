//! What values of a scenario look like: times, ranges of times, shares, counts of nodes.
//!
//! Each checks itself while it is read, so that an error knows the line it is on.

use std::{fmt, time::Duration};

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Deserializer, de};

use super::super::{network::draw, time_text::parse as parse_time};

/// A time, or a range that times are drawn from: `200ms`, `1ms..50ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

impl Span {
    pub(super) fn draw(self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        draw(rng, self.min, self.max)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let (min, max) = (parse_time(min)?, parse_time(max)?);
        match min <= max {
            true => Ok(Self { min, max }),
            false => Err("a range begins with the shorter time".into()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, max] = [self.min, self.max].map(humantime::format_duration);
        match self.min == self.max {
            true => write!(formatter, "{min}"),
            false => write!(formatter, "{min}..{max}"),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a time such as \"200ms\" or \"1ms..50ms\"")?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// One time, at least a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a time such as \"200ms\"")?;
        let time = parse_time(&text).map_err(de::Error::custom)?;
        match time >= Duration::from_millis(1) {
            true => Ok(Self(time)),
            false => Err(de::Error::custom("takes 1ms to 24h")),
        }
    }
}

fn text<'de, D: Deserializer<'de>>(from: D, expected: &str) -> Result<String, D::Error> {
    String::deserialize(from).map_err(|_| de::Error::custom(format!("takes {expected}")))
}

/// A share, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Share(pub(super) f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer);
        match share {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err(de::Error::custom("takes a share from 0.0 to 1.0")),
        }
    }
}

/// How many nodes: `3`, or `"10%"` of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Count {
    Exactly(u32),
    Percent(u32),
}

impl Count {
    /// The same as a number, given how many there are; a share of something is at least one.
    pub(super) fn of(self, nodes: u32) -> u32 {
        match self {
            Self::Exactly(count) => count,
            Self::Percent(percent) => {
                let count = (u64::from(nodes) * u64::from(percent) + 50) / 100;
                u32::try_from(count).expect("not more than all").max(1)
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => write!(formatter, "{count}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Number(u32),
            Text(String),
        }
        let count = match Given::deserialize(deserializer) {
            Ok(Given::Number(count)) if count > 0 => Some(Self::Exactly(count)),
            Ok(Given::Text(text)) => text
                .strip_suffix('%')
                .and_then(|percent| percent.parse().ok())
                .filter(|percent| (1..=100).contains(percent))
                .map(Self::Percent),
            _ => None,
        };
        count.ok_or_else(|| de::Error::custom("takes a number from 1, or \"1%\" to \"100%\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        for text in ["200ms", "1ms..50ms", "1s", "0s..2s"] {
            assert_eq!(Span::parse(text).expect(text).to_string(), text);
        }
        for text in ["", "5", "-5s", "2s..1s", "25h", "1ms..", "..", "1ms...2ms"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_percentage_is_rounded_and_at_least_one() {
        assert_eq!(Count::Percent(10).of(15), 2);
        assert_eq!(Count::Percent(1).of(8), 1);
        assert_eq!(Count::Percent(100).of(8), 8);
    }
}
