//! The power of n that fits best.

/// Factor and power, by least squares of the logarithms; `None` without two sizes.
pub(crate) fn power(points: &[(u64, f64)]) -> Option<(f64, f64)> {
    let usable = points.iter().filter(|(_, cost)| *cost > 0.0);
    let logs: Vec<(f64, f64)> = usable
        .map(|(size, cost)| ((*size as f64).ln(), cost.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let spread: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    let together: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    let power = together / spread;
    (spread > 0.0).then(|| ((y - power * x).exp(), power))
}
