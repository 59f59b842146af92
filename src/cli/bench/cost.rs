//! What processes have cost so far.

use std::{fs, time::Duration};

/// Time that all threads of a process have run, where the system says so to the nanosecond.
pub(super) fn cpu(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    threads
        .map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            let nanoseconds = text.split(' ').next()?.parse().ok()?;
            Some(Duration::from_nanos(nanoseconds))
        })
        .sum()
}

/// Memory that the process has in use, in MiB, where the system says so.
pub(super) fn memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mut lines = status.lines();
    let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_has_cost_something_and_none_that_is_not_there() {
        assert!(cpu(std::process::id()).unwrap() > Duration::ZERO);
        assert!(memory(std::process::id()).unwrap() > 1.0);
        assert_eq!((cpu(u32::MAX), memory(u32::MAX)), (None, None));
    }
}
