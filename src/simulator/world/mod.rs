//! `World`: the event heap, the machines, and the loop that drives their nodes.
//!
//! The loop is here, what it leads to in the files beside it. A world's fields are theirs alone:
//! whoever stands above it asks, as anybody does.

mod applications;
mod audit;
mod carriage;
mod ends;
mod heap;
mod look;
mod machine;
mod outputs;
mod prefetch;
mod run;
mod slow;
mod starts;
mod strikes;
mod tell;
mod toil;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

pub use machine::{End, Spec, Told};
pub use run::{Run, Tapped};

use super::{
    Conditions, Fault, Measures, Place, Promise, Slot, Story, Violation,
    measures::{Applications, Meter, Outages, Rumours},
    network::Network,
    promises::{Events, Ledger},
    record::TraceHash,
};
use crate::swim::{Directory, Input, MemberId, Output, Timestamp};
use audit::AUDIT_EVERY;
use carriage::Links;
use heap::{Heap, What};
use machine::{Arrival, Machine, Process};
use starts::{Ahead, Warmth};
use watch::Watch;

/// So many things at one instant mean that time stands still.
const EVENTS_PER_INSTANT_MAX: u32 = 200_000;

/// A cluster, its network and everything that happens to them, in virtual time.
///
/// The same seed and the same calls give the same world to the byte.
#[derive(Debug)]
pub struct World {
    seed: u64,
    now: Timestamp,
    heap: Heap,
    events_at_now: u32,
    audits: u64,
    machines: Vec<Machine>,
    ledgers: Vec<Ledger>,
    /// Which machine has, or had, each place.
    owners: Vec<Slot>,
    by_id: BTreeMap<MemberId, Vec<Slot>>,
    network: Network,
    links: Links,
    rng: Xoshiro256PlusPlus,
    trace: TraceHash,
    /// The interner that all nodes share, unless each process has its own as real ones do.
    directory: Option<Directory>,
    warmth: Warmth,
    ahead: Ahead,
    processes: u32,
    measures: Measures,
    violations: Vec<Violation>,
    story: Option<Story>,
    tap: Option<Vec<Tapped>>,
    /// Whose changes are kept and held against promises.
    watch: Watch,
    outages: Outages,
    applications: Applications,
    events: Events,
    meter: Meter,
    rumours: Rumours,
    /// When those go on who are stopped, or slow, for a while.
    stopped_until: BTreeMap<Slot, Timestamp>,
    /// Whom faults struck so far.
    struck: BTreeSet<Slot>,
    /// How long each change of a member keeps a process busy.
    member_cost: Duration,
    /// When counting began.
    counting_since: Timestamp,
    /// How long processes ran that have ended since.
    ran: Duration,
    /// Reused for every input, so that handling one allocates nothing.
    outputs: Vec<Output>,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let mut world = Self {
            seed,
            now: Timestamp::ZERO,
            heap: Heap::default(),
            events_at_now: 0,
            audits: 0,
            machines: Vec::new(),
            ledgers: Vec::new(),
            owners: Vec::new(),
            by_id: BTreeMap::new(),
            network: Network::new(conditions),
            links: Links::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            trace: TraceHash::new(seed),
            directory: Some(Directory::new()),
            warmth: Warmth::default(),
            ahead: Ahead::default(),
            processes: 0,
            measures: Measures::default(),
            violations: Vec::new(),
            story: None,
            tap: None,
            watch: Watch::Everyone,
            outages: Outages::default(),
            applications: Applications::default(),
            events: Events::default(),
            meter: Meter::default(),
            rumours: Rumours::default(),
            stopped_until: BTreeMap::new(),
            struck: BTreeSet::new(),
            member_cost: Duration::ZERO,
            counting_since: Timestamp::ZERO,
            ran: Duration::ZERO,
            outputs: Vec::new(),
        };
        world.push(world.now + AUDIT_EVERY, What::Audit);
        world
    }

    /// Keeps no ledgers and no changes from now on: they cost as much as the nodes themselves in
    /// worlds of thousands.
    pub fn look_away(&mut self) {
        self.watch = Watch::Only(Vec::new());
        self.ledgers
            .iter_mut()
            .for_each(|ledger| *ledger = Ledger::default());
    }

    /// Keeps ledgers and changes of these machines only, for worlds of hundreds and more, where
    /// everybody's lists are n². To be called before anything runs. Crashes, `failed` and packets
    /// are still measured at every node, and every node is asked whether it converged.
    pub fn watch_only(&mut self, observers: impl IntoIterator<Item = Slot>) {
        let mut observers: Vec<_> = observers.into_iter().collect();
        observers.sort_unstable();
        self.watch = Watch::Only(observers);
    }

    /// Counts from now on: what was measured before, such as the forming of a cluster, is dropped.
    pub fn begin_counting(&mut self) {
        self.measures = Measures::default();
        self.outages.forget();
        self.applications = Applications::default();
        self.meter.begin(self.now);
        self.struck.clear();
        self.counting_since = self.now;
        self.ran = Duration::ZERO;
    }

    /// Keeps a copy of everything sent from now on, for tests that send it again.
    pub fn tap(&mut self) {
        self.tap.get_or_insert_default();
    }

    /// What was sent since [`World::tap`], oldest first.
    pub fn tapped(&self) -> &[Tapped] {
        self.tap.as_deref().unwrap_or_default()
    }

    /// Gives each process an interner of its own, as real ones have. It costs memory and shows
    /// whether sharing one changes what nodes believe.
    pub fn separate_directories(&mut self) {
        self.directory = None;
    }

    /// A machine for one member, with an address of its own. Nothing runs on it yet.
    pub fn add(&mut self, spec: Spec) -> Slot {
        let slot = Slot::at(self.machines.len());
        let id = MemberId::new(&spec.cluster, &spec.name);
        self.by_id.entry(id).or_default().push(slot);
        let place = self.new_place(slot);
        self.machines.push(Machine::new(spec, place));
        self.ledgers.push(Ledger::default());
        self.meter.add_machine();
        slot
    }

    /// Virtual time passed.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The same moment as a scenario counts: from when counting began.
    pub(in crate::simulator) fn counted(&self, at: Timestamp) -> Timestamp {
        Timestamp::ZERO + at.saturating_since(self.counting_since)
    }

    /// Virtual time since counting began.
    pub(in crate::simulator) fn counted_for(&self) -> Duration {
        self.now - self.counting_since
    }

    /// Runs until `span` has passed, or a promise is broken.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.violations.is_empty() && self.step(end) {}
    }

    /// Runs until `condition` holds, looked at every `every`, at most for `limit`. Tells how long
    /// it took.
    pub fn run_until(
        &mut self,
        limit: Duration,
        every: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        while !condition(self) {
            if self.now - begin >= limit || !self.violations.is_empty() {
                return None;
            }
            self.run_for(every.min(begin + limit - self.now));
        }
        Some(self.now - begin)
    }

    /// Gives `input` to the process in `slot`, if one runs there.
    pub fn input(&mut self, slot: Slot, input: Input<'_>) {
        let now = self.now;
        let mut outputs = mem::take(&mut self.outputs);
        if let Some(process) = self.machines[slot.index()].process.as_mut()
            && !process.paused
        {
            self.trace.input(now, slot, &input);
            outputs.extend(process.node.handle(now, input));
            self.measures.events += 1;
            self.audit_outputs(slot, outputs.len());
            if self.story.is_some() {
                self.tell_input(slot, &input, &outputs);
            }
            self.carry_out(slot, &mut outputs);
            self.rearm(slot);
        }
        self.outputs = outputs;
    }

    /// Lets the next thing happen, unless it is after `end`. Time stops at `end` then.
    fn step(&mut self, end: Timestamp) -> bool {
        let Some((at, what)) = self.heap.pop_until(end) else {
            self.now = end;
            self.meter.pass(end, &self.measures);
            return false;
        };
        self.meter.pass(at, &self.measures);
        self.count_instant(at);
        self.now = at;
        self.prefetch_next();
        self.happen(what);
        true
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Audit => self.audit(),
            What::Connect { link, bytes } => self.connect(link, bytes),
            What::Datagram { from, to, bytes } => self.arrive(from, to, bytes),
            What::Fault(fault) => self.apply(*fault),
            What::Free { slot, process } => self.free(slot, process),
            What::Refused { by, to } => self.arrive_refused(by, to),
            What::StopOver(slot) => self.stop_over(slot),
            What::StreamClosed { link, side } => {
                self.arrive_at(link, side, Arrival::StreamClosed { link, side });
            }
            What::StreamFrame { link, side, bytes } => {
                self.arrive_at(link, side, Arrival::StreamFrame { link, side, bytes });
            }
            What::Wake { slot, process } => self.wake(slot, process),
        }
    }

    fn wake(&mut self, slot: Slot, number: u32) {
        let now = self.now;
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if process.number != number || process.wake != Some(now) {
            return;
        }
        process.wake = None;
        if process.paused || process.busy_until.is_some() {
            return;
        }
        if process.node.deadline().is_some_and(|due| due <= now) {
            self.input(slot, Input::Deadline);
        } else {
            self.rearm(slot);
        }
    }

    /// Makes sure that the heap holds a wake-up no later than the node's deadline.
    fn rearm(&mut self, slot: Slot) {
        let now = self.now;
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        let Some(due) = process.node.deadline().map(|due| due.max(now)) else {
            return;
        };
        if process.wake.is_none_or(|wake| due < wake) {
            process.wake = Some(due);
            let process = process.number;
            self.push(due, What::Wake { slot, process });
        }
    }

    fn count_instant(&mut self, at: Timestamp) {
        if at > self.now {
            self.events_at_now = 0;
        }
        self.events_at_now += 1;
        let machines = u32::try_from(self.machines.len()).expect("slots are u32");
        // In a mass failure of a large world as many as all die at one instant.
        let max = EVENTS_PER_INSTANT_MAX.max(machines.saturating_mul(4));
        if self.events_at_now == max {
            let seen = format!("{max} events at one instant");
            self.violate_all(Promise::TimeAdvances, seen);
        }
    }

    fn push(&mut self, at: Timestamp, what: What) {
        self.heap.push(at, what);
    }

    fn push_fault(&mut self, at: Timestamp, fault: Fault) {
        self.push(at, What::Fault(Box::new(fault)));
    }

    fn new_place(&mut self, slot: Slot) -> Place {
        let place = Place(u32::try_from(self.owners.len()).expect("fewer places than 2^32"));
        self.owners.push(slot);
        place
    }

    /// Gives the machine an address that nobody ever had.
    fn move_away(&mut self, slot: Slot) {
        self.machines[slot.index()].place = self.new_place(slot);
    }

    /// Gives the machine the address of `other`, which gets a new one.
    fn move_onto(&mut self, slot: Slot, other: Slot) {
        let place = self.machines[other.index()].place;
        self.move_away(other);
        self.owners[place.0 as usize] = slot;
        self.machines[slot.index()].place = place;
    }

    fn process_mut(&mut self, slot: Slot) -> Option<&mut Process> {
        self.machines[slot.index()].process.as_mut()
    }
}
