//! Keys that are replaced while the cluster runs: ordered, told, compared and applied.
//!
//! Every member says with its facts which keys it has, and how far it is with what was ordered.
//! Whoever is behind asks one of those who are not, by a message of its own, the only one with
//! keys in it: it is for one process of one member, sealed with the key that the two have in
//! common, and wiped when it was read.

use std::time::Duration;

use foca::{Member, State};
use rand::{RngExt, seq::IndexedRandom};

use super::Node;
use crate::swim::{
    Junk, KeyChange, KeyId, Keys, Notice, Output, Timestamp,
    envelope::{Envelope, Kind},
    facts::Ring,
    identity::Identity,
    orders::{Mark, ORDERS_BYTES, Orders, WireOrders},
    roster::{Record, Standing},
    timers::Alarm,
    wire,
};

/// Whoever is behind waits for a part of this for each member, so that not all ask at once.
const ASKING_SHARE: Duration = Duration::from_millis(1);
/// Between two questions.
const ASKING_PAUSE: Duration = Duration::from_secs(1);

/// What is known of orders about keys.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    orders: Orders,
    /// Orders up to this number are not for us: the operator changed our file since.
    overridden: u32,
    /// What our next process will have, as far as the driver said.
    stored: Vec<KeyId>,
    /// When we ask somebody who knows more.
    pub(super) ask_at: Option<Timestamp>,
}

impl Ordered {
    /// Nothing yet. The keys came from where the driver stores them.
    pub(super) fn new(keys: &Keys) -> Self {
        Self {
            stored: keys.ids().collect(),
            ..Self::default()
        }
    }

    fn mark(&self) -> Mark {
        self.orders.mark()
    }

    /// What a member with these keys says of them.
    pub(super) fn ring(&self, keys: &Keys) -> Option<Ring> {
        keys.primary().map(|_| Ring {
            ids: keys.ids().collect(),
            mark: self.mark(),
            is_stored: keys.ids().eq(self.stored.iter().copied()),
        })
    }
}

/// A member and the keys that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// The member's name.
    pub member: String,
    /// What its keys are called, the one that seals first. Empty when it never said.
    pub keys: Vec<KeyId>,
    /// Whether its next process will have them, too, as far as it said.
    pub is_stored: bool,
}

impl Node {
    /// The keys that we have.
    pub fn keys(&mut self) -> Keys {
        self.engine.mail().keys().clone()
    }

    /// Which keys the members have that may speak again, by name: ourselves, the living, and also
    /// the failed and those about to be restarted, with what they said last. O(n log n).
    pub fn key_rings(&self) -> Vec<KeyRing> {
        let gate = self.gate.borrow();
        let returns = |held: &&Member<Identity>| {
            let record = gate.roster.record(held.id().handle);
            let stays_away = |record: &Record| {
                matches!(record.standing, Standing::Left { .. } | Standing::Removed)
            };
            held.state() != State::Down || !record.is_some_and(stays_away)
        };
        let members = self.engine.members().filter(returns);
        let all = members.map(|held| *held.id()).chain([gate.me]);
        let ring = |identity: Identity| {
            let ring = gate.ring(identity);
            Some(KeyRing {
                member: gate.card_of(identity)?.name.clone(),
                keys: ring.map(|ring| ring.ids.clone()).unwrap_or_default(),
                is_stored: ring.is_none_or(|ring| ring.is_stored),
            })
        };
        let mut rings: Vec<_> = all.filter_map(ring).collect();
        rings.sort_by(|a, b| a.member.cmp(&b.member));
        rings
    }

    pub(super) fn change_keys(&mut self, change: KeyChange<'_>) {
        let held = self.keys();
        if held.primary().is_none() || self.gate.borrow().leaving.is_some() {
            return;
        }
        let orders = &mut self.ordered.orders;
        match change {
            KeyChange::Add(key) => orders.add(&held, key.clone()),
            KeyChange::Use(id) => orders.promote(&held, id),
            KeyChange::Remove(id) => orders.remove(&held, id),
            KeyChange::Stored(ids) => self.ordered.stored = ids.to_vec(),
            KeyChange::Replace(keys) => {
                self.ordered.overridden = orders.number();
                if keys.primary().is_some() {
                    self.take_keys(keys.clone());
                }
            }
        }
        self.apply_orders();
    }

