//! What faults do to a world.

use std::time::Duration;

use super::{End, Process, Slot, What, World, slow::First};
use crate::{
    simulator::{Conditions, Data, Fault, Move, Rule, RuleId, Zones},
    swim::Input,
};

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
    pub(in crate::simulator) fn end_faults(&mut self, conditions: &Conditions) {
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
