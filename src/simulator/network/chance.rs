//! What a network draws from the seed: yes or no, and spans of time.

use std::time::Duration;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// True with probability `share`; draws nothing when it is 0, so that a fault that is off does
/// not shift the randomness of those that are on.
pub(in crate::simulator) fn chance(rng: &mut Xoshiro256PlusPlus, share: f64) -> bool {
    share > 0.0 && rng.random_bool(share)
}

/// A duration between two, in whole microseconds.
pub(in crate::simulator) fn draw(
    rng: &mut Xoshiro256PlusPlus,
    min: Duration,
    max: Duration,
) -> Duration {
    if min >= max {
        return min;
    }
    Duration::from_micros(rng.random_range(micros(min)..=micros(max)))
}

/// A draw of the normal distribution with mean 0 and deviation 1 (Box and Muller's), within ±8.6.
///
/// Logarithm, root and cosine are [`libm`]'s: those of `std` are the platform's own and differ in
/// the last bit from one to the next, and a run must be the same on all of them.
pub(super) fn draw_normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    // 2⁻⁵³ to 1: the logarithm of 0 is no number.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.random::<f64>()));
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("simulated durations are below 584,942 years")
}
