//! What a simulation says: settings first, then measures, then the verdict.

use super::{
    super::table::{self, Cell},
    Args, Failure, Ran,
    command::Command,
    memory,
};
use crate::simulator::{Percentiles, Report, Scenario};

/// So many failures are told of; the others are counted.
const FAILURES_SHOWN: usize = 10;

/// The seed and every effective setting.
pub(super) fn settings(args: &Args, scenario: &Scenario) -> Vec<(&'static str, String)> {
    let seed = match args.seeds {
        1 => args.seed.to_string(),
        count => format!(
            "{} to {}, {count} seeds",
            args.seed,
            args.seed + (count - 1)
        ),
    };
    [("seed", seed)]
        .into_iter()
        .chain(scenario.settings())
        .collect()
}

/// Settings as lines, and an empty one.
pub(super) fn lines_of(settings: Vec<(&'static str, String)>) -> Vec<String> {
    let cells = |(key, value): (&str, String)| vec![key.into(), value.into()];
    let rows: Vec<Vec<Cell>> = settings.into_iter().map(cells).collect();
    let mut lines = table::lines(&rows);
    lines.push(String::new());
    lines
}

/// Everything there is to say at the end.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) args: &'a Args,
    pub(super) scenario: &'a Scenario,
    pub(super) ran: &'a Ran,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Failed,
    Interrupted,
    Passed,
}

impl Shown<'_> {
    /// The tables and the verdict.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut rows = vec![row("", &["COUNT", "P50", "P99", "MAX"].map(Into::into))];
        rows.extend(
            measures(self.report())
                .iter()
                .map(|m| row(m.label, &m.cells())),
        );
        let mut lines = table::lines(&rows);
        lines.push(String::new());
        let cells = |(label, value): (&str, String)| vec![label.into(), value.into()];
        let totals: Vec<_> = totals(self.report()).into_iter().map(cells).collect();
        lines.extend(table::lines(&totals));
        lines.push(format!("speed                {}", self.speed()));
        lines.push(String::new());
        lines.extend(self.conclusion());
        lines
    }

    /// What failed and how to see it again, or that nothing did.
    pub(super) fn conclusion(&self) -> Vec<String> {
        let (tally, seeds) = (&self.ran.tally, self.args.seeds);
        let (runs, seconds) = (tally.report.runs, tally.report.simulated.as_secs_f64());
        match self.verdict() {
            Verdict::Failed => {
                let shown = tally.failures.iter().take(FAILURES_SHOWN);
                let mut lines: Vec<_> = shown.map(|f| format!("FAILED {}", f.text)).collect();
                let more = tally.failures_count - lines.len();
                lines.extend((more > 0).then(|| format!("FAILED {more} times more")));
                let first = tally.failures.first();
                lines.extend(first.map(|f| format!("reproduce: {}", self.command(f.seed))));
                lines
            }
            Verdict::Interrupted => {
                let whole = tally.whole;
                vec![format!(
                    "INTERRUPTED after {whole} of {seeds} seeds, {seconds:.1} virtual s"
                )]
            }
            Verdict::Passed => {
                vec![format!(
                    "PASSED {runs} of {seeds} seeds, {seconds:.1} virtual s"
                )]
            }
        }
    }

    pub(super) const fn verdict(&self) -> Verdict {
        match (self.ran.tally.failed_seeds, self.ran.interrupted) {
            (0, false) => Verdict::Passed,
            (0, true) => Verdict::Interrupted,
            _ => Verdict::Failed,
        }
    }

    /// Whether the command did as asked.
    pub(super) fn answer(&self) -> Result<(), Failure> {
        let tally = &self.ran.tally;
        match (self.verdict(), tally.failures.first()) {
            (Verdict::Failed, Some(first)) => Err(Failure::no(format!(
                "{} of {} seeds failed, first seed {}",
                tally.failed_seeds, self.args.seeds, first.seed
            ))),
            (Verdict::Interrupted, _) => Err(Failure::no(
                "interrupted; the report is about what ran until then",
            )),
            _ => Ok(()),
        }
    }

    pub(super) const fn report(&self) -> &Report {
        &self.ran.tally.report
    }

    /// The line that runs `seed` again.
    pub(super) const fn command(&self, seed: u64) -> Command<'_> {
        let args = self.args;
        Command { args, seed }
    }

    /// What depends on this machine.
    pub(super) fn speed(&self) -> String {
        let (running, forming) = (
            self.ran.running.as_secs_f64(),
            self.ran.forming.as_secs_f64(),
        );
        let times = self.report().simulated.as_secs_f64() / running.max(1e-9);
        let memory = memory::peak_mb().map_or_else(String::new, |mb| format!(", {mb} MB"));
        let events = self.report().events as f64 / running.max(1e-9) / 1e6;
        format!(
            "{} × real time, {events:.2} M events/s, {running:.1} s after {forming:.1} s \
             of warm start{memory}",
            speed(times)
        )
    }
}

