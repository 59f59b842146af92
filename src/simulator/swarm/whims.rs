//! What happens again and again, somewhere, in some plans only: words of applications, their events
//! and other tags.
//!
//! Each is drawn from randomness of its own, so that the rest of a plan is what it would be without
//! it.

use std::{ops::RangeInclusive, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Plan;
use crate::{
    simulator::{
        Application, Fault, Slot,
        network::{chance, draw},
    },
    swim::Tags,
};

/// Words of applications.
const WORDS: Whim = Whim {
    salt: 0x6170_7073,
    share: 0.4,
    means: Duration::from_secs(2)..=Duration::from_secs(30),
};
/// Events, or bursts of them.
const EVENTS: Whim = Whim {
    salt: 0x6576_656e_7473,
    share: 0.5,
    means: Duration::from_millis(50)..=Duration::from_secs(20),
};
/// Events raised together, at most.
const BURST_MAX: u32 = 20;
/// Changes of tags.
const TAGS: Whim = Whim {
    salt: 0x7461_6773,
    share: 0.4,
    means: Duration::from_secs(1)..=Duration::from_secs(30),
};
/// Share of new tags that do not fit a packet.
const LARGE: f64 = 0.2;
const LARGE_BYTES: usize = 3_000;

/// Adds to a plan what its seed says of applications, events and tags.
pub(super) fn draw_whims(plan: &mut Plan) {
    WORDS.draw(plan, |rng, slot| [Fault::App(slot, some_word(rng))]);
    EVENTS.draw(plan, some_events);
    TAGS.draw(plan, |rng, slot| [Fault::Tags(slot, some_tags(rng))]);
}

fn some_word(rng: &mut Xoshiro256PlusPlus) -> Application {
    match chance(rng, 0.5) {
        true => Application::Up,
        false => Application::Down,
    }
}

fn some_events(rng: &mut Xoshiro256PlusPlus, slot: Slot) -> impl Iterator<Item = Fault> + use<> {
    let burst = if chance(rng, 0.1) { BURST_MAX } else { 1 };
    (0..rng.random_range(1..=burst)).map(move |_| Fault::Event(slot))
}

fn some_tags(rng: &mut Xoshiro256PlusPlus) -> Tags {
    let role = ["web", "db", "cache"][rng.random_range(0..3)];
    let mut tags = vec![("role".to_owned(), role.to_owned())];
    if chance(rng, LARGE) {
        tags.push(("notes".to_owned(), "x".repeat(LARGE_BYTES)));
    }
    // Sometimes all are taken away.
    tags.truncate(rng.random_range(0..3));
    tags.into_iter().collect()
}

/// How often something happens.
#[derive(Debug)]
struct Whim {
    /// What separates this randomness from the rest of a plan's.
    salt: u64,
    /// Share of plans in which it happens.
    share: f64,
    /// Mean time between two times in a plan, shortest and longest.
    means: RangeInclusive<Duration>,
}

impl Whim {
    /// Adds to a plan what its seed says; `what` is drawn for the node in a slot.
    fn draw<F: IntoIterator<Item = Fault>>(
        &self,
        plan: &mut Plan,
        mut what: impl FnMut(&mut Xoshiro256PlusPlus, Slot) -> F,
    ) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ self.salt);
        if !chance(&mut rng, self.share) {
            return;
        }
        let machines = u32::try_from(plan.machines.len()).expect("a plan has few machines");
        let mean = draw(&mut rng, *self.means.start(), *self.means.end());
        let mut at = Duration::ZERO;
        while at < plan.safety {
            let slot = Slot(rng.random_range(0..machines));
            let faults = what(&mut rng, slot).into_iter();
            plan.faults.extend(faults.map(|fault| (at, fault)));
            at += draw(&mut rng, Duration::from_millis(1), mean * 2);
        }
    }
}
