//! `Story`: what happens in a world, as lines for people, told while it happens.

use std::{collections::BTreeSet, fmt};

use crate::{
    simulator::{Fault, Slot},
    swim::Timestamp,
};

/// Whose story is told, and to whom.
pub struct Story {
    whose: Whose,
    /// Hears one line after the other.
    teller: Box<dyn FnMut(&str)>,
}

/// How much is told.
#[derive(Debug)]
enum Whose {
    /// Everybody's changes, and every fault.
    Everybody,
    /// All that these machines take in, send and tell, and what strikes them.
    Only(BTreeSet<Slot>),
}

impl Story {
    /// Every fault, and the changes that anybody tells.
    pub fn of_all(teller: impl FnMut(&str) + 'static) -> Self {
        Self {
            whose: Whose::Everybody,
            teller: Box::new(teller),
        }
    }

    /// What strikes these machines, and all that they take in, send and tell.
    pub fn of(slots: impl IntoIterator<Item = Slot>, teller: impl FnMut(&str) + 'static) -> Self {
        Self {
            whose: Whose::Only(slots.into_iter().collect()),
            teller: Box::new(teller),
        }
    }

    /// Whether the machine's story is told.
    pub(in crate::simulator) fn follows(&self, slot: Slot) -> bool {
        match &self.whose {
            Whose::Everybody => true,
            Whose::Only(slots) => slots.contains(&slot),
        }
    }

    /// Tells what happens at `at`, counted from when the story's times count.
    pub(in crate::simulator) fn line(&mut self, at: Timestamp, text: &str) {
        let seconds = at.as_micros() as f64 / 1e6;
        (self.teller)(&format!("{seconds:12.6}  {text}"));
    }

    /// Whether packets and timers of the machine are told, too.
    pub(in crate::simulator) fn is_close_to(&self, slot: Slot) -> bool {
        matches!(self.whose, Whose::Only(_)) && self.follows(slot)
    }

    /// Whether the fault strikes somebody whose story it is; the network is everybody's.
    pub(in crate::simulator) fn concerns(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Block { from, to } => self.follows(*from) || self.follows(*to),
            _ => fault.machine().is_none_or(|slot| self.follows(slot)),
        }
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Story")
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}
