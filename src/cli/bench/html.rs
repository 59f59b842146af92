//! The report as a page: every number of every repetition, ours beside theirs.

use std::{fs, thread};

use maud::html;

use super::{
    metric::Metric,
    plan::Side,
    report::Report,
    samples::{Sample, Samples},
};
use crate::cli::page::{About, Axis, Drawn, Mark, Page, Plot, Series, facts, measures};

/// The least number of repetitions that an axis has, so that it counts by ones.
const REPETITIONS_MIN: u16 = 3;
/// How far from its repetition a side stands, and how wide it is.
const APART: f64 = 0.2;
const WIDE: f64 = 0.25;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let heads: Vec<_> = report.heads().collect();
    let rows: Vec<_> = report.rows().collect();
    let page = Page {
        title: "headcount bench".into(),
        head: html! {
            h1 { "headcount bench" }
            p { (report.settings()) }
        },
        main: html! {
            @for metric in report.metrics().filter(|metric| *metric != Metric::Harness) {
                (plot(report, metric))
            }
            section { h2 { "Measures" } (measures(&heads, &rows)) }
            section { h2 { "Machine" } (facts(machine())) }
        },
    };
    page.into_string()
}

fn plot(report: &Report, metric: Metric) -> Plot {
    let sides = [
        (Side::Ours, &report.ours, -APART),
        (Side::Serf, &report.theirs, APART),
    ];
    let sides = sides
        .into_iter()
        .filter(|(_, samples, _)| !samples.of(metric).is_empty());
    let series: Vec<_> = sides
        .map(|(side, samples, apart)| Series {
            name: side.as_str(),
            marks: marks(samples, metric, apart),
        })
        .collect();
    let heights = series
        .iter()
        .flat_map(|series| &series.marks)
        .map(|mark| mark.y);
    let last = report.plan.repetitions.max(REPETITIONS_MIN);
    Plot {
        title: metric.what(),
        caption: "Every number that was measured, by repetition. Less is better.",
        drawn: Drawn::Points,
        x: Axis {
            label: "repetition",
            unit: "",
            min: 0.5,
            max: f64::from(last) + 0.5,
        },
        y: Axis::up_to(metric.unit(), "", heights),
        series,
        command: None,
    }
}

/// Those of a repetition side by side, in their order.
fn marks(samples: &Samples, metric: Metric, apart: f64) -> Vec<Mark> {
    let of_repetition = samples
        .of(metric)
        .chunk_by(|a, b| a.repetition == b.repetition);
    let placed = of_repetition.flat_map(|chunk| {
        let step = WIDE / chunk.len() as f64;
        let place = move |(index, sample): (usize, &Sample)| Mark {
            x: f64::from(sample.repetition) + apart + step * (index as f64 + 0.5) - WIDE / 2.0,
            y: sample.value,
            about: About::Repetition(sample.repetition),
        };
        chunk.iter().enumerate().map(place)
    });
    placed.collect()
}

/// What the numbers depend on besides.
fn machine() -> Vec<(&'static str, String)> {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or("unknown")
            .trim_matches([':', ' ', '\t'])
            .to_owned()
    };
    let cores = thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processor", first("/proc/cpuinfo", "model name")),
        ("cores", cores.to_string()),
        ("system", first("/proc/version", "")),
        ("load at the end", first("/proc/loadavg", "")),
    ]
}
