//! How much memory a simulation takes, and whether it is there.

use std::fs;

use super::Failure;
use crate::simulator::Scenario;

/// What one node's knowledge of another takes, measured at 1,000 to 2,000 nodes.
const BYTES_PER_PAIR: u64 = 200;
/// What a node takes beside that.
const BYTES_PER_NODE: u64 = 20_000;

/// Refuses a scenario that would not fit in what is free, on so many threads at once.
pub(super) fn check(scenario: &Scenario, workers: usize) -> Result<(), Failure> {
    let Some(nodes) = scenario.nodes() else {
        return Ok(());
    };
    let needed = needed(u64::from(nodes), workers as u64);
    match available() {
        Some(available) if needed > available => {
            let fits = (1..=nodes).rev().step_by((nodes / 100).max(1) as usize);
            let fits = fits.filter(|n| self::needed(u64::from(*n), workers as u64) <= available);
            let most = fits.max().unwrap_or(2);
            Err(Failure::trouble(format!(
                "--nodes {nodes} needs about {} MB with full views on {workers} threads, and {} MB \
                 are free",
                needed >> 20,
                available >> 20,
            ))
            .hint(format!(
                "about {most} nodes fit; memory grows with their square"
            )))
        }
        _ => Ok(()),
    }
}

const fn needed(nodes: u64, workers: u64) -> u64 {
    (nodes * nodes * BYTES_PER_PAIR + nodes * BYTES_PER_NODE) * workers
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
