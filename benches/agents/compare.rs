//! Real and simulated times side by side, with a bootstrap interval of the ratio.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::real::Noticed;

/// Times the samples are drawn again.
const RESAMPLES: usize = 10_000;
/// The interval holds 95 % of the ratios: between these thousandths.
const INTERVAL: [usize; 2] = [25, 975];

/// Its name, and how to read it off a kill, in milliseconds.
pub(crate) type Measure = (&'static str, fn(&Noticed) -> f64);

/// Everything that is compared.
pub(crate) const MEASURES: [Measure; 4] = [
    ("kill to first `suspect`", |n| millis(n.suspected)),
    ("kill to first `failed`", |n| millis(n.detected)),
    ("kill to last `failed`", |n| millis(n.known)),
    ("first to last `failed`", |n| millis(n.known - n.detected)),
];

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Ratio of the medians, and where it may lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    /// Real over simulated; percentile bootstrap of both samples.
    pub(crate) fn of(real: &[f64], simulated: &[f64]) -> Self {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut resampled = |sample: &[f64]| {
            let draw = |_| sample[dice.random_range(0..sample.len())];
            quantile(&sample.iter().map(draw).collect::<Vec<_>>(), 500)
        };
        let ratios: Vec<_> = (0..RESAMPLES)
            .map(|_| resampled(real) / resampled(simulated))
            .collect();
        let [low, high] = INTERVAL.map(|thousandth| quantile(&ratios, thousandth));
        Self {
            value: quantile(real, 500) / quantile(simulated, 500),
            low,
            high,
        }
    }
}

/// The value that so many thousandths of the sample do not exceed.
pub(crate) fn quantile(sample: &[f64], thousandths: usize) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    sorted[(thousandths * last + 500) / 1000]
}
