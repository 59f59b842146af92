//! Parting: our own goodbye, and that of others that are overdue or long gone.

use std::time::Duration;

use foca::{Member, State};

use super::{Node, guests::TOLD_MAX};
use crate::swim::{
    Change, Evidence, RESTART_MAX, StopReason,
    gate::Goodbye,
    identity::Identity,
    roster::{Accusation, Claim, Standing},
    timers::Alarm,
    wire,
};

/// Rounds of gossip that a goodbye gets, and the time between them: the others know within a
/// round trip, the rounds are for lost packets.
const LEAVE_ROUNDS: u8 = 5;
const LEAVE_PAUSE: Duration = Duration::from_millis(40);
/// How long a goodbye waits for the first answer: with its rounds it takes half a second at most.
const INTRODUCTION_MAX: Duration = Duration::from_millis(300);

impl Node {
    /// Says goodbye to the cluster; [`StopReason::Left`] follows after the last round.
    pub(super) fn leave(&mut self, reason: &str, restart_in: Option<Duration>) {
        let goodbye = Goodbye {
            reason: wire::clip_reason(reason).to_owned(),
            eta: restart_in.map(|eta| eta.min(RESTART_MAX)),
        };
        if self.gate.borrow().leaving.is_some() || self.parting.is_some() {
            return;
        }
        if self.is_introducing() {
            self.parting = Some(goodbye);
            return self.schedule(INTRODUCTION_MAX, Alarm::LeaveRound(0));
        }
        self.say_goodbye(goodbye);
    }

    /// Whether somebody hears of us just now, while we know nobody to say goodbye to.
    fn is_introducing(&self) -> bool {
        self.engine.active() == 0 && self.begun().next().is_some()
    }

    /// The answer that a goodbye waited for has come, or it comes too late.
    pub(super) fn part(&mut self) {
        if let Some(goodbye) = self.parting.take() {
            self.settle();
            self.say_goodbye(goodbye);
        }
    }

    fn say_goodbye(&mut self, goodbye: Goodbye) {
        // What was raised just now goes out before the goodbye.
        self.pass_on_events();
        self.gate.borrow_mut().leaving = Some(goodbye);
        let change = Change::Left(self.own_view());
        self.change(change);
        if self.engine.active() == 0 {
            return self.stop(StopReason::Left);
        }
        let result = self.engine.leave();
        self.check(result);
        self.repeat_goodbye(TOLD_MAX);
        self.schedule(LEAVE_PAUSE, Alarm::LeaveRound(1));
    }

    pub(super) fn leave_round(&mut self, round: u8) {
        match round {
            0 => return self.part(),
            LEAVE_ROUNDS => return self.stop(StopReason::Left),
            _ if round + 1 == LEAVE_ROUNDS => self.repeat_goodbye(TOLD_MAX),
            _ => self.repeat_goodbye(self.tuning.fanout),
        }
        self.schedule(LEAVE_PAUSE, Alarm::LeaveRound(round + 1));
    }

    /// Says it to so many members, and what else is left to say. foca's budget for the goodbye
    /// may be spent on members that leave as well and pass nothing on; and nobody repeats a goodbye
    /// on his own account, so that whoever missed it would take us for alive until its next
    /// exchange. Hence the first round and the last are for all that can be told.
    fn repeat_goodbye(&mut self, members: usize) {
        if self.engine.backlog() > 0 {
            let result = self.engine.gossip();
            self.check(result);
        }
        let goodbye = {
            let gate = self.gate.borrow();
            gate.clothe(&Member::new(gate.me, gate.incarnation, State::Down))
        };
        let Some(goodbye) = goodbye.map(|update| wire::encoded(&update)) else {
            return;
        };
        for member in self.choose_active(members) {
            self.send_gossip(member, 1, &goodbye);
        }
    }

    /// A member that announced its restart should be back by now. Every node has the same word of
    /// it, and a clock of its own: nobody needs to be told.
    pub(super) fn restart_overdue(&mut self, identity: Identity) {
        let mut gate = self.gate.borrow_mut();
        let record = gate.roster.record(identity.handle);
        let is_awaited = record.is_some_and(|record| {
            record.life == identity.life && matches!(record.standing, Standing::Restarting { .. })
        });
        if !is_awaited {
            return;
        }
        let gone = Member::new(identity, 0, State::Down);
        let overdue = Accusation {
            by: gate.id,
            evidence: Evidence::RestartOverdue,
        };
        gate.hear(&gone, Claim::Failed(overdue), 0);
        let is_beyond = gate.is_beyond(identity.handle);
        drop(gate);
        if is_beyond {
            self.tell_claim(&gone);
        }
    }
}
