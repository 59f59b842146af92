//! Whether what a scenario says of zones, rules and faults can be.

use std::time::Duration;

use super::{Scenario, ScenarioError, Start, census::Census, entry::Entry, script, zones};

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
        for (number, rule) in (1..).zip(&self.file.rule) {
            let checked = rule.check(&census).and_then(|()| self.ends(rule.over()));
            checked.map_err(|problem| self.refuse(format!("rule {number} ({rule}): {problem}")))?;
        }
        let faults = &self.file.fault;
        for (index, entry) in faults.iter().enumerate() {
            let checked = entry
                .check(&census)
                .and_then(|()| self.ends(entry.over(&census)))
                .and_then(|()| check_count(entry, faults, &census))
                .and_then(|()| check_parts(entry, &faults[..index]))
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

/// Two nodes stay.
fn check_count(entry: &Entry, faults: &[Entry], census: &Census<'_>) -> Result<(), String> {
    let (lost, nodes) = (lost(faults, census), census.nodes);
    match entry.is_final() && lost + 2 > u64::from(nodes) {
        true => Err(format!(
            "of {nodes} nodes {lost} would be struck, and two must stay"
        )),
        false => Ok(()),
    }
}

/// It does not part what is parted.
fn check_parts(entry: &Entry, earlier: &[Entry]) -> Result<(), String> {
    let Some((from, to)) = entry.parts() else {
        return Ok(());
    };
    let mut parted = earlier.iter().filter_map(Entry::parts);
    match parted.any(|(begin, end)| from <= end && begin <= to) {
        true => Err("parts the network while it is parted already".into()),
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
