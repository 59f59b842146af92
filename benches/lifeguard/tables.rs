//! Tables IV to VII and figures 2 and 3, ours beside the paper's.

use std::fmt::Write;

use super::{
    experiment::{self, Detection, Outcome},
    grid::{self, CONCURRENT, Point},
    settings::Setting,
};

/// FP, FP− and messages in % of SWIM's, Tables IV and VI.
const PAPER_INTERVAL: [(&str, [f64; 4]); 5] = [
    ("SWIM", [100.0, 100.0, 100.0, 100.0]),
    ("LHA-Probe", [67.72, 32.88, 98.46, 90.03]),
    ("LHA-Suspicion", [3.00, 6.71, 111.31, 106.52]),
    ("Buddy System", [94.08, 44.57, 100.07, 99.01]),
    ("Lifeguard α5 β6", [1.53, 1.89, 110.59, 97.97]),
];

/// First and full, median and 99th percentile in seconds, Table V.
const PAPER_THRESHOLD: [(&str, [f64; 4]); 5] = [
    ("SWIM", [12.44, 16.96, 12.90, 16.93]),
    ("LHA-Probe", [12.42, 17.75, 12.90, 17.98]),
    ("LHA-Suspicion", [12.42, 17.47, 12.89, 17.33]),
    ("Buddy System", [12.45, 17.12, 12.92, 17.18]),
    ("Lifeguard α5 β6", [12.45, 17.90, 12.91, 18.05]),
];

/// Median first and full, FP and FP− in % of SWIM's, Table VII.
const PAPER_MIXES: [((f64, f64), [f64; 4]); 9] = [
    ((2.0, 2.0), [53.14, 55.12, 98.37, 31.15]),
    ((2.0, 4.0), [54.10, 56.28, 43.64, 22.47]),
    ((2.0, 6.0), [54.34, 56.74, 24.16, 13.65]),
    ((4.0, 2.0), [82.96, 84.42, 37.72, 20.29]),
    ((4.0, 4.0), [83.04, 84.03, 8.04, 9.50]),
    ((4.0, 6.0), [83.12, 84.42, 3.18, 4.83]),
    ((5.0, 2.0), [99.76, 99.92, 26.61, 15.38]),
    ((5.0, 4.0), [99.52, 99.61, 5.43, 5.05]),
    ((5.0, 6.0), [100.08, 100.08, 1.53, 1.89]),
];

/// Everything that the interval experiment gives of one setting.
struct Interval {
    total: Outcome,
    by_concurrency: Vec<Outcome>,
}

