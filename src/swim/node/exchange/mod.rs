//! Comparing all that two nodes know, over a stream.
//!
//! The dialling side opens with itself and a digest. Equal digests end it; otherwise the other
//! side answers with sums that show where they differ, and each sends what it knows of those parts
//! (`sums`). To a newcomer, and where members are few, it sends all it knows. What is too much for
//! once (`portion`) is left for another round on the same stream. Joining is one exchange, and one
//! with a random member now and then repairs whatever gossip lost.

mod dial;
mod learn;
mod serve;

use std::time::Duration;

use super::Node;
use crate::swim::{
    Junk, MemberId, Output, StreamEnd, StreamId, Timestamp,
    envelope::{Envelope, Kind, Unopened},
    parts::Parts,
    timers::Alarm,
    wire::{self, Frame, Update},
};
pub(super) use dial::BEGUN_MAX;
use dial::Call;
use serve::Service;

/// An exchange in which nothing comes for so long is given up.
pub(super) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// An exchange under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    what: Exchange,
    /// The other side's word is due by then.
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
enum Exchange {
    /// We dialled.
    Dialled(Call),
    /// We did, and told what we know of the parts in which we differ.
    Compared { call: Call, is_cut: bool },
    /// We were dialled, and have told what we know, or where to look.
    Served(Service),
}

impl Node {
    pub(in crate::swim::node) fn schedule_exchange(&mut self) {
        let interval = self.tuning.exchange_interval(self.cluster_size());
        let interval = self.jitter(interval);
        self.schedule(interval, Alarm::Exchange);
    }

    pub(in crate::swim::node) fn exchange_now_and_then(&mut self) {
        self.audit();
        self.ask_if_behind();
        self.exchange_at_random();
        self.schedule_exchange();
    }

    pub(in crate::swim::node) fn stream_frame(&mut self, stream: StreamId, bytes: &[u8]) {
        if let Err(junk) = self.on_frame(stream, bytes) {
            self.stats.count_junk(junk);
            self.exchanges.remove(&stream);
            self.fetches.remove(&stream);
            self.stream_probes.remove(&stream);
            self.push(Output::CloseStream(stream));
        }
    }

    fn on_frame(&mut self, stream: StreamId, bytes: &[u8]) -> Result<(), Junk> {
        let mut plain = Vec::new();
        let opened = self.engine.mail().open_frame(stream, bytes, &mut plain);
        let envelope = opened.map_err(|unopened| match unopened {
            Unopened::Junk(junk) => junk,
            Unopened::Key { .. } => Junk::Key,
            Unopened::Version { .. } => Junk::Version,
        })?;
        if envelope.kind != Kind::Exchange || self.gate.borrow().leaving.is_some() {
            return Err(Junk::Malformed);
        }
        if envelope.sender == self.id() {
            return Err(Junk::Misdirected);
        }
        let frame: Frame<'_> = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let what = self.exchanges.get(&stream).map(|talk| talk.what);
        match (frame, what) {
            (Frame::Open { cookie, me, digest }, None) => {
                self.serve((stream, cookie), &envelope, &me, digest)
            }
            (frame, Some(Exchange::Served(service))) => {
                self.go_on_serving((stream, service), &envelope, frame)
            }
            (frame, Some(what)) => self.hear_answer((stream, what), &envelope, frame),
            (Frame::Probe { nonce, claim }, None) => {
                self.answer_stream_probe((stream, nonce), &envelope, claim.as_ref());
                Ok(())
            }
            (Frame::Answer { nonce, me }, None) => {
                self.on_stream_answer((stream, nonce), &envelope, &me)
            }
            (Frame::Fetch(of), None) => self.answer_fetch(stream, &envelope, &of),
            (Frame::Fetched(updates), None) => self.on_fetched(stream, &updates),
            _ => Err(Junk::Malformed),
        }
    }

    /// Tells what we know of these parts. Gives whether there is more.
    fn tell_state(&mut self, stream: StreamId, parts: Parts, listener: MemberId) -> bool {
        let portion = self.portion(parts, listener);
        let is_cut = portion.is_cut;
        self.say(stream, &portion.into_state());
        is_cut
    }

    /// Takes over what the other side knows, and tells what we knew of the same parts. Gives
    /// whether there is more to tell.
    fn answer_state(
        &mut self,
        (stream, parts): (StreamId, Parts),
        envelope: &Envelope<'_>,
        updates: &[Update<'_>],
        gossip: bool,
    ) -> bool {
        let mine = self.portion(parts, envelope.sender);
        self.import(envelope, updates, gossip);
        let is_cut = mine.is_cut;
        self.say(stream, &mine.into_finish());
        is_cut
    }

    fn say(&mut self, stream: StreamId, frame: &Frame<'_>) {
        let sender = self.sender();
        self.engine.mail().frame(sender, stream, frame);
    }

    /// The other side's next word is due.
    fn expect(&mut self, stream: StreamId, what: Exchange) {
        let until = self.now + EXCHANGE_TIMEOUT;
        self.exchanges.insert(stream, Talk { what, until });
        self.timers.schedule(until, Alarm::StreamSilent(stream));
    }

    /// Nothing more is to be said.
    fn close(&mut self, stream: StreamId) {
        self.exchanges.remove(&stream);
        self.push(Output::CloseStream(stream));
        self.stats.exchanges += 1;
    }

    pub(in crate::swim::node) fn stream_silent(&mut self, stream: StreamId) {
        let talk = self.exchanges.get(&stream);
        if talk.is_some_and(|talk| talk.until > self.now) {
            return;
        }
        let is_exchange =
            self.exchanges.remove(&stream).is_some() | self.fetches.remove(&stream).is_some();
        if self.stream_probes.remove(&stream).is_some() || is_exchange {
            self.push(Output::CloseStream(stream));
        }
    }

    pub(in crate::swim::node) fn stream_closed(&mut self, stream: StreamId, end: StreamEnd) {
        self.exchanges.remove(&stream);
        self.fetches.remove(&stream);
        self.engine.mail().stream_closed(stream);
        self.stream_probe_ended(stream, end);
    }

    /// Whether the sender speaks of itself as the envelope does.
    pub(in crate::swim::node) fn is_honest(
        &self,
        envelope: &Envelope<'_>,
        me: &Update<'_>,
    ) -> bool {
        me.id(&self.gate.borrow().cluster) == envelope.sender
            && matches!(me, Update::Alive { life, .. } if *life == envelope.life)
    }

    /// Whether the sender is a member that we know, and not an earlier process of it.
    pub(in crate::swim::node) fn is_member(&mut self, envelope: &Envelope<'_>) -> bool {
        let gate = self.gate.borrow();
        let handle = gate.directory.handle(envelope.sender);
        let is_known = handle.is_some_and(|handle| gate.roster.knows(handle));
        drop(gate);
        is_known && self.engine.mail().is_current(envelope)
    }
}
