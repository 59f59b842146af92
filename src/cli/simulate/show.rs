//! What a simulation says: settings first, then measures, then the verdict.

use serde_json::{Map, Value, json};

use super::{
    super::table::{self, Cell},
    Args, Failure, Ran, memory,
};
use crate::simulator::{Percentiles, Report, Scenario};

/// So many failed seeds are told of; the others are counted.
const FAILURES_SHOWN: usize = 10;

/// The seed and every effective setting.
pub(super) fn settings(scenario: &Scenario, seed: u64, seeds: u64) -> Vec<String> {
    let seed = match seeds {
        1 => seed.to_string(),
        _ => format!("{seed} to {}, {seeds} seeds", seed + seeds - 1),
    };
    let rows = [("seed", seed)].into_iter().chain(scenario.settings());
    let rows: Vec<Vec<Cell>> = rows
        .map(|(key, value)| vec![key.into(), value.into()])
        .collect();
    let mut lines = table::lines(&rows);
    lines.push(String::new());
    lines
}

/// Everything there is to say at the end.
pub(super) struct Shown<'a> {
    pub(super) args: &'a Args,
    pub(super) scenario: &'a Scenario,
    pub(super) ran: &'a Ran,
    pub(super) report: &'a Report,
}

impl Shown<'_> {
    /// The tables and the verdict.
    pub(super) fn lines(&self) -> Vec<String> {
        let report = self.report;
        let mut lines = table::lines(&[
            row("", &["COUNT", "P50 MS", "P99 MS", "MAX MS"].map(Into::into)),
            percentiles("first detection", &report.first_detection()),
            percentiles("full dissemination", &report.full_dissemination()),
            percentiles("convergence", &report.convergence()),
        ]);
        lines.push(String::new());
        let (false_total, false_at_healthy) = report.false_positives();
        let (crashes, cut_short) = report.crashes;
        let one = |label: &str, value: String| vec![label.into(), value.into()];
        lines.extend(table::lines(&[
            one(
                "crashes",
                format!("{crashes}, {cut_short} of them started again before all knew"),
            ),
            one(
                "false positives",
                format!("{false_total}, {false_at_healthy} at healthy nodes"),
            ),
            one("failed while paused", report.false_of_paused().to_string()),
            one(
                "messages/node/s",
                format!("{:.2}", report.messages_per_node_per_s()),
            ),
            one(
                "bytes/node/s",
                format!("{:.0}", report.bytes_per_node_per_s()),
            ),
            one("events", report.events.to_string()),
            one(
                "simulated",
                format!("{:.1} s", report.simulated.as_secs_f64()),
            ),
            one("trace", format!("{:016x}", report.trace_hash())),
        ]));
        lines.push(self.speed());
        lines.push(String::new());
        let failures = self.failures();
        for (_, _, text) in failures.iter().take(FAILURES_SHOWN) {
            lines.push(format!("FAILED {text}"));
        }
        if let Some((seed, ..)) = failures.first() {
            lines.push(format!("reproduce: {}", self.command(*seed)));
        } else if self.ran.interrupted {
            lines.push(format!(
                "INTERRUPTED after {} of {} seeds",
                self.report.runs, self.args.seeds
            ));
        } else {
            let (runs, seconds) = (report.runs, report.simulated.as_secs_f64());
            lines.push(format!(
                "PASSED {runs} of {runs} seeds, {seconds:.1} virtual s"
            ));
        }
        lines
    }

    /// One object.
    pub(super) fn json(&self) -> Value {
        let (report, args) = (self.report, self.args);
        let (total, at_healthy) = report.false_positives();
        let nodes: Vec<_> = self
            .ran
            .outcomes
            .values()
            .map(|outcome| outcome.nodes)
            .collect();
        let violations: Vec<_> = self
            .failures()
            .into_iter()
            .map(|(seed, promise, text)| {
                let reproduce = self.command(seed);
                json!({"seed": seed, "promise": promise, "seen": text, "reproduce": reproduce})
            })
            .collect();
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.into(), value);
        put("scenario", json!(self.scenario.name()));
        put("seed", json!(args.seed));
        put("seeds", json!(args.seeds));
        put(
            "nodes",
            json!(
                self.scenario
                    .nodes()
                    .or_else(|| nodes.iter().max().copied())
            ),
        );
        put("view", json!(self.scenario.view()));
        put("simulated_s", json!(report.simulated.as_secs_f64()));
        put("wall_s", json!(self.ran.running.as_secs_f64()));
        put("warm_start_s", json!(self.ran.forming.as_secs_f64()));
        put("peak_rss_mb", json!(memory::peak_mb()));
        put("events", json!(report.events));
        put("first_detection_ms", times(&report.first_detection()));
        put("full_dissemination_ms", times(&report.full_dissemination()));
        put("convergence_ms", times(&report.convergence()));
        put(
            "crashes",
            json!({"total": report.crashes.0, "cut_short": report.crashes.1}),
        );
        put(
            "false_positives",
            json!({"total": total, "at_healthy": at_healthy}),
        );
        put("failed_while_paused", json!(report.false_of_paused()));
        put(
            "messages_per_node_per_s",
            json!(report.messages_per_node_per_s()),
        );
        put("bytes_per_node_per_s", json!(report.bytes_per_node_per_s()));
        put("converged", json!(report.converged));
        put("violations", json!(violations));
        put("trace_hash", json!(format!("{:016x}", report.trace_hash())));
        put("interrupted", json!(self.ran.interrupted));
        Value::Object(object)
    }

    /// Whether the command did as asked.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let mut seeds: Vec<_> = self.failures().iter().map(|(seed, ..)| *seed).collect();
        seeds.dedup();
        let runs = self.report.runs;
        if let Some(seed) = seeds.first() {
            let text = format!("{} of {runs} seeds failed, first seed {seed}", seeds.len());
            return Err(Failure::no(text));
        }
        match self.ran.interrupted {
            true => Err(Failure::no(
                "interrupted; the report is about what ran until then",
            )),
            false => Ok(()),
        }
    }

    /// Seed, promise and text of everything that went wrong.
    fn failures(&self) -> Vec<(u64, &str, String)> {
        let mut failures = Vec::new();
        for (seed, outcome) in &self.ran.outcomes {
            for violation in &outcome.run.violations {
                failures.push((
                    *seed,
                    violation.promise.name(),
                    format!("seed {seed}: {violation}"),
                ));
            }
            for missed in &outcome.missed {
                failures.push((*seed, "expect", format!("seed {seed}: {missed}")));
            }
        }
        failures
    }

    /// What depends on this machine, in one line.
    fn speed(&self) -> String {
        let (running, forming) = (
            self.ran.running.as_secs_f64(),
            self.ran.forming.as_secs_f64(),
        );
        let times = self.report.simulated.as_secs_f64() / running.max(1e-9);
        let memory = memory::peak_mb().map_or_else(String::new, |mb| format!(", {mb} MB"));
        let events = self.report.events as f64 / running.max(1e-9) / 1e6;
        format!(
            "speed                {times:.0} × real time, {events:.2} M events/s, {running:.1} s \
             after {forming:.1} s of warm start{memory}"
        )
    }

    fn command(&self, seed: u64) -> String {
        let name = match self
            .args
            .scenario
            .contains(|c: char| !c.is_alphanumeric() && !"/._-".contains(c))
        {
            true => format!("'{}'", self.args.scenario.replace('\'', r"'\''")),
            false => self.args.scenario.clone(),
        };
        let nodes = self
            .args
            .nodes
            .map_or_else(String::new, |nodes| format!(" --nodes {nodes}"));
        let view = self
            .args
            .view
            .map_or_else(String::new, |view| format!(" --view {view}"));
        format!("headcount simulate {name}{nodes}{view} --seed {seed}")
    }
}

fn row(label: &str, cells: &[String; 4]) -> Vec<Cell> {
    let cells = cells.iter().map(|cell| format!("{cell:>8}"));
    let label = format!("{label:19}");
    std::iter::once(label.into())
        .chain(cells.map(Into::into))
        .collect()
}

fn percentiles(label: &str, of: &Percentiles) -> Vec<Cell> {
    let time = |ms: f64| match of.count {
        0 => "-".into(),
        _ => format!("{ms:.0}"),
    };
    let times = [
        of.count.to_string(),
        time(of.p50_ms),
        time(of.p99_ms),
        time(of.max_ms),
    ];
    row(label, &times)
}

/// `null` where nothing was measured.
fn times(of: &Percentiles) -> Value {
    let time = |ms: f64| (of.count > 0).then_some(ms);
    json!({
        "p50": time(of.p50_ms),
        "p99": time(of.p99_ms),
        "max": time(of.max_ms),
        "count": of.count,
    })
}
