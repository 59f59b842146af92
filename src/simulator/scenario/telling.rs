//! `Telling`: whose story a run of a scenario tells.

use std::{collections::BTreeSet, fmt, time::Duration};

use super::{
    super::{Fault, Slot, Story},
    Scenario,
};

/// Beside those that faults strike, the story of so many others is told.
const BYSTANDERS: u32 = 3;
/// The story of so many that faults strike is told.
const STRUCK_TOLD: usize = 5;

/// Whose story a run tells, and to whom.
pub struct Telling {
    /// Names of nodes; when there are none, those that faults strike and some others.
    pub nodes: Vec<String>,
    /// Hears one line after the other.
    pub teller: Box<dyn FnMut(&str)>,
}

impl fmt::Debug for Telling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Telling")
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

impl Scenario {
    /// The machines whose processes are called `name` when it runs with `seed`.
    pub fn slots_of(&self, seed: u64, name: &str) -> Vec<Slot> {
        let specs = self
            .plan(seed)
            .map_or_else(|| self.specs(), |plan| plan.machines);
        let named = (0..)
            .map(Slot)
            .zip(&specs)
            .filter(|(_, spec)| spec.name == name);
        named.map(|(slot, _)| slot).collect()
    }

    /// Whom `telling` is about when these faults are to strike.
    pub(super) fn story(&self, seed: u64, faults: &[(Duration, Fault)], telling: Telling) -> Story {
        let named = telling
            .nodes
            .iter()
            .flat_map(|name| self.slots_of(seed, name));
        let mut slots: BTreeSet<_> = named.collect();
        if telling.nodes.is_empty() {
            let concerned = concerned(faults);
            let nodes = self.file.nodes.unwrap_or(BYSTANDERS);
            let others = (0..nodes)
                .map(Slot)
                .filter(|slot| !concerned.contains(slot));
            slots.extend(others.take(BYSTANDERS as usize));
            slots.extend(concerned.iter().take(STRUCK_TOLD));
        }
        Story::of(slots, telling.teller)
    }
}

/// Whom faults strike, and who has something to say.
fn concerned(faults: &[(Duration, Fault)]) -> BTreeSet<Slot> {
    let faults = faults.iter().map(|(_, fault)| fault);
    let words = faults.clone().filter(|fault| fault.is_word());
    let speakers = words.filter_map(Fault::machine);
    faults.flat_map(Fault::struck).chain(speakers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_raises_an_event_is_followed_and_is_no_bystander() {
        let faults = [Fault::Event(Slot(7)), Fault::Crash(Slot(5)), Fault::Heal];
        let faults = faults.map(|fault| (Duration::ZERO, fault));
        let concerned: Vec<_> = concerned(&faults).into_iter().collect();
        assert_eq!(concerned, [Slot(5), Slot(7)]);
    }
}
