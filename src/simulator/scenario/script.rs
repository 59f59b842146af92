//! `Script`: the faults of a scenario as they strike.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    super::{
        Application, Data, Effect, Fault, Machines, Move, Rule, RuleId, Slot, promises::LEAVE_MAX,
    },
    census::Census,
    entry::{Address, Direction, Entry, Kind},
    rules::RuleEntry,
    values::{Chosen, Span},
};

/// Everything that will happen to a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// What strikes, in order of time.
    pub(super) faults: Vec<(Duration, Fault)>,
    /// Nodes that join late, after the others in slot order.
    pub(super) newcomers: u32,
}

/// Draws what `entries` and `rules` leave open: who is struck, and when exactly. Those who crash
/// or leave for good are struck by no other fault.
pub(super) fn draw(
    entries: &[Entry],
    rules: &[RuleEntry],
    census: &Census<'_>,
    rng: &mut Xoshiro256PlusPlus,
) -> Script {
    let ends = || entries.iter().filter(|entry| entry.is_final());
    let gone: BTreeSet<_> = ends().flat_map(|entry| named(entry, census)).collect();
    let mut others: Vec<_> = (0..census.nodes).map(Slot).collect();
    others.retain(|slot| !gone.contains(slot));
    others.shuffle(rng);
    // Who is named is struck again.
    let named = all_named(entries, census);
    let (mut lasting, mut unnamed): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|slot| named.contains(slot));
    let drawn = drawn_for_good(entries, census) as usize;
    lasting.extend(unnamed.split_off(unnamed.len().min(drawn)));
    let mut draft = Draft {
        rng,
        census,
        doomed: unnamed,
        lasting,
        rules: 0,
        script: Script::default(),
    };
    for entry in entries {
        draft.add(entry);
    }
    for rule in rules {
        draft.add_rule(rule);
    }
    draft.script.faults.sort_by_key(|(at, _)| *at);
    draft.script
}

/// Whom a fault strikes by name.
pub(super) fn named(entry: &Entry, census: &Census<'_>) -> Vec<Slot> {
    match entry.whom() {
        Chosen::Drawn(_) => Vec::new(),
        Chosen::Named(names) => census.find(names).unwrap_or_default(),
    }
}

/// Whom any fault strikes by name.
pub(super) fn all_named(entries: &[Entry], census: &Census<'_>) -> BTreeSet<Slot> {
    let named = entries.iter().flat_map(|entry| named(entry, census));
    named.collect()
}

/// How many are drawn who do not come back.
pub(super) fn drawn_for_good(entries: &[Entry], census: &Census<'_>) -> u32 {
    let is_drawn = |entry: &&Entry| matches!(entry.whom(), Chosen::Drawn(_));
    let drawn = entries
        .iter()
        .filter(|entry| entry.is_final())
        .filter(is_drawn);
    drawn.map(|entry| entry.struck(census)).sum()
}

struct Draft<'a> {
    rng: &'a mut Xoshiro256PlusPlus,
    census: &'a Census<'a>,
    /// Who ends for good and was not struck yet.
    doomed: Vec<Slot>,
    lasting: Vec<Slot>,
    /// Rules numbered so far.
    rules: u32,
    script: Script,
}

