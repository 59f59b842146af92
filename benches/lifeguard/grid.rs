//! The points of Tables II and III, run on every core.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub(crate) const CONCURRENT: [u32; 9] = [1, 4, 8, 12, 16, 20, 24, 28, 32];
const DURATIONS_MS: [u64; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
const INTERVALS_MS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

/// One point of the grid, once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// C: nodes that are struck at the same time.
    pub(crate) concurrent: u32,
    /// D: for how long.
    pub(crate) lasts: Duration,
    /// I: and again after so long; once without.
    pub(crate) pause: Option<Duration>,
    pub(crate) seed: u64,
}

/// Table II, each point so often.
pub(crate) fn threshold(repeats: u64) -> Vec<Point> {
    points(&[None], repeats)
}

/// Table III, each point so often.
pub(crate) fn interval(repeats: u64) -> Vec<Point> {
    let pauses = INTERVALS_MS.map(|pause| Some(Duration::from_millis(pause)));
    points(&pauses, repeats)
}

fn points(pauses: &[Option<Duration>], repeats: u64) -> Vec<Point> {
    let mut points = Vec::new();
    for concurrent in CONCURRENT {
        for lasts in DURATIONS_MS.map(Duration::from_millis) {
            for pause in pauses.iter().copied() {
                points.extend((1..=repeats).map(|seed| Point {
                    concurrent,
                    lasts,
                    pause,
                    seed,
                }));
            }
        }
    }
    points
}

/// What `measure` gives for every point, in their order.
pub(crate) fn run<T: Send>(points: &[Point], measure: impl Fn(&Point) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(points.len()));
    let work = || {
        while let Some((index, point)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            points.get(index).map(|point| (index, point))
        } {
            let result = measure(point);
            results
                .lock()
                .expect("no worker panics")
                .push((index, result));
        }
    };
    let threads = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().expect("no worker panics");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
