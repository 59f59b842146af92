//! Parting: our own goodbye, and forgetting others.

use std::time::Duration;

use foca::{Member, State, Timer};

use super::Node;
use crate::swim::{
    Change, StopReason,
    gate::Gate,
    identity::Identity,
    roster::{Claim, Standing},
    timers::Alarm,
    wire,
};

/// Rounds of gossip that a goodbye gets, and the time between them: the others know within a
/// round trip, the rounds are for lost packets.
const LEAVE_ROUNDS: u8 = 5;
const LEAVE_PAUSE: Duration = Duration::from_millis(40);

impl Node {
    /// Says goodbye to the cluster; [`StopReason::Left`] follows after the last round.
    pub(super) fn leave(&mut self, reason: &str) {
        if self.gate.borrow().leaving.is_some() {
            return;
        }
        // What was raised just now goes out before the goodbye.
        self.pass_on_events();
        self.gate.borrow_mut().leaving = Some(wire::clip_reason(reason).to_owned());
        let change = Change::Left(self.own_view());
        self.change(change);
        if self.engine.active() == 0 {
            return self.stop(StopReason::Left);
        }
        let result = self.engine.leave();
        self.check(result);
        self.schedule(LEAVE_PAUSE, Alarm::LeaveRound(1));
    }

    pub(super) fn leave_round(&mut self, round: u8) {
        if round == LEAVE_ROUNDS {
            return self.stop(StopReason::Left);
        }
        let result = self.engine.gossip();
        self.check(result);
        self.schedule(LEAVE_PAUSE, Alarm::LeaveRound(round + 1));
    }

    /// Forgets a failed or departed member everywhere. It becomes one more life that is down from
    /// its beginning: that is a change, so foca gossips it, and it dominates what came before.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(identity) = removable(&self.gate.borrow(), name) else {
            return;
        };
        let after = Identity {
            life: identity.life.next(),
            ..identity
        };
        let update = Member::new(after, 0, State::Down);
        self.gate.borrow_mut().hear(&update, Claim::Removed, 0);
        let result = self.engine.apply(std::iter::once(update), true);
        self.check(result);
    }

    /// A member has been down for long enough.
    pub(super) fn forget(&mut self, identity: Identity) {
        let result = self.engine.timer(Timer::RemoveDown(identity));
        self.check(result);
        self.gate.borrow_mut().touch(identity.handle);
    }
}

fn removable(gate: &Gate, name: &str) -> Option<Identity> {
    gate.roster
        .records()
        .filter(|(_, record)| {
            matches!(record.standing, Standing::Failed(_) | Standing::Left { .. })
        })
        .map(|(handle, record)| Identity {
            handle,
            life: record.life,
        })
        .find(|identity| {
            gate.card_of(*identity)
                .is_some_and(|card| card.name == name)
        })
}
