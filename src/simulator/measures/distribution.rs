//! `Distribution`: many numbers as a histogram, and what people ask of it.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Numbers are kept to three digits.
const DIGITS: u8 = 3;
const P99: f64 = 0.99;

/// What a distribution comes down to. The unit is said where one is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// How many numbers there are.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 99 of 100 are no greater.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

/// Numbers in whole units, to three digits, in bounded memory however many there are. The greatest
/// is kept to the last digit: it happened, and bounds are held against it.
///
/// One distribution holds counts, times or rates. Counts are read as [`Distribution::percentiles`];
/// times, kept in microseconds, and rates, kept in thousandths, as [`Distribution::thousandths`].
#[derive(Clone, Debug)]
pub struct Distribution {
    numbers: Histogram<u64>,
    max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            numbers: Histogram::new(DIGITS).expect("three digits are allowed"),
            max: 0,
        }
    }
}

impl Distribution {
    /// Takes in one number.
    pub fn record(&mut self, number: u64) {
        self.numbers.record(number).expect("it grows as needed");
        self.max = self.max.max(number);
    }

    /// Takes in one time, in microseconds.
    pub fn record_time(&mut self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Takes in a rate in units per second, kept in thousandths.
    pub fn record_rate(&mut self, count: u64, time: Duration) {
        let rate = count as f64 / time.as_secs_f64() * 1000.0;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast from a float saturates"
        )]
        self.record(rate.round() as u64);
    }

    /// Takes in all numbers of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.numbers
            .add(&other.numbers)
            .expect("it grows as needed");
        self.max = self.max.max(other.max);
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.numbers.len()
    }

    /// In whole units.
    pub fn percentiles(&self) -> Percentiles {
        self.scaled(1.0)
    }

    /// Of times and rates: in milliseconds, in units per second.
    pub fn thousandths(&self) -> Percentiles {
        self.scaled(1000.0)
    }

    /// Points of the cumulative curve: number, and share of all that are no greater, in whole
    /// units and 0 to 1. At most `points` and one more; the last is the greatest with 1.
    pub fn cumulative(&self, points: u32) -> Vec<(u64, f64)> {
        if self.numbers.is_empty() {
            return Vec::new();
        }
        let share = |point| f64::from(point) / f64::from(points);
        let at = |share: f64| (self.at(share), share);
        let first = std::iter::once((self.numbers.min(), 0.0));
        first.chain((1..=points).map(share).map(at)).collect()
    }

    /// What the 99th percentile is at least, in thousandths. Between other numbers it is known to
    /// three digits only, and a bound that holds must not be missed by how numbers are kept.
    pub fn least_p99(&self) -> f64 {
        let least = match self.count() {
            // Of so few it is the greatest.
            ..100 => self.max,
            _ => self.numbers.lowest_equivalent(self.at(P99)),
        };
        least as f64 / 1000.0
    }

    /// No share of the numbers is greater than the greatest.
    fn at(&self, share: f64) -> u64 {
        self.numbers.value_at_quantile(share).min(self.max)
    }

    fn scaled(&self, unit: f64) -> Percentiles {
        let at = |share| self.at(share) as f64 / unit;
        Percentiles {
            count: self.count(),
            p50: at(0.5),
            p99: at(P99),
            max: self.max as f64 / unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_to_three_digits_and_never_beyond_the_greatest() {
        let mut times = Distribution::default();
        for ms in 1..=1000 {
            times.record_time(Duration::from_millis(ms));
        }
        let seen = times.thousandths();
        assert_eq!(seen.count, 1000);
        for (seen, expected) in [(seen.p50, 500.0), (seen.p99, 990.0), (seen.max, 1000.0)] {
            assert!((expected..expected * 1.001).contains(&seen), "{seen}");
        }
        let nothing = Distribution::default().percentiles();
        assert_eq!((nothing.count, nothing.max), (0, 0.0));
    }

    #[test]
    fn the_greatest_is_one_that_was_recorded() {
        let mut times = Distribution::default();
        times.record(7_411_177);
        let one = times.thousandths();
        assert_eq!([one.p50, one.p99, one.max], [7_411.177; 3]);
        assert_eq!(times.least_p99(), 7_411.177);
        let mut others = Distribution::default();
        others.record(500_000);
        others.merge(&times);
        assert_eq!(others.thousandths().max, 7_411.177);
        assert_eq!(others.cumulative(2).last(), Some(&(7_411_177, 1.0)));
    }

    #[test]
    fn a_percentile_is_at_least_what_was_recorded() {
        let mut times = Distribution::default();
        (0..200).for_each(|_| times.record(7_411_177));
        times.record(9_000_000);
        assert!(times.thousandths().p99 > 7_412.0, "it is rounded up");
        assert!((7_400.0..7_411.178).contains(&times.least_p99()));
    }

    #[test]
    fn a_merge_is_as_if_all_had_been_recorded_in_one() {
        let (mut one, mut other, mut all) = <(Distribution, Distribution, Distribution)>::default();
        for number in 0..50 {
            one.record(number);
            other.record(number * 1_000_000);
            all.record(number);
            all.record(number * 1_000_000);
        }
        one.merge(&other);
        assert_eq!(one.percentiles(), all.percentiles());
        assert_eq!(one.cumulative(20), all.cumulative(20));
    }

    #[test]
    fn the_cumulative_curve_grows_from_none_to_all() {
        let mut numbers = Distribution::default();
        (10..=20).for_each(|number| numbers.record(number));
        let curve = numbers.cumulative(10);
        assert_eq!(curve.first(), Some(&(10, 0.0)));
        assert_eq!(curve.last(), Some(&(20, 1.0)));
        assert!(curve.is_sorted(), "{curve:?}");
        assert!(Distribution::default().cumulative(10).is_empty());
    }

    #[test]
    fn rates_are_kept_in_thousandths() {
        let mut rates = Distribution::default();
        rates.record_rate(5, Duration::from_secs(2));
        assert!((2.5..2.502).contains(&rates.thousandths().max));
    }
}
