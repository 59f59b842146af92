//! `Work`: seeds on threads, one for each core. Threads never share a world, so they cannot change
//! what a seed does; cores that are left over help to make the worlds.

use std::{
    any::Any,
    num::NonZeroUsize,
    ops::ControlFlow,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{super::moment::Stopwatch, trace::Trace};
use crate::simulator::{Outcome, Phase, Scenario};

/// What to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scenario: Scenario,
    pub(super) first: u64,
    pub(super) count: u64,
    /// Where the story of the only seed goes.
    pub(super) trace: Option<Trace>,
}

/// An outcome, and how long it took outside.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) seed: u64,
    /// What came of it, or what the program said when it panicked.
    pub(super) outcome: Result<Outcome, String>,
    /// Until the cluster had formed.
    pub(super) forming: Duration,
    /// Altogether.
    pub(super) all: Duration,
}

/// How far the run is that was begun last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    pub(super) phase: Phase,
    /// Since counting began.
    pub(super) virtual_time: Duration,
    /// Time on this machine since the cluster had formed.
    pub(super) running: Duration,
}

/// Threads at work.
#[derive(Debug)]
pub(super) struct Work {
    done: UnboundedReceiver<Timed>,
    shared: Arc<Shared>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    job: Job,
    /// Seeds that somebody took.
    taken: AtomicU64,
    stop: AtomicBool,
    reached: Mutex<Option<Reached>>,
}

/// How many threads run `seeds` seeds.
pub(super) fn workers(seeds: u64) -> usize {
    cores().min(usize::try_from(seeds).unwrap_or(usize::MAX))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Work {
    pub(super) fn start(mut job: Job, workers: usize) -> Self {
        let each = NonZeroUsize::new(cores() / workers.max(1));
        job.scenario = job.scenario.with_threads(each.unwrap_or(NonZeroUsize::MIN));
        let shared = Arc::new(Shared {
            job,
            taken: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            reached: Mutex::new(None),
        });
        let (sender, done) = unbounded_channel();
        for _ in 0..workers {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::spawn(move || shared.run_all(&sender));
        }
        Self { done, shared }
    }

    /// The next outcome, in any order; `None` when all threads are done.
    pub(super) async fn next(&mut self) -> Option<Timed> {
        self.done.recv().await
    }

    /// Lets every run end soon, with what it has so far.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// How far the run is that somebody heard of last.
    pub(super) fn reached(&self) -> Option<Reached> {
        let reached = self.shared.reached.lock();
        *reached.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn run_all(&self, done: &UnboundedSender<Timed>) {
        while !self.stop.load(Ordering::Relaxed) {
            let taken = self.taken.fetch_add(1, Ordering::Relaxed);
            if taken >= self.job.count || done.send(self.survive(self.job.first + taken)).is_err() {
                return;
            }
        }
    }

    /// Runs `seed`. A bug that panics is an outcome of that seed, and never passes for none.
    fn survive(&self, seed: u64) -> Timed {
        let run = AssertUnwindSafe(|| self.run(seed));
        panic::catch_unwind(run).unwrap_or_else(|panicked| Timed {
            seed,
            outcome: Err(said(&*panicked)),
            forming: Duration::ZERO,
            all: Duration::ZERO,
        })
    }

    fn run(&self, seed: u64) -> Timed {
        let watch = Stopwatch::start();
        // A large world takes seconds before its first question.
        self.reach(Reached {
            phase: Phase::Forming,
            virtual_time: Duration::ZERO,
            running: Duration::ZERO,
        });
        let (mut forming, mut forms) = (Duration::ZERO, true);
        let mut watcher = |phase: Phase, virtual_time: Duration| {
            if forms && phase != Phase::Forming {
                (forming, forms) = (watch.elapsed(), false);
            }
            self.reach(Reached {
                phase,
                virtual_time,
                running: watch.elapsed() - forming,
            });
            match self.stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let telling = self.job.trace.as_ref().map(Trace::telling);
        let outcome = self.job.scenario.run_told(seed, &mut watcher, telling);
        let all = watch.elapsed();
        Timed {
            seed,
            outcome: Ok(outcome),
            forming: if forms { all } else { forming },
            all,
        }
    }

    fn reach(&self, reached: Reached) {
        let mut place = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(reached);
    }
}

/// The words of a panic.
fn said(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panicked.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}
