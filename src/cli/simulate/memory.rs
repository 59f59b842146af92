//! How much memory a simulation takes, and whether it is there.

use std::{fmt, fs};

use super::Failure;
use crate::simulator::Scenario;

/// What one node's knowledge of another takes, measured at 1,000 to 10,000 nodes.
const BYTES_PER_PAIR: u64 = 24;
/// What it takes where the one has just joined and learnt of the other: news of everybody is told
/// on by everybody. Fitted to cold starts of 400 nodes (53 MB), 800 (129 MB) and 5,000 (4.7 GB);
/// of those 400 it makes 34 MB, as what does not grow is left out.
const BYTES_PER_PAIR_JOINED: u64 = 200;
/// What a node takes beside that.
const BYTES_PER_NODE: u64 = 10_000;
/// What a node that is gone takes at each that is left, measured at 1,000 nodes of which 250 crash
/// at once, with full views and with 128 neighbours.
const BYTES_PER_LOSS: u64 = 600;
/// The view that is recommended to whoever wants more than fits.
const VIEW_HINTED: u64 = 128;

/// Refuses a scenario that would not fit in what is free, on so many threads at once.
pub(super) fn check(scenario: &Scenario, workers: usize) -> Result<(), Failure> {
    let Some(nodes) = scenario.nodes() else {
        return Ok(());
    };
    let workers = workers as u64;
    let size = Size {
        nodes: nodes.into(),
        view: scenario.view().map_or(nodes, |view| view).into(),
        lost: scenario.lost(),
        joining: scenario.joining(),
    };
    let needed = size.needed() * workers;
    match available() {
        Some(available) if needed > available => Err(Failure::trouble(format!(
            "{size} need about {} MB on {workers} threads, and {} MB are free",
            needed >> 20,
            available >> 20,
        ))
        .hint(size.hint(available / workers))),
        _ => Ok(()),
    }
}

/// What decides how much memory a world takes.
#[derive(Clone, Copy, Debug)]
struct Size {
    nodes: u64,
    /// Others that each knows.
    view: u64,
    /// Nodes that crash or leave for good.
    lost: u64,
    /// Nodes that know nobody when they start.
    joining: u64,
}

impl Size {
    const fn needed(self) -> u64 {
        let Self {
            nodes,
            view,
            lost,
            joining,
        } = self;
        let records = nodes.saturating_sub(lost).saturating_mul(lost);
        let standing = nodes.saturating_sub(joining).saturating_mul(view);
        let joined = joining.saturating_mul(view);
        nodes
            .saturating_mul(BYTES_PER_NODE)
            .saturating_add(standing.saturating_mul(BYTES_PER_PAIR))
            .saturating_add(joined.saturating_mul(BYTES_PER_PAIR_JOINED))
            .saturating_add(records.saturating_mul(BYTES_PER_LOSS))
    }

    /// Whether the cluster does not stand when it begins: then everybody knows everybody.
    const fn is_cold(self) -> bool {
        self.joining == self.nodes
    }

    /// What to use instead.
    fn hint(self, available: u64) -> String {
        let fits = self.fitting(available);
        if self.is_cold() {
            return format!("some {fits} nodes fit; start = \"warm\" needs less");
        }
        match self.view == self.nodes {
            true => format!("--view {VIEW_HINTED} needs less: some {fits} nodes fit so"),
            false => format!("some {fits} nodes with --view {VIEW_HINTED} fit"),
        }
    }

    /// The same of so many nodes, with the recommended view where there may be one, if the same
    /// shares of them are lost and join.
    fn scaled(self, nodes: u64) -> Self {
        let share = |part: u64| {
            let scaled = u128::from(part) * u128::from(nodes) / u128::from(self.nodes.max(1));
            scaled.try_into().unwrap_or(u64::MAX)
        };
        Self {
            nodes,
            view: if self.is_cold() { nodes } else { VIEW_HINTED },
            lost: share(self.lost),
            joining: share(self.joining),
        }
    }

    /// Nodes that fit.
    fn fitting(self, available: u64) -> u64 {
        let (mut fits, mut too_many) = (0, self.nodes.max(1));
        while too_many - fits > 1 {
            let middle = fits.midpoint(too_many);
            match self.scaled(middle).needed() <= available {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        fits
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} nodes that know {} each",
            self.nodes, self.view
        )?;
        if self.lost > 1 {
            write!(formatter, " and lose {}", self.lost)?;
        }
        if self.joining > 1 {
            write!(formatter, ", {} of which join", self.joining)?;
        }
        Ok(())
    }
}

/// The most memory that this process has had, in MB.
pub(super) fn peak_mb() -> Option<u64> {
    Some(kilobytes("/proc/self/status", "VmHWM:")? >> 10)
}

fn available() -> Option<u64> {
    Some(kilobytes("/proc/meminfo", "MemAvailable:")? << 10)
}

/// The number after `label` in a file of the kernel; `None` on systems that have no such file.
fn kilobytes(path: &str, label: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn a_loss_takes_more_than_the_nodes() {
        let calm = Size {
            nodes: 20_000,
            view: 128,
            lost: 1,
            joining: 0,
        };
        let stricken = Size {
            lost: 5_000,
            ..calm
        };
        assert!(calm.needed() < GB / 2);
        assert!(stricken.needed() > 40 * GB);
        let fits = stricken.fitting(8 * GB);
        assert!((7_000..9_000).contains(&fits), "{fits}");
        assert!(stricken.to_string().ends_with("and lose 5000"));
    }

    #[test]
    fn nodes_that_join_take_what_was_measured() {
        let cold = |nodes| Size {
            nodes,
            view: nodes,
            lost: 0,
            joining: nodes,
        };
        for (nodes, measured) in [(400, 53 << 20), (800, 129 << 20), (5_000, 47 * GB / 10)] {
            let needed = cold(nodes).needed();
            let plausible = measured * 6 / 10..measured * 11 / 10;
            assert!(plausible.contains(&needed), "{nodes}: {needed}");
        }
        let many = cold(10_000);
        let fits = many.fitting(GB);
        assert!(cold(fits).needed() <= GB && fits > 2_000, "{fits}");
        let hint = many.hint(GB);
        assert!(hint.contains("warm") && !hint.contains("--view"), "{hint}");
        assert!(many.to_string().ends_with(", 10000 of which join"));
    }

    #[test]
    fn what_is_hinted_at_fits() {
        let full = Size {
            nodes: 100_000,
            view: 100_000,
            lost: 25_000,
            joining: 0,
        };
        let fits = full.fitting(GB);
        let size = Size {
            nodes: fits,
            view: VIEW_HINTED,
            lost: fits / 4,
            joining: 0,
        };
        assert!(size.needed() <= GB && fits > 2_000, "{fits}");
    }
}
