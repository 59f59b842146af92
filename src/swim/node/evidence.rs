//! A closer look at members that do not answer: what their hosts say, and whether a stream gets
//! through where datagrams do not.
//!
//! A dead host is silent. A dead process on a living host is *refused*: by ICMP port unreachable
//! to datagrams, which anybody can forge and which therefore only makes us look, and by a reset to
//! a dialled stream, which nobody off the path can. A process that answers over a stream lives,
//! whatever becomes of its datagrams.

use std::{net::SocketAddr, time::Duration};

use foca::{Member, State, Timer};
use rand::RngExt;

use super::{Node, exchange::Speaker};
use crate::swim::{
    Evidence, Junk, Output, StreamEnd, StreamId,
    identity::Identity,
    roster::Record,
    timers::Alarm,
    wire::{Frame, Update},
};

/// Members asked over streams at once. Each costs its host a few packets and us a dial.
pub(super) const STREAM_PROBES_MAX: usize = 4;
/// Refusals that no probe waited for begin none beyond so many. The others are for probes, whatever
/// is forged.
const HINTED_MAX: usize = 2;
/// Refusals by members that no probe asks are listened to once in this time, so that forged ones
/// cost us no more than ten dials a second.
const HINT_PAUSE: Duration = Duration::from_millis(100);
/// So many of those who hear that a member was refused look for themselves, on average; in small
/// clusters everybody.
const LOOKERS: usize = 6;

/// A question asked over a stream.
#[derive(Debug)]
pub(super) struct StreamProbe {
    target: Identity,
    nonce: u64,
}

impl Node {
    /// A timer of foca's. At the indirect stage of a probe, whoever has not answered is asked over
    /// a stream as well.
    pub(super) fn ring_foca(&mut self, timer: Timer<Identity>) {
        let silent = match timer {
            Timer::SendIndirectProbe { probed_id, .. } => Some(probed_id),
            _ => None,
        };
        let silent =
            silent.filter(|target| self.gate.borrow().probing.unanswered() == Some(*target));
        let result = self.engine.timer(timer);
        self.check(result);
        if let Some(target) = silent {
            self.ask_by_stream(target);
        }
    }

    /// The direct stage of the probe is over before its time. If it was answered, the indirect
    /// stage has nothing to do but to be noted by foca, and the node need not be woken for that;
    /// otherwise helpers are asked now.
    pub(super) fn end_direct_stage(&mut self) {
        if let Some(Alarm::Foca(stage)) = self.timers.take_indirect() {
            let result = self.engine.timer(stage);
            self.check(result);
        }
    }

    /// The system at `by` says that nobody listens there.
    pub(super) fn refused(&mut self, by: SocketAddr) {
        let probed = {
            let gate = self.gate.borrow();
            let is_there = |target: &Identity| gate.address_of(*target) == Some(by);
            gate.probing.unanswered().filter(is_there)
        };
        match probed {
            Some(target) => self.probe_refused(target),
            None => self.hinted(by),
        }
    }

    /// Neither the helpers nor a question over a stream wait until the probe takes too long. The
    /// refusal itself is no evidence: only one of the stream is.
    fn probe_refused(&mut self, target: Identity) {
        if self.gate.borrow().probing.seen(target).is_none() {
            self.end_direct_stage();
            self.ask_by_stream(target);
        }
    }

    /// A refusal that no probe waited for: some other datagram of ours was, or somebody forged it.
    fn hinted(&mut self, by: SocketAddr) {
        if self.now < self.hints_from || self.stream_probes.len() >= HINTED_MAX {
            return;
        }
        self.hints_from = self.now + HINT_PAUSE;
        let member = {
            let gate = self.gate.borrow();
            let mut active = self.engine.living().map(|held| *held.id());
            let member = active.find(|member| gate.address_of(*member) == Some(by));
            // Of those who look at a suspect enough are drawn.
            member
                .filter(|member| gate.probing.seen(*member).is_none() && !gate.is_suspect(*member))
        };
        if let Some(member) = member {
            self.ask_by_stream(member);
        }
    }

