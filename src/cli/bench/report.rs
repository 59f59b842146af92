//! `Report`: what was measured, as a table and as JSON.

use serde_json::{Map, Value, json};

use super::{
    metric::Metric,
    plan::{Plan, Side},
    samples::{Ratio, Samples},
};
use crate::{cli::table, simulator::Percentiles};

/// Everything there is to say at the end.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) plan: Plan,
    /// Of what is measured beside.
    pub(super) serf: Option<String>,
    pub(super) ours: Samples,
    pub(super) theirs: Samples,
}

impl Report {
    /// Where the numbers of a side go.
    pub(super) const fn samples_of(&mut self, side: Side) -> &mut Samples {
        match side {
            Side::Ours => &mut self.ours,
            Side::Serf => &mut self.theirs,
        }
    }

    /// Metrics to their numbers; beside them, in keys of their own, Serf's and the ratios.
    pub(super) fn json(&self) -> Value {
        let mut object = numbers(&self.ours);
        if let Some(version) = &self.serf {
            let ratios = self.metrics().filter_map(|metric| {
                let Ratio { of_all, min, max } = self.ratio(metric)?;
                let [ratio, min, max] = [of_all, min, max].map(thousandths);
                let numbers = json!({"of_medians": ratio, "min": min, "max": max});
                Some((metric.key().to_owned(), numbers))
            });
            object.insert("ratios".into(), Value::Object(ratios.collect()));
            object.insert("serf".into(), Value::Object(numbers(&self.theirs)));
            let versions = json!({"headcount": env!("CARGO_PKG_VERSION"), "serf": version});
            object.insert("versions".into(), versions);
        }
        Value::Object(object)
    }

    /// The table, under a line that says what it is of.
    pub(super) fn lines(&self) -> Vec<String> {
        let rows = std::iter::once(self.heads().map(str::to_owned).collect());
        let rows = rows.chain(self.rows());
        let rows: Vec<Vec<_>> = rows
            .map(|row: Vec<String>| row.into_iter().map(table::Cell::from).collect())
            .collect();
        let mut lines = vec![self.settings()];
        lines.extend(table::lines(&rows));
        lines
    }

    /// What it is of, in a line.
    pub(super) fn settings(&self) -> String {
        let Plan {
            nodes,
            repetitions,
            profile,
            time,
            ..
        } = &self.plan;
        let beside = self.serf.as_ref();
        let beside = beside.map_or_else(String::new, |version| format!(" beside serf {version}"));
        let (profile, version) = (profile.as_str(), env!("CARGO_PKG_VERSION"));
        let time = humantime::format_duration(*time);
        format!(
            "{nodes} agents, profile {profile}, repetitions: {repetitions}, phases of {time}, \
             headcount {version}{beside}"
        )
    }

    /// The table's head.
    pub(super) fn heads(&self) -> impl Iterator<Item = &'static str> {
        let ours = ["", "", "P50", "P99", "MAX", "N"];
        let theirs = ["SERF P50", "P99", "MAX", "N", "SERF/OURS", "OF REPETITIONS"];
        let beside = theirs.into_iter().filter(|_| self.serf.is_some());
        ours.into_iter().chain(beside)
    }

    /// The table's rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.metrics().map(|metric| {
            let mut row = vec![metric.what().to_owned(), metric.unit().to_owned()];
            row.extend(cells(self.ours.percentiles(metric)));
            if self.serf.is_some() {
                row.extend(cells(self.theirs.percentiles(metric)));
                let ratio = self.ratio(metric);
                row.push(ratio.map_or_else(String::new, |ratio| factor(ratio.of_all)));
                row.push(ratio.map_or_else(String::new, |ratio| {
                    format!("{} to {}", factor(ratio.min), factor(ratio.max))
                }));
            }
            row
        })
    }

    /// Those of which there is anything to say.
    pub(super) fn metrics(&self) -> impl Iterator<Item = Metric> {
        let is_known = |metric: &Metric| {
            let both = [&self.ours, &self.theirs];
            both.iter().any(|samples| !samples.of(*metric).is_empty())
        };
        Metric::ALL.into_iter().filter(is_known)
    }

    fn ratio(&self, metric: Metric) -> Option<Ratio> {
        self.ours.ratio(&self.theirs, metric)
    }
}

fn numbers(samples: &Samples) -> Map<String, Value> {
    let entry = |metric: Metric| {
        let Percentiles {
            count,
            p50,
            p99,
            max,
        } = samples.percentiles(metric)?;
        let [p50, p99, max] = [p50, p99, max].map(thousandths);
        let numbers = json!({"p50": p50, "p99": p99, "max": max, "n": count});
        Some((metric.key().to_owned(), numbers))
    };
    Metric::ALL.into_iter().filter_map(entry).collect()
}

/// Rounded to as many.
fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

fn cells(percentiles: Option<Percentiles>) -> [String; 4] {
    let Some(Percentiles {
        count,
        p50,
        p99,
        max,
    }) = percentiles
    else {
        return ["-", "-", "-", "0"].map(Into::into);
    };
    let [p50, p99, max] = [p50, p99, max].map(short);
    [p50, p99, max, count.to_string()]
}

/// Four digits, or all of the whole number.
fn short(number: f64) -> String {
    let decimals = match number {
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// How many times, to two digits or all of the whole number.
fn factor(ratio: f64) -> String {
    match ratio {
        ..1.0 => format!("{ratio:.2}"),
        ..10.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.0}"),
    }
}
