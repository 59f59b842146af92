//! `Distribution`: many numbers as a histogram, and what people ask of it.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Numbers are kept to three digits.
const DIGITS: u8 = 3;

/// What a distribution comes down to. The unit is said where one is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// How many numbers there are.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 99 of 100 are smaller.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

/// Numbers in whole units, to three digits, in bounded memory however many there are.
#[derive(Clone, Debug)]
pub struct Distribution(Histogram<u64>);

impl Default for Distribution {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("three digits are allowed"))
    }
}

impl Distribution {
    /// Takes in one number.
    pub fn record(&mut self, number: u64) {
        self.0.record(number).expect("it grows as needed");
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
        self.0.add(&other.0).expect("it grows as needed");
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.len()
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
        if self.0.is_empty() {
            return Vec::new();
        }
        let share = |point| f64::from(point) / f64::from(points);
        let at = |share: f64| (self.0.value_at_quantile(share).min(self.0.max()), share);
        let first = std::iter::once((self.0.min(), 0.0));
        first.chain((1..=points).map(share).map(at)).collect()
    }

    fn scaled(&self, unit: f64) -> Percentiles {
        let max = self.0.max() as f64 / unit;
        let at = |share| (self.0.value_at_quantile(share) as f64 / unit).min(max);
        Percentiles {
            count: self.0.len(),
            p50: at(0.5),
            p99: at(0.99),
            max,
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