fn measure_interval(setting: Setting, repeats: u64) -> Interval {
    let (points, tuning) = (grid::interval(repeats), setting.tuning());
    let outcomes = grid::run(&points, |point| experiment::interval(point, &tuning));
    let of = |concurrent: Option<u32>| {
        let pairs = points.iter().zip(&outcomes);
        let fits = |point: &Point| concurrent.is_none_or(|of| point.concurrent == of);
        pairs
            .filter(|(point, _)| fits(point))
            .fold(Outcome::default(), |sum, (_, one)| Outcome {
                false_positives: sum.false_positives + one.false_positives,
                at_healthy: sum.at_healthy + one.at_healthy,
                messages: sum.messages + one.messages,
                bytes: sum.bytes + one.bytes,
            })
    };
    Interval {
        total: of(None),
        by_concurrency: CONCURRENT.map(|concurrent| of(Some(concurrent))).to_vec(),
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Tables IV and VI, figures 2 and 3.
pub(crate) fn interval(settings: &[Setting], repeats: u64) -> String {
    let mut text = "### Tables IV and VI: interval, false positives and load\n\n\
        | setting | FP | FP− | FP % | paper | FP− % | paper | messages % | paper |\
         bytes % | paper |\n\
        |---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut figures = figure_head();
    let mut swim = None;
    for setting in settings {
        let Interval {
            total,
            by_concurrency,
        } = measure_interval(*setting, repeats);
        let base = *swim.get_or_insert(total);
        let name = setting.name();
        let paper = PAPER_INTERVAL.iter().find(|(of, _)| *of == name);
        let paper = |column: usize| {
            paper.map_or_else(|| "–".into(), |(_, values)| values[column].to_string())
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {:.2} | {} | {:.2} | {} | {:.1} | {} | {:.1} | {} |",
            total.false_positives,
            total.at_healthy,
            percent(total.false_positives, base.false_positives),
            paper(0),
            percent(total.at_healthy, base.at_healthy),
            paper(1),
            percent(total.messages, base.messages),
            paper(2),
            percent(total.bytes, base.bytes),
            paper(3),
        );
        figure_rows(&mut figures, &name, &by_concurrency);
    }
    format!("{text}\n{figures}")
}

fn figure_head() -> String {
    let columns: String = CONCURRENT.map(|c| format!(" C={c} |")).concat();
    let dashes = "---|".repeat(CONCURRENT.len() + 2);
    format!("### Figures 2 and 3: false positives by C\n\n| setting | |{columns}\n|{dashes}\n")
}

fn figure_rows(text: &mut String, name: &str, outcomes: &[Outcome]) {
    let columns = |of: fn(&Outcome) -> u64| -> String {
        outcomes
            .iter()
            .map(|outcome| format!(" {} |", of(outcome)))
            .collect()
    };
    let _ = writeln!(
        text,
        "| {name} | FP |{}",
        columns(|outcome| outcome.false_positives)
    );
    let _ = writeln!(
        text,
        "| {name} | FP− |{}",
        columns(|outcome| outcome.at_healthy)
    );
}

/// First and full detection, sorted, in seconds.
fn measure_threshold(setting: Setting, repeats: u64) -> [Vec<f64>; 2] {
    let (points, tuning) = (grid::threshold(repeats), setting.tuning());
    let detections = grid::run(&points, |point| experiment::threshold(point, &tuning)).concat();
    let mut times = [
        detections
            .iter()
            .map(|d: &Detection| d.first)
            .collect::<Vec<_>>(),
        detections.iter().filter_map(|d| d.full).collect(),
    ];
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    times
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last * percent + 50) / 100)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Table V.
pub(crate) fn threshold(settings: &[Setting], repeats: u64) -> String {
    let mut text = "### Table V: threshold, seconds from the begin of an anomaly\n\n\
        | setting | detections | first p50 | paper | first p99 | paper |\
         full p50 | paper | full p99 | paper |\n\
        |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for setting in settings {
        let [first, full] = measure_threshold(*setting, repeats);
        let name = setting.name();
        let paper = PAPER_THRESHOLD.iter().find(|(of, _)| *of == name);
        let paper = |column: usize| {
            paper.map_or_else(
                || "–".into(),
                |(_, values)| format!("{:.2}", values[column]),
            )
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {:.2} | {} | {:.2} | {} | {:.2} | {} | {:.2} | {} |",
            first.len(),
            quantile(&first, 50),
            paper(0),
            quantile(&first, 99),
            paper(1),
            quantile(&full, 50),
            paper(2),
            quantile(&full, 99),
            paper(3),
        );
    }
    text
}

/// Table VII.
pub(crate) fn mixes(repeats: u64) -> String {
    let mut text = "### Table VII: Lifeguard by α and β, % of SWIM\n\n\
        | setting | first p50 | paper | full p50 | paper | FP | paper | FP− | paper |\n\
        |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let measure = |setting: Setting| {
        let [first, full] = measure_threshold(setting, repeats);
        let total = measure_interval(setting, repeats).total;
        let medians = [first, full].map(|times| quantile(&times, 50));
        (medians, total)
    };
    let (base_times, base) = measure(Setting::Swim);
    for ((alpha, beta), paper) in PAPER_MIXES {
        let setting = Setting::Lifeguard(alpha, beta);
        let (times, total) = measure(setting);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {:.1} | {} | {:.2} | {} | {:.2} | {} |",
            setting.name(),
            100.0 * times[0] / base_times[0],
            paper[0],
            100.0 * times[1] / base_times[1],
            paper[1],
            percent(total.false_positives, base.false_positives),
            paper[2],
            percent(total.at_healthy, base.at_healthy),
            paper[3],
        );
    }
    text
}
