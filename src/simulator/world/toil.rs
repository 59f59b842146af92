//! What it takes a process to take in what it hears: time, in which everything else waits.

use std::time::Duration;

use super::{Slot, What, World};

impl World {
    /// From now on each change of a member that a process tells keeps it busy for so long. What it
    /// had to say leaves first; what arrives meanwhile, and its timers, wait.
    pub fn charge_members(&mut self, cost: Duration) {
        self.member_cost = cost;
    }

    /// The process in `slot` told so many changes of members.
    pub(super) fn toil(&mut self, slot: Slot, changes: u32) {
        let (cost, now) = (self.member_cost * changes, self.now());
        if !cost.is_zero()
            && let Some(process) = self.process_mut(slot)
        {
            let free_at = process.busy_until.map_or(now, |until| until.max(now)) + cost;
            process.busy_until = Some(free_at);
            let process = process.number;
            self.push(free_at, What::Free { slot, process });
        }
    }

    /// The process is done with all of it, if it still runs and nothing was added since.
    pub(super) fn free(&mut self, slot: Slot, number: u32) {
        let now = self.now();
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if process.number != number || process.busy_until != Some(now) {
            return;
        }
        process.busy_until = None;
        if process.paused {
            return;
        }
        self.take_what_waited(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Conditions, Spec};

    /// How much later than the first of two newcomers the other knows their seed, where each
    /// member costs so much.
    fn gap(cost: Duration) -> Duration {
        let mut world = World::new(1, Conditions::LAN);
        world.charge_members(cost);
        let seed = world.add(Spec::new("n0", &[]));
        let newcomers = ["n1", "n2"].map(|name| world.add(Spec::new(name, &[seed])));
        world.start(seed);
        newcomers.iter().for_each(|slot| world.start(*slot));
        world.run_for(Duration::from_secs(20));
        let [one, other] = newcomers.map(|slot| world.told(slot)[0].at);
        one.max(other) - one.min(other)
    }

    #[test]
    fn who_is_busy_answers_the_next_one_later_and_loses_nothing() {
        let second = Duration::from_secs(1);
        assert!(gap(Duration::ZERO) < Duration::from_millis(100));
        assert!(gap(second) >= second - Duration::from_millis(100));
    }
}
