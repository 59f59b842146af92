//! Making a plan that fails small: fewer nodes, fewer events, less time, a calmer network.
//!
//! Whoever looks for a bug reads three nodes and four events sooner than twenty and sixty. What is
//! tried depends on the plan alone, so the same plan always shrinks to the same one.

use std::{fmt, time::Duration};

use super::Plan;
use crate::{
    simulator::{Conditions, Fault, Slot, Violation},
    swim::{Profile, Tuning},
};

/// So often a plan is run while it shrinks.
const RUNS_MAX: u32 = 500;
/// Steps that times are rounded to, the first that still fails.
const ROUNDED_TO: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_millis(100),
    Duration::from_millis(1),
];
/// No event comes later than this before the end of the safety phase.
const LAST_GAP: Duration = Duration::from_millis(1);

/// A plan that was made small and still breaks the promise.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left of it.
    pub plan: Plan,
    /// What it breaks now.
    pub violation: Violation,
    /// How often it was run to get there.
    pub runs: u32,
    /// The seed that it was drawn from.
    seed: u64,
    before: Size,
}

/// How much of a plan there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    nodes: usize,
    events: usize,
    safety: Duration,
}

impl Plan {
    /// Runs the plan and, when it breaks a promise, makes it as small as breaks it too. `None`
    /// when it keeps them all. At most 502 runs, a few seconds altogether for a swarm's plan.
    pub fn shrunk(&self) -> Option<Shrunk> {
        let promise = self.broken()?.promise;
        let mut runs = 1;
        let plan = self.shrink(&mut |plan| {
            runs += 1;
            plan.broken()
                .is_some_and(|broken| broken.promise == promise)
        });
        let violation = plan.broken()?;
        Some(Shrunk {
            violation,
            runs: runs + 1,
            seed: self.seed,
            before: Size::of(self),
            plan,
        })
    }

    /// The smallest plan that was found to fail, given that this one does; `fails` is asked at
    /// most 500 times.
    pub fn shrink(&self, fails: &mut dyn FnMut(&Self) -> bool) -> Self {
        let mut shrinker = Shrinker {
            best: self.clone(),
            fails,
            runs_left: RUNS_MAX,
        };
        while shrinker.round() {}
        shrinker.round_times();
        shrinker.best
    }

    fn broken(&self) -> Option<Violation> {
        self.run().violations.into_iter().next()
    }

    /// Whether everybody can find the others in the end. A plan that lost this would fail for a
    /// reason of its own.
    fn is_fair(&self) -> bool {
        self.machines.iter().all(|spec| {
            let own = |seed: &&Slot| self.machines[seed.index()].cluster == spec.cluster;
            let stays = |seed: &Slot| self.revived.contains(seed);
            let mut seeds = spec.seeds.iter().filter(own).peekable();
            seeds.peek().is_some() && seeds.all(stays)
        })
    }

    /// The plan without the machine and all that happens to it. Those behind it move up.
    fn without(&self, gone: Slot) -> Self {
        let mut plan = self.clone();
        let moved = |slot: Slot| match slot.cmp(&gone) {
            std::cmp::Ordering::Less => Ok(slot),
            std::cmp::Ordering::Equal => Err(()),
            std::cmp::Ordering::Greater => Ok(Slot(slot.0 - 1)),
        };
        let all_moved = |slots: &[Slot]| slots.iter().flat_map(|slot| moved(*slot)).collect();
        plan.machines.remove(gone.index());
        for spec in &mut plan.machines {
            spec.seeds = all_moved(&spec.seeds);
        }
        plan.revived = all_moved(&plan.revived);
        let stays = |(at, fault): &(Duration, Fault)| {
            let mut fault = fault.clone().try_map(moved).ok()?;
            if let Fault::Partition(sides) = &mut fault
                && gone.index() < sides.len()
            {
                sides.remove(gone.index());
            }
            Some((*at, fault))
        };
        plan.faults = plan.faults.iter().filter_map(stays).collect();
        plan
    }

    /// Drops what is about somebody or something that is gone from the plan: a file that says it
    /// would be refused.
    fn drop_what_names_nothing(&mut self) {
        let Self {
            faults, machines, ..
        } = &*self;
        let is_there = |fault: &Fault| match fault {
            Fault::Lift(id) => self.imposes(*id),
            Fault::Remove(_, name) => machines.iter().any(|spec| spec.name == *name),
            _ => true,
        };
        let kept = faults.iter().filter(|(_, fault)| is_there(fault));
        self.faults = kept.cloned().collect();
    }

    /// The plan with every time changed; the safety phase still outlasts the last event.
    fn with_times(&self, change: impl Fn(Duration) -> Duration) -> Self {
        let mut plan = self.clone();
        plan.safety = change(plan.safety);
        for (at, fault) in &mut plan.faults {
            *at = change(*at);
            if let Some(span) = fault.span_mut() {
                *span = change(*span);
            }
            plan.safety = plan.safety.max(*at + LAST_GAP);
        }
        plan
    }
}

