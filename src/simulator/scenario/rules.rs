//! The rules of a scenario as they are written.

use std::{fmt, time::Duration};

use serde::Deserialize;

use super::{
    super::{Cargo, Effect, Latency, Mtu, network::deserialize_share},
    beat::Beat,
    census::Census,
    values::{Chosen, Span},
};

/// A rule may begin so often.
const TIMES_MAX: u64 = 100_000;

/// One `[[rule]]`: what is different on the way from some nodes to others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) from: Option<Chosen>,
    pub(super) to: Option<Chosen>,
    #[serde(default)]
    pub(super) both_ways: bool,
    #[serde(default)]
    at: Option<Span>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    every: Option<Span>,
    until: Option<Span>,
    #[serde(default, deserialize_with = "deserialize_share")]
    loss: f64,
    latency: Option<Latency>,
    mtu: Option<Mtu>,
    #[serde(default)]
    reject: bool,
    only: Option<Cargo>,
}

impl RuleEntry {
    pub(super) const fn effect(&self) -> Effect {
        Effect {
            loss: self.loss,
            latency: self.latency,
            mtu: self.mtu,
            reject: self.reject,
            only: self.only,
        }
    }

    /// When it begins to hold.
    pub(super) fn at(&self) -> Span {
        self.at.unwrap_or(Span::ZERO)
    }

    /// When it holds; `None`: until the end.
    pub(super) fn beat(&self) -> Option<Beat> {
        self.lasts.map(|lasts| Beat {
            lasts,
            every: self.every,
            until: self.until,
        })
    }

    /// When it is over at the latest, if it is before the end.
    pub(super) fn over(&self) -> Duration {
        let beat = self.beat();
        beat.map_or_else(|| self.at().max, |beat| beat.over(self.at()))
    }

    /// Whom it chooses of all.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &Chosen> {
        [&self.from, &self.to].into_iter().flatten()
    }

    /// Says what is wrong with it as it is written.
    pub(super) fn check(&self, census: &Census<'_>) -> Result<(), String> {
        if self.effect().is_nothing() {
            return Err("changes nothing: give it loss, latency, mtu or reject".into());
        }
        self.chosen().try_for_each(|chosen| chosen.check(census))?;
        match self.beat() {
            None if self.every.is_some() || self.until.is_some() => {
                Err("`every` and `until` need `for`".into())
            }
            None => Ok(()),
            Some(beat) if beat.times(self.at()) > TIMES_MAX => Err(format!(
                "can hold {} times: takes at most {TIMES_MAX}",
                beat.times(self.at())
            )),
            Some(beat) => beat.check(self.at()),
        }
    }
}

impl fmt::Display for RuleEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |chosen: &Option<Chosen>| {
            chosen
                .as_ref()
                .map_or_else(|| "all".to_owned(), ToString::to_string)
        };
        let way = if self.both_ways {
            "and back"
        } else {
            "one way"
        };
        let (from, to) = (name(&self.from), name(&self.to));
        write!(formatter, "from {from} to {to}, {way}, at {}", self.at())?;
        if let Some(beat) = self.beat() {
            write!(formatter, ", {beat}")?;
        }
        write!(formatter, ": {}", self.effect())
    }
}
