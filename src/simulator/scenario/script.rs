//! The faults of a scenario: as they are written, and as they strike.

use std::{collections::BTreeSet, fmt, time::Duration};

use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::{
    super::{Data, Fault, Move, Slot},
    values::{Count, Span},
};

/// What a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Churn,
    Crash,
    Join,
    Leave,
    OneWay,
    Partition,
    Pause,
    Restart,
    RollingRestart,
}

/// Which way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    In,
    Out,
}

/// Which address a restarted process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Address {
    New,
    Same,
}

/// One `[[fault]]`. Which keys it may have depends on its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    at: Span,
    nodes: Option<Count>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    every: Option<Span>,
    until: Option<Span>,
    down: Option<Span>,
    direction: Option<Direction>,
    address: Option<Address>,
}

/// Everything that will happen to a cluster of `nodes`.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// What strikes, in order of time.
    pub(super) faults: Vec<(Duration, Fault)>,
    /// Whom any of it strikes.
    pub(super) struck: BTreeSet<Slot>,
    /// Nodes that join late, after the others in slot order.
    pub(super) newcomers: u32,
}

/// Between the strikes of a fault that repeats there is at least this much time.
const EVERY_MIN: Duration = Duration::from_millis(1);

impl Entry {
    /// Its keys beside `kind` and `at`: those given, those required, those allowed.
    fn keys(
        &self,
    ) -> (
        Vec<&'static str>,
        &'static [&'static str],
        &'static [&'static str],
    ) {
        let given = [
            ("address", self.address.is_some()),
            ("direction", self.direction.is_some()),
            ("down", self.down.is_some()),
            ("every", self.every.is_some()),
            ("for", self.lasts.is_some()),
            ("nodes", self.nodes.is_some()),
            ("until", self.until.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        let (required, optional): (&[_], &[_]) = match self.kind {
            Kind::Churn => (&["every", "until"], &["down"]),
            Kind::Crash | Kind::Leave => (&[], &["nodes"]),
            Kind::Join => (&[], &["nodes", "every"]),
            Kind::OneWay => (&["for"], &["nodes", "direction"]),
            Kind::Partition => (&["for"], &["nodes"]),
            Kind::Pause => (&["for"], &["nodes", "every", "until"]),
            Kind::Restart => (&[], &["nodes", "down", "address"]),
            Kind::RollingRestart => (&["every"], &["nodes", "down"]),
        };
        (given.map(|(key, _)| key).collect(), required, optional)
    }

    /// Says what is wrong with it as it is written.
    pub(super) fn check(&self) -> Result<(), String> {
        let (given, required, optional) = self.keys();
        let legal = |key: &&str| required.contains(key) || optional.contains(key);
        if let Some(stray) = given.iter().find(|key| !legal(key)) {
            let all = [required, optional].concat().join(", ");
            return Err(format!("takes no `{stray}`, only kind, at, {all}"));
        }
        if let Some(missing) = required.iter().find(|key| !given.contains(key)) {
            return Err(format!("needs `{missing}`"));
        }
        if self.every.is_some() != self.until.is_some() && self.kind == Kind::Pause {
            return Err("repeats with both `every` and `until`, or neither".into());
        }
        let too_often = |every: Span| every.min < EVERY_MIN && self.kind != Kind::Join;
        match self.every {
            Some(every) if too_often(every) => Err("`every` takes 1ms to 24h".into()),
            _ => Ok(()),
        }
    }

    /// How many it strikes of `nodes`.
    pub(super) fn struck(&self, nodes: u32) -> u32 {
        let default = match self.kind {
            Kind::RollingRestart => Count::Percent(100),
            Kind::Partition => Count::Percent(50),
            _ => Count::Exactly(1),
        };
        self.nodes.unwrap_or(default).of(nodes)
    }

    /// Whether those it strikes do not come back.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Crash | Kind::Leave)
    }

    /// When it cuts the network at the earliest, and is healed at the latest.
    pub(super) fn cut(&self) -> Option<(Duration, Duration)> {
        let cuts = matches!(self.kind, Kind::OneWay | Kind::Partition);
        cuts.then(|| (self.at.min, self.at.max + self.longest(self.lasts)))
    }

    /// When its last effect is over at the latest, given how many it strikes.
    pub(super) fn over(&self, nodes: u32) -> Duration {
        let until = self.until.map_or(self.at.max, |until| until.max);
        let gaps = match self.kind {
            Kind::Join | Kind::RollingRestart => self.struck(nodes).saturating_sub(1),
            _ => 0,
        };
        let stretch = self.longest(self.every) * gaps;
        until.max(self.at.max + stretch) + self.longest(self.lasts) + self.longest(self.down)
    }

    fn longest(&self, span: Option<Span>) -> Duration {
        span.map_or(Duration::ZERO, |span| span.max)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            Kind::Churn => "churn",
            Kind::Crash => "crash",
            Kind::Join => "join",
            Kind::Leave => "leave",
            Kind::OneWay => "one_way",
            Kind::Partition => "partition",
            Kind::Pause => "pause",
            Kind::Restart => "restart",
            Kind::RollingRestart => "rolling_restart",
        };
        write!(formatter, "{word} at {}", self.at)?;
        if let Some(nodes) = self.nodes {
            write!(formatter, ", nodes {nodes}")?;
        }
        let spans = [
            ("for", self.lasts),
            ("every", self.every),
            ("until", self.until),
            ("down", self.down),
        ];
        for (key, span) in spans {
            if let Some(span) = span {
                write!(formatter, ", {key} {span}")?;
            }
        }
        if let Some(direction) = self.direction {
            let word = if direction == Direction::In {
                "in"
            } else {
                "out"
            };
            write!(formatter, ", direction {word}")?;
        }
        if let Some(address) = self.address {
            let word = if address == Address::New {
                "new"
            } else {
                "same"
            };
            write!(formatter, ", address {word}")?;
        }
        Ok(())
    }
}

