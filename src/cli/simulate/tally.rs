//! `Tally`: outcomes as they come in, merged in the order of their seeds, so that a report of many
//! seeds does not depend on which thread was faster.

use std::collections::BTreeMap;

use crate::simulator::{Outcome, Report};

/// The texts of so many failures are kept; the others are counted.
const FAILURES_MAX: usize = 1_000;
/// So many seeds are kept as points of a plot.
const POINTS_MAX: usize = 2_000;

/// Something that went wrong with one seed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) seed: u64,
    /// The promise that was broken; "expect" for a bound of the scenario's.
    pub(super) promise: &'static str,
    pub(super) text: String,
}

/// What one seed measured, in a few numbers; times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) seed: u64,
    /// The median of its crashes.
    pub(super) first_detection: Option<f64>,
    /// The slowest of its crashes.
    pub(super) full_dissemination: Option<f64>,
    pub(super) convergence: Option<f64>,
    pub(super) false_positives: u64,
    pub(super) messages_per_node_per_s: f64,
    pub(super) failed: bool,
}

/// What ran so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// The seed that is merged next.
    next: u64,
    /// Outcomes that came before their turn.
    waiting: BTreeMap<u64, Result<Outcome, String>>,
    pub(super) report: Report,
    /// The first failures, in order of seeds.
    pub(super) failures: Vec<Failed>,
    /// All of them; one seed may fail in several ways.
    pub(super) failures_count: usize,
    pub(super) failed_seeds: u64,
    /// Seeds that ran to their end.
    pub(super) whole: u64,
    pub(super) points: Vec<Point>,
    /// Nodes of the largest world.
    pub(super) nodes: u32,
}

impl Tally {
    /// Nothing ran yet; seeds begin with `first`.
    pub(super) fn new(first: u64) -> Self {
        Self {
            next: first,
            waiting: BTreeMap::new(),
            report: Report::default(),
            failures: Vec::new(),
            failures_count: 0,
            failed_seeds: 0,
            whole: 0,
            points: Vec::new(),
            nodes: 0,
        }
    }

    /// Takes in what `seed` did.
    pub(super) fn add(&mut self, seed: u64, outcome: Result<Outcome, String>) {
        self.waiting.insert(seed, outcome);
        while let Some(outcome) = self.waiting.remove(&self.next) {
            self.take(self.next, outcome);
            // After the greatest seed comes none.
            self.next = self.next.wrapping_add(1);
        }
    }

    /// Nothing comes any more: what waits for seeds that never ran is merged without them.
    pub(super) fn close(&mut self) {
        while let Some((seed, outcome)) = self.waiting.pop_first() {
            self.take(seed, outcome);
        }
    }

    fn take(&mut self, seed: u64, outcome: Result<Outcome, String>) {
        match outcome {
            Ok(outcome) => self.merge(seed, &outcome),
            Err(said) => self.fail(vec![Failed {
                seed,
                promise: PANICKED,
                text: format!("seed {seed}: the program panicked, which is a bug: {said}"),
            }]),
        }
    }

    fn fail(&mut self, failures: Vec<Failed>) {
        self.failed_seeds += u64::from(!failures.is_empty());
        self.failures_count += failures.len();
        let room = FAILURES_MAX.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }

    fn merge(&mut self, seed: u64, outcome: &Outcome) {
        let failures = failures(seed, outcome);
        let failed = !failures.is_empty();
        self.fail(failures);
        self.whole += u64::from(!outcome.interrupted);
        self.nodes = self.nodes.max(outcome.nodes);
        if self.points.len() < POINTS_MAX {
            self.points.push(Point::of(seed, outcome, failed));
        }
        self.report.add(outcome);
    }
}

impl Point {
    fn of(seed: u64, outcome: &Outcome, failed: bool) -> Self {
        let report = Report::of(outcome);
        let (first, all) = (report.first_detection(), report.full_dissemination());
        let convergence = report.convergence();
        Self {
            seed,
            first_detection: (first.count > 0).then_some(first.p50),
            full_dissemination: (all.count > 0).then_some(all.max),
            convergence: (convergence.count > 0).then_some(convergence.max),
            false_positives: report.false_positives().0,
            messages_per_node_per_s: report.messages_per_node_per_s(),
            failed,
        }
    }
}

/// What stands for a promise where the program itself failed.
pub(super) const PANICKED: &str = "no panic";
/// What stands for a promise where a bound of the scenario's own was missed.
pub(super) const MISSED: &str = "expect";

fn failures(seed: u64, outcome: &Outcome) -> Vec<Failed> {
    let broken = outcome.run.violations.iter().map(|violation| Failed {
        seed,
        promise: violation.promise.name(),
        text: format!("seed {seed}: {violation}"),
    });
    let missed = outcome.missed.iter().map(|missed| Failed {
        seed,
        promise: MISSED,
        text: format!("seed {seed}: {missed}"),
    });
    broken.chain(missed).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::simulator::Scenario;

    const TEXT: &str = "# A crash.\nnodes = 4\nduration = \"20s\"\n[expect]\n\
                        messages_per_node_per_s = 0.1\n[[fault]]\nkind = \"crash\"\nat = \"1s\"\n";

    #[test]
    fn the_order_in_which_seeds_end_changes_nothing() {
        let scenario = Scenario::parse("sample", TEXT).unwrap();
        let run = |seed| Ok(scenario.run(seed, &mut |_, _| ControlFlow::Continue(())));
        let (mut one, mut other) = (Tally::new(3), Tally::new(3));
        [3, 4, 5]
            .into_iter()
            .for_each(|seed| one.add(seed, run(seed)));
        [5, 4, 3]
            .into_iter()
            .for_each(|seed| other.add(seed, run(seed)));
        assert_eq!(one.report.trace_hash(), other.report.trace_hash());
        let seeds = |tally: &Tally| tally.failures.iter().map(|f| f.seed).collect::<Vec<_>>();
        assert_eq!((seeds(&one), seeds(&other)), (vec![3, 4, 5], vec![3, 4, 5]));
        assert_eq!((one.failed_seeds, one.points.len()), (3, 3));
    }

    #[test]
    fn a_seed_that_never_ran_holds_nobody_up_in_the_end() {
        let scenario = Scenario::parse("sample", TEXT).unwrap();
        let mut tally = Tally::new(1);
        let outcome = scenario.run(2, &mut |_, _| ControlFlow::Continue(()));
        tally.add(2, Ok(outcome));
        assert_eq!(tally.report.runs, 0);
        tally.close();
        assert_eq!((tally.report.runs, tally.nodes), (1, 4));
    }

    #[test]
    fn a_seed_that_was_broken_off_has_not_run_to_its_end() {
        let scenario = Scenario::parse("sample", TEXT).unwrap();
        let mut tally = Tally::new(u64::MAX);
        let broken_off = scenario.run(u64::MAX, &mut |_, _| ControlFlow::Break(()));
        tally.add(u64::MAX, Ok(broken_off));
        assert_eq!((tally.report.runs, tally.whole), (1, 0));
        tally.merge(7, &scenario.run(7, &mut |_, _| ControlFlow::Continue(())));
        assert_eq!((tally.report.runs, tally.whole), (2, 1));
    }

    #[test]
    fn a_seed_that_panics_has_failed() {
        let mut tally = Tally::new(7);
        tally.add(7, Err("a bug".into()));
        assert_eq!((tally.report.runs, tally.failed_seeds), (0, 1));
        assert_eq!(tally.failures[0].promise, PANICKED);
        assert!(
            tally.failures[0].text.contains("seed 7") && tally.failures[0].text.contains("a bug")
        );
    }
}
