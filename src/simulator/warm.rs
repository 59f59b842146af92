//! A cluster that stands from the first moment, as one would after hours.

use std::time::Duration;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Fault, Slot, World, graph, network::draw};
use crate::swim::{Card, Enrolled, MemberId, Memory, Scope, Timestamp, View};

/// What separates the graph's randomness from its world's.
const GRAPH_SALT: u64 = 0x0067_7261_7068;

/// Whom processes know when they start.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    /// Everyone, for those that start before `until`.
    everyone: Option<View>,
    until: Timestamp,
    /// The neighbours of each machine, where nobody can know everybody.
    neighbours: Vec<View>,
}

impl World {
    /// Gives each machine `degree` mutual neighbours, drawn from the seed, whom its processes know
    /// and keep in their lists instead of everybody; see [`Scope`]. To be called after the last
    /// [`World::add`] and before anything runs. `degree` must be even.
    pub fn limit_views(&mut self, degree: usize) {
        let nodes = u32::try_from(self.machines.len()).expect("slots are u32");
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ GRAPH_SALT);
        let graph = graph::random_regular(nodes, degree, &mut rng);
        let places: Vec<_> = self.slots().map(|slot| self.enrol(slot)).collect();
        let view = |others: Vec<u32>| others.into_iter().map(|other| places[other as usize]);
        self.warmth.neighbours = graph
            .into_iter()
            .map(|others| view(others).collect())
            .collect();
        self.join_neighbours();
    }

    /// Starts the first process of every machine in `slots` within `spread`; each knows all others
    /// from its first moment. `spread` must be shorter than a probe interval: nobody probes whom
    /// it knows before that has started.
    pub fn warm_start(&mut self, slots: impl Iterator<Item = Slot>, spread: Duration) {
        let slots: Vec<_> = slots.collect();
        let directory = self.directory.get_or_insert_default().clone();
        let cards = slots.iter().map(|slot| self.first_card(*slot));
        let everyone: View = cards.map(|card| directory.enter(card)).collect();
        self.warmth.everyone = Some(everyone);
        self.warmth.until = self.now() + spread;
        for slot in slots {
            let after = draw(&mut self.rng, Duration::ZERO, spread);
            self.schedule(after, Fault::Start(slot));
        }
    }

    /// Whom a process that starts now in `slot` knows already, and whether they know it.
    pub(super) fn recalled(&self, slot: Slot) -> Option<(View, Memory)> {
        let Warmth {
            everyone,
            until,
            neighbours,
        } = &self.warmth;
        let stands = everyone.is_some() && self.now() <= *until;
        let memory = if stands {
            Memory::Mutual
        } else {
            Memory::OneSided
        };
        match neighbours.get(slot.index()) {
            Some(view) => Some((view.clone(), memory)),
            None => Some((everyone.clone().filter(|_| stands)?, memory)),
        }
    }

    /// Whom the processes of `slot` keep in their lists.
    pub(super) fn scope(&self, slot: Slot) -> Scope {
        match self.neighbours(slot) {
            None => Scope::Everyone,
            Some(view) => Scope::Neighbours {
                view: view.clone(),
                cluster: self.machines.len(),
            },
        }
    }

    /// Whether the processes of `slot` list the member `id`: themselves, and whom they keep.
    pub(super) fn lists(&self, slot: Slot, id: MemberId) -> bool {
        match (self.neighbours(slot), &self.directory) {
            (Some(view), Some(directory)) => {
                id == self.id(slot) || view.contains(directory.enrol(id))
            }
            _ => true,
        }
    }

    /// Who joins, joins by its neighbours: three seeds for a million nodes would be none.
    fn join_neighbours(&mut self) {
        for (machine, view) in self.machines.iter_mut().zip(&self.warmth.neighbours) {
            let count = machine.spec.seeds.len();
            let slot = |place: Enrolled| Slot(u32::try_from(place.index()).expect("slots are u32"));
            machine.spec.seeds = view.iter().take(count).map(slot).collect();
        }
    }

    fn enrol(&mut self, slot: Slot) -> Enrolled {
        let id = self.id(slot);
        self.directory.get_or_insert_default().enrol(id)
    }

    /// Whom the processes of `slot` keep in their lists, where that is not everyone.
    pub(super) fn neighbours(&self, slot: Slot) -> Option<&View> {
        self.warmth.neighbours.get(slot.index())
    }

    /// The id of the member that runs, or would run, in `slot`.
    pub(super) fn id(&self, slot: Slot) -> MemberId {
        let spec = &self.machine(slot).spec;
        MemberId::new(&spec.cluster, &spec.name)
    }

    /// What the first process of a machine will say of itself.
    fn first_card(&self, slot: Slot) -> Card {
        let machine = self.machine(slot);
        Card {
            id: self.id(slot),
            name: machine.spec.name.clone(),
            generation: 1,
            address: machine.place.address(),
            tags: machine.spec.tags.clone(),
        }
    }
}
