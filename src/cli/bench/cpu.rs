//! What processes have cost so far.

use std::{fs, time::Duration};

/// Time that all threads of a process have run, where the system says so to the nanosecond.
pub(super) fn time(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    threads
        .map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            let nanoseconds = text.split(' ').next()?.parse().ok()?;
            Some(Duration::from_nanos(nanoseconds))
        })
        .sum()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_has_cost_something_and_none_that_is_not_there() {
        assert!(time(std::process::id()).unwrap() > Duration::ZERO);
        assert_eq!(time(u32::MAX), None);
    }
}
