//! Whether what a scenario says of zones, rules and faults can be.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::Slot,
    Scenario, ScenarioError,
    census::Census,
    entry::{Entry, Kind},
    script, zones,
};

impl Scenario {
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
        for (number, entry) in (1..).zip(faults) {
            let checked = entry
                .check(&census)
                .and_then(|()| self.ends(entry.over(&census)));
            checked
                .and_then(|()| check_count(entry, faults, &census))
                .map_err(|problem| self.refuse(format!("fault {number} ({entry}): {problem}")))?;
        }
        check_together(faults, &census).map_err(|problem| self.refuse(problem))
    }

    /// What has begun must be over within the safety phase.
    fn ends(&self, over: Duration) -> Result<(), String> {
        let duration = self.duration();
        if over <= duration {
            return Ok(());
        }
        let [over, duration] = [over, duration].map(humantime::format_duration);
        Err(format!("can last until {over}, and duration = {duration}"))
    }
}

/// It strikes no more than there are, and two stay.
fn check_count(entry: &Entry, faults: &[Entry], census: &Census<'_>) -> Result<(), String> {
    let finals = faults.iter().filter(|entry| entry.is_final());
    let doomed: u64 = finals.map(|entry| u64::from(entry.struck(census))).sum();
    let (struck, nodes) = (entry.struck(census), census.nodes);
    let too_few_stay = entry.is_final() && doomed + 2 > u64::from(nodes);
    if struck <= nodes && !too_few_stay || entry.kind == Kind::Join && struck <= nodes {
        return Ok(());
    }
    let struck = doomed.max(u64::from(struck));
    Err(format!(
        "of {nodes} nodes {struck} would be struck, and two must stay"
    ))
}

/// No two faults contradict each other.
fn check_together(faults: &[Entry], census: &Census<'_>) -> Result<(), String> {
    let mut parted: Vec<(Duration, Duration)> = Vec::new();
    let mut gone: BTreeMap<Slot, usize> = BTreeMap::new();
    for (number, entry) in (1..).zip(faults) {
        let refuse = |problem: String| Err(format!("fault {number} ({entry}): {problem}"));
        if let Some(cut) = entry.parts() {
            if parted
                .iter()
                .any(|other| cut.0 <= other.1 && other.0 <= cut.1)
            {
                return refuse("parts the network while it is parted already".into());
            }
            parted.push(cut);
        }
        let named = script::named(entry, census);
        for slot in named.into_iter().filter(|_| entry.is_final()) {
            if let Some(before) = gone.insert(slot, number) {
                return refuse(format!(
                    "n{} is gone for good by fault {before}",
                    slot.index()
                ));
            }
        }
    }
    for (number, entry) in (1..).zip(faults).filter(|(_, entry)| !entry.is_final()) {
        let named = script::named(entry, census);
        if let Some((slot, before)) = named.iter().find_map(|slot| gone.get_key_value(slot)) {
            let node = slot.index();
            let problem = format!("n{node} is gone for good by fault {before}");
            return Err(format!("fault {number} ({entry}): {problem}"));
        }
    }
    Ok(())
}