/// How many times as fast as a clock: three digits.
pub(super) fn speed(times: f64) -> String {
    match times {
        10.0.. => format!("{times:.0}"),
        1.0.. => format!("{times:.1}"),
        _ => format!("{times:.3}"),
    }
}

/// One row of percentiles.
pub(super) struct Measure {
    pub(super) label: &'static str,
    of: Percentiles,
    decimals: usize,
}

impl Measure {
    /// The label, and all cells.
    pub(super) fn row(&self) -> Vec<String> {
        let label = std::iter::once(self.label.into());
        label.chain(self.cells()).collect()
    }

    /// Count, median, 99th percentile and maximum; a dash for what nothing was measured of.
    pub(super) fn cells(&self) -> [String; 4] {
        let decimals = self.decimals;
        let number = |number: f64| match self.of.count {
            0 => "-".into(),
            _ => format!("{number:.decimals$}"),
        };
        let Percentiles {
            count,
            p50,
            p99,
            max,
        } = self.of;
        [count.to_string(), number(p50), number(p99), number(max)]
    }
}

/// Everything that is a distribution.
pub(super) fn measures(report: &Report) -> Vec<Measure> {
    let traffic = &report.traffic;
    let rows = [
        ("first detection, ms", report.first_detection(), 0),
        ("full dissemination, ms", report.full_dissemination(), 0),
        ("each node's learning, ms", report.learned.thousandths(), 0),
        ("since the first's, ms", report.spread.thousandths(), 0),
        ("convergence, ms", report.convergence(), 0),
        ("messages/s of a node", traffic.messages.thousandths(), 2),
        ("bytes/s of a node", traffic.bytes.thousandths(), 0),
        ("its busiest second's", traffic.peak.thousandths(), 0),
        ("flaps of a bad node", report.flaps.percentiles(), 0),
        ("distinct views", report.views.percentiles(), 0),
    ];
    let measure = |(label, of, decimals)| Measure {
        label,
        of,
        decimals,
    };
    // Of which there is nothing to say in most scenarios.
    let news = [
        ("application news, ms", report.app_news.thousandths(), 0),
        ("user events, ms", report.user_events.thousandths(), 0),
    ];
    let news = news.into_iter().filter(|(_, of, _)| of.count > 0);
    rows.into_iter().chain(news).map(measure).collect()
}

/// Everything that is one number.
pub(super) fn totals(report: &Report) -> Vec<(&'static str, String)> {
    let (false_total, false_at_healthy) = report.false_positives();
    let crashes = report.crashes;
    let known = crashes.told + crashes.missing;
    vec![
        (
            "crashes",
            format!(
                "{}, {} of them started again before all knew",
                crashes.total, crashes.cut_short
            ),
        ),
        ("learned of", format!("{} of {known} times", crashes.told)),
        (
            "false positives",
            format!("{false_total}, {false_at_healthy} at healthy nodes"),
        ),
        ("failed while paused", report.false_of_paused().to_string()),
        ("departed, failed", report.departed_failed.to_string()),
        ("flaps of others", report.flaps_of_others.to_string()),
        (
            "messages/node/s",
            format!("{:.2}", report.messages_per_node_per_s()),
        ),
        (
            "bytes/node/s",
            format!("{:.0}", report.bytes_per_node_per_s()),
        ),
        ("events", report.events.to_string()),
        (
            "simulated",
            format!("{:.1} s", report.simulated.as_secs_f64()),
        ),
        ("trace", format!("{:016x}", report.trace_hash())),
    ]
}

fn row(label: &str, cells: &[String; 4]) -> Vec<Cell> {
    let cells = cells.iter().map(|cell| format!("{cell:>8}"));
    let label = format!("{label:24}");
    std::iter::once(label.into())
        .chain(cells.map(Into::into))
        .collect()
}
