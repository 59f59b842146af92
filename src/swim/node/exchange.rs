//! Comparing all that two nodes know, over a stream.
//!
//! The dialling side opens with itself and a digest. Equal digests end it; otherwise the other
//! side answers with sums that show where they differ, and each sends what it knows of those parts
//! (`sums`). To a newcomer, and where members are few, it sends all it knows at once. Joining is
//! one exchange, and one with a random member now and then repairs whatever gossip lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use foca::{Member, State};

use super::{Node, guests::Guest};
use crate::swim::{
    Change, Junk, Life, MemberId, Output, StreamEnd, StreamId,
    directory::Handle,
    envelope::{Envelope, Kind, Unopened},
    identity::Identity,
    parts::Parts,
    timers::Alarm,
    wire::{self, Frame, Unknown, Update},
};

/// An exchange that takes longer is given up.
pub(super) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// `healed` is told once in this time, not for every member that comes back.
const HEALED_PAUSE: Duration = Duration::from_secs(30);
/// Exchanges under way that we began, and that others began.
pub(super) const BEGUN_MAX: usize = 16;
const SERVED_MAX: usize = 128;

/// An exchange under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exchange {
    /// We dialled this address.
    Dialled { to: SocketAddr },
    /// We did, and told what we know of the parts in which we differ: its word is due.
    Compared { to: SocketAddr },
    /// We were dialled and have told all, or where to look; the other side's word is due.
    Served {
        /// Nobody had heard of us before.
        fresh: bool,
        /// Who dialled, if it is a newcomer.
        guest: Option<Guest>,
    },
}

impl Node {
    pub(super) fn schedule_exchange(&mut self) {
        let interval = self.tuning.exchange_interval(self.cluster_size());
        let interval = self.jitter(interval);
        self.schedule(interval, Alarm::Exchange);
    }

    pub(super) fn exchange_now_and_then(&mut self) {
        self.audit();
        self.ask_if_behind();
        self.exchange_at_random();
        self.schedule_exchange();
    }

    pub(super) fn exchange_at_random(&mut self) {
        if let Some(member) = self.choose_active(1).pop() {
            let card = self.gate.borrow().card_of(member);
            if let Some(card) = card {
                self.open_exchange(card.address, None);
            }
        }
    }

    /// Somebody speaks as a member whom we never heard of: it should come and tell us all.
    pub(super) fn invite(&mut self, from: SocketAddr, id: MemberId) {
        let unknown = Unknown {
            cookie: self.cookie(id),
        };
        self.answer(Kind::Unknown, (id, from), &unknown);
    }

