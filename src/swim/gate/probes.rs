//! Probes as they pass the codec: ours and their answers, those that we make for others, and the
//! accusation that a ping carries to a suspect.

use std::{collections::BTreeMap, mem};

use foca::{Header, Member, Message, State};

use super::{Gate, seen::Seen};
use crate::swim::{
    health::{Errand, Probe},
    identity::Identity,
    wire::Nack,
};

/// Errands that we keep in mind. More are run, but their askers hear no nack.
const ERRANDS_MAX: usize = 256;

/// Probes under way, and what they showed.
#[derive(Debug, Default)]
pub(in crate::swim) struct Probing {
    /// foca's pings.
    pub(in crate::swim) sent: u64,
    /// Probes that nobody answered for.
    pub(in crate::swim) failed: u64,
    /// What became of foca's last one.
    pub(in crate::swim) last: Option<Probe>,
    /// What others asked us to probe, and have no answer to yet.
    errands: Vec<Errand>,
    /// What we saw ourselves of members in doubt.
    pub(super) seen: BTreeMap<Identity, Seen>,
}

impl Probing {
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

    /// Whether this is the first answer to the running probe.
    fn hear_answer(&mut self, from: Identity, number: foca::ProbeNumber) -> bool {
        let asked = |probe: &&mut Probe| probe.target == from && probe.number == number;
        let probe = self.last.as_mut().filter(asked);
        let is_first = probe.is_some_and(|probe| !mem::replace(&mut probe.answered, true));
        if is_first {
            self.seen.remove(&from);
        }
        is_first
    }
}

impl Gate {
    /// Notes what the header of a packet of foca's shows: foca has renewed us, or refuted for us,
    /// and what becomes of its probes.
    pub(in crate::swim) fn note_outgoing(&mut self, header: &Header<Identity>) {
        self.me = header.src;
        self.incarnation = header.src_incarnation;
        self.unsaid = matches!(header.message, Message::TurnUndead) && self.over(header.dst).left;
        match header.message {
            Message::Ping(number) => {
                self.probing.sent += 1;
                // What an earlier probe saw says nothing of this one, unless the doubt is the same.
                if !self.is_suspect(header.dst) {
                    self.probing.seen.remove(&header.dst);
                }
                self.probing.last = Some(Probe::new(header.dst, number));
            }
            Message::PingReq { .. } => {
                if let Some(probe) = &mut self.probing.last {
                    probe.helpers = probe.helpers.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    /// An answer that is passed on, by foca or by ourselves, ends its errand.
    pub(in crate::swim) fn note_forwarded(&mut self, header: &Header<Identity>) {
        if let Message::ForwardedAck {
            origin,
            probe_number,
        } = header.message
        {
            self.probing.end_errand(Errand {
                asker: header.dst,
                target: origin,
                number: probe_number,
            });
        }
    }

    /// Notes what an incoming message says of probes, ours and others'.
    pub(in crate::swim) fn note_incoming(&mut self, message: &Message<Identity>) {
        match *message {
            Message::Ack(number) => {
                self.noticed.probe_answered |= self.probing.hear_answer(self.sender, number);
            }
            Message::ForwardedAck {
                origin,
                probe_number,
            } => {
                self.probing.hear_answer(origin, probe_number);
            }
            Message::PingReq {
                target,
                probe_number,
            } => {
                self.noticed.errand = Some(Errand {
                    asker: self.sender,
                    target,
                    number: probe_number,
                });
            }
            _ => {}
        }
    }

    pub(in crate::swim) fn hear_nack(&mut self, nack: Nack) {
        let directory = &self.directory;
        let asked = |probe: &&mut Probe| {
            probe.number == nack.number && directory.id(probe.target.handle) == nack.target
        };
        if let Some(probe) = self.probing.last.as_mut().filter(asked) {
            probe.nacks = probe.nacks.saturating_add(1);
        }
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
        self.noticed.overheard.push(suspect);
        self.noticed.accused = true;
    }
}
