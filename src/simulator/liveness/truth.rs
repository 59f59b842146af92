//! `Truth`: who is really there, and what a node has wrong about it.

use std::collections::BTreeMap;

use crate::{
    simulator::{Slot, World},
    swim::{Enrolled, MemberId, MemberState, Node, Sketch},
};

impl World {
    /// Says who sees the world otherwise than it is, if anybody does.
    pub fn disagreement(&self) -> Option<String> {
        let mut truth = match Truth::of(self) {
            Ok(truth) => truth,
            Err(seen) => return Some(seen),
        };
        self.living().find_map(|slot| {
            let wrong = truth.wrong_about(self, slot)?;
            Some(format!("{} {wrong}", self.label(slot)))
        })
    }
}

/// Somebody who lives.
#[derive(Clone, Copy)]
struct Living {
    slot: Slot,
    /// As it sees itself.
    itself: Sketch,
}

/// What is held of a member that does not live.
struct Grave {
    holder: Slot,
    held: Sketch,
}

/// Everybody who lives, as they see themselves, and everybody who does not.
struct Truth {
    living: BTreeMap<MemberId, Living>,
    /// The same by place in the directory that all share; empty when each has its own.
    by_place: Vec<Option<Living>>,
    dead: Vec<(MemberId, Slot)>,
    /// The living by cluster.
    counts: BTreeMap<String, usize>,
    /// What the first that was asked holds of each member that does not live.
    graves: BTreeMap<MemberId, Grave>,
}

impl Truth {
    /// Looks at everybody who lives; says who is not what it should be.
    fn of(world: &World) -> Result<Self, String> {
        let mut truth = Self {
            living: BTreeMap::new(),
            by_place: Vec::new(),
            dead: Vec::new(),
            counts: BTreeMap::new(),
            graves: BTreeMap::new(),
        };
        for slot in world.living() {
            truth.add(world, slot)?;
        }
        let dead = world.dead().map(|slot| (world.id(slot), slot));
        let is_dead = |(id, _): &(MemberId, Slot)| !truth.living.contains_key(id);
        truth.dead = dead.filter(is_dead).collect();
        Ok(truth)
    }

    fn add(&mut self, world: &World, slot: Slot) -> Result<(), String> {
        let node = world.node(slot).expect("whoever lives has a node");
        let itself = node.own_sketch();
        if !node.is_at(&itself, world.address(slot)) {
            return Err(format!("{} does not know its address", world.label(slot)));
        }
        let living = Living { slot, itself };
        if self.living.insert(world.id(slot), living).is_some() {
            return Err(format!("two processes run as {}", world.label(slot)));
        }
        if world.shares_directory() {
            let place = itself.member.index();
            let length = self.by_place.len().max(place + 1);
            self.by_place.resize(length, None);
            self.by_place[place] = Some(living);
        }
        *self
            .counts
            .entry(world.spec(slot).cluster.clone())
            .or_default() += 1;
        Ok(())
    }

    /// What the process in `slot` has wrong.
    fn wrong_about(&mut self, world: &World, slot: Slot) -> Option<String> {
        let node = world.node(slot)?;
        let mut known = 0;
        for held in node.sketches() {
            match self.find(node, held.member) {
                Some(living) if is_right(world, node, &held, living) => known += 1,
                None if matches!(held.state, MemberState::Failed | MemberState::Left) => {
                    if let Some(quarrel) = self.bury(world, slot, &held) {
                        return Some(quarrel);
                    }
                }
                other => return Some(quarrel(world, node, &held, other)),
            }
        }
        let expected = self.expected(world, slot);
        if known < expected {
            return Some(format!("knows {known} of {expected} living members"));
        }
        if let Some(of) = self.presumed_alive(world, slot) {
            let name = world.label(of);
            return Some(format!("believes that {name} lives, but it is not there"));
        }
        let alone = node.is_isolated() && expected > 1;
        alone.then(|| "believes it is isolated".into())
    }

    /// Says who holds the dead otherwise than the one who was asked first.
    fn bury(&mut self, world: &World, slot: Slot, held: &Sketch) -> Option<String> {
        let id = world.node(slot)?.id_of(held.member);
        let first = Grave {
            holder: slot,
            held: *held,
        };
        let Grave {
            holder,
            held: theirs,
        } = self.graves.entry(id).or_insert(first);
        let what = |sketch: &Sketch| (sketch.life, sketch.state);
        (what(held) != what(theirs)).then(|| {
            let [held, theirs] = [held, theirs].map(words);
            let other = world.label(*holder);
            format!("holds {id} {held}, which {other} holds {theirs}")
        })
    }

    /// Who is dead, and is presumed to live by the process in `slot`, which does not list everyone.
    fn presumed_alive(&self, world: &World, slot: Slot) -> Option<Slot> {
        world.neighbours(slot)?;
        let node = world.node(slot)?;
        let lives =
            |(id, _): &&(MemberId, Slot)| node.believes(*id).is_some_and(MemberState::is_active);
        self.dead.iter().find(lives).map(|(_, of)| *of)
    }

    fn find(&self, node: &Node, member: Enrolled) -> Option<&Living> {
        match self.by_place.is_empty() {
            true => self.living.get(&node.id_of(member)),
            false => self.by_place.get(member.index())?.as_ref(),
        }
    }

    /// Living members that the process in `slot` should hold, itself included.
    fn expected(&self, world: &World, slot: Slot) -> usize {
        match world.neighbours(slot) {
            None => self.counts[&world.spec(slot).cluster],
            Some(view) => {
                let lives =
                    |place: &Enrolled| matches!(self.by_place.get(place.index()), Some(Some(_)));
                1 + view.iter().filter(lives).count()
            }
        }
    }
}

fn is_right(world: &World, node: &Node, held: &Sketch, Living { slot, itself }: &Living) -> bool {
    let what = |sketch: &Sketch| (sketch.life, sketch.incarnation, sketch.state, sketch.facts);
    what(held) == what(itself) && node.is_at(held, world.address(*slot))
}

fn quarrel(world: &World, node: &Node, held: &Sketch, truth: Option<&Living>) -> String {
    let id = node.id_of(held.member);
    match truth {
        None => format!("holds {id} {:?}, but it is not there", held.state),
        Some(Living { slot, itself }) => {
            let (name, address) = (world.label(*slot), world.address(*slot));
            let [held, itself] = [held, itself].map(words);
            format!("holds {name} {held}, but it is {itself} at {address}")
        }
    }
}

fn words(sketch: &Sketch) -> String {
    let (state, incarnation) = (sketch.state.as_str(), sketch.incarnation);
    let generation = sketch.life.generation();
    let facts = sketch.facts;
    format!("{state} (generation {generation}, incarnation {incarnation}, facts {facts})")
}
