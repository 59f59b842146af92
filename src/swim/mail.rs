//! `Mail`: the one way out, and in. Everything that leaves the node is sealed and queued here, and
//! whatever comes is opened here, once.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use bytes::{BufMut, Bytes};
use serde::Serialize;

use super::{
    Junk, KeyId, Keys, Life, MemberId, OPENING_BYTES_MAX, Output, PACKET_BYTES_MAX, StreamId,
    envelope::{Context, ENVELOPE_BYTES_MAX, Envelope, Kind, Sealer, Unopened},
    prefetch,
    replay::Heard,
    wire,
};

/// Largest packet of foca's. Two bytes say how long it is.
pub(super) const SWIM_BYTES_MAX: usize = PACKET_BYTES_MAX - ENVELOPE_BYTES_MAX - 2;

/// Our name and life, as every envelope carries them.
pub(super) type Sender = (MemberId, Life);

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressee {
    /// Nobody else believes it; `None` for whoever is there, or where the message says who.
    id: Option<MemberId>,
    address: SocketAddr,
}

impl From<SocketAddr> for Addressee {
    fn from(address: SocketAddr) -> Self {
        Self { id: None, address }
    }
}

impl From<(MemberId, SocketAddr)> for Addressee {
    fn from((id, address): (MemberId, SocketAddr)) -> Self {
        let id = Some(id);
        Self { id, address }
    }
}

/// Whoever sent the datagram that is being handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    to: Addressee,
    /// Length of what it sent.
    spent: usize,
}

impl Asker {
    pub(super) fn new(from: SocketAddr, datagram: &[u8]) -> Self {
        let (to, spent) = (from.into(), datagram.len());
        Self { to, spent }
    }

    /// Answers are for this member: nobody else believes them.
    pub(super) fn called(self, id: MemberId) -> Self {
        let to = (id, self.address()).into();
        Self { to, ..self }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.to.address
    }
}

/// Seals and queues, opens and remembers.
#[derive(Debug)]
pub(super) struct Mail {
    sealer: Sealer,
    heard: Heard,
    /// Streams with a sealed frame behind them: the next one must follow it.
    threads: BTreeMap<StreamId, Context>,
    /// In which key what is being handled was said: what goes to who said it is sealed with that
    /// one, so that keys can be replaced while some did not hear of it yet.
    asked_in: Option<KeyId>,
    /// Who said it: where it came from, and where its sender is reached, if that is known.
    asker: [Option<SocketAddr>; 2],
    pub(super) outputs: VecDeque<Output>,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    next_stream: u64,
}

impl Mail {
    pub(super) fn new(sealer: Sealer) -> Self {
        Self {
            sealer,
            heard: Heard::default(),
            threads: BTreeMap::new(),
            asked_in: None,
            asker: [None; 2],
            outputs: VecDeque::new(),
            datagrams: 0,
            bytes: 0,
            next_stream: 0,
        }
    }

    /// See [`prefetch()`].
    pub(super) fn prefetch(&self) {
        prefetch(self.outputs.as_slices().0);
    }

