//! Which plots a report has.

use super::{
    super::page::{About, Axis, Drawn, Mark, Plot, Series},
    show::Shown,
    tally::Point,
};
use crate::simulator::{Distribution, Report, Step};

/// A line has at most so many marks.
const MARKS_MAX: u32 = 200;
/// Microseconds.
const SECOND: f64 = 1e6;
const SHARE: Axis = Axis {
    label: "share",
    unit: " %",
    min: 0.0,
    max: 100.0,
};

/// Those that have something to show.
pub(super) fn all(shown: &Shown<'_>) -> Vec<Plot> {
    let report = shown.report();
    let over_time = [bandwidth(report), messages(report), views(report)];
    let curves = [infection(report), detection(report)];
    let mut plots: Vec<_> = curves.into_iter().chain(over_time).flatten().collect();
    if shown.args.seeds > 1 {
        plots.extend(seeds(shown));
    }
    plots
}

fn infection(report: &Report) -> Option<Plot> {
    let others = report.crashes.told + report.crashes.missing;
    let marks = curve(&report.spread, others);
    lines(
        "Infection curve",
        "Share of the others who know of a crash, from the moment that the first of them tells it.",
        ("since the first knew", SHARE),
        vec![("", marks)],
    )
}

fn detection(report: &Report) -> Option<Plot> {
    let crashes = report.crashes;
    let first = curve(report.first_detections(), crashes.total);
    let each = curve(&report.learned, crashes.told + crashes.missing);
    lines(
        "Detection",
        "Share of all crashes that somebody has told of, and share of all others who have, so \
         long after the crash. Who is started again in time is never told of.",
        ("since the crash", SHARE),
        vec![("the first node", first), ("each node", each)],
    )
}

fn bandwidth(report: &Report) -> Option<Plot> {
    let marks = over_time(report, Step::bytes_per_node_per_s);
    let axis = Axis::up_to("bytes sent by a node in a second", " B", heights(&marks));
    lines(
        "Bandwidth over time",
        "What a node sends in a second, the mean over all that run, in datagrams and on streams.",
        ("since counting began", axis),
        vec![("", marks)],
    )
}

fn messages(report: &Report) -> Option<Plot> {
    let marks = over_time(report, Step::messages_per_node_per_s);
    let axis = Axis::up_to("datagrams sent by a node in a second", "", heights(&marks));
    lines(
        "Messages over time",
        "Datagrams that a node sends in a second, the mean over all that run.",
        ("since counting began", axis),
        vec![("", marks)],
    )
}

fn views(report: &Report) -> Option<Plot> {
    let (mean, most) = (
        over_time(report, Step::views),
        over_time(report, |step| step.views_max().into()),
    );
    let axis = Axis::counting("different views", heights(&most));
    let series = match report.runs {
        1 => vec![("", most)],
        _ => vec![
            ("the mean of all seeds", mean),
            ("the most in any seed", most),
        ],
    };
    lines(
        "Distinct views over time",
        "In how many different ways nodes see who is there, alive or suspect, at the end of each \
         second. One is agreement.",
        ("since counting began", axis),
        series,
    )
}

/// What each seed has one number of.
struct PerSeed {
    title: &'static str,
    caption: &'static str,
    label: &'static str,
    unit: &'static str,
    of: fn(&Point) -> Option<f64>,
}

const PER_SEED: [PerSeed; 5] = [
    PerSeed {
        title: "First detection by seed",
        caption: "The median of a seed's crashes.",
        label: "first detection",
        unit: " s",
        of: |point| Some(point.first_detection? / 1000.0),
    },
    PerSeed {
        title: "Full dissemination by seed",
        caption: "The slowest of a seed's crashes.",
        label: "full dissemination",
        unit: " s",
        of: |point| Some(point.full_dissemination? / 1000.0),
    },
    PerSeed {
        title: "Convergence by seed",
        caption: "From the end of all faults until all views were equal.",
        label: "convergence",
        unit: " s",
        of: |point| Some(point.convergence? / 1000.0),
    },
    PerSeed {
        title: "False positives by seed",
        caption: "How often a healthy process was called failed.",
        label: "false positives",
        unit: "",
        of: |point| Some(point.false_positives as f64),
    },
    PerSeed {
        title: "Messages by seed",
        caption: "Datagrams that a node sends in a second, the mean over the run.",
        label: "datagrams sent by a node in a second",
        unit: "",
        of: |point| Some(point.messages_per_node_per_s),
    },
];

