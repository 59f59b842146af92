//! Tags that are too large for packets: fetched over a stream from whoever told of them.
//!
//! Who passes a member's facts on has its tags, so that they spread as the news does, and nobody is
//! asked by all. A fetch that fails is not repeated: facts come again by gossip and by exchanges.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::SocketAddr,
    time::Duration,
};

use super::{Node, exchange::Speaker};
use crate::swim::{
    Junk, MemberId, Output, StreamId, TAG_BYTES_MAX,
    directory::Handle,
    facts::Lacking,
    identity::Identity,
    timers::Alarm,
    wire::{Frame, Update},
};

/// A fetch that takes longer is given up.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Fetches under way at once.
pub(super) const FETCHES_MAX: usize = 8;
/// Members in one question, and so in its answer: 256 KiB of tags, which a slow line takes in time.
const ASKED_MAX: usize = 16;

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Fetch {
    from: SocketAddr,
    of: BTreeSet<Handle>,
    /// To be asked for afterwards.
    rest: BTreeSet<Handle>,
}

impl Node {
    /// Asks those who told of large tags for them.
    pub(super) fn fetch_lacking(&mut self, lacking: Vec<Lacking>) {
        let mut asked = BTreeMap::<Handle, (Identity, BTreeSet<Handle>)>::new();
        for Lacking { of, told_by } in lacking {
            let is_asked = |fetch: &Fetch| fetch.of.contains(&of) || fetch.rest.contains(&of);
            if !self.fetches.values().any(is_asked) {
                let whom = asked.entry(told_by.handle);
                let (_, whose) = whom.or_insert_with(|| (told_by, BTreeSet::new()));
                whose.insert(of);
            }
        }
        for (whom, of) in asked.into_values() {
            let address = self.gate.borrow().address_of(whom);
            if let Some(address) = address {
                self.fetch(address, of);
            }
        }
    }

    fn fetch(&mut self, from: SocketAddr, of: BTreeSet<Handle>) {
        let mut under_way = self.fetches.values();
        if of.is_empty()
            || self.fetches.len() >= FETCHES_MAX
            || under_way.any(|fetch| fetch.from == from)
        {
            return;
        }
        let mut all = of.into_iter();
        let of: BTreeSet<_> = all.by_ref().take(ASKED_MAX).collect();
        let rest = all.collect();
        let ids = {
            let gate = self.gate.borrow();
            of.iter().map(|of| gate.directory.id(*of)).collect()
        };
        let sender = self.sender();
        let mail = self.engine.mail();
        let stream = mail.open(sender, from, &Frame::Fetch(ids));
        self.fetches.insert(stream, Fetch { from, of, rest });
        self.schedule(FETCH_TIMEOUT, Alarm::StreamSilent(stream));
    }

    /// A member asks what others say of themselves.
    pub(super) fn answer_fetch(&mut self, asker: Speaker<'_>, of: &[MemberId]) -> Result<(), Junk> {
        let Speaker { stream, envelope } = asker;
        if !self.is_member(envelope) {
            return Err(Junk::Stranger);
        }
        let said = {
            let gate = self.gate.borrow();
            let handles = of.iter().take(ASKED_MAX);
            let handles = handles.filter_map(|id| gate.directory.handle(*id));
            let said = handles.filter_map(|of| gate.statement_within(of, TAG_BYTES_MAX));
            said.collect()
        };
        let sender = self.sender();
        let mail = self.engine.mail();
        mail.frame(sender, stream, &Frame::Fetched(said));
        self.push(Output::CloseStream(stream));
        Ok(())
    }

    pub(super) fn on_fetched(
        &mut self,
        stream: StreamId,
        updates: &[Update<'_>],
    ) -> Result<(), Junk> {
        let fetch = self.fetches.remove(&stream).ok_or(Junk::Malformed)?;
        let mut gate = self.gate.borrow_mut();
        let are_words = updates.iter().all(|update| gate.hear_word(update));
        // What was fetched and is still not there is not asked for again at once.
        gate.pending.lacking.clear();
        let junk = mem::take(&mut gate.noticed).junk;
        drop(gate);
        if let Some(junk) = junk {
            return Err(junk);
        }
        if !are_words {
            return Err(Junk::Malformed);
        }
        self.push(Output::CloseStream(stream));
        self.fetch(fetch.from, fetch.rest);
        Ok(())
    }
}