/// A plan while it shrinks.
struct Shrinker<'a> {
    /// The smallest so far that fails.
    best: Plan,
    fails: &'a mut dyn FnMut(&Plan) -> bool,
    runs_left: u32,
}

impl Shrinker<'_> {
    /// Takes `plan` if it fails.
    fn attempt(&mut self, mut plan: Plan) -> bool {
        plan.drop_what_names_nothing();
        if self.runs_left == 0 || !plan.is_fair() {
            return false;
        }
        self.runs_left -= 1;
        let fails = (self.fails)(&plan);
        if fails {
            self.best = plan;
        }
        fails
    }

    /// Tries everything once, and tells whether anything helped.
    fn round(&mut self) -> bool {
        let before = Size::of(&self.best);
        self.end_early();
        self.drop_events();
        self.drop_nodes();
        self.leave_down();
        self.calm();
        self.close_gaps();
        Size::of(&self.best) != before && self.runs_left > 0
    }

    /// The end comes sooner: half of the time, and so on.
    fn end_early(&mut self) {
        loop {
            let mut plan = self.best.clone();
            plan.safety /= 2;
            plan.faults.retain(|(at, _)| *at < plan.safety);
            if plan.safety < LAST_GAP || !self.attempt(plan) {
                return;
            }
        }
    }

    /// Half of the events, then quarters, down to single ones.
    fn drop_events(&mut self) {
        let mut size = self.best.faults.len().div_ceil(2);
        while size > 0 {
            let mut begin = 0;
            while begin < self.best.faults.len() {
                let mut plan = self.best.clone();
                let end = plan.faults.len().min(begin + size);
                plan.faults.drain(begin..end);
                if !self.attempt(plan) {
                    begin = end;
                }
            }
            size /= 2;
        }
    }

    /// Nodes, the last first: the others keep their numbers.
    fn drop_nodes(&mut self) {
        for index in (0..self.best.machines.len()).rev() {
            self.attempt(self.best.without(Slot::at(index)));
        }
    }

    /// Who is down in the end stays down.
    fn leave_down(&mut self) {
        for slot in self.best.revived.clone() {
            let mut plan = self.best.clone();
            plan.revived.retain(|revived| *revived != slot);
            self.attempt(plan);
        }
    }

    /// Whatever makes the network, or a process, harder to live with than the usual.
    fn calm(&mut self) {
        let calmer: [fn(&mut Plan); 13] = [
            |plan| plan.conditions = Conditions::LAN,
            |plan| plan.conditions = plan.conditions.healed(),
            |plan| plan.conditions.latency = Conditions::LAN.latency,
            |plan| plan.conditions.loss = 0.0,
            |plan| plan.conditions.bursts = None,
            |plan| plan.conditions.duplication = 0.0,
            |plan| plan.conditions.reordering = 0.0,
            |plan| plan.conditions.corruption = 0.0,
            |plan| plan.conditions.mtu = None,
            |plan| (plan.conditions.dial_failures, plan.conditions.stream_breaks) = (0.0, 0.0),
            |plan| plan.separate_directories = false,
            |plan| {
                let specs = plan.machines.iter_mut();
                specs.for_each(|spec| spec.knows_address = true);
            },
            |plan| {
                let specs = plan.machines.iter_mut();
                specs.for_each(|spec| spec.tuning = Tuning::new(Profile::Lan));
            },
        ];
        for change in calmer {
            let mut plan = self.best.clone();
            change(&mut plan);
            let is_other = format!("{plan:?}") != format!("{:?}", self.best);
            if is_other {
                self.attempt(plan);
            }
        }
    }

    /// Less time between one event and the next, and to the end.
    fn close_gaps(&mut self) {
        for index in 0..=self.best.faults.len() {
            let time = |plan: &Plan, index: usize| {
                plan.faults.get(index).map_or(plan.safety, |(at, _)| *at)
            };
            let begin = index
                .checked_sub(1)
                .map_or(Duration::ZERO, |i| time(&self.best, i));
            let end = time(&self.best, index);
            for gap in [Duration::ZERO, (end - begin) / 2] {
                let shift = (end - begin).saturating_sub(gap.max(LAST_GAP));
                let mut plan = self.best.clone();
                let later = plan.faults.iter_mut().skip(index);
                later.for_each(|(at, _)| *at -= shift);
                plan.safety -= shift;
                if shift > Duration::ZERO && self.attempt(plan) {
                    break;
                }
            }
        }
    }

    /// Times that are easy to read, as far as it still fails.
    fn round_times(&mut self) {
        for step in ROUNDED_TO {
            let rounded = |time: Duration| {
                let steps = time.as_micros().div_ceil(step.as_micros());
                step * u32::try_from(steps).unwrap_or(u32::MAX)
            };
            if self.attempt(self.best.with_times(rounded)) {
                return;
            }
        }
    }
}