/// One plot for each measure of which any seed has more than nothing.
fn seeds(shown: &Shown<'_>) -> Vec<Plot> {
    let command = shown.command(shown.args.seed).before_seed();
    let points = &shown.ran.tally.points;
    let plots = PER_SEED.iter().filter_map(|measure| {
        let marks: Vec<_> = points
            .iter()
            .filter_map(|p| mark_of_seed(p, measure.of))
            .collect();
        let (first, last) = (marks.first()?.x, marks.last()?.x);
        let plot = Plot {
            title: measure.title,
            caption: measure.caption,
            drawn: Drawn::Points,
            x: Axis {
                label: "seed",
                unit: "",
                min: first - 1.0,
                max: last + 1.0,
            },
            y: Axis::up_to(measure.label, measure.unit, heights(&marks)),
            series: vec![Series { name: "", marks }],
            command: Some(command.clone()),
        };
        let is_flat = plot.series[0].marks.iter().all(|mark| mark.y == 0.0);
        (!is_flat).then_some(plot)
    });
    plots.collect()
}

fn mark_of_seed(point: &Point, number: fn(&Point) -> Option<f64>) -> Option<Mark> {
    Some(Mark {
        x: point.seed as f64,
        y: number(point)?,
        about: About::Seed(point.seed, point.failed),
    })
}

/// Lines over time, whose marks are in seconds.
fn lines(
    title: &'static str,
    caption: &'static str,
    (time, y): (&'static str, Axis),
    series: Vec<(&'static str, Vec<Mark>)>,
) -> Option<Plot> {
    let named = |(name, marks): (&'static str, Vec<Mark>)| Series { name, marks };
    let mut series: Vec<_> = series.into_iter().map(named).collect();
    series.retain(|series| !series.marks.is_empty());
    let marks = || series.iter().flat_map(|series| &series.marks);
    let is_short = marks().all(|mark| mark.x < 1.0);
    let (unit, scale) = if is_short {
        (" ms", 1000.0)
    } else {
        (" s", 1.0)
    };
    let x = Axis::spanning(time, unit, marks().map(|mark| mark.x * scale));
    let all = series.iter_mut().flat_map(|series| &mut series.marks);
    all.for_each(|mark| mark.x *= scale);
    (!series.is_empty()).then_some(Plot {
        title,
        caption,
        drawn: Drawn::Line,
        x,
        y,
        series,
        command: None,
    })
}

/// The cumulative curve in per cent, when those recorded are some of `all`.
fn curve(distribution: &Distribution, all: u64) -> Vec<Mark> {
    let scale = 100.0 * distribution.count() as f64 / all.max(1) as f64;
    let curve = distribution.cumulative(MARKS_MAX);
    let begin = curve.first().map(|_| (0, 0.0));
    let mark = |(micros, share): (u64, f64)| line_mark(micros as f64 / SECOND, share * scale);
    begin.into_iter().chain(curve).map(mark).collect()
}

fn over_time(report: &Report, number: impl Fn(&Step) -> f64) -> Vec<Mark> {
    let (length, steps) = report.series.steps(MARKS_MAX as usize);
    let ends = (1..).map(|step| (step * length) as f64);
    ends.zip(&steps)
        .map(|(end, step)| line_mark(end, number(step)))
        .collect()
}

const fn line_mark(x: f64, y: f64) -> Mark {
    let about = About::Place;
    Mark { x, y, about }
}

fn heights(marks: &[Mark]) -> impl Iterator<Item = f64> + '_ {
    marks.iter().map(|mark| mark.y)
}
