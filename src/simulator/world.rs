//! `World`: the event heap, the machines, and the loop that drives their nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Conditions, End, Fault, Measures, Place, Promise, Run, Slot, Spec, Story, Tapped, Violation,
    ahead::Ahead,
    audit::AUDIT_EVERY,
    heap::{Heap, What},
    machine::{Arrival, Machine, Process},
    measures::{Applications, Meter, Outages, Rumours},
    network::Network,
    promises::{Events, Ledger},
    record::TraceHash,
    streams::Links,
    warm::Warmth,
    watch::Watch,
};
use crate::swim::{Directory, Input, MemberId, Output, StopReason, Timestamp};

/// So many things at one instant mean that time stands still.
const EVENTS_PER_INSTANT_MAX: u32 = 200_000;

/// A cluster, its network and everything that happens to them, in virtual time.
///
/// The same seed and the same calls give the same world to the byte.
#[derive(Debug)]
pub struct World {
    pub(super) seed: u64,
    now: Timestamp,
    pub(super) heap: Heap,
    events_at_now: u32,
    pub(super) audits: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) ledgers: Vec<Ledger>,
    /// Which machine has, or had, each place.
    pub(super) owners: Vec<Slot>,
    pub(super) by_id: BTreeMap<MemberId, Vec<Slot>>,
    pub(super) network: Network,
    pub(super) links: Links,
    pub(super) rng: Xoshiro256PlusPlus,
    trace: TraceHash,
    /// The interner that all nodes share, unless each process has its own as real ones do.
    pub(super) directory: Option<Directory>,
    pub(super) warmth: Warmth,
    pub(super) ahead: Ahead,
    pub(super) processes: u32,
    pub(super) measures: Measures,
    pub(super) violations: Vec<Violation>,
    pub(super) story: Option<Story>,
    pub(super) tap: Option<Vec<Tapped>>,
    /// Whose changes are kept and held against promises.
    pub(super) watch: Watch,
    pub(super) outages: Outages,
    pub(super) applications: Applications,
    pub(super) events: Events,
    pub(super) meter: Meter,
    pub(super) rumours: Rumours,
    /// When those go on who are stopped, or slow, for a while.
    pub(super) stopped_until: BTreeMap<Slot, Timestamp>,
    /// Whom faults struck so far.
    pub(super) struck: BTreeSet<Slot>,
    /// How long each change of a member keeps a process busy.
    pub(super) member_cost: Duration,
    /// When counting began.
    pub(super) counting_since: Timestamp,
    /// How long processes ran that have ended since.
    pub(super) ran: Duration,
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
    pub(super) fn counted(&self, at: Timestamp) -> Timestamp {
        Timestamp::ZERO + at.saturating_since(self.counting_since)
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

    /// Sums up the run so far.
    pub fn report(&mut self) -> Run {
        Run {
            seed: self.seed,
            trace_hash: self.trace.so_far(),
            simulated: self.now - self.counting_since,
            node_time: self.node_time(),
            outages: self.outages.all(),
            learned: self.outages.learned().clone(),
            spread: self.outages.spread().clone(),
            app_news: self.applications.heard().clone(),
            user_events: self.events.heard().clone(),
            traffic: self.meter.senders.traffic(self.running_times()),
            flaps: self.meter.flaps().to_vec(),
            struck: self.struck.iter().copied().collect(),
            seconds: self.meter.seconds().to_vec(),
            converged_after: None,
            measures: Measures {
                renewals: self.measures.renewals + self.renewals_of_running(),
                ..self.measures
            },
            violations: self.violations.clone(),
        }
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
    pub(super) fn rearm(&mut self, slot: Slot) {
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

    /// Does what a node asked for, in order. The outputs are empty afterwards.
    pub(super) fn carry_out(&mut self, slot: Slot, outputs: &mut Vec<Output>) {
        self.block_before_sending(slot, outputs);
        let mut changes = 0;
        let mut stop = None;
        for output in outputs.drain(..) {
            self.trace.output(&output);
            if self.story.is_some() {
                self.tell_output(slot, &output);
            }
            if stop.is_some() {
                self.violate(Promise::StopIsLast, slot, format!("{output:?}"));
            }
            match output {
                Output::Change(change) => {
                    changes += 1;
                    self.book(slot, *change);
                }
                Output::CloseStream(stream) => self.close_stream(slot, stream),
                Output::Joined(address) => {
                    self.machines[slot.index()].joined += 1;
                    self.tell_story_of(slot, || format!("joined {address}"));
                }
                Output::Keys(_) => self.tell_story_of(slot, || "has other keys".into()),
                Output::Notice(notice) => {
                    self.tell_story_of(slot, || notice.to_string());
                    self.machines[slot.index()].notices.push(*notice);
                }
                Output::OpenStream { stream, to, frame } => self.dial(slot, stream, to, frame),
                Output::Remember { generation } => {
                    self.machines[slot.index()].stored_generation = generation;
                    self.tell_story_of(slot, || format!("remembers generation {generation}"));
                }
                Output::Removed(removed) => self.tell_story_of(slot, || {
                    format!("hears that {} forgot {}", removed.applied_by, removed.name)
                }),
                Output::Restarting { member, due } => {
                    let left = due.saturating_since(self.now);
                    self.tell_story_of(slot, || {
                        format!("waits for the restart of {member}, for {left:?}")
                    });
                }
                Output::Send { to, bytes } => self.send(slot, to, bytes),
                Output::Stop(reason) => stop = Some(reason),
                Output::StreamFrame { stream, bytes } => self.send_frame(slot, stream, bytes),
            }
        }
        self.toil(slot, changes);
        if changes > 0 && self.watch.is_thorough() {
            self.audit_list(slot);
        }
        if let Some(reason) = stop {
            self.stop(slot, reason);
        }
    }

    fn stop(&mut self, slot: Slot, reason: StopReason) {
        if matches!(reason, StopReason::Conflict { .. }) {
            self.measures.conflicts += 1;
            if let Err(seen) = self.rival_of(slot) {
                self.violate(Promise::ConflictHasTwo, slot, seen);
            }
        }
        self.end(slot, End::Stopped(reason));
    }

    /// Ends the process in `slot`, if one runs there: its streams break, its node is gone.
    pub(super) fn end(&mut self, slot: Slot, end: End) {
        let now = self.now;
        let Some(process) = self.machines[slot.index()].process.take() else {
            return;
        };
        if process.leaves_late(now) {
            self.violate(Promise::LeaveIsQuick, slot, "it took longer".into());
        }
        self.stopped_until.remove(&slot);
        self.events.release(slot);
        self.tell_story_of(slot, || format!("ends: {}", end.in_words()));
        let ran = now - process.started.max(self.counting_since);
        self.ran += ran;
        self.meter.end(slot, ran);
        if end == End::Crashed {
            let generation = process.node.own_sketch().life.generation();
            self.outages.crash(now, slot, generation);
        } else {
            self.outages.stop(now, slot);
        }
        self.measures.renewals += process.node.stats().renewals;
        for link in process.streams.into_values() {
            self.hang_up(link, slot);
        }
        self.machines[slot.index()].ended = Some((now, end));
    }

    /// Time that all processes ran since counting began, summed up.
    pub(super) fn node_time(&self) -> Duration {
        self.running_times().sum::<Duration>() + self.ran
    }

    /// For each machine how long its process has run since counting began, zero without one.
    fn running_times(&self) -> impl Iterator<Item = Duration> + '_ {
        let span = |process: &Process| self.now - process.started.max(self.counting_since);
        let processes = self.machines.iter().map(|machine| machine.process.as_ref());
        processes.map(move |process| process.map_or(Duration::ZERO, span))
    }

    /// New lives that the running processes took so far.
    fn renewals_of_running(&self) -> u64 {
        let running = self.machines.iter().filter_map(|m| m.process.as_ref());
        running.map(|process| process.node.stats().renewals).sum()
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

    pub(super) fn push(&mut self, at: Timestamp, what: What) {
        self.heap.push(at, what);
    }

    pub(super) fn push_fault(&mut self, at: Timestamp, fault: Fault) {
        self.push(at, What::Fault(Box::new(fault)));
    }

    pub(super) fn new_place(&mut self, slot: Slot) -> Place {
        let place = Place(u32::try_from(self.owners.len()).expect("fewer places than 2^32"));
        self.owners.push(slot);
        place
    }

    /// Gives the machine an address that nobody ever had.
    pub(super) fn move_away(&mut self, slot: Slot) {
        self.machines[slot.index()].place = self.new_place(slot);
    }

    /// Gives the machine the address of `other`, which gets a new one.
    pub(super) fn move_onto(&mut self, slot: Slot, other: Slot) {
        let place = self.machines[other.index()].place;
        self.move_away(other);
        self.owners[place.0 as usize] = slot;
        self.machines[slot.index()].place = place;
    }

    pub(super) fn process_mut(&mut self, slot: Slot) -> Option<&mut Process> {
        self.machines[slot.index()].process.as_mut()
    }
}
