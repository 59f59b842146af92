//! Probes as they pass the codec: ours and their answers, those that we make for others, and the
//! accusation that a ping carries to a suspect.

use foca::{Header, Member, Message, State};

use super::Gate;
use crate::swim::{
    health::{Errand, Probe},
    identity::Identity,
    wire::Nack,
};

/// Errands that we keep in mind. More are run, but their askers hear no nack.
const ERRANDS_MAX: usize = 256;

impl Gate {
    /// Notes what the header of an outgoing packet shows: foca has renewed us, or refuted for us,
    /// and what becomes of its probes.
    pub(in crate::swim) fn note_outgoing(&mut self, header: &Header<Identity>) {
        self.me = header.src;
        self.incarnation = header.src_incarnation;
        self.unsaid = matches!(header.message, Message::TurnUndead) && self.over(header.dst).left;
        match header.message {
            Message::Ping(number) if !self.calling => {
                self.probes += 1;
                // What an earlier probe saw says nothing of this one, unless the doubt is the same.
                if !self.is_suspect(header.dst) {
                    self.forget_seen_of(header.dst);
                }
                self.probe = Some(Probe::new(header.dst, number));
            }
            Message::PingReq { .. } => {
                if let Some(probe) = &mut self.probe {
                    probe.helpers = probe.helpers.saturating_add(1);
                }
            }
            Message::ForwardedAck {
                origin,
                probe_number,
            } => {
                self.end_errand(Errand {
                    asker: header.dst,
                    target: origin,
                    number: probe_number,
                });
            }
            _ => {}
        }
    }

    /// Notes what an incoming message says of probes, ours and others'.
    pub(in crate::swim) fn note_incoming(&mut self, message: &Message<Identity>) {
        match *message {
            Message::Ack(number) => {
                let is_answer = self.hear_answer(self.sender, number);
                self.probe_answered |= is_answer;
            }
            Message::ForwardedAck {
                origin,
                probe_number,
            } => {
                self.hear_answer(origin, probe_number);
            }
            Message::PingReq {
                target,
                probe_number,
            } => {
                self.errand = Some(Errand {
                    asker: self.sender,
                    target,
                    number: probe_number,
                });
            }
            _ => {}
        }
    }

    fn hear_answer(&mut self, from: Identity, number: foca::ProbeNumber) -> bool {
        let asked = |probe: &&mut Probe| probe.target == from && probe.number == number;
        let probe = self.probe.as_mut().filter(asked);
        let is_answer = probe.is_some_and(|probe| !std::mem::replace(&mut probe.answered, true));
        if is_answer {
            self.forget_seen_of(from);
        }
        is_answer
    }

    pub(in crate::swim) fn hear_nack(&mut self, nack: Nack) {
        let directory = &self.directory;
        let asked = |probe: &&mut Probe| {
            probe.number == nack.number && directory.id(probe.target.handle) == nack.target
        };
        if let Some(probe) = self.probe.as_mut().filter(asked) {
            probe.nacks = probe.nacks.saturating_add(1);
        }
    }

    /// Whether there is room to keep one more in mind.
    pub(in crate::swim) fn begin_errand(&mut self, errand: Errand) -> bool {
        let has_room = self.errands.len() < ERRANDS_MAX;
        if has_room {
            self.errands.push(errand);
        }
        has_room
    }

    /// Whether the errand was still open.
    pub(in crate::swim) fn end_errand(&mut self, errand: Errand) -> bool {
        let open = self.errands.len();
        self.errands.retain(|other| *other != errand);
        self.errands.len() < open
    }

    /// What a ping says to a suspect (Lifeguard §IV-C, the buddy system).
    pub(in crate::swim) fn charge(&self, header: &Header<Identity>) -> Option<u16> {
        let pings = matches!(
            header.message,
            Message::Ping(_) | Message::IndirectPing { .. }
        );
        (self.buddy && pings).then_some(())?;
        let record = self.roster.record(header.dst.handle)?;
        record.standing.doubt()?;
        (record.life == header.dst.life).then_some(record.incarnation)
    }

    /// Somebody who pings us holds us suspect: foca will hear of it after the packet. What we have
    /// refuted already, our answer refutes by its incarnation.
    pub(in crate::swim) fn hear_charge(&mut self, incarnation: u16) {
        if incarnation < self.incarnation {
            return;
        }
        let suspect = Member::new(self.me, incarnation, State::Suspect);
        self.overheard.push(suspect);
        self.accused = true;
    }
}
