//! `Meter`: how far a bench is and how long it may take still.

use std::time::Duration;

use super::{
    phase::Phase,
    plan::{Plan, Side},
};
use crate::cli::{
    Output,
    moment::Stopwatch,
    progress::{Bar, about, left},
};

/// Counts what is done in the time that it was thought to take.
pub(super) struct Meter<'a> {
    output: &'a mut Output,
    bar: Bar,
    began: Stopwatch,
    all: Duration,
    /// Turns that ended.
    done: Duration,
}

impl<'a> Meter<'a> {
    pub(super) fn new(plan: &Plan, turns: &[(u16, Side)], output: &'a mut Output) -> Self {
        Self {
            bar: Bar::new(output),
            output,
            began: Stopwatch::start(),
            all: turns.iter().map(|(_, side)| plan.turn(*side)).sum(),
            done: Duration::ZERO,
        }
    }

    /// Says that a phase of this turn begins. Without a terminal only beginnings of turns are told.
    pub(super) fn begins(&mut self, plan: &Plan, (repetition, side): (u16, Side), phase: Phase) {
        if phase != Phase::Bootstrap && !self.bar.is_drawn() {
            return;
        }
        let before = Phase::ALL
            .into_iter()
            .filter(|other| *other < phase && plan.has(*other));
        let before: Duration = before.map(|phase| plan.takes(phase, side)).sum();
        let share = (self.done + before).div_duration_f64(self.all);
        let spent = self.began.elapsed();
        // Before anything is measured its own guess is the best.
        let left = match repetition {
            1 => about(self.all.saturating_sub(spent).as_secs()),
            _ => left(share, spent),
        };
        let (side, phase, all) = (side.as_str(), phase.as_str(), plan.repetitions);
        let text = format!("repetition {repetition} of {all}, {side}: {phase}{left}");
        self.bar.say(share, text, self.output);
    }

    /// Says that a turn is over.
    pub(super) fn ended(&mut self, plan: &Plan, side: Side) {
        self.done += plan.turn(side);
    }

    /// Says something else.
    pub(super) fn talk(&mut self, text: &str) {
        self.bar.aside(|| self.output.talk(text));
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        self.bar.end();
    }
}