    /// What our seals are called; `None` where all is plain text.
    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.sealer.key_id()
    }

    /// The keys that are used.
    pub(super) const fn keys(&self) -> &Keys {
        self.sealer.keys()
    }

    /// Seals with the first of these and opens with all of them from now on.
    pub(super) fn replace_keys(&mut self, keys: Keys) {
        self.sealer.replace_keys(keys);
    }

    /// What is handled next is no datagram, or another one.
    pub(super) const fn begin(&mut self) {
        self.asked_in = None;
    }

    /// Opens a datagram that was not heard before. What was encrypted goes to `plain`.
    pub(super) fn open_datagram<'a>(
        &mut self,
        from: SocketAddr,
        bytes: &'a [u8],
        plain: &'a mut Vec<u8>,
    ) -> Result<Envelope<'a>, Unopened> {
        let envelope = self.sealer.open(Context::default(), bytes, plain)?;
        let (kind, sender) = (envelope.kind, (envelope.sender, envelope.life));
        let is_new = |seal| self.heard.datagram(kind, sender, seal);
        if !envelope.seal.is_none_or(is_new) {
            return Err(Junk::Replay.into());
        }
        self.asked_in = envelope.key;
        self.asker = [Some(from), None];
        Ok(envelope)
    }

    /// The sender of what is being handled is reached at this address. It may send from another
    /// one: from behind a translator, or with several of them.
    pub(super) const fn asked_from(&mut self, advertised: SocketAddr) {
        self.asker[1] = Some(advertised);
    }

    /// Opens a frame that was not heard before, and follows the last one of its stream. What was
    /// encrypted goes to `plain`.
    pub(super) fn open_frame<'a>(
        &mut self,
        stream: StreamId,
        bytes: &'a [u8],
        plain: &'a mut Vec<u8>,
    ) -> Result<Envelope<'a>, Unopened> {
        let thread = self.threads.get(&stream).copied();
        let envelope = self.sealer.open(thread.unwrap_or_default(), bytes, plain)?;
        if let Some(seal) = envelope.seal {
            let sender = (envelope.sender, envelope.life);
            match thread {
                // It has what we sent just now.
                Some(_) => self.heard.prove(sender, seal),
                None if self.heard.stream(sender, seal) => {}
                None => return Err(Junk::Replay.into()),
            }
            let context = Context::after(bytes).in_key(envelope.key);
            self.threads.insert(stream, context);
        }
        Ok(envelope)
    }

    /// The sender has a cookie of ours: it received something that we sent lately.
    pub(super) fn prove(&mut self, envelope: &Envelope<'_>) {
        if let Some(seal) = envelope.seal {
            self.heard.prove((envelope.sender, envelope.life), seal);
        }
    }

    /// Whether a frame comes from the process that we believe to be its sender's newest, as far as
    /// seals tell.
    pub(super) fn is_current(&mut self, envelope: &Envelope<'_>) -> bool {
        let sender = (envelope.sender, envelope.life);
        let is_current = |seal| self.heard.is_current(sender, seal);
        envelope.seal.is_none_or(is_current)
    }

    pub(super) fn stream_closed(&mut self, stream: StreamId) {
        self.threads.remove(&stream);
    }

    pub(super) fn push(&mut self, output: Output) {
        if let Output::CloseStream(stream) = &output {
            self.threads.remove(stream);
        }
        self.outputs.push_back(output);
    }

    /// Sends one of foca's packets.
    pub(super) fn swim(&mut self, sender: Sender, to: SocketAddr, packet: &[u8]) {
        let length = u16::try_from(packet.len()).expect("foca keeps to SWIM_BYTES_MAX");
        let context = self.context(to.into());
        let write = |out: &mut Vec<u8>| {
            out.put_u16(length);
            out.put_slice(packet);
        };
        let bytes = self
            .sealer
            .seal(context, (Kind::Swim, 2 + packet.len()), sender, write);
        self.datagram(to, bytes);
    }

    /// Sends one of our own messages, padded to `bytes_min`.
    pub(super) fn message(
        &mut self,
        (kind, bytes_min): (Kind, usize),
        sender: Sender,
        to: impl Into<Addressee>,
        message: &impl Serialize,
    ) {
        let to = to.into();
        let write = |out: &mut Vec<u8>| {
            let start = out.len();
            wire::put(out, message);
            pad(out, start + bytes_min);
        };
        let context = self.context(to);
        let bytes = self.sealer.seal(context, (kind, bytes_min), sender, write);
        self.datagram(to.address, bytes);
    }

    /// Answers a datagram, unless the answer would be longer: a forged source address must not
    /// make us send it more than was spent on it.
    pub(super) fn answer(
        &mut self,
        kind: Kind,
        sender: Sender,
        asker: Asker,
        message: &impl Serialize,
    ) {
        let write = |out: &mut Vec<u8>| wire::put(out, message);
        let context = self.context(asker.to);
        let bytes = self.sealer.seal(context, (kind, 0), sender, write);
        if bytes.len() <= asker.spent {
            self.datagram(asker.address(), bytes);
        }
    }

    /// Dials `to` with `frame` as the first one.
    pub(super) fn open(
        &mut self,
        sender: Sender,
        to: SocketAddr,
        frame: &impl Serialize,
    ) -> StreamId {
        self.next_stream += 2;
        let stream = StreamId(self.next_stream);
        let context = self.context(to.into());
        let frame = self.seal_frame(sender, (stream, context), frame);
        debug_assert!(frame.len() <= OPENING_BYTES_MAX, "{} bytes", frame.len());
        self.push(Output::OpenStream { stream, to, frame });
        stream
    }

    /// Writes a frame to an open stream.
    pub(super) fn frame(&mut self, sender: Sender, stream: StreamId, frame: &impl Serialize) {
        let thread = self.threads.get(&stream).copied().unwrap_or_default();
        let bytes = self.seal_frame(sender, (stream, thread), frame);
        self.push(Output::StreamFrame { stream, bytes });
    }

    fn seal_frame(
        &mut self,
        sender: Sender,
        (stream, thread): (StreamId, Context),
        frame: &impl Serialize,
    ) -> Bytes {
        let write = |out: &mut Vec<u8>| wire::put(out, frame);
        let bytes = self.sealer.seal(thread, (Kind::Exchange, 0), sender, write);
        if self.sealer.key_id().is_some() {
            let next = Context::after(&bytes).in_key(thread.key());
            self.threads.insert(stream, next);
        }
        bytes
    }

    /// For whom it is, in the key that it was asked in.
    fn context(&self, to: Addressee) -> Context {
        let context = to.id.map(Context::of).unwrap_or_default();
        let is_asker = self.asker.contains(&Some(to.address));
        context.in_key(self.asked_in.filter(|_| is_asker))
    }

    fn datagram(&mut self, to: SocketAddr, bytes: Bytes) {
        debug_assert!(bytes.len() <= PACKET_BYTES_MAX, "{} bytes", bytes.len());
        self.datagrams += 1;
        self.bytes += bytes.len() as u64;
        self.push(Output::Send { to, bytes });
    }
}

/// foca's packet inside a [`Kind::Swim`] payload. What follows it is a section for later formats.
pub(super) fn swim_packet(payload: &[u8]) -> Option<&[u8]> {
    let (length, rest) = payload.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

fn pad(out: &mut Vec<u8>, length: usize) {
    if out.len() < length {
        out.resize(length, 0);
    }
}
