//! foca's codec: headers and members as they go on the wire, through the gate.

use std::{cell::RefCell, cmp::Ordering, convert::Infallible, rc::Rc};

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message};
use fragile::Fragile;
use serde::{Deserialize, Serialize};

use super::{
    Junk, Life, MemberId,
    broadcasts::About,
    gate::{Gate, Sighting},
    identity::Identity,
    wire::{self, Update},
};

/// A header without its sender, whom the envelope names.
#[derive(Serialize, Deserialize)]
struct WireHeader {
    src_incarnation: u16,
    dst: WireIdentity,
    message: Message<WireIdentity>,
    /// The buddy system: the target is accused in this incarnation.
    accused: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WireIdentity {
    id: MemberId,
    life: Life,
}

/// Why foca's packet could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("no room left in the packet")]
    Full,
    #[error("no card of that member")]
    NoCard,
    #[error("thrown away: {}", .0.as_str())]
    Junk(Junk),
}

/// Implements foca's codec on the shared gate.
#[derive(Debug)]
pub(super) struct Codec {
    /// Of the thread that made it, while a [`super::List`] is filled on another.
    gate: Fragile<Rc<RefCell<Gate>>>,
    scratch: Vec<u8>,
}

impl Codec {
    pub(super) fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self {
            gate: Fragile::new(gate),
            scratch: Vec::new(),
        }
    }

    /// Writes all of `value` or nothing.
    fn write(&mut self, value: &impl Serialize, mut buf: impl BufMut) -> Result<(), CodecError> {
        self.scratch.clear();
        let scratch = std::mem::take(&mut self.scratch);
        self.scratch = postcard::to_extend(value, scratch).map_err(|_| CodecError::Full)?;
        if buf.remaining_mut() < self.scratch.len() {
            return Err(CodecError::Full);
        }
        buf.put_slice(&self.scratch);
        Ok(())
    }

    fn refuse(&self, junk: Junk) -> CodecError {
        self.gate.get().borrow_mut().noticed.junk = Some(junk);
        CodecError::Junk(junk)
    }
}

impl Gate {
    fn outward(&self, identity: Identity) -> WireIdentity {
        WireIdentity {
            id: self.directory.id(identity.handle),
            life: identity.life,
        }
    }

    fn name_outward(&self, message: &Message<Identity>) -> Message<WireIdentity> {
        let named = translate(message, |identity| {
            Ok::<_, Infallible>(self.outward(identity))
        });
        match named {
            Ok(message) => message,
        }
    }

    fn clothe_header(&mut self, header: &Header<Identity>) -> WireHeader {
        self.note_forwarded(header);
        WireHeader {
            src_incarnation: header.src_incarnation,
            dst: self.outward(header.dst),
            message: self.name_outward(&header.message),
            accused: self.charge(header),
        }
    }

    /// Begins a packet that foca did not make: it is none of foca's probes.
    pub(super) fn put_header(&mut self, header: &Header<Identity>, packet: &mut Vec<u8>) {
        wire::put(packet, &self.clothe_header(header));
    }

    fn inward(&self, identity: WireIdentity) -> Result<Identity, Junk> {
        let handle = match identity.id == self.id {
            true => Some(self.me.handle),
            false => self.directory.handle(identity.id),
        };
        let life = identity.life;
        let identity = handle.map(|handle| Identity { handle, life });
        identity.ok_or(Junk::Stranger)
    }

    fn read_header(&mut self, wire: &WireHeader) -> Result<Header<Identity>, Junk> {
        let src = self.sender;
        if wire.src_incarnation != self.roster.incarnation(src.handle)
            || self.roster.record(src.handle).is_some()
        {
            self.touch(src.handle);
        }
        if wire.dst.id != self.id {
            return Err(Junk::Misdirected);
        }
        let message = translate(&wire.message, |identity| self.inward(identity))?;
        match wire.dst.life.cmp(&self.me.life) {
            Ordering::Less => self.noticed.addressed_before = true,
            Ordering::Equal => {
                self.note_incoming(&message);
                if let Some(incarnation) = wire.accused {
                    self.hear_charge(incarnation);
                }
            }
            Ordering::Greater => {
                let down = Sighting::Down(wire.dst.life);
                self.findings.sightings.push(down);
            }
        }
        Ok(Header {
            src,
            src_incarnation: wire.src_incarnation,
            dst: self.inward(wire.dst)?,
            message,
        })
    }
}

impl foca::Codec<Identity> for Codec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        let wire = {
            let mut gate = self.gate.get().borrow_mut();
            gate.note_outgoing(header);
            gate.clothe_header(header)
        };
        self.write(&wire, buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, CodecError> {
        let Some((wire, used)) = read::<WireHeader>(buf.chunk()) else {
            return Err(self.refuse(Junk::Malformed));
        };
        buf.advance(used);
        if matches!(
            wire.message,
            Message::Announce | Message::Feed | Message::Broadcast
        ) {
            return Err(self.refuse(Junk::Malformed));
        }
        let header = self.gate.get().borrow_mut().read_header(&wire);
        header.map_err(|junk| self.refuse(junk))
    }

    fn encode_member(
        &mut self,
        member: &Member<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        let update = self
            .gate
            .get()
            .borrow()
            .clothe(member)
            .ok_or(CodecError::NoCard)?;
        self.write(&update, buf)?;
        // Members are encoded only when foca queues them for gossip: feeds answer announces,
        // which no node of ours sends.
        self.gate
            .get()
            .borrow_mut()
            .news
            .push((About::claim(member.id().handle), self.scratch.clone()));
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Identity>, CodecError> {
        let Some((update, used)) = read::<Update<'_>>(buf.chunk()) else {
            return Err(self.refuse(Junk::Malformed));
        };
        let member = self.gate.get().borrow_mut().judge(&update);
        buf.advance(used);
        Ok(member)
    }
}

/// Reads one value and says how many bytes it took.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, usize)> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    Some((value, bytes.len() - rest.len()))
}

/// The same message about the same members under their other names.
fn translate<A: Copy, B, E>(
    message: &Message<A>,
    name: impl Fn(A) -> Result<B, E>,
) -> Result<Message<B>, E> {
    Ok(match message {
        Message::Ping(number) => Message::Ping(*number),
        Message::Ack(number) => Message::Ack(*number),
        Message::PingReq {
            target,
            probe_number,
        } => Message::PingReq {
            target: name(*target)?,
            probe_number: *probe_number,
        },
        Message::IndirectPing {
            origin,
            probe_number,
        } => Message::IndirectPing {
            origin: name(*origin)?,
            probe_number: *probe_number,
        },
        Message::IndirectAck {
            target,
            probe_number,
        } => Message::IndirectAck {
            target: name(*target)?,
            probe_number: *probe_number,
        },
        Message::ForwardedAck {
            origin,
            probe_number,
        } => Message::ForwardedAck {
            origin: name(*origin)?,
            probe_number: *probe_number,
        },
        Message::Announce => Message::Announce,
        Message::Feed => Message::Feed,
        Message::Gossip => Message::Gossip,
        Message::Broadcast => Message::Broadcast,
        Message::TurnUndead => Message::TurnUndead,
    })
}
