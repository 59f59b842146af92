//! Our side of an exchange that we begin.

use std::net::SocketAddr;

use super::{Exchange, Node, Speaker};
use crate::swim::{
    Junk, StreamId,
    envelope::Envelope,
    parts::Parts,
    wire::{self, Frame, Unknown},
};

/// Exchanges under way that we began.
pub(in crate::swim::node) const BEGUN_MAX: usize = 16;
/// Rounds of one exchange. What is left then comes with the next.
pub(super) const ROUNDS_MAX: u8 = 64;

/// An exchange that we began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    to: SocketAddr,
    /// We knew nobody, and those who teach us know already what they do.
    is_first: bool,
    rounds: u8,
}

impl Node {
    pub(in crate::swim::node) fn exchange_at_random(&mut self) {
        if let Some(member) = self.choose_active(1).pop() {
            let card = self.gate.borrow().card_of(member);
            if let Some(card) = card {
                self.open_exchange(card.address, None);
            }
        }
    }

    /// A member does not know us. It is called where we know it, wherever this came from.
    pub(in crate::swim::node) fn on_unknown(
        &mut self,
        envelope: &Envelope<'_>,
    ) -> Result<(), Junk> {
        let unknown: Unknown = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let Some(member) = self.acquaintance(envelope) else {
            return Err(Junk::Stranger);
        };
        let card = self.gate.borrow().card_of(member);
        if let Some(card) = card.filter(|_| self.gate.borrow().leaving.is_none()) {
            self.open_exchange(card.address, Some(unknown.cookie));
        }
        Ok(())
    }

    pub(in crate::swim::node) fn open_exchange(&mut self, to: SocketAddr, cookie: Option<u64>) {
        if self.begun().count() >= BEGUN_MAX || self.begun().any(|other| other == to) {
            return;
        }
        self.fresh = false;
        let is_first = self.engine.active() == 0;
        let digest = self.digest();
        let me = self.gate.borrow().introduction();
        let sender = self.sender();
        let stream = self
            .engine
            .mail()
            .open(sender, to, &Frame::Open { cookie, me, digest });
        let call = Call {
            to,
            is_first,
            rounds: 0,
        };
        self.expect(stream, Exchange::Dialled(call));
    }

    /// With whom exchanges are under way that we began.
    pub(in crate::swim::node) fn begun(&self) -> impl Iterator<Item = SocketAddr> {
        self.calls().map(|call| call.to)
    }

    /// Whether somebody tells us who is there, as we knew nobody.
    pub(in crate::swim::node) fn is_taught(&self) -> bool {
        self.calls().any(|call| call.is_first)
    }

    fn calls(&self) -> impl Iterator<Item = Call> {
        self.exchanges.values().filter_map(|talk| match talk.what {
            Exchange::Dialled(call) | Exchange::Compared { call, .. } => Some(call),
            Exchange::Served(_) => None,
        })
    }

    /// What the side says that we dialled.
    pub(super) fn hear_answer(
        &mut self,
        speaker: Speaker<'_>,
        what: Exchange,
        frame: Frame<'_>,
    ) -> Result<(), Junk> {
        let stream = speaker.stream;
        match (frame, what) {
            (Frame::Same, Exchange::Dialled(call)) => self.finish(stream, call),
            (Frame::Sums(theirs), Exchange::Dialled(call)) => {
                let is_cut = self.answer_sums(speaker, &theirs)?;
                self.expect(stream, Exchange::Compared { call, is_cut });
            }
            (
                Frame::State {
                    parts,
                    updates,
                    is_cut,
                },
                Exchange::Dialled(call),
            ) => {
                let gossip = !call.is_first;
                let ours_is_cut = self.answer_state(speaker, parts, &updates, gossip);
                self.finish_round(stream, call, is_cut || ours_is_cut);
            }
            (
                Frame::Finish { updates, is_cut },
                Exchange::Compared {
                    call,
                    is_cut: ours_is_cut,
                },
            ) => {
                self.import(speaker.envelope, &updates, !call.is_first);
                self.finish_round(stream, call, is_cut || ours_is_cut);
            }
            _ => return Err(Junk::Malformed),
        }
        Ok(())
    }

    /// Tells what we know of the parts in which we differ. Gives whether there is more.
    fn answer_sums(&mut self, speaker: Speaker<'_>, theirs: &[u64]) -> Result<bool, Junk> {
        let is_count = Parts::is_count(theirs.len());
        let ours = is_count.then(|| self.sums(theirs.len()));
        let differing = ours.and_then(|ours| Parts::differing(&ours, theirs));
        let parts = differing.ok_or(Junk::Malformed)?;
        Ok(self.tell_state(speaker, parts))
    }

    /// Both sides have told. If not all, they compare again what they know.
    fn finish_round(&mut self, stream: StreamId, call: Call, is_cut: bool) {
        if !is_cut || call.rounds >= ROUNDS_MAX {
            return self.finish(stream, call);
        }
        self.settle();
        let digest = self.digest();
        self.say(stream, &Frame::Again { digest });
        let call = Call {
            rounds: call.rounds + 1,
            ..call
        };
        self.expect(stream, Exchange::Dialled(call));
    }

    /// The same on a stream that we dialled.
    fn finish(&mut self, stream: StreamId, call: Call) {
        self.close(stream);
        self.joined(call.to);
        self.ask_other_seeds();
        self.part();
    }
}