/// Draws what `entries` leave open: who is struck, and when exactly. Those who crash or leave for
/// good are struck by nothing else.
pub(super) fn draw(entries: &[Entry], nodes: u32, rng: &mut Xoshiro256PlusPlus) -> Script {
    let mut all: Vec<_> = (0..nodes).map(Slot).collect();
    all.shuffle(rng);
    let ends = entries.iter().filter(|entry| entry.is_final());
    let doomed: u32 = ends.map(|entry| entry.struck(nodes)).sum();
    let lasting = all.split_off(all.len().min(doomed as usize));
    let mut draft = Draft {
        rng,
        nodes,
        doomed: all,
        lasting,
        script: Script::default(),
    };
    for entry in entries {
        draft.add(entry);
    }
    draft.script.faults.sort_by_key(|(at, _)| *at);
    draft.script
}

struct Draft<'a> {
    rng: &'a mut Xoshiro256PlusPlus,
    nodes: u32,
    /// Who ends for good and was not struck yet.
    doomed: Vec<Slot>,
    lasting: Vec<Slot>,
    script: Script,
}

impl Draft<'_> {
    fn add(&mut self, entry: &Entry) {
        let at = entry.at.draw(self.rng);
        let struck = self.struck(entry);
        if !matches!(entry.kind, Kind::Churn | Kind::Join) {
            self.script.struck.extend(&struck);
        }
        match entry.kind {
            Kind::Churn => self.churn(entry, at),
            Kind::Crash => struck
                .into_iter()
                .for_each(|slot| self.put(at, Fault::Crash(slot))),
            Kind::Join => self.join(entry, at),
            Kind::Leave => struck
                .into_iter()
                .for_each(|slot| self.put(at, Fault::Leave(slot))),
            Kind::OneWay => self.one_way(entry, at, &struck),
            Kind::Partition => self.partition(entry, at, &struck),
            Kind::Pause => self.pause(entry, at, &struck),
            Kind::Restart => {
                for slot in struck {
                    self.restart(entry, at, slot);
                }
            }
            Kind::RollingRestart => self.roll(entry, at, struck),
        }
    }

    fn struck(&mut self, entry: &Entry) -> Vec<Slot> {
        let count = entry.struck(self.nodes) as usize;
        match entry.is_final() {
            true => self
                .doomed
                .split_off(self.doomed.len().saturating_sub(count)),
            false => {
                self.lasting.shuffle(self.rng);
                self.lasting.iter().copied().take(count).collect()
            }
        }
    }

    fn put(&mut self, at: Duration, fault: Fault) {
        self.script.faults.push((at, fault));
    }

    fn later(&mut self, at: Duration, span: Option<Span>) -> Duration {
        span.map_or(at, |span| at + span.draw(self.rng))
    }

    /// Down at once, up again after a while.
    fn restart(&mut self, entry: &Entry, at: Duration, slot: Slot) {
        let to = match entry.address {
            Some(Address::New) => Move::Away,
            _ => Move::Stay,
        };
        let up = self.later(at, entry.down);
        if up > at {
            self.put(at, Fault::Crash(slot));
        }
        self.put(up, Fault::Restart(slot, to, Data::Kept));
    }

    fn churn(&mut self, entry: &Entry, begin: Duration) {
        let until = self.later(Duration::ZERO, entry.until);
        let mut at = begin;
        let mut down_until = vec![Duration::ZERO; self.nodes as usize];
        while at < until {
            self.lasting.shuffle(self.rng);
            let is_up = |slot: &&Slot| down_until[slot.index()] <= at;
            if let Some(slot) = self.lasting.iter().find(is_up).copied() {
                self.script.struck.insert(slot);
                self.restart(entry, at, slot);
                let up = self.script.faults.last().map_or(at, |(up, _)| *up);
                down_until[slot.index()] = up;
            }
            at = self.later(at, entry.every);
        }
    }

    fn join(&mut self, entry: &Entry, begin: Duration) {
        let mut at = begin;
        for _ in 0..entry.struck(self.nodes) {
            let slot = Slot(self.nodes + self.script.newcomers);
            self.script.newcomers += 1;
            self.put(at, Fault::Start(slot));
            at = self.later(at, entry.every);
        }
    }

    fn one_way(&mut self, entry: &Entry, at: Duration, struck: &[Slot]) {
        for one in struck {
            for other in (0..self.nodes).map(Slot).filter(|other| other != one) {
                let (from, to) = match entry.direction {
                    Some(Direction::Out) => (*one, other),
                    _ => (other, *one),
                };
                self.put(at, Fault::Block { from, to });
            }
        }
        let healed = self.later(at, entry.lasts);
        self.put(healed, Fault::Heal);
    }

    fn partition(&mut self, entry: &Entry, at: Duration, struck: &[Slot]) {
        let mut sides = vec![0; self.nodes as usize];
        for slot in struck {
            sides[slot.index()] = 1;
        }
        self.put(at, Fault::Partition(sides));
        let healed = self.later(at, entry.lasts);
        self.put(healed, Fault::Heal);
    }

    fn pause(&mut self, entry: &Entry, begin: Duration, struck: &[Slot]) {
        for slot in struck {
            let until = self.later(Duration::ZERO, entry.until);
            let mut at = begin;
            loop {
                let span = self.later(Duration::ZERO, entry.lasts);
                self.put(at, Fault::Pause(*slot, span));
                at = self.later(at + span, entry.every);
                if entry.every.is_none() || at >= until {
                    break;
                }
            }
        }
    }

    fn roll(&mut self, entry: &Entry, begin: Duration, mut struck: Vec<Slot>) {
        struck.sort_unstable();
        let mut at = begin;
        for slot in struck {
            self.restart(entry, at, slot);
            at = self.later(at, entry.every);
        }
    }
}
