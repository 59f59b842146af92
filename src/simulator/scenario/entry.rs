//! The faults of a scenario as they are written.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use super::{
    super::{Application, Data, Fault, Slot},
    beat::{Beat, check_every, check_until},
    census::Census,
    values::{Chosen, Count, Span},
};

/// What a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    App,
    Churn,
    Crash,
    Event,
    Join,
    Leave,
    OneWay,
    Partition,
    Pause,
    Restart,
    RollingRestart,
    Slow,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Churn => "churn",
            Self::Crash => "crash",
            Self::Event => "event",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::OneWay => "one_way",
            Self::Partition => "partition",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::RollingRestart => "rolling_restart",
            Self::Slow => "slow",
        }
    }
}

/// Which way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    In,
    Out,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Victim {
    /// The machine and all that runs there: silence.
    Host,
    /// The process: its host refuses whatever comes for it.
    Process,
}

impl Victim {
    const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Process => "process",
        }
    }
}

/// Which address a restarted process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Address {
    New,
    Same,
}

impl Address {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
        }
    }
}

/// One `[[fault]]`. Which keys it may have depends on its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) at: Span,
    pub(super) nodes: Option<Chosen>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    pub(super) every: Option<Span>,
    pub(super) until: Option<Span>,
    pub(super) down: Option<Span>,
    pub(super) direction: Option<Direction>,
    pub(super) address: Option<Address>,
    pub(super) data: Option<Data>,
    pub(super) state: Option<Application>,
    pub(super) announced: Option<Span>,
    what: Option<Victim>,
}

/// Whom a fault strikes that does not say it.
const ONE: Chosen = Chosen::Drawn(Count::Exactly(1));
const HALF: Chosen = Chosen::Drawn(Count::Percent(50));
const ALL: Chosen = Chosen::Drawn(Count::Percent(100));
const RESTART_KEYS: &[&str] = &["nodes", "down", "address", "data", "what", "announced"];
/// Nothing strikes more often in one run.
const STRIKES_MAX: u64 = 1_000_000;

