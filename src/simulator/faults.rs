//! `Fault`: everything that can be done to a world while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Application, Conditions, End, Rule, RuleId, Slot, World, Zones, heap::What, machine::Process,
    slow::First, time_text,
};
use crate::swim::{Input, Tags};

/// Which address a restarted process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move<N = Slot> {
    /// One that nobody ever had.
    Away,
    /// The one of this machine, if nothing runs there; otherwise as [`Move::Away`]. The other
    /// machine gets a new one.
    Onto(N),
    /// The one it had.
    Stay,
}

/// What a restarted process finds in its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// What it stored: its generation grows.
    Kept,
    /// Nothing: it starts as generation 1 again.
    Lost,
}

/// Something that happens to machines or between them. What cannot happen (killing what does not
/// run) does nothing, so that any list of faults can be run and shortened.
///
/// `N` is what a machine is called by: its slot in a world, its name in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault<N = Slot> {
    /// The operator has the process leave, and announces the next one for the end of a while.
    Announce(N, #[serde(with = "time_text")] Duration),
    /// The application beside the agent starts or ends; the agent notices at once.
    App(N, Application),
    /// Nothing from one machine reaches the other; the way back stays open.
    Block {
        /// Whose datagrams are lost.
        from: N,
        /// Who does not get them.
        to: N,
    },
    /// The network carries better or worse from now on.
    Conditions(Conditions),
    /// The host is gone, and with it the process: silence.
    Crash(N),
    /// The application beside the agent raises a user event.
    Event(N),
    /// Partitions, blocks and rules end.
    Heal,
    /// From now on a rule holds between some machines.
    Impose(RuleId, Rule<N>),
    /// SIGKILL: the process is gone, and its host says so to whoever asks.
    Kill(N),
    /// The operator asks the process to leave.
    Leave(N),
    /// A rule ends.
    Lift(RuleId),
    /// Only machines on the same side reach each other; the side of each slot by its index, 0 when
    /// there is none.
    Partition(Vec<u16>),
    /// SIGSTOP, and SIGCONT after a while.
    Pause(N, #[serde(with = "time_text")] Duration),
    /// The operator has the member forgotten, at this node.
    Remove(N, String),
    /// SIGKILL if it runs, then a new process.
    Restart(N, Move<N>, Data),
    /// SIGCONT; a slow process is as fast as ever.
    Resume(N),
    /// For a while the process blocks whenever it is about to send something or has received
    /// something, until the while is over: Lifeguard's anomaly.
    Slow(N, #[serde(with = "time_text")] Duration),
    /// The same in a process of many threads: what arrives is not taken in until the while is over
    /// either, and the first that would send blocks; but its timers come before what arrived, as
    /// if they had fired in time.
    Choke(N, #[serde(with = "time_text")] Duration),
    /// A process starts, if none runs.
    Start(N),
    /// The operator gives the member these tags in place of those that it has.
    Tags(N, Tags),
}

impl<N> Fault<N> {
    /// The same with every machine called as `to` says, or the first error of it.
    ///
    /// # Errors
    /// What `to` does not know.
    pub fn try_map<M: Ord, E>(self, mut to: impl FnMut(N) -> Result<M, E>) -> Result<Fault<M>, E> {
        Ok(match self {
            Self::Announce(node, eta) => Fault::Announce(to(node)?, eta),
            Self::App(node, application) => Fault::App(to(node)?, application),
            Self::Block { from, to: target } => Fault::Block {
                from: to(from)?,
                to: to(target)?,
            },
            Self::Conditions(conditions) => Fault::Conditions(conditions),
            Self::Crash(node) => Fault::Crash(to(node)?),
            Self::Event(node) => Fault::Event(to(node)?),
            Self::Heal => Fault::Heal,
            Self::Impose(id, rule) => Fault::Impose(id, rule.try_map(to)?),
            Self::Kill(node) => Fault::Kill(to(node)?),
            Self::Leave(node) => Fault::Leave(to(node)?),
            Self::Lift(id) => Fault::Lift(id),
            Self::Partition(sides) => Fault::Partition(sides),
            Self::Pause(node, span) => Fault::Pause(to(node)?, span),
            Self::Remove(node, name) => Fault::Remove(to(node)?, name),
            Self::Restart(node, address, data) => {
                let address = match address {
                    Move::Away => Move::Away,
                    Move::Onto(other) => Move::Onto(to(other)?),
                    Move::Stay => Move::Stay,
                };
                Fault::Restart(to(node)?, address, data)
            }
            Self::Resume(node) => Fault::Resume(to(node)?),
            Self::Choke(node, span) => Fault::Choke(to(node)?, span),
            Self::Slow(node, span) => Fault::Slow(to(node)?, span),
            Self::Start(node) => Fault::Start(to(node)?),
            Self::Tags(node, tags) => Fault::Tags(to(node)?, tags),
        })
    }
}

impl Fault {
    /// The machine to which it happens, where that is one.
    pub(super) const fn machine(&self) -> Option<Slot> {
        match self {
            Self::Announce(slot, _)
            | Self::App(slot, _)
            | Self::Choke(slot, _)
            | Self::Crash(slot)
            | Self::Event(slot)
            | Self::Kill(slot)
            | Self::Leave(slot)
            | Self::Pause(slot, _)
            | Self::Remove(slot, _)
            | Self::Restart(slot, ..)
            | Self::Resume(slot)
            | Self::Slow(slot, _)
            | Self::Start(slot)
            | Self::Tags(slot, _) => Some(*slot),
            Self::Block { .. }
            | Self::Conditions(_)
            | Self::Heal
            | Self::Impose(..)
            | Self::Lift(_)
            | Self::Partition(_) => None,
        }
    }

    /// Whom it makes a bad node. Of a partition it is all but the first side; who is healed,
    /// starts, or is told something is struck by nothing.
    pub(super) fn struck(&self) -> Vec<Slot> {
        match self {
            Self::Announce(slot, _)
            | Self::Block { to: slot, .. }
            | Self::Choke(slot, _)
            | Self::Crash(slot)
            | Self::Kill(slot)
            | Self::Leave(slot)
            | Self::Pause(slot, _)
            | Self::Restart(slot, ..)
            | Self::Slow(slot, _) => vec![*slot],
            Self::Impose(_, rule) => rule.singled_out().collect(),
            Self::Partition(sides) => {
                let slots = (0..).map(Slot).zip(sides);
                let apart = slots.filter(|(_, side)| **side > 0);
                apart.map(|(slot, _)| slot).collect()
            }
            Self::App(..)
            | Self::Conditions(_)
            | Self::Event(_)
            | Self::Heal
            | Self::Lift(_)
            | Self::Remove(..)
            | Self::Resume(_)
            | Self::Start(_)
            | Self::Tags(..) => Vec::new(),
        }
    }

    /// Whether it has something said, of which others hear.
    pub(super) const fn is_word(&self) -> bool {
        matches!(
            self,
            Self::App(..) | Self::Event(_) | Self::Remove(..) | Self::Tags(..)
        )
    }

    /// Whether everybody goes on to hear all that is said, and nobody who left is forgotten or
    /// waited for: then who left is never called failed.
    pub(super) const fn is_harmless(&self) -> bool {
        match self {
            Self::App(..)
            | Self::Event(_)
            | Self::Heal
            | Self::Leave(_)
            | Self::Start(_)
            | Self::Tags(..) => true,
            Self::Announce(..)
            | Self::Block { .. }
            | Self::Choke(..)
            | Self::Conditions(_)
            | Self::Crash(_)
            | Self::Impose(..)
            | Self::Kill(_)
            | Self::Lift(_)
            | Self::Partition(_)
            | Self::Pause(..)
            | Self::Remove(..)
            | Self::Restart(..)
            | Self::Resume(_)
            | Self::Slow(..) => false,
        }
    }

    /// The rule that it ends.
    pub(super) const fn lifted(&self) -> Option<RuleId> {
        match self {
            Self::Lift(id) => Some(*id),
            _ => None,
        }
    }

    /// How long it lasts, or is said to last.
    pub(super) const fn span_mut(&mut self) -> Option<&mut Duration> {
        match self {
            Self::Announce(_, span)
            | Self::Choke(_, span)
            | Self::Pause(_, span)
            | Self::Slow(_, span) => Some(span),
            Self::App(..)
            | Self::Block { .. }
            | Self::Conditions(_)
            | Self::Crash(_)
            | Self::Event(_)
            | Self::Heal
            | Self::Impose(..)
            | Self::Kill(_)
            | Self::Leave(_)
            | Self::Lift(_)
            | Self::Partition(_)
            | Self::Remove(..)
            | Self::Restart(..)
            | Self::Resume(_)
            | Self::Start(_)
            | Self::Tags(..) => None,
        }
    }
}

impl World {
    /// Lets `fault` happen now.
    pub fn apply(&mut self, fault: Fault) {
        self.struck.extend(fault.struck());
        self.tell_fault(&fault);
        self.release_events(&fault);
        match fault {
            Fault::Announce(slot, eta) => self.leave(slot, Some(eta)),
            Fault::App(slot, application) => self.set_application(slot, application),
            Fault::Block { from, to } => {
                self.network.block(from, to);
                self.break_unconnected();
            }
            Fault::Conditions(conditions) => self.network.conditions = conditions,
            Fault::Crash(slot) => {
                self.end(slot, End::Crashed);
                self.machines[slot.index()].host_up = false;
            }
            Fault::Event(slot) => self.raise_event(slot),
            Fault::Heal => self.heal(),
            Fault::Impose(id, rule) => self.impose(id, rule),
            Fault::Kill(slot) => self.end(slot, End::Crashed),
            Fault::Leave(slot) => self.leave(slot, None),
            Fault::Lift(id) => self.lift(id),
            Fault::Partition(sides) => {
                self.network.partition(&sides);
                self.break_unconnected();
            }
            Fault::Pause(slot, span) => self.pause(slot, span),
            Fault::Remove(slot, name) => self.input(slot, Input::Remove { name: &name }),
            Fault::Restart(slot, to, data) => self.restart(slot, to, data),
            Fault::Resume(slot) => self.resume(slot),
            Fault::Choke(slot, span) => self.slow_down(slot, span, First::Timers),
            Fault::Slow(slot, span) => self.slow_down(slot, span, First::Arrivals),
            Fault::Start(slot) => self.start(slot),
            Fault::Tags(slot, tags) => self.input(slot, Input::Tags(&tags)),
        }
    }

    /// Puts machines into zones, with distances between them that stay whatever else happens; all
    /// latencies but those of rules are those of the zones then.
    pub fn set_zones(&mut self, zones: Option<Zones>) {
        self.network.zones = zones;
    }

    /// Ends every fault that lasts: the network carries as `conditions` do once they are healed,
    /// and whoever is stopped goes on.
    pub(super) fn end_faults(&mut self, conditions: &Conditions) {
        self.apply(Fault::Heal);
        self.apply(Fault::Conditions(conditions.healed()));
        for slot in self.slots() {
            self.apply(Fault::Resume(slot));
        }
    }

    /// Lets `fault` happen after `delay`.
    pub fn schedule(&mut self, delay: Duration, fault: Fault) {
        self.push_fault(self.now() + delay, fault);
    }

    fn impose(&mut self, id: RuleId, rule: Rule) {
        self.lift(id);
        for slot in rule.singled_out() {
            self.machines[slot.index()].impairments += 1;
        }
        self.network.impose(id, rule);
        self.break_unconnected();
    }

    fn lift(&mut self, id: RuleId) {
        let now = self.now();
        let rule = self.network.lift(id);
        for slot in rule.iter().flat_map(Rule::singled_out) {
            let machine = &mut self.machines[slot.index()];
            machine.impairments -= 1;
            machine.relieved = Some(now);
        }
    }

    fn heal(&mut self) {
        self.network.heal();
        for id in self.network.rule_ids() {
            self.lift(id);
        }
    }

    fn leave(&mut self, slot: Slot, restart_in: Option<Duration>) {
        let now = self.now();
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if process.paused {
            return;
        }
        process.leaving.get_or_insert(now);
        self.events.release(slot);
        let reason = "told to";
        self.input(slot, Input::Leave { reason, restart_in });
    }

    fn runs(&self, slot: Slot) -> bool {
        self.machine(slot).process.is_some()
    }

    fn restart(&mut self, slot: Slot, to: Move, data: Data) {
        self.end(slot, End::Crashed);
        match to {
            Move::Onto(other) if !self.runs(other) => self.move_onto(slot, other),
            Move::Away | Move::Onto(_) => self.move_away(slot),
            Move::Stay => {}
        }
        if data == Data::Lost {
            self.machines[slot.index()].stored_generation = 0;
        }
        self.start(slot);
    }

    fn pause(&mut self, slot: Slot, span: Duration) {
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        process.paused = true;
        self.stop_for(slot, span);
    }

    /// The process in `slot` goes on after `span`, or when an earlier stop of it is over that lasts
    /// longer. Stops of processes that are gone by then wake nobody.
    pub(super) fn stop_for(&mut self, slot: Slot, span: Duration) {
        self.events.release(slot);
        let over = self.now() + span;
        let last = self.stopped_until.entry(slot).or_insert(over);
        *last = over.max(*last);
        self.push(over, What::StopOver(slot));
    }

    pub(super) fn stop_over(&mut self, slot: Slot) {
        if self.stopped_until.get(&slot) == Some(&self.now()) {
            self.apply(Fault::Resume(slot));
        }
    }

    /// What a slow process could not send leaves first, then it gets what waited in the sockets;
    /// late deadlines come after it, unless threads of their own waited for them.
    fn resume(&mut self, slot: Slot) {
        let now = self.now();
        self.stopped_until.remove(&slot);
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        let anomaly = process.anomaly.take();
        if !process.paused && anomaly.is_none() {
            return;
        }
        process.paused = false;
        process.resumed = Some(now);
        if let Some(mut anomaly) = anomaly {
            self.carry_out(slot, &mut anomaly.withheld);
            if anomaly.first == First::Timers {
                self.input(slot, Input::Deadline);
            }
        }
        self.take_what_waited(slot);
    }

    /// Hands a process that goes on all that reached it meanwhile; late deadlines come after it.
    pub(super) fn take_what_waited(&mut self, slot: Slot) {
        let waited = self.process_mut(slot).map(Process::drain_inbox);
        for arrival in waited.unwrap_or_default() {
            self.deliver(slot, arrival);
        }
        self.rearm(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Effect, Machines, Spec};

    const SECOND: Duration = Duration::from_secs(1);

    fn running() -> (World, Slot) {
        let mut world = World::new(1, Conditions::LAN);
        let slot = world.add(Spec::new("n0", &[]));
        world.start(slot);
        (world, slot)
    }

    fn is_stopped(world: &World, slot: Slot) -> bool {
        let process = world.machine(slot).process.as_ref();
        process.is_some_and(|process| process.paused)
    }

    #[test]
    fn a_pause_that_was_cut_short_does_not_end_a_later_one() {
        for cut in [Fault::Crash, Fault::Resume] {
            let (mut world, slot) = running();
            world.apply(Fault::Pause(slot, SECOND * 10));
            world.run_for(SECOND * 4);
            world.apply(cut(slot));
            world.apply(Fault::Start(slot));
            world.apply(Fault::Pause(slot, SECOND * 10));
            world.run_for(SECOND * 9);
            assert!(is_stopped(&world, slot), "it goes on at 10 s, not at 14 s");
            world.run_for(SECOND * 2);
            assert!(!is_stopped(&world, slot));
        }
    }

    #[test]
    fn victims_are_struck_and_bystanders_are_not() {
        let rule = Rule {
            from: Machines::all(),
            to: Machines::only([Slot(4)]),
            effect: Effect::BLOCK,
        };
        let faults = [
            Fault::Start(Slot(0)),
            Fault::Crash(Slot(2)),
            Fault::Impose(RuleId(0), rule),
            Fault::Partition(vec![0, 1, 0, 0, 0, 0, 1]),
            Fault::Heal,
        ];
        let struck = faults.map(|fault| fault.struck());
        let struck = struck.map(|slots| slots.into_iter().map(Slot::index).collect::<Vec<_>>());
        assert_eq!(struck, [vec![], vec![2], vec![4], vec![1, 6], vec![]]);
    }

    #[test]
    fn of_two_pauses_the_longer_counts() {
        for spans in [[10, 5], [5, 10]] {
            let (mut world, slot) = running();
            for span in spans {
                world.apply(Fault::Pause(slot, SECOND * span));
            }
            world.run_for(SECOND * 8);
            assert!(is_stopped(&world, slot), "{spans:?}");
            world.run_for(SECOND * 3);
            assert!(!is_stopped(&world, slot), "{spans:?}");
        }
    }
}
