//! Whether what a scenario says of zones, rules and faults can be.

use std::time::Duration;

use super::{
    Scenario, ScenarioError, Start,
    census::Census,
    entry::{Entry, Kind},
    script,
    values::{Chosen, Count},
    zones,
};

impl Scenario {
    /// Nodes that are gone for good in the end; none that a seed draws are counted.
    pub fn lost(&self) -> u64 {
        match self.nodes() {
            Some(_) => lost(&self.file.fault, &self.census()),
            None => 0,
        }
    }

    /// Nodes that know nobody when they start and learn of all others: those that join late, or
    /// all when the cluster does not stand; none that a plan or a seed says are counted.
    pub fn joining(&self) -> u64 {
        let Some(nodes) = self.file.nodes else {
            return 0;
        };
        let standing = match self.file.start {
            Start::Warm => nodes,
            Start::AtOnce | Start::Cold => 0,
        };
        let all = self.nodes().unwrap_or(nodes);
        u64::from(all.saturating_sub(standing))
    }

    /// Says what cannot be, if anything.
    pub(super) fn check_events(&self) -> Result<(), ScenarioError> {
        let census = self.census();
        let zones = zones::check(&census, &self.file.between);
        zones.map_err(|problem| self.refuse(problem))?;
        let faults = &self.file.fault;
        let lost = lost(faults, &census);
        for (number, rule) in (1..).zip(&self.file.rule) {
            let checked = rule
                .check(&census)
                .and_then(|()| self.ends(rule.over()))
                .and_then(|()| {
                    rule.chosen()
                        .try_for_each(|whom| check_left(whom, lost, &census))
                });
            checked.map_err(|problem| self.refuse(format!("rule {number} ({rule}): {problem}")))?;
        }
        for (index, entry) in faults.iter().enumerate() {
            let checked = entry
                .check(&census)
                .and_then(|()| self.ends(entry.over(&census)))
                .and_then(|()| check_count(entry, lost, &census))
                .and_then(|()| check_unnamed(entry, faults, &census))
                .and_then(|()| check_parts(entry, &faults[..index]))
                .and_then(|()| check_sides(entry, &census))
                .and_then(|()| check_gone(index, faults, &census));
            checked.map_err(|problem| {
                self.refuse(format!("fault {} ({entry}): {problem}", index + 1))
            })?;
        }
        Ok(())
    }

    /// What has begun must be over within the safety phase.
    fn ends(&self, over: Duration) -> Result<(), String> {
        let duration = self.duration();
        if over <= duration {
            return Ok(());
        }
        let [over, duration] = [over, duration].map(humantime::format_duration);
        Err(format!(
            "can last until {over}, and duration = {duration}; --duration makes it longer"
        ))
    }
}

/// How many do not come back.
fn lost(faults: &[Entry], census: &Census<'_>) -> u64 {
    let finals = faults.iter().filter(|entry| entry.is_final());
    finals.map(|entry| u64::from(entry.struck(census))).sum()
}

/// Two nodes stay, and there are as many of them as are drawn.
fn check_count(entry: &Entry, lost: u64, census: &Census<'_>) -> Result<(), String> {
    let nodes = census.nodes;
    if !entry.is_final() {
        return match entry.kind {
            Kind::Join => Ok(()),
            _ => check_left(entry.whom(), lost, census),
        };
    }
    match lost + 2 > u64::from(nodes) {
        true => Err(format!(
            "of {nodes} nodes {lost} would be struck, and two must stay"
        )),
        false => Ok(()),
    }
}

/// Who is drawn for good is struck by no other fault, so none of them names it.
fn check_unnamed(entry: &Entry, faults: &[Entry], census: &Census<'_>) -> Result<(), String> {
    let named = script::all_named(faults, census).len();
    let drawn = script::drawn_for_good(faults, census);
    let is_drawn = entry.is_final() && matches!(entry.whom(), Chosen::Drawn(_));
    match is_drawn && drawn as usize + named > census.nodes as usize {
        true => Err(format!(
            "of {} nodes faults name {named}, so {drawn} who are gone for good cannot be drawn",
            census.nodes
        )),
        false => Ok(()),
    }
}

/// Who is drawn for a while is one of those who stay. A share is one of them, too.
fn check_left(whom: &Chosen, lost: u64, census: &Census<'_>) -> Result<(), String> {
    let (nodes, Chosen::Drawn(Count::Exactly(count))) = (census.nodes, whom) else {
        return Ok(());
    };
    match u64::from(*count) + lost > u64::from(nodes) {
        true => Err(format!(
            "of {nodes} nodes {lost} end for good by other faults, so {count} cannot be drawn"
        )),
        false => Ok(()),
    }
}

/// It does not part what is parted.
fn check_parts(entry: &Entry, earlier: &[Entry]) -> Result<(), String> {
    let Some(own) = entry.parts() else {
        return Ok(());
    };
    let mut parted = earlier.iter().filter_map(Entry::parts);
    match parted.any(|other| own.start() <= other.end() && other.start() <= own.end()) {
        true => Err("parts the network while it is parted already".into()),
        false => Ok(()),
    }
}

/// There is somebody on both sides.
fn check_sides(entry: &Entry, census: &Census<'_>) -> Result<(), String> {
    match entry.kind == Kind::Partition && entry.struck(census) >= census.nodes {
        true => Err("all nodes would be on one side".into()),
        false => Ok(()),
    }
}

/// It names nobody whom another fault ends for good.
fn check_gone(index: usize, faults: &[Entry], census: &Census<'_>) -> Result<(), String> {
    let struck = script::named(&faults[index], census);
    for (other, entry) in faults.iter().enumerate() {
        if other == index || !entry.is_final() {
            continue;
        }
        let gone = script::named(entry, census);
        if let Some(slot) = struck.iter().find(|slot| gone.contains(slot)) {
            let (node, number) = (slot.index(), other + 1);
            return Err(format!("n{node} is gone for good by fault {number}"));
        }
    }
    Ok(())
}