/// Keys that a kind of fault takes beside `kind` and `at`.
struct Keys {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

impl Entry {
    /// The keys that are given beside `kind` and `at`.
    fn given(&self) -> Vec<&'static str> {
        let keys = [
            ("address", self.address.is_some()),
            ("announced", self.announced.is_some()),
            ("data", self.data.is_some()),
            ("direction", self.direction.is_some()),
            ("down", self.down.is_some()),
            ("every", self.every.is_some()),
            ("for", self.lasts.is_some()),
            ("nodes", self.nodes.is_some()),
            ("state", self.state.is_some()),
            ("until", self.until.is_some()),
            ("what", self.what.is_some()),
        ];
        let given = keys.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(key, _)| key).collect()
    }

    fn keys(&self) -> Keys {
        let (required, optional): (&[_], &[_]) = match self.kind {
            Kind::App => (&["state"], &["nodes"]),
            Kind::Churn => (&["every", "until"], &["down", "address", "data", "what"]),
            Kind::Crash => (&[], &["nodes", "what"]),
            Kind::Event => (&[], &["nodes", "every", "until"]),
            Kind::Leave => (&[], &["nodes"]),
            Kind::Join => (&[], &["nodes", "every"]),
            Kind::OneWay => (&["for"], &["nodes", "direction", "every", "until"]),
            Kind::Partition => (&["for"], &["nodes"]),
            Kind::Pause | Kind::Slow => (&["for"], &["nodes", "every", "until"]),
            Kind::Restart => (&[], RESTART_KEYS),
            Kind::RollingRestart => (&["every"], RESTART_KEYS),
        };
        Keys { required, optional }
    }

    /// Says what is wrong with it as it is written.
    pub(super) fn check(&self, census: &Census<'_>) -> Result<(), String> {
        self.check_keys()?;
        self.check_whom(census)?;
        if let Some(beat) = self.beat().or_else(|| self.pulse()) {
            beat.check(self.at)?;
        }
        check_until(self.at, self.until)?;
        if self.kind != Kind::Join {
            check_every(self.every)?;
        }
        match self.strikes(census) {
            strikes if strikes > STRIKES_MAX => Err(format!(
                "can strike {strikes} times: takes at most {STRIKES_MAX}"
            )),
            _ => Ok(()),
        }
    }

    /// Those that join are not among those that are there, so there may be more of them.
    fn check_whom(&self, census: &Census<'_>) -> Result<(), String> {
        match (self.kind, self.whom()) {
            (Kind::Join, Chosen::Named(_)) => Err("`nodes` takes how many join, not who".into()),
            (Kind::Join, Chosen::Drawn(_)) => Ok(()),
            (_, chosen) => chosen.check(census),
        }
    }

    fn check_keys(&self) -> Result<(), String> {
        let (given, Keys { required, optional }) = (self.given(), self.keys());
        let legal = |key: &&str| required.contains(key) || optional.contains(key);
        if let Some(stray) = given.iter().find(|key| !legal(key)) {
            let all = [required, optional].concat().join(", ");
            return Err(format!("takes no `{stray}`, only kind, at, {all}"));
        }
        if self.announced.is_some() && self.what.is_some() {
            return Err(
                "takes `announced` or `what`, not both: who announces is not killed".into(),
            );
        }
        match required.iter().find(|key| !given.contains(key)) {
            Some(missing) => Err(format!("needs `{missing}`")),
            None => Ok(()),
        }
    }

    /// Whom it strikes.
    pub(super) fn whom(&self) -> &Chosen {
        let default = match self.kind {
            Kind::RollingRestart => &ALL,
            Kind::Partition => &HALF,
            _ => &ONE,
        };
        self.nodes.as_ref().unwrap_or(default)
    }

    /// How many it strikes.
    pub(super) fn struck(&self, census: &Census<'_>) -> u32 {
        census.count(self.whom())
    }

    /// When it is on, if it ends by itself.
    pub(super) fn beat(&self) -> Option<Beat> {
        let ends = matches!(
            self.kind,
            Kind::OneWay | Kind::Partition | Kind::Pause | Kind::Slow
        );
        self.lasts.filter(|_| ends).map(|lasts| Beat {
            lasts,
            every: self.every,
            until: self.until,
        })
    }

    /// How often anything happens to anybody at most.
    fn strikes(&self, census: &Census<'_>) -> u64 {
        let beat = self.beat().or_else(|| self.pulse());
        let times = beat.map_or(1, |beat| beat.times(self.at));
        times.saturating_mul(u64::from(self.struck(census)))
    }

    /// When it strikes, if each time is an instant.
    fn pulse(&self) -> Option<Beat> {
        matches!(self.kind, Kind::Churn | Kind::Event).then_some(Beat {
            lasts: Span::ZERO,
            every: self.every,
            until: self.until,
        })
    }

    /// Whether those it strikes do not come back.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Crash | Kind::Leave)
    }

    /// When it parts the network at the earliest, and is over at the latest.
    pub(super) fn parts(&self) -> Option<RangeInclusive<Duration>> {
        let beat = self.beat().filter(|_| self.kind == Kind::Partition)?;
        Some(self.at.min..=beat.over(self.at))
    }

    /// The death of a machine that it strikes.
    pub(super) fn death(&self, slot: Slot, announced: Option<Duration>) -> Fault {
        if let Some(eta) = announced {
            return Fault::Announce(slot, eta);
        }
        match self.what {
            Some(Victim::Process) => Fault::Kill(slot),
            Some(Victim::Host) | None => Fault::Crash(slot),
        }
    }

    /// When its last effect is over at the latest.
    pub(super) fn over(&self, census: &Census<'_>) -> Duration {
        if let Some(beat) = self.beat() {
            return beat.over(self.at);
        }
        let until = self.until.map_or(self.at.max, |until| until.max);
        let gaps = match self.kind {
            Kind::Join | Kind::RollingRestart => self.struck(census).saturating_sub(1),
            _ => 0,
        };
        let stretch = self.longest(self.every).saturating_mul(gaps);
        until.max(self.at.max + stretch) + self.longest(self.down)
    }

    fn longest(&self, span: Option<Span>) -> Duration {
        span.map_or(Duration::ZERO, |span| span.max)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.kind.word(), self.at)?;
        if let Some(nodes) = &self.nodes {
            write!(formatter, ", nodes {nodes}")?;
        }
        let spans = [
            ("for", self.lasts),
            ("every", self.every),
            ("until", self.until),
            ("down", self.down),
            ("announced", self.announced),
        ];
        for (key, span) in spans {
            if let Some(span) = span {
                write!(formatter, ", {key} {span}")?;
            }
        }
        let words = [
            ("direction", self.direction.map(Direction::word)),
            ("address", self.address.map(Address::word)),
            ("data", self.data.map(data_word)),
            ("state", self.state.map(Application::word)),
            ("what", self.what.map(Victim::word)),
        ];
        for (key, word) in words {
            if let Some(word) = word {
                write!(formatter, ", {key} {word}")?;
            }
        }
        Ok(())
    }
}

const fn data_word(data: Data) -> &'static str {
    match data {
        Data::Kept => "kept",
        Data::Lost => "lost",
    }
}
