//! `Samples`: every number that was measured, and what they come down to.

use std::{collections::BTreeMap, time::Duration};

use super::metric::Metric;
use crate::simulator::{Distribution, Percentiles};

/// One number, in its metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// The repetition that it is of, from 1.
    pub(super) repetition: u16,
    pub(super) value: f64,
}

/// The numbers of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(BTreeMap<Metric, Vec<Sample>>);

/// How many times the one median is the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    /// Of all numbers.
    pub(super) of_all: f64,
    /// The least of a repetition.
    pub(super) min: f64,
    /// The greatest of a repetition.
    pub(super) max: f64,
}

impl Samples {
    /// Takes in a number.
    pub(super) fn note(&mut self, metric: Metric, repetition: u16, value: f64) {
        let sample = Sample { repetition, value };
        self.0.entry(metric).or_default().push(sample);
    }

    /// Takes in a time, of a metric in milliseconds.
    pub(super) fn note_time(&mut self, metric: Metric, repetition: u16, time: Duration) {
        self.note(metric, repetition, time.as_secs_f64() * 1e3);
    }

    /// All numbers of a metric, in their order.
    pub(super) fn of(&self, metric: Metric) -> &[Sample] {
        self.0.get(&metric).map_or(&[], Vec::as_slice)
    }

    /// In the metric's unit; `None` where there is no number.
    pub(super) fn percentiles(&self, metric: Metric) -> Option<Percentiles> {
        percentiles(self.of(metric).iter())
    }

    /// How many times `other`'s median is ours; `None` where one is missing or ours is nothing.
    pub(super) fn ratio(&self, other: &Self, metric: Metric) -> Option<Ratio> {
        let of_all = quotient(self.of(metric).iter(), other.of(metric).iter())?;
        let each = (1..=self.of(metric).last()?.repetition).filter_map(|repetition| {
            let is_in = move |sample: &&Sample| sample.repetition == repetition;
            let [ours, theirs] = [self, other].map(|side| side.of(metric).iter().filter(is_in));
            quotient(ours, theirs)
        });
        let (min, max) = each.fold((of_all, of_all), |(min, max), ratio| {
            (min.min(ratio), max.max(ratio))
        });
        Some(Ratio { of_all, min, max })
    }
}

/// Kept in thousandths of the unit, to three digits.
fn percentiles<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<Percentiles> {
    let mut distribution = Distribution::default();
    samples.for_each(|sample| distribution.record(thousandths(sample.value)));
    (distribution.count() > 0).then(|| distribution.thousandths())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and nothing that is measured is below zero"
)]
fn thousandths(value: f64) -> u64 {
    (value * 1e3).round() as u64
}

fn quotient<'a>(
    ours: impl Iterator<Item = &'a Sample>,
    theirs: impl Iterator<Item = &'a Sample>,
) -> Option<f64> {
    let (ours, theirs) = (percentiles(ours)?.p50, percentiles(theirs)?.p50);
    (ours > 0.0).then(|| theirs / ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[(u16, f64)]) -> Samples {
        let mut samples = Samples::default();
        for (repetition, value) in values {
            samples.note(Metric::Leave, *repetition, *value);
        }
        samples
    }

    #[test]
    fn a_ratio_is_of_medians_and_its_spread_of_repetitions() {
        let ours = samples(&[(1, 10.0), (1, 20.0), (1, 30.0), (2, 20.0)]);
        let theirs = samples(&[(1, 100.0), (2, 200.0), (2, 200.0)]);
        let Ratio { of_all, min, max } = ours.ratio(&theirs, Metric::Leave).unwrap();
        let near = |ratio: f64, wanted: f64| (ratio / wanted - 1.0).abs() < 0.01;
        assert!(near(of_all, 10.0) && near(min, 5.0) && near(max, 10.0));
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let (none, zero) = (samples(&[]), samples(&[(1, 0.0)]));
        let some = samples(&[(1, 1.0)]);
        for (ours, theirs) in [(&none, &some), (&some, &none), (&zero, &some)] {
            assert_eq!(ours.ratio(theirs, Metric::Leave), None);
        }
    }
}
