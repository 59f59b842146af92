//! The report as one JSON object, for programs.

use serde_json::{Value, json};

use super::{memory, show::Shown, tally::Failed};
use crate::simulator::{Percentiles, Series, Step};

/// A series has at most so many entries: seconds of a long run are merged.
const STEPS_MAX: usize = 300;

impl Shown<'_> {
    /// One object.
    pub(super) fn json(&self) -> Value {
        let (report, tally, args) = (self.report(), &self.ran.tally, self.args);
        let (total, at_healthy) = report.false_positives();
        let violations: Vec<_> = tally.failures.iter().map(|f| self.violation(f)).collect();
        json!({
            "scenario": self.scenario.name(),
            "seed": args.seed,
            "seeds": args.seeds,
            "seeds_run": report.runs,
            "nodes": self.scenario.nodes().unwrap_or(tally.nodes),
            "view": self.scenario.view(),
            "simulated_s": report.simulated.as_secs_f64(),
            "wall_s": self.ran.running.as_secs_f64(),
            "warm_start_s": self.ran.forming.as_secs_f64(),
            "peak_rss_mb": memory::peak_mb(),
            "events": report.events,
            "first_detection_ms": percentiles(&report.first_detection()),
            "full_dissemination_ms": percentiles(&report.full_dissemination()),
            "learned_ms": percentiles(&report.learned.thousandths()),
            "spread_ms": percentiles(&report.spread.thousandths()),
            "app_news_ms": percentiles(&report.app_news.thousandths()),
            "user_events_ms": percentiles(&report.user_events.thousandths()),
            "convergence_ms": percentiles(&report.convergence()),
            "crashes": {
                "total": report.crashes.total,
                "cut_short": report.crashes.cut_short,
                "told": report.crashes.told,
                "missing": report.crashes.missing,
            },
            "false_positives": {"total": total, "at_healthy": at_healthy},
            "departed_failed": report.departed_failed,
            "failed_while_paused": report.false_of_paused(),
            "flaps_per_bad_node": percentiles(&report.flaps.percentiles()),
            "flaps_of_others": report.flaps_of_others,
            "messages_per_node_per_s": report.messages_per_node_per_s(),
            "messages_per_s_over_nodes": percentiles(&report.traffic.messages.thousandths()),
            "bytes_per_node_per_s": report.bytes_per_node_per_s(),
            "bytes_per_s_over_nodes": percentiles(&report.traffic.bytes.thousandths()),
            "peak_bytes_per_s_over_nodes": percentiles(&report.traffic.peak.thousandths()),
            "distinct_views": percentiles(&report.views.percentiles()),
            "series": series(&report.series),
            "converged": report.converged,
            "failed_seeds": tally.failed_seeds,
            "violations": violations,
            "trace_hash": format!("{:016x}", report.trace_hash()),
            "interrupted": self.ran.interrupted,
        })
    }

    fn violation(&self, failed: &Failed) -> Value {
        json!({
            "seed": failed.seed,
            "promise": failed.promise,
            "seen": failed.text,
            "reproduce": self.command(failed.seed).to_string(),
        })
    }
}

/// `null` where nothing was measured.
fn percentiles(of: &Percentiles) -> Value {
    let number = |number: f64| (of.count > 0).then_some(number);
    json!({
        "p50": number(of.p50),
        "p99": number(of.p99),
        "max": number(of.max),
        "count": of.count,
    })
}

fn series(series: &Series) -> Value {
    let (step_s, steps) = series.steps(STEPS_MAX);
    let all = |of: fn(&Step) -> f64| steps.iter().map(of).collect::<Vec<_>>();
    json!({
        "step_s": step_s,
        "messages_per_node_per_s": all(Step::messages_per_node_per_s),
        "bytes_per_node_per_s": all(Step::bytes_per_node_per_s),
        "distinct_views": all(Step::views),
        "distinct_views_max": steps.iter().map(Step::views_max).collect::<Vec<_>>(),
    })
}
