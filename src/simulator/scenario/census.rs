//! `Census`: who there is, by number, by name and by zone.

use super::{super::Slot, values::Chosen, zones::ZoneEntry};
use crate::nearest::nearest;

/// The nodes of a scenario that do not join late, and their zones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census<'a> {
    pub(super) nodes: u32,
    pub(super) zones: &'a [ZoneEntry],
}

impl Census<'_> {
    /// How many nodes these are.
    pub(super) fn count(&self, chosen: &Chosen) -> u32 {
        match chosen {
            Chosen::Drawn(count) => count.of(self.nodes),
            Chosen::Named(names) => {
                let named = self.find(names).unwrap_or_default();
                u32::try_from(named.len()).unwrap_or(u32::MAX)
            }
        }
    }

    /// The nodes with these names, and those of the zones with these names, each once.
    ///
    /// # Errors
    /// Says which name is nobody's.
    pub(super) fn find(&self, names: &[String]) -> Result<Vec<Slot>, String> {
        let mut found = Vec::new();
        for name in names {
            match (node_number(name), self.zone(name)) {
                (Some(number), _) if number < self.nodes => found.push(Slot(number)),
                (None, Some(zone)) => found.extend(zone.map(Slot)),
                _ => return Err(self.nobody(name)),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// So many nodes in each zone, the last included.
    pub(super) fn zone_sizes(&self) -> Vec<u32> {
        let mut left = self.nodes;
        let mut size = |zone: &ZoneEntry| {
            let size = zone
                .nodes
                .map_or(left, |count| count.of(self.nodes))
                .min(left);
            left -= size;
            size
        };
        self.zones.iter().map(&mut size).collect()
    }

    fn zone(&self, name: &str) -> Option<std::ops::Range<u32>> {
        let sizes = self.zone_sizes();
        let index = self.zones.iter().position(|zone| zone.name == name)?;
        let begin = sizes[..index].iter().sum();
        Some(begin..begin + sizes[index])
    }

    fn nobody(&self, name: &str) -> String {
        let last = self.nodes.saturating_sub(1);
        let zones = self.zones.iter().map(|zone| zone.name.as_str());
        match nearest(name, zones) {
            Some(zone) => format!("`{name}` is no node, n0 to n{last}, and no zone: {zone}?"),
            None if self.zones.is_empty() => {
                format!("`{name}` is no node; there are n0 to n{last}, and no zones")
            }
            None => format!("`{name}` is no node, n0 to n{last}, and no zone"),
        }
    }
}

/// The number of the node that is called so: 7 of `n7`.
pub(super) fn node_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('n')?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{super::values::Count, *};

    fn zones() -> [ZoneEntry; 2] {
        let zone = |name: &str, nodes| ZoneEntry {
            name: name.into(),
            nodes,
            latency: None,
        };
        [zone("east", Some(Count::Percent(25))), zone("west", None)]
    }

    #[test]
    fn nodes_are_found_by_name_and_by_zone() {
        let zones = zones();
        let census = Census {
            nodes: 8,
            zones: &zones,
        };
        let find = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            census.find(&names)
        };
        assert_eq!(
            find(&["n7", "east", "n1"]),
            Ok(vec![Slot(0), Slot(1), Slot(7)])
        );
        assert_eq!(find(&["west"]).map(|west| west.len()), Ok(6));
        for nobody in ["n8", "n01", "n", "north", "wst"] {
            let error = find(&[nobody]).expect_err(nobody);
            assert!(
                error.contains("n0 to n7") && error.contains(nobody),
                "{error}"
            );
        }
        assert!(find(&["wst"]).expect_err("a typo").ends_with("west?"));
    }
}