impl Size {
    fn of(plan: &Plan) -> Self {
        Self {
            nodes: plan.machines.len(),
            events: plan.faults.len(),
            safety: plan.safety,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, events, seconds) = (self.nodes, self.events, self.safety.as_secs_f64());
        write!(formatter, "{nodes} nodes, {events} events, {seconds:.1} s")
    }
}

impl Shrunk {
    /// A name for its file: the seed and the promise, `swarm-8214-views-converge.toml`.
    pub fn file_name(&self) -> String {
        let promise = self.violation.promise.name().replace(' ', "-");
        format!("swarm-{}-{promise}.toml", self.seed)
    }

    /// Where it comes from and what it breaks, for the head of its file.
    pub(in crate::simulator) fn sentence(&self) -> String {
        let Violation { promise, seen, .. } = &self.violation;
        let (name, seen) = (promise.name(), seen.replace(char::is_control, " "));
        let origin = format!("Swarm seed {}, shrunk from {}", self.seed, self.before);
        format!("{origin}: breaks \"{name}\".\n# {seen}")
    }
}

impl fmt::Display for Shrunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after, runs) = (self.before, Size::of(&self.plan), self.runs);
        let seed = self.seed;
        write!(
            formatter,
            "seed {seed} shrunk from {before} to {after} in {runs} runs"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Scenario;

    /// A seed whose plan has at least `nodes` nodes and a fault that `is` one.
    fn plan_with(nodes: usize, is: fn(&Fault) -> bool) -> Plan {
        let plans = (0..).map(Plan::draw);
        let has = |plan: &Plan| plan.faults.iter().any(|(_, fault)| is(fault));
        let large = |plan: &Plan| plan.machines.len() >= nodes;
        plans
            .into_iter()
            .find(|plan| large(plan) && has(plan))
            .expect("seeds never end")
    }

    #[test]
    fn nothing_is_left_but_what_the_failure_needs() {
        let is = |fault: &Fault| matches!(fault, Fault::Pause(..));
        let plan = plan_with(12, is);
        let mut runs = 0;
        let shrunk = plan.shrink(&mut |plan| {
            runs += 1;
            plan.faults.iter().any(|(_, fault)| is(fault))
        });
        assert!(shrunk.machines.len() <= 2, "{shrunk:#?}");
        assert_eq!(shrunk.faults.len(), 1, "{shrunk:#?}");
        assert_eq!(shrunk.conditions, Conditions::LAN);
        assert!(shrunk.safety <= Duration::from_secs(2), "{shrunk:#?}");
        assert!(runs <= RUNS_MAX);
    }

    #[test]
    fn what_is_left_names_nothing_that_is_gone() {
        let is = |fault: &Fault| matches!(fault, Fault::Lift(_));
        let plan = plan_with(2, is);
        let mut seen = 0;
        plan.shrink(&mut |plan| {
            let faults = plan.faults.iter().map(|(_, fault)| fault);
            let mut lifted = faults.filter_map(Fault::lifted);
            assert!(lifted.all(|id| plan.imposes(id)), "{plan:#?}");
            seen += 1;
            true
        });
        assert!(seen > 1);
    }

    #[test]
    fn a_plan_that_cannot_be_smaller_stays_as_it_is() {
        let plan = Plan::draw(3);
        let size = Size::of(&plan);
        let shrunk = plan.shrink(&mut |plan| Size::of(plan) == size);
        assert_eq!(Size::of(&shrunk), size);
    }

    #[test]
    fn a_plan_that_keeps_its_promises_is_not_shrunk() {
        assert!(Plan::draw(1).shrunk().is_none());
    }

    #[test]
    fn what_is_written_breaks_the_same_promise_and_is_small() {
        let plan = Plan {
            converge_within: Duration::from_millis(1),
            ..plan_with(12, |fault| matches!(fault, Fault::Partition(_)))
        };
        let shrunk = plan
            .shrunk()
            .expect("nobody converges within a millisecond");
        let text = shrunk.to_toml();
        assert!(shrunk.plan.machines.len() <= 3, "{text}");
        assert!(shrunk.plan.faults.len() <= 3, "{text}");
        let read = Scenario::parse(&shrunk.file_name(), &text).expect(&text);
        let run = read.plan(1).expect("a plan").run();
        assert_eq!(
            run.violations[0].to_string(),
            shrunk.violation.to_string(),
            "{text}"
        );
        assert_eq!(plan.shrunk().expect("as before").to_toml(), text);
    }
}
