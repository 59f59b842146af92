//! One line for each thing that was measured.

use std::{fmt, fs, time::Duration};

use super::pauses::Told;

pub(crate) const HEAD: &str = "| what | repeats | min, median, max, s | wanted | | \
    Serf: min, median, max, s (repeats) |\n\
    |---|---:|---:|---:|---|---:|";

/// A line of the table.
pub(crate) struct Row {
    what: &'static str,
    repeats: usize,
    measured: String,
    wanted: String,
    holds: bool,
    serf: String,
}

impl Row {
    /// From a blow until the last consumer was told: half of the times are at most `most`.
    pub(crate) fn timed(
        what: &'static str,
        most: Duration,
        times: Vec<Duration>,
        serf: Vec<Duration>,
    ) -> Self {
        let (repeats, serf_repeats) = (times.len(), serf.len());
        let ours = Spread::of(times);
        let serf = Spread::of(serf).map(|serf| format!("{serf} ({serf_repeats})"));
        Self {
            what,
            repeats,
            measured: ours.map_or_else(|| "not measured".into(), |ours| ours.to_string()),
            wanted: format!("median {:.2}", most.as_secs_f64()),
            holds: ours.is_some_and(|ours| ours.median <= most),
            serf: serf.unwrap_or_else(|| "–".into()),
        }
    }

    /// What was said in all repetitions of those that were only stopped, and of the others.
    pub(crate) fn told(what: &'static str, told: &[Told]) -> Self {
        let sum = |of: fn(&Told) -> usize| told.iter().map(of).sum::<usize>();
        let (suspected, failed) = (sum(|t| t.healthy_suspected), sum(|t| t.healthy_failed));
        let [stopped_suspected, stopped_failed] =
            [sum(|t| t.stopped_suspected), sum(|t| t.stopped_failed)];
        let unjust = sum(|t| t.unjust);
        Self {
            what,
            repeats: told.len(),
            measured: format!(
                "healthy: {suspected} `suspect`, {failed} `failed`; \
                 stopped: {stopped_suspected} `suspect`, {stopped_failed} `failed`"
            ),
            wanted: "no unjust `failed`".into(),
            holds: unjust == 0,
            serf: "–".into(),
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
            serf,
            ..
        } = self;
        let verdict = if self.holds { "OK" } else { "MISSED" };
        write!(
            f,
            "| {what} | {repeats} | {measured} | {wanted} | {verdict} | {serf} |"
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
