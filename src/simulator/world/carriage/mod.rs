//! How a world carries datagrams and streams from process to process.

mod streams;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use rand::RngExt;

pub(super) use streams::{LinkId, Links, Side};

use super::{Arrival, Place, Slot, Tapped, What, World};
use crate::{
    simulator::{
        Promise,
        network::{Sent, Verdict},
    },
    swim::{FRAME_BYTES_MAX, Input, OPENING_BYTES_MAX, PACKET_BYTES_MAX, StreamId},
};
use streams::{Link, LinkEnd};

/// How long an end takes to notice that nothing comes through any more.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// The payload that an ICMP port unreachable would have as a datagram.
const REFUSAL_BYTES: usize = 28;
/// So many frames a stream carries that breaks: an exchange has two or three.
const FRAMES_OF_DOOMED: RangeInclusive<u8> = 1..=2;

impl World {
    /// Sends a datagram; those to nowhere are lost like any other.
    pub(in crate::simulator::world) fn send(&mut self, slot: Slot, to: SocketAddr, bytes: Bytes) {
        self.measures.datagrams += 1;
        self.measures.bytes += bytes.len() as u64;
        self.meter.senders.datagram(slot, bytes.len());
        if bytes.len() > PACKET_BYTES_MAX {
            let seen = format!("{} bytes to {to}", bytes.len());
            self.violate(Promise::PacketsFit, slot, seen);
        }
        let from = self.machines[slot.index()].place;
        if let Some(tap) = &mut self.tap {
            let (from, bytes) = (from.address(), bytes.clone());
            tap.push(Tapped::Datagram { from, to, bytes });
        }
        let Some(to) = Place::behind(to) else {
            return;
        };
        let Some(&target) = self.owners.get(to.0 as usize) else {
            return;
        };
        let sent = Sent {
            at: self.now(),
            from: slot,
            to: target,
            bytes: bytes.len(),
        };
        match self.network.verdict(&mut self.rng, sent) {
            Verdict::Drop => {}
            Verdict::Deliver(delay) => self.post(from, to, delay, bytes),
            Verdict::Reject(delay) => {
                let (by, to) = (to, from);
                self.push(self.now() + delay, What::Refused { by, to });
            }
            Verdict::Duplicate(first, second) => {
                self.post(from, to, first, bytes.clone());
                self.post(from, to, second, bytes);
            }
        }
    }

    fn post(&mut self, from: Place, to: Place, delay: Duration, bytes: Bytes) {
        let bytes = if self.network.corrupts(&mut self.rng) {
            self.damage(&bytes)
        } else {
            bytes
        };
        self.push(self.now() + delay, What::Datagram { from, to, bytes });
    }

    fn damage(&mut self, bytes: &Bytes) -> Bytes {
        let mut damaged = bytes.to_vec();
        if !damaged.is_empty() {
            let index = self.rng.random_range(0..damaged.len());
            damaged[index] ^= self.rng.random_range(1..=255u8);
        }
        damaged.into()
    }

    /// A datagram reached `to`: whoever is bound there now gets it. A host without a process
    /// refuses it.
    pub(in crate::simulator::world) fn arrive(&mut self, from: Place, to: Place, bytes: Bytes) {
        let slot = self.owners[to.0 as usize];
        let machine = &self.machines[slot.index()];
        if machine.place != to {
            return;
        }
        match &machine.process {
            Some(_) => self.deliver(slot, Arrival::Datagram { from, bytes }),
            None if machine.host_up => self.refuse_datagram(slot, to, from),
            None => {}
        }
    }

    /// Sends a refusal back, which may be lost as any packet.
    fn refuse_datagram(&mut self, slot: Slot, by: Place, to: Place) {
        let sent = Sent {
            at: self.now(),
            from: slot,
            to: self.owners[to.0 as usize],
            bytes: REFUSAL_BYTES,
        };
        match self.network.verdict(&mut self.rng, sent) {
            Verdict::Drop | Verdict::Reject(_) => {}
            Verdict::Deliver(delay) | Verdict::Duplicate(delay, _) => {
                self.push(self.now() + delay, What::Refused { by, to });
            }
        }
    }

    /// A refusal reached `to`.
    pub(in crate::simulator::world) fn arrive_refused(&mut self, by: Place, to: Place) {
        let slot = self.owners[to.0 as usize];
        if self.machines[slot.index()].place == to {
            self.deliver(slot, Arrival::Refused { by });
        }
    }

