//! `Mail`: the one way out. Everything that leaves the node is sealed and queued here.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::{BufMut, Bytes};
use serde::Serialize;

use super::{
    Life, MemberId, Output, PACKET_BYTES_MAX, StreamId,
    envelope::{ENVELOPE_BYTES_MAX, Kind, Sealer},
    wire,
};

/// Bytes of each packet kept for a section of our own beside foca's, so that user payloads never
/// starve behind membership storms. Nothing is in it yet.
const SECTION_BYTES: usize = 160;
/// Largest packet of foca's. Two bytes say how long it is.
pub(super) const SWIM_BYTES_MAX: usize = PACKET_BYTES_MAX - ENVELOPE_BYTES_MAX - 2 - SECTION_BYTES;

/// Our name and life, as every envelope carries them.
pub(super) type Sender = (MemberId, Life);

/// Seals and queues.
#[derive(Debug)]
pub(super) struct Mail {
    sealer: Sealer,
    pub(super) outputs: VecDeque<Output>,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    next_stream: u64,
}

impl Mail {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            sealer: Sealer::new(cluster),
            outputs: VecDeque::new(),
            datagrams: 0,
            bytes: 0,
            next_stream: 0,
        }
    }

    pub(super) const fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Sends one of foca's packets.
    pub(super) fn swim(&mut self, sender: Sender, to: SocketAddr, packet: &[u8]) {
        let length = u16::try_from(packet.len()).expect("foca keeps to SWIM_BYTES_MAX");
        let bytes = self
            .sealer
            .seal((Kind::Swim, 2 + packet.len()), sender, |out| {
                out.put_u16(length);
                out.put_slice(packet);
            });
        self.datagram(to, bytes);
    }

    /// Sends one of our own messages, padded to `bytes_min`.
    pub(super) fn message(
        &mut self,
        (kind, bytes_min): (Kind, usize),
        sender: Sender,
        to: SocketAddr,
        message: &impl Serialize,
    ) {
        let bytes = self.sealer.seal((kind, bytes_min), sender, |out| {
            let start = out.len();
            wire::put(out, message);
            pad(out, start + bytes_min);
        });
        self.datagram(to, bytes);
    }

    /// Answers a datagram of `asked` bytes, unless the answer would be longer: a forged source
    /// address must not make us send it more than was spent on it.
    pub(super) fn answer(
        &mut self,
        (kind, asked): (Kind, usize),
        sender: Sender,
        to: SocketAddr,
        message: &impl Serialize,
    ) {
        let bytes = self
            .sealer
            .seal((kind, 0), sender, |out| wire::put(out, message));
        if bytes.len() <= asked {
            self.datagram(to, bytes);
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
        let frame = self.seal_frame(sender, frame);
        self.push(Output::OpenStream { stream, to, frame });
        stream
    }

    /// Writes a frame to an open stream.
    pub(super) fn frame(&mut self, sender: Sender, stream: StreamId, frame: &impl Serialize) {
        let bytes = self.seal_frame(sender, frame);
        self.push(Output::StreamFrame { stream, bytes });
    }

    fn seal_frame(&mut self, sender: Sender, frame: &impl Serialize) -> Bytes {
        self.sealer
            .seal((Kind::Exchange, 0), sender, |out| wire::put(out, frame))
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
