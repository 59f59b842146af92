//! `Work`: seeds on threads, one for each core. Threads never share a world, so they cannot change
//! what a seed does.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::moment;
use crate::simulator::{Outcome, Phase, Scenario};

/// What to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scenario: Scenario,
    pub(super) first: u64,
    pub(super) count: u64,
}

/// An outcome, and how long it took outside.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    /// Until the cluster had formed.
    pub(super) forming: Duration,
    /// Altogether.
    pub(super) all: Duration,
}

/// Threads at work.
#[derive(Debug)]
pub(super) struct Work {
    done: UnboundedReceiver<Timed>,
    stop: Arc<AtomicBool>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    job: Job,
    /// Seeds that somebody took.
    taken: AtomicU64,
    stop: Arc<AtomicBool>,
}

/// How many threads run `seeds` seeds.
pub(super) fn workers(seeds: u64) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.min(usize::try_from(seeds).unwrap_or(usize::MAX))
}

impl Work {
    pub(super) fn start(job: Job, workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            job,
            taken: AtomicU64::new(0),
            stop: Arc::clone(&stop),
        });
        let (sender, done) = unbounded_channel();
        for _ in 0..workers {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::spawn(move || shared.run_all(&sender));
        }
        Self { done, stop }
    }

    /// The next outcome, in any order; `None` when all threads are done.
    pub(super) async fn next(&mut self) -> Option<Timed> {
        self.done.recv().await
    }

    /// Lets every run end soon, with what it has so far.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn run_all(&self, done: &UnboundedSender<Timed>) {
        while !self.stop.load(Ordering::Relaxed) {
            let taken = self.taken.fetch_add(1, Ordering::Relaxed);
            if taken >= self.job.count || done.send(self.run(self.job.first + taken)).is_err() {
                return;
            }
        }
    }

    fn run(&self, seed: u64) -> Timed {
        let begin = moment::now();
        let mut forming = Duration::ZERO;
        let mut watch = |phase: Phase, _: Duration| {
            if phase == Phase::Forming {
                forming = Duration::MAX;
            } else if forming == Duration::MAX {
                forming = moment::since(begin);
            }
            match self.stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let outcome = self.job.scenario.run(seed, &mut watch);
        let all = moment::since(begin);
        Timed {
            seed,
            outcome,
            forming: forming.min(all),
            all,
        }
    }
}