    /// Something on a stream reached one of its ends, unless that end is closed.
    pub(in crate::simulator::world) fn arrive_at(
        &mut self,
        link: LinkId,
        side: Side,
        arrival: Arrival,
    ) {
        let Some(end) = self.links.get_mut(link).and_then(|link| link.end(side)) else {
            return;
        };
        let runs = |number| end.process == number;
        if self.process_mut(end.slot).is_some_and(|p| runs(p.number)) {
            self.deliver(end.slot, arrival);
        }
    }

    /// Hands `arrival` to the process, or keeps it while the process is paused or busy. A slow
    /// process blocks now that it has received something.
    pub(in crate::simulator::world) fn deliver(&mut self, slot: Slot, arrival: Arrival) {
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        let anomaly = process.anomaly.as_ref();
        process.paused |= anomaly.is_some_and(|anomaly| anomaly.stops());
        if process.paused || process.busy_until.is_some() || anomaly.is_some() {
            process.queue(arrival);
            return;
        }
        match arrival {
            Arrival::Datagram { from, bytes } => {
                let (from, bytes) = (from.address(), &bytes[..]);
                self.input(slot, Input::Datagram { from, bytes });
            }
            Arrival::Refused { by } => {
                let by = by.address();
                self.input(slot, Input::Refused { by });
            }
            Arrival::StreamFrame { link, side, bytes } => self.take_frame(link, side, &bytes),
            Arrival::StreamClosed { link, side } => {
                let outcome = self.links.get_mut(link).map(|link| link.outcome());
                if let (Some(end), Some(LinkEnd { stream, .. })) =
                    (outcome, self.release(link, side))
                {
                    self.input(slot, Input::StreamClosed { stream, end });
                }
            }
        }
    }

    fn take_frame(&mut self, id: LinkId, side: Side, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(LinkEnd { slot, stream, .. }) = link.end(side) else {
            return;
        };
        let input = Input::StreamFrame { stream, bytes };
        self.input(slot, input);
    }

    /// Opens a stream: the first frame arrives after the three-way handshake.
    pub(in crate::simulator::world) fn dial(
        &mut self,
        slot: Slot,
        stream: StreamId,
        to: SocketAddr,
        frame: Bytes,
    ) {
        self.measures.streams += 1;
        self.check_frame(slot, &frame, OPENING_BYTES_MAX);
        let target = Place::behind(to)
            .and_then(|place| self.owners.get(place.0 as usize).map(|slot| (place, *slot)))
            .filter(|(place, target)| self.machines[target.index()].place == *place);
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        let end = LinkEnd {
            slot,
            process: process.number,
            stream,
        };
        let reachable = target.map_or(slot, |(_, target)| target);
        let link = self.links.dial(end, reachable);
        if let Some(process) = self.process_mut(slot) {
            process.streams.insert(stream, link);
        }
        if target.is_none() || self.network.fails_dial(&mut self.rng) {
            self.break_link(link, STREAM_TIMEOUT);
        } else if self.network.rejects_dial(slot, reachable) {
            self.refuse_dial(link);
        } else {
            self.doom(link);
            self.forward(
                link,
                Side::Acceptor,
                |bytes| What::Connect { link, bytes },
                frame,
            );
        }
    }

    /// Draws whether a new stream will break, and when.
    fn doom(&mut self, id: LinkId) {
        if self.network.dooms_stream(&mut self.rng) {
            let frames = self.rng.random_range(FRAMES_OF_DOOMED);
            if let Some(link) = self.links.get_mut(id) {
                link.frames_left = Some(frames);
            }
        }
    }

