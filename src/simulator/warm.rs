//! A cluster that stands from the first moment, as one would after hours.

use std::time::Duration;

use super::{Fault, Slot, World, network::draw};
use crate::swim::{Card, MemberId, Timestamp, View};

/// Whom processes know when they start, and until when that holds.
#[derive(Debug)]
pub(super) struct Warmth {
    view: View,
    until: Timestamp,
}

impl World {
    /// Starts the first process of every machine in `slots` within `spread`; each knows all others
    /// from its first moment. `spread` must be shorter than a probe interval: nobody probes whom
    /// it knows before that has started.
    pub fn warm_start(&mut self, slots: impl Iterator<Item = Slot>, spread: Duration) {
        let slots: Vec<_> = slots.collect();
        let cards = slots.iter().map(|slot| self.first_card(*slot));
        let directory = self.directory.clone().unwrap_or_default();
        let view = directory.view(cards);
        let until = self.now() + spread;
        self.warmth = Some(Warmth { view, until });
        for slot in slots {
            let after = draw(&mut self.rng, Duration::ZERO, spread);
            self.schedule(after, Fault::Start(slot));
        }
    }

    /// Whom a process that starts now knows already.
    pub(super) fn recalled(&self) -> Option<View> {
        let warmth = self.warmth.as_ref();
        let warmth = warmth.filter(|warmth| self.now() <= warmth.until)?;
        Some(warmth.view.clone())
    }

    /// What the first process of a machine will say of itself.
    fn first_card(&self, slot: Slot) -> Card {
        let machine = self.machine(slot);
        let spec = &machine.spec;
        Card {
            id: MemberId::new(&spec.cluster, &spec.name),
            name: spec.name.clone(),
            generation: 1,
            address: machine.place.address(),
            tags: spec.tags.clone(),
        }
    }
}