    /// Has what was ordered, and tells how far we are.
    fn apply_orders(&mut self) {
        let Ordered {
            orders, overridden, ..
        } = &self.ordered;
        let (orders, overridden) = (orders.clone(), *overridden);
        let keys = orders.apply(overridden, &self.keys());
        self.take_keys(keys);
        let keys = self.keys();
        let ring = self.ordered.ring(&keys);
        let me = self.gate.borrow().me;
        if self.gate.borrow().ring(me) != ring.as_ref() {
            self.state_anew(|facts| facts.keys = ring);
            // Whoever is waiting for the last member's word should not wait for chance.
            self.follow_up();
        }
    }

    fn take_keys(&mut self, keys: Keys) {
        if keys != self.keys() {
            self.engine.mail().replace_keys(keys.clone());
            self.push(Output::Keys(keys));
        }
    }

    /// A member said how far it is: whoever is behind asks.
    pub(super) fn compare_orders(&mut self, member: Identity) {
        if self.ordered.ask_at.is_none() && self.is_ahead(self.ordered.mark(), member) {
            self.ask_soon();
        }
    }

    /// Asks if somebody is ahead who said so some time ago: while we were asking somebody else, or
    /// before it was away for a while.
    pub(super) fn ask_if_behind(&mut self) {
        let is_sealed = self.engine.mail().key_id().is_some();
        if is_sealed && self.ordered.ask_at.is_none() && !self.ahead().is_empty() {
            self.ask_soon();
        }
    }

    fn ask_soon(&mut self) {
        let most = ASKING_SHARE.mul_f64(self.cluster_size() as f64);
        let wait = most.mul_f64(self.rng.random_range(0.0..1.0));
        self.ask_after(wait);
    }

    fn ask_after(&mut self, wait: Duration) {
        self.ordered.ask_at = Some(self.now + wait);
        self.schedule(wait, Alarm::AskForOrders);
    }

    /// Whether a member knows of orders that we do not; of as many others, both may.
    fn is_ahead(&self, ours: Mark, member: Identity) -> bool {
        let gate = self.gate.borrow();
        let theirs = gate.ring(member).map(|ring| ring.mark);
        theirs.is_some_and(|theirs| theirs != ours && theirs.number >= ours.number)
    }

    /// The living members that are.
    fn ahead(&self) -> Vec<Identity> {
        let ours = self.ordered.mark();
        let ahead = self.engine.living();
        let ahead = ahead.filter(|held| self.is_ahead(ours, *held.id()));
        ahead.map(|held| *held.id()).collect()
    }

    pub(super) fn ask_for_orders(&mut self) {
        // One that was answered is followed by the next one, or by none.
        if self.ordered.ask_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.ordered.ask_at = None;
        if let Some(member) = self.ahead().choose(&mut self.rng) {
            self.send_orders(*member, true);
            self.ask_after(ASKING_PAUSE);
        }
    }

    fn send_orders(&mut self, to: Identity, asks: bool) {
        let (id, address) = {
            let gate = self.gate.borrow();
            (gate.directory.id(to.handle), gate.address_of(to))
        };
        if let Some(address) = address {
            let orders = self.ordered.orders.clone();
            let message = WireOrders::new(&orders, to.life.generation(), asks);
            // Padded, so that the keys are written once and encrypted where they stand.
            self.send_padded((Kind::Keys, ORDERS_BYTES), (id, address), &message);
        }
    }

    pub(super) fn on_orders(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let message: WireOrders<'_> = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let theirs = message.read().filter(|_| envelope.key.is_some());
        let theirs = theirs.ok_or(Junk::Malformed)?;
        let sender = self.acquaintance(envelope).ok_or(Junk::Stranger)?;
        // Whom we have not heard yet is believed at once, and this may have been captured long ago.
        if message.generation != self.life().generation() {
            return Err(Junk::Replay);
        }
        if self.gate.borrow().leaving.is_some() {
            return Ok(());
        }
        let is_first = self.ordered.orders.is_empty();
        let is_news = self.ordered.orders.merge(&theirs);
        if message.asks && self.ordered.orders != theirs {
            self.send_orders(sender, false);
        }
        if is_news && is_first {
            self.spare_foreign_key();
        }
        if is_news {
            self.ordered.ask_at = None;
            self.apply_orders();
            self.ask_if_behind();
        }
        Ok(())
    }

    /// We were started with a key that the others never heard of: somebody replaces keys by hand,
    /// and what was ordered before is no more what the operator wants.
    fn spare_foreign_key(&mut self) {
        let ours = self.engine.mail().key_id();
        if let Some(ours) = ours.filter(|ours| !self.ordered.orders.mention(*ours)) {
            self.ordered.overridden = self.ordered.orders.number();
            let address = self.address();
            self.notice(address, Notice::ForeignOrders { ours });
        }
    }
}
