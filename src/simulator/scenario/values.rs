//! What values of a scenario look like: times, ranges of times, choices of nodes.
//!
//! Each checks itself while it is read, so that an error knows the line it is on.

use std::{fmt, time::Duration};

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::super::{
    network::draw,
    time_text::{self, format_range, parse as parse_time, parse_range, text},
};
use super::{NODES_MAX, census::Census};

/// A time, or a range that times are drawn from: `200ms`, `1ms..50ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

impl Span {
    pub(super) const ZERO: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };

    pub(super) fn draw(self, rng: &mut Xoshiro256PlusPlus) -> Duration {
        draw(rng, self.min, self.max)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (min, max) = parse_range(text)?;
        Ok(Self { min, max })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&format_range(self.min, self.max))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(
            deserializer,
            "takes a time such as \"200ms\" or \"1ms..50ms\"",
        )?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// What a change of a member costs a node: some microseconds, in truth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MemberCost(pub(super) Duration);

impl<'de> Deserialize<'de> for MemberCost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "takes a time such as \"20us\"")?;
        let cost = parse_time(&text).map_err(de::Error::custom)?;
        match cost <= Duration::from_millis(100) {
            true => Ok(Self(cost)),
            false => Err(de::Error::custom(format!("\"{text}\": takes up to 100ms"))),
        }
    }
}

/// One time, at least a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Time(#[serde(with = "time_text")] pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "takes a time such as \"200ms\"")?;
        let time = parse_time(&text).map_err(de::Error::custom)?;
        match time >= Duration::from_millis(1) {
            true => Ok(Self(time)),
            false => Err(de::Error::custom("takes 1ms to 31d")),
        }
    }
}

/// Reads a bound on a measured mean. What is no number would hold whatever was measured, and what
/// is negative never.
pub(super) fn deserialize_bound<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let bound = f64::deserialize(deserializer).ok();
    let legal = bound.filter(|bound| bound.is_finite() && *bound >= 0.0);
    let refused = || de::Error::custom("takes a finite number from 0.0");
    legal.map(Some).ok_or_else(refused)
}

/// Reads how many nodes there are, so that what fits no integer is refused with the range, too.
pub(super) fn deserialize_nodes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    let nodes = u32::deserialize(deserializer).ok();
    let refused = || de::Error::custom(format!("takes a whole number, 2 to {NODES_MAX}"));
    nodes.map(Some).ok_or_else(refused)
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

impl Count {
    fn parse(text: &str) -> Option<Self> {
        let percent = text.strip_suffix('%')?.parse().ok()?;
        (1..=100)
            .contains(&percent)
            .then_some(Self::Percent(percent))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Chosen::deserialize(deserializer) {
            Ok(Chosen::Drawn(count)) => Ok(count),
            _ => Err(de::Error::custom(
                "takes a number from 1, or \"1%\" to \"100%\"",
            )),
        }
    }
}

/// Which nodes: so many that the seed draws, or these and those of these zones.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Chosen {
    Drawn(Count),
    Named(Vec<String>),
}

impl Chosen {
    /// Says which name is nobody's, or that there are not so many.
    pub(super) fn check(&self, census: &Census<'_>) -> Result<(), String> {
        match self {
            Self::Drawn(count) => match (count.of(census.nodes), census.nodes) {
                (count, nodes) if count > nodes => {
                    Err(format!("there are {nodes} nodes, not {count}"))
                }
                _ => Ok(()),
            },
            Self::Named(names) => census.find(names).map(|_| ()),
        }
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drawn(count) => count.fmt(formatter),
            Self::Named(names) => formatter.write_str(&names.join(" ")),
        }
    }
}

impl<'de> Deserialize<'de> for Chosen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Choice)
    }
}

/// Reads a choice of nodes as it is written: a number, a text or a list of texts.
struct Choice;

impl<'de> de::Visitor<'de> for Choice {
    type Value = Chosen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("3, \"10%\", \"n7\", or [\"n1\", \"n7\"]")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Chosen, E> {
        let count = u32::try_from(number).ok().filter(|count| *count > 0);
        let chosen = count.map(|count| Chosen::Drawn(Count::Exactly(count)));
        chosen.ok_or_else(|| E::custom("takes a number from 1"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Chosen, E> {
        if !text.ends_with('%') {
            return Ok(Chosen::Named(vec![text.into()]));
        }
        let count = Count::parse(text).map(Chosen::Drawn);
        count.ok_or_else(|| E::custom("takes \"1%\" to \"100%\""))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Chosen, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        match names.is_empty() {
            true => Err(de::Error::custom("takes at least one name")),
            false => Ok(Chosen::Named(names)),
        }
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
        for text in ["", "5", "-5s", "2s..1s", "32d", "1ms..", "..", "1ms...2ms"] {
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