    fn note_seen(&self, of: Identity, evidence: Evidence) {
        let until = self.now + self.tuning.probe_interval;
        self.gate
            .borrow_mut()
            .probing
            .note_seen(of, evidence, until);
    }

    /// Asks a member over a stream whether it lives, and tells it if it is accused.
    fn ask_by_stream(&mut self, target: Identity) {
        let mut asked = self.stream_probes.values();
        if !self.tuning.stream_probes
            || self.stream_probes.len() >= STREAM_PROBES_MAX
            || asked.any(|probe| probe.target == target)
        {
            return;
        }
        let (address, claim) = {
            let gate = self.gate.borrow();
            let address = gate.address_of(target);
            let claim = gate.charge_against(target);
            (address.filter(|_| gate.leaving.is_none()), claim)
        };
        let Some(address) = address else { return };
        let nonce = self.rng.random();
        let sender = self.sender();
        let question = Frame::Probe { nonce, claim };
        let stream = self.engine.mail().open(sender, address, &question);
        self.stream_probes
            .insert(stream, StreamProbe { target, nonce });
        self.schedule(self.tuning.probe_interval, Alarm::StreamSilent(stream));
    }

    /// A suspect that answered over a stream is told of the accusation over one, too: its
    /// refutation comes back with the answer.
    pub(super) fn last_call_by_stream(&mut self, suspect: Identity) {
        if self.gate.borrow().probing.seen(suspect) == Some(Evidence::StreamReachable) {
            self.ask_by_stream(suspect);
        }
    }

    /// Somebody asks whether we live. An accusation by a member is heard first, so that the answer
    /// refutes it.
    pub(super) fn answer_stream_probe(
        &mut self,
        speaker: Speaker<'_>,
        nonce: u64,
        claim: Option<&Update<'_>>,
    ) {
        let Speaker { stream, envelope } = speaker;
        if !self.is_member(envelope) {
            return self.push(Output::CloseStream(stream));
        }
        let claim = claim.filter(|claim| self.accuses_us(claim));
        if let Some(claim) = claim {
            let accused = self.gate.borrow_mut().judge(claim);
            let result = self.engine.apply(std::iter::once(accused), true);
            self.check(result);
            self.settle();
        }
        let me = self.gate.borrow().introduction();
        let sender = self.sender();
        let answer = Frame::Answer { nonce, me };
        self.engine.mail().frame(sender, stream, &answer);
        self.push(Output::CloseStream(stream));
    }

    fn accuses_us(&self, claim: &Update<'_>) -> bool {
        let gate = self.gate.borrow();
        matches!(claim, Update::Suspect { .. }) && claim.id(&gate.cluster) == gate.id
    }

    /// The member answered: its process lives. In another generation it is another process, of
    /// which the answer tells.
    pub(super) fn on_stream_answer(
        &mut self,
        speaker: Speaker<'_>,
        nonce: u64,
        me: &Update<'_>,
    ) -> Result<(), Junk> {
        let Speaker { stream, envelope } = speaker;
        let StreamProbe {
            target,
            nonce: expected,
        } = self.stream_probes.remove(&stream).ok_or(Junk::Malformed)?;
        let is_target = self.gate.borrow().directory.id(target.handle) == envelope.sender;
        if !is_target || nonce != expected || !self.is_honest(envelope, me) {
            return Err(Junk::Misdirected);
        }
        self.push(Output::CloseStream(stream));
        if envelope.life.generation() == target.life.generation() {
            self.note_seen(target, Evidence::StreamReachable);
        }
        self.import(envelope, std::slice::from_ref(me), true);
        Ok(())
    }

