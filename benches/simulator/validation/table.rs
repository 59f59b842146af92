//! `Table`: what was measured beside what theory says.

use std::fmt;

/// Normal quantile of two-sided 99.9 %: with some fifty rows a false alarm is rare.
const Z: f64 = 3.29;

/// A measured number and the interval that holds the true one with 99.9 % confidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How many observations it rests on.
    pub(crate) samples: u64,
}

impl Estimate {
    /// The mean of independent observations, by the central limit theorem.
    pub(crate) fn mean(observed: &[f64]) -> Self {
        let count = observed.len() as f64;
        let mean = observed.iter().sum::<f64>() / count;
        let squares: f64 = observed.iter().map(|x| (x - mean).powi(2)).sum();
        // One sample alone has no spread: the row's slack must do.
        let half = Z * (squares / (count - 1.0).max(1.0) / count).sqrt();
        Self {
            value: mean,
            low: mean - half,
            high: mean + half,
            samples: observed.len() as u64,
        }
    }

    /// The share of `trials` that were `hits`, by Wilson's score.
    pub(crate) fn share(hits: u64, trials: u64) -> Self {
        let (n, share) = (trials as f64, hits as f64 / trials as f64);
        let centre = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            value: share,
            low: (centre - half) / scale,
            high: (centre + half) / scale,
            samples: trials,
        }
    }

    /// How often something happened per unit, `count` times in `units`, when it may happen at any
    /// moment.
    pub(crate) fn rate(count: u64, units: f64) -> Self {
        let half = Z * (count.max(1) as f64).sqrt() / units;
        let value = count as f64 / units;
        Self {
            value,
            low: value - half,
            high: value + half,
            samples: count,
        }
    }

    /// The same with the doubt of `other` added, to which it is compared.
    pub(crate) fn with_doubt_of(self, other: &Self) -> Self {
        let both = |one: f64, other: f64| one.hypot(other);
        Self {
            low: self.value - both(self.value - self.low, other.high - other.value),
            high: self.value + both(self.high - self.value, other.value - other.low),
            ..self
        }
    }

    /// Something that chance has no part in: `count` things in `units`.
    pub(crate) fn counted(count: u64, units: f64) -> Self {
        let value = count as f64 / units;
        Self {
            value,
            low: value,
            high: value,
            samples: count,
        }
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is compared.
    pub(crate) case: String,
    /// What the table's theory says.
    pub(crate) theory: f64,
    /// By what share of itself the theory may be wrong, being an approximation.
    pub(crate) slack: f64,
    /// What was measured.
    pub(crate) measured: Estimate,
    /// A number to read beside it.
    pub(crate) beside: f64,
}

impl Row {
    /// Whether the theory lies in the measured interval, widened by its own slack.
    pub(crate) fn agrees(&self) -> bool {
        let slack = self.theory * self.slack;
        let Estimate { low, high, .. } = self.measured;
        (low - slack..=high + slack).contains(&self.theory)
    }
}

/// Something to run, and what comes of it.
pub(crate) struct Case {
    /// Nodes in each of its worlds: what it costs.
    pub(crate) nodes: u32,
    /// What its rows have in common.
    pub(crate) name: String,
    /// Runs it.
    pub(crate) rows: Box<dyn Fn() -> Vec<Row>>,
}

impl Case {
    pub(crate) fn new(nodes: u32, name: String, rows: impl Fn() -> Vec<Row> + 'static) -> Self {
        let rows = Box::new(rows);
        Self { nodes, name, rows }
    }
}

/// One experiment's comparisons, each made when it is asked for: some take minutes.
pub(crate) struct Table {
    /// What is compared, and in which unit.
    pub(crate) title: &'static str,
    /// What `Row::theory` is.
    pub(crate) reference: &'static str,
    /// What `Row::beside` is.
    pub(crate) beside: &'static str,
    pub(crate) cases: Vec<Case>,
}

impl fmt::Display for Table {
    /// The head, as Markdown; the rows follow.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            title,
            reference,
            beside,
            ..
        } = self;
        writeln!(formatter, "{title}\n")?;
        write!(
            formatter,
            "| case | {reference} | measured | 99.9 % interval "
        )?;
        writeln!(formatter, "| samples | agrees | {beside} |")?;
        write!(formatter, "|---|---:|---:|---:|---:|---|---:|")
    }
}

impl fmt::Display for Row {
    /// As a row of a Markdown table.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate {
            value,
            low,
            high,
            samples,
        } = self.measured;
        let [theory, value, low, high, beside] =
            [self.theory, value, low, high, self.beside].map(digits);
        let (case, agrees) = (&self.case, if self.agrees() { "yes" } else { "NO" });
        write!(
            formatter,
            "| {case} | {theory} | {value} | {low} to {high} "
        )?;
        write!(formatter, "| {samples} | {agrees} | {beside} |")
    }
}

/// Four significant digits, and no exponent where people can do without.
fn digits(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        size if size < 1e-2 => format!("{number:.2e}"),
        size if size < 10.0 => format!("{number:.3}"),
        size if size < 100.0 => format!("{number:.2}"),
        _ => format!("{number:.0}"),
    }
}
