//! Running a scenario: the cluster forms, faults strike, all is healed, views must be equal.

use std::{num::NonZeroUsize, time::Duration};

use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    EVERYBODY_MAX, OBSERVERS, Report, Scenario, Start, Telling,
    script::{self, Script},
    values::Span,
};
use crate::simulator::{
    Fault, Phase, Plan, Run, STABLE_FOR, Slot, Story, Watcher, World,
    liveness::{CONVERGE_WITHIN, Patience},
};

/// What separates a scenario's randomness from its world's.
const SCRIPT_SALT: u64 = 0x7363_7269_7074;
/// How long it takes until everybody has been started, unless that is at once.
const START_WITHIN: Duration = Duration::from_secs(1);
/// Whoever watches is asked so often for each probe interval while a cluster forms: to tell one
/// node of ten thousand others takes longer than to simulate it.
const FORM_STEPS: u32 = 100;
/// Views are compared this often while they converge; to compare all is n².
const COMPARED_EVERY: Duration = Duration::from_millis(100);
const COMPARED_EVERY_IF_MANY: Duration = Duration::from_millis(500);

/// How a scenario went with one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub run: Run,
    /// Nodes there were.
    pub nodes: u32,
    /// Whether the views were equal in the end.
    pub converged: bool,
    /// Bounds of the scenario's `[expect]` that were not kept, each a sentence.
    pub missed: Vec<String>,
    /// Whether the watcher ended it early.
    pub interrupted: bool,
}

impl Scenario {
    /// The same on so many threads, where a run has work for several: see [`World::use_threads`].
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Runs it with `seed`. The same seed gives the same outcome, on any machine.
    pub fn run(&self, seed: u64, watcher: &mut Watcher<'_>) -> Outcome {
        self.run_told(seed, watcher, None)
    }

    /// The same, told while it happens. A warm cluster has no story before it stands.
    pub fn run_told(
        &self,
        seed: u64,
        watcher: &mut Watcher<'_>,
        telling: Option<Telling>,
    ) -> Outcome {
        if let Some(plan) = self.plan(seed) {
            return self.run_plan(&plan, watcher, telling);
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ SCRIPT_SALT);
        let nodes = self.file.nodes.unwrap_or_default();
        let script = script::draw(&self.file.fault, &self.file.rule, &self.census(), &mut rng);
        let mut world = World::new(seed, self.file.network.healed());
        world.use_threads(self.threads);
        for spec in self.specs() {
            world.add(spec);
        }
        world.set_zones(self.zones());
        world.charge_members(self.file.member_cost.unwrap_or_default().0);
        let mut interrupted = false;
        if let Some(view) = self.view() {
            let mut go_on = || watcher(Phase::Forming, Duration::ZERO);
            let answer = world.limit_views_watched(view as usize, &mut go_on);
            interrupted = answer.is_break();
        }
        sample(&mut world, &mut rng);
        let mut play = Play {
            scenario: self,
            world,
            watcher,
            interrupted,
            story: telling.map(|telling| self.story(seed, &script.faults, telling)),
        };
        let converged_after = match interrupted {
            true => None,
            false => play.all(script, nodes, &mut rng),
        };
        let interrupted = play.interrupted;
        let mut run = play.world.report();
        run.converged_after = converged_after;
        self.outcome(run, interrupted)
    }

    fn run_plan(
        &self,
        plan: &Plan,
        watcher: &mut Watcher<'_>,
        telling: Option<Telling>,
    ) -> Outcome {
        let story = telling.map(|telling| self.story(plan.seed, &plan.faults, telling));
        let mut interrupted = false;
        let mut watcher = |phase, spent| {
            let answer = watcher(phase, spent);
            interrupted |= answer.is_break();
            answer
        };
        let run = plan.run_watched(&mut watcher, story);
        self.outcome(run, interrupted)
    }

    /// Virtual time that a run takes if all views are equal at once when all is healed; `None`
    /// when the seed draws it.
    pub fn planned(&self) -> Option<Duration> {
        Some(self.file.duration?.0 + STABLE_FOR)
    }

    /// Virtual time in which the nodes of a warm cluster start.
    pub fn forming(&self) -> Duration {
        let interval = self.tuning().probe_interval;
        interval - interval / FORM_STEPS
    }

    fn outcome(&self, run: Run, interrupted: bool) -> Outcome {
        let mut outcome = Outcome {
            converged: run.converged_after.is_some() && run.violations.is_empty(),
            nodes: u32::try_from(run.flaps.len()).expect("slots are u32"),
            run,
            missed: Vec::new(),
            interrupted,
        };
        if !interrupted {
            outcome.missed = self.file.expect.missed(&Report::of(&outcome));
        }
        outcome
    }
}

/// In a world of many only some are looked at closely: their lists are n² together.
fn sample(world: &mut World, rng: &mut Xoshiro256PlusPlus) {
    let mut slots: Vec<_> = world.slots().collect();
    if slots.len() > EVERYBODY_MAX as usize {
        slots.shuffle(rng);
        world.watch_only(slots.into_iter().take(OBSERVERS));
    }
}

