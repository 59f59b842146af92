//! foca's codec: headers and members as they go on the wire, through the gate.

use std::{cell::RefCell, cmp::Ordering, rc::Rc};

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message};
use serde::{Deserialize, Serialize};

use super::{
    Junk, Life, MemberId,
    broadcasts::About,
    gate::{Gate, Sighting},
    identity::Identity,
    wire::Update,
};

/// A header without its sender, whom the envelope names.
#[derive(Serialize, Deserialize)]
struct WireHeader {
    src_incarnation: u16,
    dst: WireIdentity,
    message: Message<WireIdentity>,
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
    gate: Rc<RefCell<Gate>>,
    scratch: Vec<u8>,
}

impl Codec {
    pub(super) const fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self {
            gate,
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
        self.gate.borrow_mut().junk = Some(junk);
        CodecError::Junk(junk)
    }

    fn outward(&self, identity: Identity) -> WireIdentity {
        let id = self.gate.borrow().directory.id(identity.handle);
        WireIdentity {
            id,
            life: identity.life,
        }
    }

    fn inward(&self, identity: WireIdentity) -> Result<Identity, CodecError> {
        let handle = {
            let gate = self.gate.borrow();
            match identity.id == gate.id {
                true => Some(gate.me.handle),
                false => gate.directory.handle(identity.id),
            }
        };
        match handle {
            Some(handle) => Ok(Identity {
                handle,
                life: identity.life,
            }),
            None => Err(self.refuse(Junk::Stranger)),
        }
    }
}

impl foca::Codec<Identity> for Codec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        {
            // foca has renewed us, or refuted for us: this is where it shows first.
            let mut gate = self.gate.borrow_mut();
            gate.me = header.src;
            gate.incarnation = header.src_incarnation;
            gate.unsaid =
                matches!(header.message, Message::TurnUndead) && gate.over(header.dst).left;
            if let Message::Ping(number) = header.message {
                gate.probes += 1;
                gate.probing = Some((header.dst, number));
            }
        }
        let wire = WireHeader {
            src_incarnation: header.src_incarnation,
            dst: self.outward(header.dst),
            message: translate(&header.message, |identity| Ok(self.outward(identity)))?,
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
        let mut gate = self.gate.borrow_mut();
        let src = gate.sender;
        if wire.src_incarnation != gate.roster.incarnation(src.handle)
            || gate.roster.record(src.handle).is_some()
        {
            gate.touch(src.handle);
        }
        if wire.dst.id != gate.id {
            drop(gate);
            return Err(self.refuse(Junk::Misdirected));
        }
        match wire.dst.life.cmp(&gate.me.life) {
            Ordering::Less => gate.addressed_before = true,
            Ordering::Equal => gate.hear_answer(&wire.message),
            Ordering::Greater => gate.sightings.push(Sighting::Down(wire.dst.life)),
        }
        drop(gate);
        Ok(Header {
            src,
            src_incarnation: wire.src_incarnation,
            dst: self.inward(wire.dst)?,
            message: translate(&wire.message, |identity| self.inward(identity))?,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<Identity>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        let update = self
            .gate
            .borrow()
            .clothe(member)
            .ok_or(CodecError::NoCard)?;
        self.write(&update, buf)?;
        // Members are encoded only when foca queues them for gossip: feeds answer announces,
        // which no node of ours sends.
        self.gate
            .borrow_mut()
            .news
            .push((About::Claim(member.id().handle), self.scratch.clone()));
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Identity>, CodecError> {
        let Some((update, used)) = read::<Update<'_>>(buf.chunk()) else {
            return Err(self.refuse(Junk::Malformed));
        };
        let member = self.gate.borrow_mut().judge(&update);
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
fn translate<A: Copy, B>(
    message: &Message<A>,
    name: impl Fn(A) -> Result<B, CodecError>,
) -> Result<Message<B>, CodecError> {
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