impl Draft<'_> {
    fn add(&mut self, entry: &Entry) {
        let at = entry.at.draw(self.rng);
        let struck = self.struck(entry);
        match entry.kind {
            Kind::App => {
                let application = entry.state.unwrap_or(Application::Down);
                struck
                    .into_iter()
                    .for_each(|slot| self.put(at, Fault::App(slot, application)));
            }
            Kind::Churn => self.churn(entry, at),
            Kind::Crash => struck
                .into_iter()
                .for_each(|slot| self.put(at, entry.death(slot, None))),
            Kind::Event => self.raise(entry, at, &struck),
            Kind::Join => self.join(entry, at),
            Kind::Leave => struck
                .into_iter()
                .for_each(|slot| self.put(at, Fault::Leave(slot))),
            Kind::OneWay => self.one_way(entry, at, struck),
            Kind::Partition => self.partition(entry, at, &struck),
            Kind::Pause => self.pause(entry, at, &struck),
            Kind::Restart => {
                for slot in struck {
                    self.restart(entry, at, slot);
                }
            }
            Kind::RollingRestart => self.roll(entry, at, struck),
            Kind::Slow => self.slow(entry, at, &struck),
        }
    }

    fn struck(&mut self, entry: &Entry) -> Vec<Slot> {
        let chosen = entry.whom();
        if entry.is_final() && matches!(chosen, Chosen::Drawn(_)) {
            let count = self.census.count(chosen) as usize;
            let left = self.doomed.len().saturating_sub(count);
            return self.doomed.split_off(left);
        }
        self.choose(chosen)
    }

    /// Those that are named, or so many of those that stay.
    fn choose(&mut self, chosen: &Chosen) -> Vec<Slot> {
        match chosen {
            Chosen::Named(names) => self.census.find(names).unwrap_or_default(),
            Chosen::Drawn(count) => {
                let count = count.of(self.census.nodes) as usize;
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
        let mut up = self.later(at, entry.down);
        let announced = entry.announced.map(|eta| eta.draw(self.rng));
        if announced.is_some() {
            // Else it were killed in the middle of its goodbye.
            up = up.max(at + LEAVE_MAX);
        }
        if up > at || announced.is_some() {
            self.put(at, entry.death(slot, announced));
        }
        let data = entry.data.unwrap_or(Data::Kept);
        self.put(up, Fault::Restart(slot, to, data));
    }

    fn churn(&mut self, entry: &Entry, begin: Duration) {
        let until = self.later(Duration::ZERO, entry.until);
        let mut at = begin;
        let mut down_until = vec![Duration::ZERO; self.census.nodes as usize];
        while at < until {
            self.lasting.shuffle(self.rng);
            let is_up = |slot: &&Slot| down_until[slot.index()] <= at;
            if let Some(slot) = self.lasting.iter().find(is_up).copied() {
                self.restart(entry, at, slot);
                let up = self.script.faults.last().map_or(at, |(up, _)| *up);
                down_until[slot.index()] = up;
            }
            at = self.later(at, entry.every);
        }
    }

    fn raise(&mut self, entry: &Entry, begin: Duration, struck: &[Slot]) {
        let until = self.later(Duration::ZERO, entry.until);
        let mut at = begin;
        loop {
            struck
                .iter()
                .for_each(|slot| self.put(at, Fault::Event(*slot)));
            at = self.later(at, entry.every);
            if entry.every.is_none() || at >= until {
                return;
            }
        }
    }

    fn join(&mut self, entry: &Entry, begin: Duration) {
        let mut at = begin;
        for _ in 0..entry.struck(self.census) {
            let slot = Slot(self.census.nodes + self.script.newcomers);
            self.script.newcomers += 1;
            self.put(at, Fault::Start(slot));
            at = self.later(at, entry.every);
        }
    }

    fn one_way(&mut self, entry: &Entry, at: Duration, struck: Vec<Slot>) {
        let (struck, all) = (Machines::only(struck), Machines::all());
        let (from, to) = match entry.direction {
            Some(Direction::Out) => (struck, all),
            _ => (all, struck),
        };
        let effect = Effect::BLOCK;
        let times = self.times(entry, at);
        self.put_rule(Rule { from, to, effect }, times);
    }

    fn partition(&mut self, entry: &Entry, at: Duration, struck: &[Slot]) {
        let mut sides = vec![0; self.census.nodes as usize];
        for slot in struck {
            sides[slot.index()] = 1;
        }
        for Range {
            start: on,
            end: off,
        } in self.times(entry, at)
        {
            self.put(on, Fault::Partition(sides.clone()));
            self.put(off, Fault::Partition(Vec::new()));
        }
    }

    fn pause(&mut self, entry: &Entry, begin: Duration, struck: &[Slot]) {
        for slot in struck {
            for Range {
                start: on,
                end: off,
            } in self.times(entry, begin)
            {
                self.put(on, Fault::Pause(*slot, off - on));
            }
        }
    }

    /// All at the same times: that is worse than each at its own.
    fn slow(&mut self, entry: &Entry, begin: Duration, struck: &[Slot]) {
        for Range {
            start: on,
            end: off,
        } in self.times(entry, begin)
        {
            for slot in struck {
                self.put(on, Fault::Slow(*slot, off - on));
            }
        }
    }

    fn add_rule(&mut self, entry: &RuleEntry) {
        let begin = entry.at().draw(self.rng);
        let effect = entry.effect();
        let [from, to] = [&entry.from, &entry.to].map(|chosen| match chosen {
            Some(chosen) => Machines::only(self.choose(chosen)),
            None => Machines::all(),
        });
        let times = match entry.beat() {
            Some(beat) => beat.draw(self.rng, begin),
            None => Vec::from([begin..Duration::MAX]),
        };
        if entry.both_ways {
            let (from, to) = (to.clone(), from.clone());
            self.put_rule(Rule { from, to, effect }, times.clone());
        }
        self.put_rule(Rule { from, to, effect }, times);
    }

    /// A rule that holds at these times.
    fn put_rule(&mut self, rule: Rule, times: Vec<Range<Duration>>) {
        let id = RuleId(self.rules);
        self.rules += 1;
        for Range {
            start: on,
            end: off,
        } in times
        {
            self.put(on, Fault::Impose(id, rule.clone()));
            if off < Duration::MAX {
                self.put(off, Fault::Lift(id));
            }
        }
    }

    fn times(&mut self, entry: &Entry, begin: Duration) -> Vec<Range<Duration>> {
        let beat = entry.beat();
        beat.map_or_else(Vec::new, |beat| beat.draw(self.rng, begin))
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::{super::Scenario, *};

    fn drawn(faults: &str, seed: u64) -> Script {
        let text = format!("# Drawn.\nnodes = 4\nduration = \"60s\"\n{faults}");
        let scenario = Scenario::parse("mine.toml", &text).expect("it can be");
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        draw(&scenario.file.fault, &[], &scenario.census(), &mut rng)
    }

    #[test]
    fn who_is_gone_for_good_is_nobody_that_comes_back() {
        let faults = "[[fault]]\nkind = \"crash\"\nat = \"5s\"\n\
                      [[fault]]\nkind = \"restart\"\nat = \"30s\"\nnodes = [\"n0\", \"n1\"]\n";
        for seed in 0..50 {
            let crashed = drawn(faults, seed)
                .faults
                .into_iter()
                .find_map(|fault| match fault {
                    (_, Fault::Crash(slot)) => Some(slot),
                    _ => None,
                });
            assert!(crashed.is_some_and(|slot| slot.index() >= 2), "{crashed:?}");
        }
    }

    #[test]
    fn who_announces_a_restart_has_time_to_leave() {
        let faults = "[[fault]]\nkind = \"restart\"\nat = \"5s\"\nannounced = \"10s\"\n";
        let [(told, Fault::Announce(..)), (up, Fault::Restart(..))] = drawn(faults, 1).faults[..]
        else {
            panic!("it is told, and started again");
        };
        assert_eq!(up - told, LEAVE_MAX);
    }
}
