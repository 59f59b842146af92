//! `Plan`: who takes part and which faults strike when, as data that can be run, printed and cut.
//!
//! A safety phase with faults is followed by a liveness phase in which everything is healed and
//! all views must become equal.

use std::{
    ops::{ControlFlow, RangeInclusive},
    time::Duration,
};

use super::draft::Draft;
use crate::simulator::{
    Conditions, Fault, Phase, Promise, RuleId, Run, Slot, Spec, Story, Watcher, World,
    liveness::{CONVERGE_WITHIN, Patience},
    promises::LEAVE_MAX,
};

/// After everything is healed, all views must be equal within this time. Nearly all plans need
/// seconds; the slowest wait for a process whose only seed is itself: it must be found by the
/// others, who contact one lost member in 10 s all together.
pub const CONVERGENCE_MAX: Duration = Duration::from_secs(300);
/// How often the views are compared while they converge.
const COMPARED_EVERY: Duration = Duration::from_millis(500);

/// What will happen to a cluster: who takes part, and which faults strike when. A plan is data, so
/// that it can be printed and shortened.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed it was drawn from; the world runs from it too.
    pub seed: u64,
    /// The machines, in slot order.
    pub machines: Vec<Spec>,
    /// Whether each process has an interner of its own; see [`World::separate_directories`].
    pub separate_directories: bool,
    /// The network of the safety phase.
    pub conditions: Conditions,
    /// Everything that happens in the safety phase, with its time from the start.
    pub faults: Vec<(Duration, Fault)>,
    /// How long the safety phase lasts.
    pub safety: Duration,
    /// Machines whose process is started again when everything is healed.
    pub revived: Vec<Slot>,
    /// Then all views must be equal within this time.
    pub converge_within: Duration,
}

impl Plan {
    /// Draws a plan of 2 to 24 members.
    pub fn draw(seed: u64) -> Self {
        Self::draw_among(seed, 2..=24)
    }

    /// Draws a plan of so many members.
    pub fn draw_among(seed: u64, members: RangeInclusive<u32>) -> Self {
        Draft::new(seed, members).finish()
    }

    /// Runs it: faults, then peace, in which all views must become and stay equal.
    pub fn run(&self) -> Run {
        self.run_watched(&mut |_, _| ControlFlow::Continue(()), None)
    }

    /// Runs it and tells `story` while it happens.
    pub fn run_told(&self, story: Story) -> Run {
        self.run_watched(&mut |_, _| ControlFlow::Continue(()), Some(story))
    }

    /// The same, as long as `watcher` wants it to go on.
    pub(in crate::simulator) fn run_watched(
        &self,
        watcher: &mut Watcher<'_>,
        story: Option<Story>,
    ) -> Run {
        let mut world = self.world();
        if let Some(story) = story {
            world.tell(story);
        }
        self.run_in(world, watcher)
    }

    /// Whether a process runs at any time.
    pub(in crate::simulator) fn runs_somebody(&self) -> bool {
        let starts =
            |(_, fault): &(Duration, Fault)| matches!(fault, Fault::Start(_) | Fault::Restart(..));
        !self.revived.is_empty() || self.faults.iter().any(starts)
    }

    /// Whether this rule ever holds.
    pub(in crate::simulator) fn imposes(&self, id: RuleId) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|(_, fault)| matches!(fault, Fault::Impose(imposed, _) if *imposed == id))
    }

    fn world(&self) -> World {
        let mut world = World::new(self.seed, self.conditions.clone());
        if self.separate_directories {
            world.separate_directories();
        }
        for spec in &self.machines {
            world.add(spec.clone());
        }
        world
    }

    fn run_in(&self, mut world: World, watcher: &mut Watcher<'_>) -> Run {
        for (at, fault) in &self.faults {
            world.schedule(*at, fault.clone());
        }
        let answer = world.run_watched(Phase::Safety, self.safety, watcher);
        if answer.is_break() {
            return world.report();
        }
        self.make_peace(&mut world);
        let patience = Patience {
            within: self.converge_within,
            bound: CONVERGE_WITHIN,
            every: COMPARED_EVERY,
        };
        let converged = world.live(patience, |_| None, watcher);
        if world.violations().is_empty()
            && self.loses_nothing()
            && world.measures().departed_failed > 0
        {
            let seen = format!("{} times", world.measures().departed_failed);
            world.violate_all(Promise::LeftIsNotFailed, seen);
        }
        let mut run = world.report();
        run.converged_after = converged;
        run
    }

    /// Whether every datagram arrives whole, and soon, at a process that listens.
    fn loses_nothing(&self) -> bool {
        let mut faults = self.faults.iter();
        self.conditions.is_faithful() && faults.all(|(_, fault)| fault.is_harmless())
    }

    fn make_peace(&self, world: &mut World) {
        world.end_faults(&self.conditions);
        for slot in &self.revived {
            world.apply(Fault::Start(*slot));
            // Whoever is about to leave comes back once it has left: it may be the only seed.
            if world.is_leaving(*slot) {
                world.schedule(LEAVE_MAX * 2, Fault::Start(*slot));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Application;

    #[test]
    fn what_an_application_says_is_no_excuse_for_calling_who_left_failed() {
        let slot = Slot(0);
        let mut plan = Plan::draw(1);
        plan.conditions = Conditions::LAN;
        plan.faults = [
            Fault::Start(slot),
            Fault::App(slot, Application::Down),
            Fault::Leave(slot),
        ]
        .map(|fault| (Duration::ZERO, fault))
        .into();
        assert!(plan.loses_nothing());
        plan.faults.push((Duration::ZERO, Fault::Kill(slot)));
        assert!(!plan.loses_nothing());
    }
}
