//! Members beyond the view: they are probed by others, but everybody hears of their failure.
//!
//! A helper of an indirect probe may be one, and so may whoever asks a suspect for a last word.
//! They are answered as foca would answer them, without entering its list.

use std::{mem, time::Duration};

use bytes::Buf;
use foca::{Codec as _, Header, Member, Message, State};

use super::Node;
use crate::swim::{
    Junk,
    broadcasts::About,
    codec::{Codec, CodecError},
    envelope::Envelope,
    gate::Sighting,
    identity::Identity,
    roster::Standing,
};

/// What was said of a member that lives is remembered so long: its gossip is over by then.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// What foca would make of a packet.
struct Packet {
    header: Header<Identity>,
    /// What it claims of members in our view.
    claims: Vec<Member<Identity>>,
}

impl Node {
    /// The sender, if it is a member that is not in our view.
    pub(super) fn stranger(&self, envelope: &Envelope<'_>) -> Option<Identity> {
        let gate = self.gate.borrow();
        let beyond = |identity: &Identity| gate.is_beyond(identity.handle);
        gate.carded(envelope.sender, envelope.life).filter(beyond)
    }

    /// A packet of foca's from beyond the view.
    pub(super) fn on_swim_beyond(&mut self, sender: Identity, packet: &[u8]) -> Result<(), Junk> {
        self.gate.borrow_mut().sender = sender;
        let read = self.read_packet(packet);
        let noticed = mem::take(&mut self.gate.borrow_mut().noticed);
        let malformed = noticed.junk.unwrap_or(Junk::Malformed);
        let Packet { header, claims } = read.map_err(|_| malformed)?;
        if noticed.addressed_before {
            // As foca, which takes no packet to another life than its own.
            self.introduce_to(sender);
            return Ok(());
        }
        self.heard_from_beyond(Member::new(sender, header.src_incarnation, State::Alive));
        let result = self.engine.apply(claims.into_iter(), true);
        self.check(result);
        self.heed(sender, noticed.overheard, noticed.accused);
        self.answer_beyond(sender, header.message);
        noticed.junk.map_or(Ok(()), Err)
    }

    fn read_packet(&self, mut packet: &[u8]) -> Result<Packet, CodecError> {
        let mut codec = Codec::new(self.gate.clone());
        let header = codec.decode_header(&mut packet)?;
        let count = if packet.len() >= 2 {
            packet.get_u16()
        } else {
            0
        };
        let mut claims = Vec::new();
        for _ in 0..count {
            claims.push(codec.decode_member(&mut packet)?);
        }
        Ok(Packet { header, claims })
    }

    /// Whoever speaks lives. If we hold its life over, it must take another one.
    fn heard_from_beyond(&mut self, word: Member<Identity>) {
        let held = self.gate.borrow().presumed(word.id().handle);
        if held.state() == State::Down && held.id().life >= word.id().life {
            let left = self.gate.borrow().over(*word.id()).left;
            match left {
                true => self.gate.borrow_mut().pending.parted.push(*word.id()),
                false => self.send_packet(*word.id(), Message::TurnUndead, 0, &[]),
            }
        } else if self.gate.borrow().is_news(&word) {
            self.gate.borrow_mut().findings.beyond.push(word);
        }
    }

    fn answer_beyond(&mut self, sender: Identity, message: Message<Identity>) {
        let (to, answer) = match message {
            Message::Ping(number) => (sender, Message::Ack(number)),
            Message::IndirectPing {
                origin: target,
                probe_number,
            } => {
                let answer = Message::IndirectAck {
                    target,
                    probe_number,
                };
                (sender, answer)
            }
            Message::IndirectAck {
                target,
                probe_number,
            } => {
                let origin = sender;
                let answer = Message::ForwardedAck {
                    origin,
                    probe_number,
                };
                (target, answer)
            }
            Message::TurnUndead => {
                let mut gate = self.gate.borrow_mut();
                let down = Sighting::Down(gate.me.life);
                return gate.findings.sightings.push(down);
            }
            // Nobody asks beyond its view for help, and the rest wants no answer.
            _ => return,
        };
        self.send_packet(to, answer, 0, &[]);
    }

    /// The time of a suspect beyond the view is over.
    pub(super) fn confirm_beyond(&self, suspect: Identity, incarnation: u16) {
        let mut gate = self.gate.borrow_mut();
        if gate.presumed(suspect.handle) == Member::new(suspect, incarnation, State::Suspect) {
            gate.findings
                .beyond
                .push(Member::new(suspect, incarnation, State::Down));
        }
    }

    /// Tells what is new of members beyond the view, and sends it on.
    pub(super) fn tell_beyond(&mut self, claims: Vec<Member<Identity>>) {
        for claim in claims {
            let is_news = self.gate.borrow().is_news(&claim);
            if is_news || self.gate.borrow().is_open(&claim) {
                self.tell_claim(&claim);
            }
            if is_news {
                self.send_on(&claim);
            }
        }
    }

    pub(super) fn tell_claim(&mut self, claim: &Member<Identity>) {
        let handle = claim.id().handle;
        let prior = self.gate.borrow().presumption(handle);
        let mut next = self.next(claim, Some(&prior));
        if next.standing == Standing::Alive {
            next.since = self.now;
        }
        self.tell_transition(Some(&prior), *claim.id(), &next);
        self.gate.borrow_mut().tell(handle, next);
    }

    pub(super) fn forget_settled(&self) {
        let mut gate = self.gate.borrow_mut();
        gate.roster.forget_settled(self.now, SETTLED_AFTER);
    }

    fn send_on(&mut self, claim: &Member<Identity>) {
        let update = self.gate.borrow().clothe(claim);
        if let Some(update) = update {
            self.broadcast(About::claim(claim.id().handle), &update);
        }
    }
}
