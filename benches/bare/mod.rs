//! foca's least: eight-byte identities, and a codec that copies fields of fixed size unchecked.

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Identity, Member, Message, State};

/// Bytes of every header.
pub(crate) const HEADER_BYTES: usize = 8 + 2 + 8 + 2 + 8;
/// Bytes of every update.
pub(crate) const MEMBER_BYTES: usize = 8 + 2 + 1;

/// A member in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) handle: u32,
    pub(crate) life: u32,
}

impl Identity for Id {
    type Addr = u32;

    fn renew(&self) -> Option<Self> {
        Some(Self {
            life: self.life + 1,
            ..*self
        })
    }

    fn addr(&self) -> u32 {
        self.handle
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

/// Fixed sizes, no checks: the least that any codec must do.
pub(crate) struct Copying;

/// Why a packet cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("packet full, cut short or of a kind that is not measured")]
pub(crate) struct Unfit;

impl Codec<Id> for Copying {
    type Error = Unfit;

    fn encode_header(&mut self, header: &Header<Id>, mut buf: impl BufMut) -> Result<(), Unfit> {
        let (kind, number, about) = match header.message {
            Message::Ping(number) => (0, number, header.dst),
            Message::Ack(number) => (1, number, header.dst),
            Message::Gossip => (2, 0, header.dst),
            Message::PingReq {
                target,
                probe_number,
            } => (3, probe_number, target),
            Message::IndirectPing {
                origin,
                probe_number,
            } => (4, probe_number, origin),
            Message::IndirectAck {
                target,
                probe_number,
            } => (5, probe_number, target),
            Message::ForwardedAck {
                origin,
                probe_number,
            } => (6, probe_number, origin),
            Message::TurnUndead => (7, 0, header.dst),
            _ => return Err(Unfit),
        };
        put_id(header.src, &mut buf);
        buf.put_u16(header.src_incarnation);
        put_id(header.dst, &mut buf);
        buf.put_slice(&[kind, number]);
        put_id(about, &mut buf);
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Id>, Unfit> {
        if buf.remaining() < HEADER_BYTES {
            return Err(Unfit);
        }
        let src = take_id(&mut buf);
        let src_incarnation = buf.get_u16();
        let dst = take_id(&mut buf);
        let (kind, probe_number) = (buf.get_u8(), buf.get_u8());
        let message = message(kind, probe_number, take_id(&mut buf)).ok_or(Unfit)?;
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message,
        })
    }

    fn encode_member(&mut self, member: &Member<Id>, mut buf: impl BufMut) -> Result<(), Unfit> {
        if buf.remaining_mut() < MEMBER_BYTES {
            return Err(Unfit);
        }
        put_id(*member.id(), &mut buf);
        buf.put_u16(member.incarnation());
        buf.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Id>, Unfit> {
        if buf.remaining() < MEMBER_BYTES {
            return Err(Unfit);
        }
        let (id, incarnation) = (take_id(&mut buf), buf.get_u16());
        let state = match buf.get_u8() {
            0 => State::Alive,
            1 => State::Suspect,
            _ => State::Down,
        };
        Ok(Member::new(id, incarnation, state))
    }
}

const fn message(kind: u8, probe_number: u8, about: Id) -> Option<Message<Id>> {
    Some(match kind {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::Gossip,
        3 => Message::PingReq {
            target: about,
            probe_number,
        },
        4 => Message::IndirectPing {
            origin: about,
            probe_number,
        },
        5 => Message::IndirectAck {
            target: about,
            probe_number,
        },
        6 => Message::ForwardedAck {
            origin: about,
            probe_number,
        },
        7 => Message::TurnUndead,
        _ => return None,
    })
}

fn put_id(id: Id, buf: &mut impl BufMut) {
    buf.put_u32(id.handle);
    buf.put_u32(id.life);
}

fn take_id(buf: &mut impl Buf) -> Id {
    Id {
        handle: buf.get_u32(),
        life: buf.get_u32(),
    }
}
