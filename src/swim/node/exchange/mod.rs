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
    Junk, Output, StreamEnd, StreamId, Timestamp,
    envelope::{Envelope, Kind, Unopened},
    parts::Parts,
    timers::Alarm,
    wire::{self, Frame, Update},
};
#[cfg(feature = "agent")]
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

/// Whose word came on which stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker<'a> {
    pub(super) stream: StreamId,
    pub(super) envelope: &'a Envelope<'a>,
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
        let envelope = &envelope;
        let speaker = Speaker { stream, envelope };
        match self.exchanges.get(&stream).map(|talk| talk.what) {
            None => self.on_first_frame(speaker, frame),
            Some(Exchange::Served(service)) => self.go_on_serving(speaker, service, frame),
            Some(what) => self.hear_answer(speaker, what, frame),
        }
    }

    /// A frame of no exchange under way.
    fn on_first_frame(&mut self, speaker: Speaker<'_>, frame: Frame<'_>) -> Result<(), Junk> {
        match frame {
            Frame::Open { cookie, me, digest } => self.serve(speaker, cookie, &me, digest),
            Frame::Probe { nonce, claim } => {
                self.answer_stream_probe(speaker, nonce, claim.as_ref());
                Ok(())
            }
            Frame::Answer { nonce, me } => self.on_stream_answer(speaker, nonce, &me),
            Frame::Fetch(of) => self.answer_fetch(speaker, &of),
            Frame::Fetched(updates) => self.on_fetched(speaker.stream, &updates),
            _ => Err(Junk::Malformed),
        }
    }

    /// Tells what we know of these parts. Gives whether there is more.
    fn tell_state(&mut self, listener: Speaker<'_>, parts: Parts) -> bool {
        let portion = self.portion(parts, listener.envelope.sender);
        let is_cut = portion.is_cut;
        self.say(listener.stream, &portion.into_state());
        is_cut
    }

    /// Takes over what the other side knows, and tells what we knew of the same parts. Gives
    /// whether there is more to tell.
    fn answer_state(
        &mut self,
        speaker: Speaker<'_>,
        parts: Parts,
        updates: &[Update<'_>],
        gossip: bool,
    ) -> bool {
        let mine = self.portion(parts, speaker.envelope.sender);
        self.import(speaker.envelope, updates, gossip);
        let is_cut = mine.is_cut;
        self.say(speaker.stream, &mine.into_finish());
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
