//! How much memory a simulation takes, and whether it is there.

use std::fs;

use super::Failure;
use crate::simulator::Scenario;

/// What one node's knowledge of another takes, measured at 1,000 to 10,000 nodes.
const BYTES_PER_PAIR: u64 = 24;
/// What a node takes beside that.
const BYTES_PER_NODE: u64 = 10_000;
/// The view that is recommended to whoever wants more than fits.
const VIEW_HINTED: u64 = 128;

/// Refuses a scenario that would not fit in what is free, on so many threads at once.
pub(super) fn check(scenario: &Scenario, workers: usize) -> Result<(), Failure> {
    let Some(nodes) = scenario.nodes() else {
        return Ok(());
    };
    let (nodes, workers) = (u64::from(nodes), workers as u64);
    let view = scenario.view().map_or(nodes, u64::from);
    let needed = needed(nodes, view) * workers;
    match available() {
        Some(available) if needed > available => Err(Failure::trouble(format!(
            "{nodes} nodes that know {view} each need about {} MB on {workers} threads, and {} MB \
             are free",
            needed >> 20,
            available >> 20,
        ))
        .hint(hint(view == nodes, available / workers))),
        _ => Ok(()),
    }
}

const fn needed(nodes: u64, view: u64) -> u64 {
    nodes * (view * BYTES_PER_PAIR + BYTES_PER_NODE)
}

/// What to use instead.
fn hint(full: bool, available: u64) -> String {
    let fits = available / needed(1, VIEW_HINTED);
    match full {
        true => format!("--view {VIEW_HINTED} needs less: some {fits} nodes fit so"),
        false => format!("some {fits} nodes with --view {VIEW_HINTED} fit"),
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
