//! One line for each thing that was measured.

use std::{fmt, fs, time::Duration};

use super::pauses::Told;

pub(crate) const HEAD: &str = "| what | repeats | min, median, max, s | wanted | |\n\
    |---|---:|---:|---:|---|";

/// A line of the table.
pub(crate) struct Row {
    what: &'static str,
    repeats: usize,
    measured: String,
    wanted: String,
    holds: bool,
}

impl Row {
    /// From a blow until the last consumer was told: half of the times are at most `most`.
    pub(crate) fn timed(what: &'static str, most: Duration, times: Vec<Duration>) -> Self {
        let repeats = times.len();
        let ours = Spread::of(times);
        Self {
            what,
            repeats,
            measured: ours.map_or_else(|| "not measured".into(), |ours| ours.to_string()),
            wanted: format!("median {:.2}", most.as_secs_f64()),
            holds: ours.is_some_and(|ours| ours.median <= most),
        }
    }

    /// What was said in all repetitions of those that were only stopped, and of the others.
    pub(crate) fn told(what: &'static str, told: &[Told]) -> Self {
        let sum = |of: fn(&Told) -> usize| told.iter().map(of).sum::<usize>();
        let (suspected, failed) = (sum(|t| t.healthy_suspected), sum(|t| t.healthy_failed));
        let [stopped_suspected, stopped_failed] =
            [sum(|t| t.stopped_suspected), sum(|t| t.stopped_failed)];
        Self {
            what,
            repeats: told.len(),
            measured: format!(
                "healthy: {suspected} `suspect`, {failed} `failed`; \
                 stopped: {stopped_suspected} `suspect`, {stopped_failed} `failed`"
            ),
            wanted: "no healthy `failed`".into(),
            holds: failed == 0,
        }
    }

    /// Whether what was wanted is so.
    pub(crate) const fn holds(&self) -> bool {
        self.holds
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            repeats,
            measured,
            wanted,
            ..
        } = self;
        let verdict = if self.holds { "OK" } else { "MISSED" };
        write!(
            f,
            "| {what} | {repeats} | {measured} | {wanted} | {verdict} |"
        )
    }
}

#[derive(Clone, Copy)]
struct Spread {
    min: Duration,
    median: Duration,
    max: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let middle = [times.len().checked_sub(1)? / 2, times.len() / 2];
        Some(Self {
            min: *times.first()?,
            median: middle.map(|index| times[index] / 2).into_iter().sum(),
            max: *times.last()?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, median, max] = [self.min, self.median, self.max].map(|t| t.as_secs_f64());
        write!(f, "{min:.3}, **{median:.3}**, {max:.3}")
    }
}

/// The machine's load averages, which say whether it had something else to do.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