/// A scenario while it runs.
struct Play<'a, 'b> {
    scenario: &'a Scenario,
    world: World,
    watcher: &'a mut Watcher<'b>,
    interrupted: bool,
    /// Until it is begun.
    story: Option<Story>,
}

impl Play<'_, '_> {
    /// All phases. Tells how long it took until all views were equal after the last fault.
    fn all(
        &mut self,
        script: Script,
        nodes: u32,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Option<Duration> {
        match self.scenario.file.start {
            Start::AtOnce => self.start_cold(Duration::ZERO, nodes, rng),
            Start::Cold => self.start_cold(START_WITHIN, nodes, rng),
            Start::Warm => self.form(nodes),
        }
        self.world.begin_counting();
        if let Some(story) = self.story.take() {
            self.world.tell(story);
            self.world
                .tell_story(|| "the scenario begins; its times count from here".into());
        }
        self.world
            .apply(Fault::Conditions(self.scenario.file.network.clone()));
        for (at, fault) in script.faults {
            self.world.schedule(at, fault);
        }
        self.advance(Phase::Safety, self.scenario.duration());
        self.world.end_faults(&self.scenario.file.network);
        self.live()
    }

    /// All start within so long and know only their seeds.
    fn start_cold(&mut self, within: Duration, nodes: u32, rng: &mut Xoshiro256PlusPlus) {
        let spread = Span {
            min: Duration::ZERO,
            max: within,
        };
        for slot in (0..nodes).map(Slot) {
            let after = spread.draw(rng);
            self.world.schedule(after, Fault::Start(slot));
        }
    }

    /// All start knowing everybody, and get into their stride: first probes come an interval later.
    fn form(&mut self, nodes: u32) {
        let interval = self.scenario.tuning().probe_interval;
        let spread = self.scenario.forming();
        self.world.warm_start((0..nodes).map(Slot), spread);
        for _ in 0..2 * FORM_STEPS {
            self.advance(Phase::Forming, interval / FORM_STEPS);
        }
    }

    /// Waits until all views are equal, and some more.
    fn live(&mut self) -> Option<Duration> {
        if self.interrupted {
            return None;
        }
        let nodes = self.scenario.file.nodes.unwrap_or_default();
        let patience = Patience {
            within: self.scenario.converge_within(),
            bound: CONVERGE_WITHIN,
            every: match self.scenario.nodes() {
                Some(nodes) if nodes > EVERYBODY_MAX => COMPARED_EVERY_IF_MANY,
                _ => COMPARED_EVERY,
            },
        };
        let (watcher, interrupted) = (&mut *self.watcher, &mut self.interrupted);
        let mut watcher = |phase, spent| {
            let answer = watcher(phase, spent);
            *interrupted = answer.is_break();
            answer
        };
        let unfinished = |world: &World| unstarted(world, nodes);
        self.world.live(patience, unfinished, &mut watcher)
    }

    fn advance(&mut self, phase: Phase, span: Duration) {
        if !self.interrupted {
            let answer = self.world.run_watched(phase, span, self.watcher);
            self.interrupted = answer.is_break();
        }
    }
}

/// Says who of the first `nodes` has not started: a few who agree are no cluster yet.
fn unstarted(world: &World, nodes: u32) -> Option<String> {
    let mut slots = (0..nodes).map(Slot);
    let never = |slot: &Slot| !world.has_started(*slot);
    let slot = slots.find(never)?;
    Some(format!("{} has not started", world.label(slot)))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    const LATE: &str = "# A late crash.\nnodes = 40\nduration = \"30s\"\n[[fault]]\n\
                        kind = \"pause\"\nat = \"2s\"\nfor = \"1s\"\nnodes = [\"n3\"]\n\
                        [[fault]]\nkind = \"crash\"\nat = \"20s\"\nnodes = [\"n7\"]\n";

    /// Runs it until so much virtual time has passed.
    fn broken_off(within: Duration) -> Outcome {
        let scenario = Scenario::parse("late.toml", LATE).expect("legal");
        scenario.run(
            1,
            &mut |phase, passed| match phase != Phase::Forming && passed >= within {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        )
    }

    #[test]
    fn a_fault_that_never_came_struck_nobody() {
        let early = broken_off(Duration::from_secs(10));
        assert!(early.interrupted);
        assert_eq!(early.run.struck, [Slot(3)]);
        let whole = broken_off(Duration::MAX);
        assert_eq!(whole.run.struck, [Slot(3), Slot(7)]);
    }

    #[test]
    fn whoever_breaks_off_while_neighbours_are_drawn_waits_for_nothing_more() {
        let scenario = Scenario::parse("late.toml", LATE).expect("legal");
        let scenario = scenario.with_view(16).expect("legal");
        let mut asked = Vec::new();
        let outcome = scenario.run(1, &mut |phase, _| {
            asked.push(phase);
            ControlFlow::Break(())
        });
        assert_eq!(asked, [Phase::Forming]);
        assert!(outcome.interrupted && outcome.run.measures.events == 0);
    }
}