    /// A dial reached its target: accepted when a process runs there, refused when only its host
    /// does, and lost otherwise.
    pub(in crate::simulator::world) fn connect(&mut self, id: LinkId, bytes: Bytes) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.dialling = false;
        if link.broken {
            return;
        }
        let slot = link.slots[Side::Acceptor as usize];
        let machine = &mut self.machines[slot.index()];
        let Some(process) = machine.process.as_mut() else {
            return match machine.host_up {
                true => self.refuse_dial(id),
                false => self.break_link(id, STREAM_TIMEOUT),
            };
        };
        let stream = process.accept();
        process.streams.insert(stream, id);
        link.open(LinkEnd {
            slot,
            process: process.number,
            stream,
        });
        let side = Side::Acceptor;
        self.deliver(
            slot,
            Arrival::StreamFrame {
                link: id,
                side,
                bytes,
            },
        );
    }

    fn refuse_dial(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id) {
            link.refuse();
            self.reset(id);
        }
    }

    /// Writes a frame to a stream. One that is closed already swallows it, as a socket may.
    pub(in crate::simulator::world) fn send_frame(
        &mut self,
        slot: Slot,
        stream: StreamId,
        bytes: Bytes,
    ) {
        self.check_frame(slot, &bytes, FRAME_BYTES_MAX);
        let Some((link, side)) = self.open_stream(slot, stream) else {
            return;
        };
        let side = side.other();
        self.forward(
            link,
            side,
            |bytes| What::StreamFrame { link, side, bytes },
            bytes,
        );
    }

    /// Closes a stream: the other end hears of it after everything that was written before.
    pub(in crate::simulator::world) fn close_stream(&mut self, slot: Slot, stream: StreamId) {
        let Some((link, side)) = self.open_stream(slot, stream) else {
            return;
        };
        self.release(link, side);
        self.notify_closed(link, side.other());
    }

    /// The process in `slot` is gone; the other end hears of it if it can.
    pub(in crate::simulator::world) fn hang_up(&mut self, id: LinkId, slot: Slot) {
        for side in [Side::Dialer, Side::Acceptor] {
            let end = self.links.get_mut(id).and_then(|link| link.end(side));
            if end.is_some_and(|end| end.slot == slot) {
                self.links.close(id, side);
                self.notify_closed(id, side.other());
            }
        }
    }

    /// Breaks every stream whose two machines cannot reach each other any more.
    pub(in crate::simulator::world) fn break_unconnected(&mut self) {
        let network = &self.network;
        for link in self
            .links
            .between(|one, other| !network.connects(one, other))
        {
            self.break_link(link, STREAM_TIMEOUT);
        }
    }

    /// Puts something under way to `side`, or breaks the link when nothing gets through.
    fn forward(&mut self, id: LinkId, side: Side, what: impl FnOnce(Bytes) -> What, bytes: Bytes) {
        let now = self.now();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.broken {
            return;
        }
        if link.is_worn_out() {
            self.reset(id);
            return;
        }
        let round_trips = if link.dialling { 3 } else { 1 };
        let [from, to] = link.way_to(side);
        let sent = Sent {
            at: now,
            from,
            to,
            bytes: bytes.len(),
        };
        match self.network.stream_delay(&mut self.rng, sent) {
            Some(delay) => {
                let at = link.in_order(side, now + delay * round_trips);
                self.push(at, what(bytes));
            }
            None => self.break_link(id, STREAM_TIMEOUT),
        }
    }

    fn notify_closed(&mut self, id: LinkId, side: Side) {
        let now = self.now();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.broken {
            return;
        }
        let [from, to] = link.way_to(side);
        let sent = Sent {
            at: now,
            from,
            to,
            bytes: 0,
        };
        let delay = self.network.stream_delay(&mut self.rng, sent);
        let at = link.in_order(side, now + delay.unwrap_or(STREAM_TIMEOUT));
        self.push(at, What::StreamClosed { link: id, side });
    }

    /// Breaks a link; both ends are told as soon as a packet gets there.
    fn reset(&mut self, id: LinkId) {
        if let Some([one, other]) = self.links.get_mut(id).map(|link| link.slots) {
            let latency = self.network.latency(&mut self.rng, one, other);
            self.break_link(id, latency);
        }
    }

    /// Nothing is carried any more; both ends notice after `delay`.
    fn break_link(&mut self, id: LinkId, delay: Duration) {
        let at = self.now() + delay;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.broken {
            return;
        }
        link.broken = true;
        for side in [Side::Dialer, Side::Acceptor] {
            self.push(at, What::StreamClosed { link: id, side });
        }
    }

    /// Closes one end, at the link and at the process.
    fn release(&mut self, id: LinkId, side: Side) -> Option<LinkEnd> {
        let end = self.links.close(id, side)?;
        self.process_mut(end.slot)?.streams.remove(&end.stream);
        Some(end)
    }

    fn open_stream(&mut self, slot: Slot, stream: StreamId) -> Option<(LinkId, Side)> {
        let id = *self.process_mut(slot)?.streams.get(&stream)?;
        let link: &mut Link = self.links.get_mut(id)?;
        let is = |side: Side| {
            link.end(side)
                .is_some_and(|end| end.slot == slot && end.stream == stream)
        };
        [Side::Dialer, Side::Acceptor]
            .into_iter()
            .find(|side| is(*side))
            .map(|side| (id, side))
    }

    fn check_frame(&mut self, slot: Slot, frame: &Bytes, max: usize) {
        if let Some(tap) = &mut self.tap {
            tap.push(Tapped::Frame(frame.clone()));
        }
        let bytes = frame.len();
        self.measures.stream_bytes += bytes as u64;
        self.meter.senders.frame(slot, bytes);
        if bytes > max {
            self.violate(
                Promise::PacketsFit,
                slot,
                format!("a frame of {bytes} bytes"),
            );
        }
    }
}