    /// A member does not know us. It is called where we know it, wherever this came from.
    pub(super) fn on_unknown(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
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

    pub(super) fn open_exchange(&mut self, to: SocketAddr, cookie: Option<u64>) {
        if self.begun().count() >= BEGUN_MAX || self.begun().any(|other| other == to) {
            return;
        }
        self.fresh = false;
        let digest = self.digest();
        let me = self.gate.borrow().introduction();
        let sender = self.sender();
        let stream = self
            .engine
            .mail()
            .open(sender, to, &Frame::Open { cookie, me, digest });
        self.exchanges.insert(stream, Exchange::Dialled { to });
        self.schedule(EXCHANGE_TIMEOUT, Alarm::StreamSilent(stream));
    }

    /// With whom exchanges are under way that we began.
    pub(super) fn begun(&self) -> impl Iterator<Item = SocketAddr> {
        self.exchanges
            .values()
            .filter_map(|exchange| match exchange {
                Exchange::Dialled { to } | Exchange::Compared { to } => Some(*to),
                Exchange::Served { .. } => None,
            })
    }

    pub(super) fn stream_silent(&mut self, stream: StreamId) {
        let is_exchange =
            self.exchanges.remove(&stream).is_some() | self.fetches.remove(&stream).is_some();
        if self.stream_probes.remove(&stream).is_some() || is_exchange {
            self.push(Output::CloseStream(stream));
        }
    }

    pub(super) fn stream_closed(&mut self, stream: StreamId, end: StreamEnd) {
        self.exchanges.remove(&stream);
        self.fetches.remove(&stream);
        self.engine.mail().stream_closed(stream);
        self.stream_probe_ended(stream, end);
    }

    pub(super) fn stream_frame(&mut self, stream: StreamId, _from: SocketAddr, bytes: &[u8]) {
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
        match (frame, self.exchanges.get(&stream).copied()) {
            (Frame::Open { cookie, me, digest }, None) => {
                self.serve((stream, cookie), &envelope, &me, digest)
            }
            (Frame::Same, Some(Exchange::Dialled { to })) => {
                self.finish(stream, to);
                Ok(())
            }
            (Frame::Sums(theirs), Some(Exchange::Dialled { to })) => {
                self.answer_sums(stream, &theirs)?;
                self.exchanges.insert(stream, Exchange::Compared { to });
                Ok(())
            }
            (Frame::State { parts, updates }, Some(Exchange::Dialled { to })) => {
                self.answer_state((stream, parts), &envelope, &updates);
                self.finish(stream, to);
                Ok(())
            }
            (Frame::State { parts, updates }, Some(Exchange::Served { fresh: false, .. })) => {
                self.answer_state((stream, parts), &envelope, &updates);
                self.close(stream);
                Ok(())
            }
            (Frame::Finish(updates), Some(Exchange::Compared { to })) => {
                self.import(&envelope, &updates);
                self.finish(stream, to);
                Ok(())
            }
            (Frame::Finish(updates), Some(Exchange::Served { fresh, guest })) => {
                if fresh {
                    self.rise_above_predecessor(&updates);
                }
                self.import(&envelope, &updates);
                self.exchanges.remove(&stream);
                self.stats.exchanges += 1;
                if let Some(guest) = guest {
                    self.bring_up_to_date(guest);
                }
                Ok(())
            }
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

    /// Answers whoever has a cookie or is a member already.
    fn serve(
        &mut self,
        (stream, cookie): (StreamId, Option<u64>),
        envelope: &Envelope<'_>,
        me: &Update<'_>,
        digest: u64,
    ) -> Result<(), Junk> {
        let invited = cookie.is_some_and(|cookie| self.is_our_cookie(cookie, envelope.sender));
        if invited {
            self.engine.mail().prove(envelope);
        } else if !self.is_member(envelope) {
            return Err(Junk::Stranger);
        }
        if !self.is_honest(envelope, me) {
            return Err(Junk::Malformed);
        }
        if self.served() >= SERVED_MAX {
            return Err(Junk::Busy);
        }
        let fresh = std::mem::take(&mut self.fresh);
        let is_newcomer = self.acquaintance(envelope).is_none();
        self.import(envelope, std::slice::from_ref(me));
        let guest = is_newcomer.then(|| self.receive_guest(envelope.sender));
        let guest = guest.flatten();
        self.exchanges
            .insert(stream, Exchange::Served { fresh, guest });
        self.settle();
        let sender = self.sender();
        // Equal digests would hide an earlier process of ours in our very life.
        if !fresh && self.digest() == digest {
            self.engine.mail().frame(sender, stream, &Frame::Same);
            self.close(stream);
        } else {
            let frame = match self.part_count() {
                count @ 2.. if !fresh && !is_newcomer => Frame::Sums(self.sums(count)),
                _ => Frame::State {
                    parts: Parts::ALL,
                    updates: self.state_in_a_frame(Parts::ALL),
                },
            };
            self.engine.mail().frame(sender, stream, &frame);
            self.schedule(EXCHANGE_TIMEOUT, Alarm::StreamSilent(stream));
        }
        Ok(())
    }

    /// Whether the sender speaks of itself as the envelope does.
    pub(super) fn is_honest(&self, envelope: &Envelope<'_>, me: &Update<'_>) -> bool {
        me.id(&self.gate.borrow().cluster) == envelope.sender
            && matches!(me, Update::Alive { life, .. } if *life == envelope.life)
    }

    /// We had told nobody of our life, and yet they know it: an earlier process had it.
    fn rise_above_predecessor(&mut self, updates: &[Update<'_>]) {
        let (id, cluster) = (self.id(), self.gate.borrow().cluster.clone());
        let ours = updates.iter().filter(|update| update.id(&cluster) == id);
        if let Some(life) = ours.map(Update::life).max() {
            self.outlive_process(life);
        }
    }

    fn served(&self) -> usize {
        let is_served = |exchange: &&Exchange| matches!(exchange, Exchange::Served { .. });
        self.exchanges.values().filter(is_served).count()
    }

    /// Whether the sender is a member that we know, and not an earlier process of it.
    pub(super) fn is_member(&mut self, envelope: &Envelope<'_>) -> bool {
        let gate = self.gate.borrow();
        let handle = gate.directory.handle(envelope.sender);
        let is_known = handle.is_some_and(|handle| gate.roster.knows(handle));
        drop(gate);
        is_known && self.engine.mail().is_current(envelope)
    }

    /// Tells what we know of the parts in which we differ.
    fn answer_sums(&mut self, stream: StreamId, theirs: &[u64]) -> Result<(), Junk> {
        let is_count = Parts::is_count(theirs.len());
        let ours = is_count.then(|| self.sums(theirs.len()));
        let differing = ours.and_then(|ours| Parts::differing(&ours, theirs));
        let parts = differing.ok_or(Junk::Malformed)?;
        let updates = self.state_in_a_frame(parts);
        let sender = self.sender();
        let frame = Frame::State { parts, updates };
        self.engine.mail().frame(sender, stream, &frame);
        Ok(())
    }

    /// Takes over what the other side knows, and tells what we knew of the same parts.
    fn answer_state(
        &mut self,
        (stream, parts): (StreamId, Parts),
        envelope: &Envelope<'_>,
        updates: &[Update<'_>],
    ) {
        let mine = self.state_in_a_frame(parts);
        self.import(envelope, updates);
        let sender = self.sender();
        self.engine
            .mail()
            .frame(sender, stream, &Frame::Finish(mine));
    }

    /// Nothing more is to be said.
    fn close(&mut self, stream: StreamId) {
        self.exchanges.remove(&stream);
        self.push(Output::CloseStream(stream));
        self.stats.exchanges += 1;
    }

    /// The same on a stream that we dialled.
    fn finish(&mut self, stream: StreamId, to: SocketAddr) {
        self.close(stream);
        self.joined(to);
        self.ask_other_seeds();
        self.part();
    }

    /// Whether we hold the sender down in the very process that speaks: it never went away, we
    /// lost each other.
    fn was_lost(&self, envelope: &Envelope<'_>) -> bool {
        let handle = self.gate.borrow().directory.handle(envelope.sender);
        let held = handle.and_then(|handle| self.engine.find(handle));
        held.is_some_and(|held| {
            held.state() == State::Down && held.id().life.generation() == envelope.life.generation()
        })
    }

    /// Takes over what another node knows. A node that knew nobody does not gossip what it learns:
    /// those who taught it know it already.
    pub(super) fn import(&mut self, envelope: &Envelope<'_>, updates: &[Update<'_>]) {
        let active = self.engine.active();
        let gossip = active > 0 || updates.len() == 1;
        let (stated, raised) = {
            let gate = self.gate.borrow();
            (gate.stated.len(), gate.raised.len())
        };
        // An isolated node tells of its healing when it has company again.
        let was_lost = !self.isolated && self.was_lost(envelope);
        let about: Vec<_> = {
            let gate = self.gate.borrow();
            updates
                .iter()
                .map(|update| update.id(&gate.cluster))
                .collect()
        };
        let held = self.held(&about);
        let mut members = Vec::with_capacity(updates.len());
        let mut disputes = Vec::new();
        {
            let mut gate = self.gate.borrow_mut();
            if let Some(handle) = gate.directory.handle(envelope.sender) {
                gate.sender = Identity {
                    handle,
                    life: envelope.life,
                };
            }
            for (update, id) in updates.iter().zip(about) {
                let handle = gate.directory.handle(id);
                let listed = handle.and_then(|handle| held.get(&handle).cloned());
                let presumed = handle.filter(|handle| gate.is_beyond(*handle));
                let held = listed.or_else(|| Some(gate.presumed(presumed?)));
                members.push(gate.import(update, held.as_ref(), self.tuning.forget_after));
                disputes.extend(held.and_then(|held| disputed(update, &held)));
            }
            for stated in &mut gate.stated[stated..] {
                stated.is_rumour = gossip;
            }
            for raised in &mut gate.raised[raised..] {
                raised.is_rumour = gossip;
            }
        }
        if let Some(junk) = self.gate.borrow_mut().junk.take() {
            self.stats.count_junk(junk);
        }
        let result = self.engine.apply(members.into_iter(), gossip);
        self.check(result);
        if !disputes.is_empty() {
            self.follow_up();
        }
        if active > 0 && self.engine.active() > active && updates.len() > 1 {
            self.follow_up_soon();
        }
        for (handle, life) in disputes {
            self.tell_held_over(handle, life);
        }
        if was_lost && !self.was_lost(envelope) {
            self.settle();
            self.tell_healed(self.engine.active());
        }
    }

    /// What the list holds of these members. One look through the list.
    fn held(&self, about: &[MemberId]) -> BTreeMap<Handle, Member<Identity>> {
        let gate = self.gate.borrow();
        let about = about.iter().filter_map(|id| gate.directory.handle(*id));
        let about: BTreeSet<_> = about.collect();
        let members = self.engine.members();
        let held = members.filter(|held| about.contains(&held.id().handle));
        held.map(|held| (held.id().handle, held.clone())).collect()
    }

    pub(super) fn tell_healed(&mut self, members: usize) {
        let told = self.healed.replace(self.now);
        if told.is_none_or(|told| self.now - told > HEALED_PAUSE) {
            self.change(Change::Healed { members });
        }
    }
}

/// A member that one side holds alive and the other failed, and the life it must move beyond.
fn disputed(update: &Update<'_>, held: &Member<Identity>) -> Option<(Handle, Life)> {
    let (identity, down) = (*held.id(), held.state() == State::Down);
    let disputed = match update {
        Update::Failed {
            life, incarnation, ..
        } => !down && *life == identity.life && *incarnation >= held.incarnation(),
        Update::Alive { life, .. } => down && *life <= identity.life,
        _ => false,
    };
    disputed.then_some((identity.handle, identity.life))
}
