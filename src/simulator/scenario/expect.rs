//! `Expect`: the bounds of a scenario, held against what its run measured.

use serde::Deserialize;

use super::{
    Report,
    values::{Time, deserialize_bound},
};
use crate::simulator::{Distribution, Percentiles};

/// Bounds that a run must keep to pass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) converge_within: Option<Time>,
    first_detection_p99: Option<Time>,
    full_dissemination_p99: Option<Time>,
    app_news_max: Option<Time>,
    user_events_max: Option<Time>,
    false_positives: Option<u64>,
    false_positives_at_healthy: Option<u64>,
    renewals: Option<u64>,
    departed_failed: Option<u64>,
    #[serde(default, deserialize_with = "deserialize_bound")]
    messages_per_node_per_s: Option<f64>,
    #[serde(default, deserialize_with = "deserialize_bound")]
    bytes_per_node_per_s: Option<f64>,
}

impl Expect {
    /// The bounds that `report` does not keep, each a sentence.
    pub(super) fn missed(&self, report: &Report) -> Vec<String> {
        let (false_positives, at_healthy) = report.false_positives();
        let first = least_p99_ms(report.first_detections());
        let all = least_p99_ms(report.full_disseminations());
        let news = max_ms(&report.app_news);
        let events = max_ms(&report.user_events);
        let messages = report.messages_per_node_per_s();
        let bytes = report.bytes_per_node_per_s();
        let limits = [
            Limit::time("first_detection_p99", self.first_detection_p99, first),
            Limit::time("full_dissemination_p99", self.full_dissemination_p99, all),
            Limit::time("app_news_max", self.app_news_max, news),
            Limit::time("user_events_max", self.user_events_max, events),
            Limit::count("false_positives", self.false_positives, false_positives),
            Limit::count(
                "false_positives_at_healthy",
                self.false_positives_at_healthy,
                at_healthy,
            ),
            Limit::count("renewals", self.renewals, report.renewals),
            Limit::count(
                "departed_failed",
                self.departed_failed,
                report.departed_failed,
            ),
            Limit::rate(
                "messages_per_node_per_s",
                self.messages_per_node_per_s,
                messages,
            ),
            Limit::rate("bytes_per_node_per_s", self.bytes_per_node_per_s, bytes),
        ];
        limits.iter().filter_map(Limit::missed).collect()
    }
}

/// A bound, if it is given, beside what was measured.
struct Limit {
    key: &'static str,
    max: Option<f64>,
    seen: f64,
    unit: &'static str,
}

impl Limit {
    fn time(key: &'static str, max: Option<Time>, seen_ms: f64) -> Self {
        Self {
            key,
            max: max.map(|max| max.0.as_secs_f64() * 1e3),
            seen: seen_ms,
            unit: " ms",
        }
    }

    fn count(key: &'static str, max: Option<u64>, seen: u64) -> Self {
        Self::rate(key, max.map(|max| max as f64), seen as f64)
    }

    const fn rate(key: &'static str, max: Option<f64>, seen: f64) -> Self {
        Self {
            key,
            max,
            seen,
            unit: "",
        }
    }

    fn missed(&self) -> Option<String> {
        let Self { key, unit, .. } = self;
        let max = self.max.filter(|max| self.seen > *max)?;
        let seen = match self.seen.is_finite() {
            true => format!("{}{unit}", (self.seen * 1e3).round() / 1e3),
            false => "never measured".into(),
        };
        Some(format!(
            "its {key} is {seen}, expected at most {max}{unit} in every seed"
        ))
    }
}

/// Nothing measured is beyond every bound: one that holds because of that would hold for ever.
fn least_p99_ms(times: &Distribution) -> f64 {
    match times.count() {
        0 => f64::INFINITY,
        _ => times.least_p99(),
    }
}

/// The same of the greatest.
fn max_ms(times: &Distribution) -> f64 {
    match times.thousandths() {
        Percentiles { count: 0, .. } => f64::INFINITY,
        times => times.max,
    }
}