    /// Whoever hears that a member was refused may have been refused itself, as the helpers of the
    /// first accuser were, or looks: some six of all, so that several agree in a cluster of any
    /// size, and the host of a dead process has little to refuse.
    pub(super) fn look_for_ourselves(
        &mut self,
        prior: Option<&Record>,
        suspect: Identity,
        next: &Record,
    ) {
        let Some(doubt) = next.standing.doubt() else {
            return;
        };
        let is_settled = !doubt.lacks_refusals(&self.patience());
        if is_settled || doubt.refusals() == 0 || doubt.is_by(self.id()) {
            return;
        }
        let seen = self.gate.borrow().probing.seen(suspect);
        if seen == Some(Evidence::Refused) {
            let accused = Member::new(suspect, next.incarnation, State::Suspect);
            self.gate.borrow_mut().accuse_of_seen(&accused);
        } else if !was_refused(prior, next) && self.is_drawn() {
            self.ask_by_stream(suspect);
        }
    }

    /// Whether we are one of those who look.
    fn is_drawn(&mut self) -> bool {
        let others = self.cluster_size().max(1);
        self.rng.random_range(0..others) < LOOKERS
    }

    /// Whether so many members are refused at once that nobody should believe it.
    pub(super) fn many_are_refused(&self) -> bool {
        let most = self.tuning.refused_at_once_max(self.cluster_size());
        self.gate.borrow().roster.refused() > most
    }

    pub(super) fn slow_down(&mut self, suspect: Identity, incarnation: u16) {
        let slowed = self.gate.borrow_mut().roster.slow_down(suspect.handle);
        if let Some(doubt) = slowed {
            self.await_end_of_suspicion(suspect, incarnation, &doubt);
        }
    }

    /// A question got no answer. A refusal to whom the running probe asks is held back for a
    /// moment, in which a helper may get through: then only the way between the two of us is
    /// closed. Any other is only remembered.
    pub(super) fn stream_probe_ended(&mut self, stream: StreamId, end: StreamEnd) {
        let Some(StreamProbe { target, .. }) = self.stream_probes.remove(&stream) else {
            return;
        };
        if let (StreamEnd::Refused, Some(held)) = (end, self.held_active(target)) {
            self.note_seen(target, Evidence::Refused);
            let (is_probed, incarnation) = (
                self.gate.borrow().probing.unanswered() == Some(target),
                held.incarnation(),
            );
            if held.state() == State::Suspect {
                self.accuse_refused(target, incarnation);
            } else if is_probed {
                // The stream may have been opened before the probe began, and then nothing of the
                // probe's own has had helpers asked.
                self.end_direct_stage();
                let alarm = Alarm::Accuse {
                    identity: target,
                    incarnation,
                };
                self.schedule(self.tuning.probe_timeout / 4, alarm);
            }
        }
    }

    /// Nobody got through to a member that was refused: it is accused without waiting for the end
    /// of the probe. If somebody did, another refusal since then says nothing new of the way there.
    pub(super) fn accuse_unanswered(&mut self, target: Identity, incarnation: u16) {
        if self.gate.borrow().probing.unanswered() == Some(target) {
            self.accuse_refused(target, incarnation);
        }
    }

    fn accuse_refused(&mut self, target: Identity, incarnation: u16) {
        let is_refused = self.gate.borrow().probing.seen(target) == Some(Evidence::Refused);
        let held = self.held_active(target).filter(|_| is_refused);
        if held.is_some_and(|held| held.incarnation() == incarnation) {
            let accused = Member::new(target, incarnation, State::Suspect);
            self.gate.borrow_mut().accuse_of_seen(&accused);
            let result = self.engine.apply(std::iter::once(accused), true);
            self.check(result);
        }
    }

    fn held_active(&self, target: Identity) -> Option<Member<Identity>> {
        let held = self.engine.find(target.handle)?;
        (*held.id() == target && held.state() != State::Down).then(|| held.clone())
    }
}

/// Whether somebody was refused by this very life in this incarnation before.
fn was_refused(prior: Option<&Record>, next: &Record) -> bool {
    let doubt = prior.and_then(|prior| prior.doubt_in(next.life, next.incarnation));
    doubt.is_some_and(|doubt| doubt.refusals() > 0)
}
