//! The zones of a scenario: as they are written, and as the network has them.

use serde::Deserialize;

use super::{
    super::{Latency, Zones},
    census::{Census, node_number},
    values::Count,
};
use crate::nearest::nearest;

/// One `[[zone]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneEntry {
    pub(super) name: String,
    /// The last zone has none: it has all nodes that the others leave.
    pub(super) nodes: Option<Count>,
    /// Within it.
    pub(super) latency: Option<Latency>,
}

/// One `[[between]]`: the way from one zone to another and back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    zones: [String; 2],
    latency: Latency,
}

impl Between {
    fn connects(&self, one: &str, other: &str) -> bool {
        self.zones == [one, other] || self.zones == [other, one]
    }
}

/// Says what is wrong with zones and distances, if anything.
pub(super) fn check(census: &Census<'_>, between: &[Between]) -> Result<(), String> {
    let zones = census.zones;
    if zones.len() > usize::from(Zones::MAX) {
        return Err(format!(
            "{} zones: takes at most {}",
            zones.len(),
            Zones::MAX
        ));
    }
    for (index, zone) in zones.iter().enumerate() {
        let named_before = zones[..index].iter().any(|other| other.name == zone.name);
        check_name(&zone.name, named_before)?;
        check_size(zone, index + 1 == zones.len())?;
    }
    if let Some(empty) = census.zone_sizes().iter().position(|size| *size == 0) {
        let (name, nodes) = (&zones[empty].name, census.nodes);
        return Err(format!(
            "zone {name}: of {nodes} nodes the zones before it leave none"
        ));
    }
    check_between(zones, between)
}

fn check_name(name: &str, named_before: bool) -> Result<(), String> {
    let problem = if named_before {
        "there are two with this name"
    } else if node_number(name).is_some() {
        "this is a node's name"
    } else if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    {
        "a name takes letters, digits, -, _ and ."
    } else {
        return Ok(());
    };
    Err(format!("zone `{name}`: {problem}"))
}

fn check_size(zone: &ZoneEntry, is_last: bool) -> Result<(), String> {
    let name = &zone.name;
    match (is_last, zone.nodes) {
        (true, Some(_)) => Err(format!(
            "zone {name}: the last has all nodes that are left, and no `nodes`"
        )),
        (false, None) => Err(format!(
            "zone {name}: needs `nodes`, as all but the last do"
        )),
        _ => Ok(()),
    }
}

fn check_between(zones: &[ZoneEntry], between: &[Between]) -> Result<(), String> {
    for (index, entry) in between.iter().enumerate() {
        let [one, other] = &entry.zones;
        for name in [one, other] {
            let known = || zones.iter().map(|zone| zone.name.as_str());
            if !known().any(|zone| zone == name) {
                let likely = nearest(name, known());
                let hint =
                    likely.map_or_else(String::new, |zone| format!("; did you mean {zone}?"));
                return Err(format!("between {one} and {other}: no zone `{name}`{hint}"));
            }
        }
        if one == other {
            return Err(format!(
                "between {one} and itself: this is the zone's own `latency`"
            ));
        }
        if between[..index]
            .iter()
            .any(|before| before.connects(one, other))
        {
            return Err(format!("between {one} and {other}: is given twice"));
        }
    }
    Ok(())
}

/// The zones as the network has them, if there are any: what is not said takes as long as
/// between any two machines.
pub(super) fn lay_out(
    census: &Census<'_>,
    between: &[Between],
    otherwise: Latency,
) -> Option<Zones> {
    let zones = census.zones;
    Zones::new(&census.zone_sizes(), |from, to| {
        let (from, to) = (&zones[from], &zones[to]);
        let found = between
            .iter()
            .find(|entry| entry.connects(&from.name, &to.name));
        let within = from.latency.filter(|_| from.name == to.name);
        within
            .or_else(|| found.map(|entry| entry.latency))
            .unwrap_or(otherwise)
    })
}

/// One row of settings for each zone and each distance, for people.
pub(super) fn rows(census: &Census<'_>, between: &[Between]) -> Vec<(&'static str, String)> {
    let row = |(zone, size): (&ZoneEntry, u32)| {
        let within = zone
            .latency
            .map_or_else(String::new, |latency| format!(", {latency}"));
        ("zone", format!("{}: {size} nodes{within}", zone.name))
    };
    let zones = census.zones.iter().zip(census.zone_sizes()).map(row);
    let distance = |entry: &Between| {
        let ([one, other], latency) = (&entry.zones, entry.latency);
        ("between", format!("{one} and {other}: {latency}"))
    };
    zones.chain(between.iter().map(distance)).collect()
}
