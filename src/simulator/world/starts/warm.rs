//! A cluster that stands from the first moment, as one would after hours.

use std::{ops::ControlFlow, time::Duration};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::graph;
use crate::{
    simulator::{Fault, Slot, World, network::draw},
    swim::{Card, Enrolled, MemberId, Memory, Remembered, Scope, Timestamp, View},
};

/// What separates the graph's randomness from its world's.
const GRAPH_SALT: u64 = 0x0067_7261_7068;

/// So many views are put in order between two questions whether to go on.
const ASKED_EVERY: usize = 4_096;

/// Whom processes know when they start.
#[derive(Debug, Default)]
pub(in crate::simulator::world) struct Warmth {
    /// Who starts until then is known to whom it remembers.
    until: Option<Timestamp>,
    /// Everyone, for those that start until then where everybody can know everybody.
    everyone: Option<Remembered>,
    /// The neighbours of each machine, where nobody can know everybody.
    neighbours: Vec<View>,
}

impl World {
    /// Gives each machine `degree` mutual neighbours, drawn from the seed, whom its processes know
    /// and keep in their lists instead of everybody; see [`Scope`]. To be called after the last
    /// [`World::add`] and before anything runs. `degree` must be even.
    pub fn limit_views(&mut self, degree: usize) {
        // Nobody breaks it off.
        let _ = self.limit_views_watched(degree, &mut || ControlFlow::Continue(()));
    }

    /// The same, unless `go_on` breaks it off: then the world is of no use.
    pub(in crate::simulator) fn limit_views_watched(
        &mut self,
        degree: usize,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let nodes = u32::try_from(self.machines.len()).expect("slots are u32");
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ GRAPH_SALT);
        let graph = graph::random_regular(nodes, degree, &mut rng, go_on)?;
        let places: Vec<_> = self.slots().map(|slot| self.enrol(slot)).collect();
        let view = |others: Vec<u32>| others.into_iter().map(|other| places[other as usize]);
        let mut neighbours = Vec::with_capacity(graph.len());
        for (index, others) in graph.into_iter().enumerate() {
            if index.is_multiple_of(ASKED_EVERY) {
                go_on()?;
            }
            neighbours.push(view(others).collect());
        }
        self.warmth.neighbours = neighbours;
        self.join_neighbours();
        ControlFlow::Continue(())
    }

    /// Starts the first process of every machine in `slots` within `spread`; each knows all others
    /// from its first moment. `spread` must be shorter than a probe interval: nobody probes whom
    /// it knows before that has started.
    pub fn warm_start(&mut self, slots: impl Iterator<Item = Slot>, spread: Duration) {
        let slots: Vec<_> = slots.collect();
        let directory = self.directory.get_or_insert_default().clone();
        let cards = slots.iter().map(|slot| self.first_card(*slot));
        let everyone: View = cards.map(|card| directory.enter(card)).collect();
        self.warmth.until = Some(self.now() + spread);
        if self.warmth.neighbours.is_empty() {
            self.warmth.everyone = Some(Remembered::of(&everyone, &directory));
            return self.start_ahead(slots, spread);
        }
        for slot in slots {
            let after = draw(&mut self.rng, Duration::ZERO, spread);
            self.schedule(after, Fault::Start(slot));
        }
    }

    /// Whom a process that starts now in `slot` knows already, and whether they know it.
    pub(super) fn recalled(&self, slot: Slot) -> Option<(Remembered, Memory)> {
        let memory = match self.stands() {
            true => Memory::Mutual,
            false => Memory::OneSided,
        };
        let members = match (self.neighbours(slot), &self.directory) {
            (Some(view), Some(directory)) => Remembered::of(view, directory),
            _ => self.everyone()?,
        };
        Some((members, memory))
    }

    /// Everyone, while whoever starts knows everyone.
    pub(super) fn everyone(&self) -> Option<Remembered> {
        self.warmth.everyone.clone().filter(|_| self.stands())
    }

    /// Whether the cluster stands that starts warm now.
    fn stands(&self) -> bool {
        self.warmth.until.is_some_and(|until| self.now() <= until)
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
    pub(in crate::simulator::world) fn lists(&self, slot: Slot, id: MemberId) -> bool {
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
            let slot = |place: Enrolled| Slot::at(place.index());
            machine.spec.seeds = view.iter().take(count).map(slot).collect();
        }
    }

    fn enrol(&mut self, slot: Slot) -> Enrolled {
        let id = self.id(slot);
        self.directory.get_or_insert_default().enrol(id)
    }

    /// Whom the processes of `slot` keep in their lists, where that is not everyone.
    pub(in crate::simulator) fn neighbours(&self, slot: Slot) -> Option<&View> {
        self.warmth.neighbours.get(slot.index())
    }

    /// The id of the member that runs, or would run, in `slot`.
    pub(in crate::simulator) fn id(&self, slot: Slot) -> MemberId {
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
