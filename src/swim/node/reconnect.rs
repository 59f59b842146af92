//! The way back: hellos, for ever and at a bounded rate, to members that we lost.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use rand::RngExt;

use super::{
    Node,
    join::{Contact, RETRY_MIN, backoff},
};
use crate::swim::{Timestamp, identity::Identity, timers::Alarm};

/// Lost members that are contacted at once while nobody else is left.
const RECONNECTS_ALONE: usize = 3;
/// Times in which the reconnect interval is divided: short, so that a healed partition is found
/// soon, but each taken only with the chance that keeps the cluster-wide rate.
const RECONNECT_TICKS: u32 = 3;
/// So many reconnect intervals after a failure the lost are contacted once in each probe interval:
/// many a partition is short, and whoever was cut off should not wait when it heals.
const INTERVALS_LATELY: u32 = 2;
/// Between hellos to remembered members that were not greeted yet.
const UNTRIED_PAUSE: Duration = Duration::from_millis(100);
/// Members whose addresses are remembered after they were forgotten, and for how long.
const FORGOTTEN_MAX: usize = 1_000;
const FORGOTTEN_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whom we say hello to besides those who failed, and when next.
#[derive(Debug, Default)]
pub(super) struct WayBack {
    /// Rounds of hellos without company.
    rounds: u32,
    due: Timestamp,
    /// Where members were that are forgotten, and since when.
    forgotten: VecDeque<(Timestamp, SocketAddr)>,
    /// Addresses from a former life that nobody was greeted at in this one, the latest last.
    untried: Vec<SocketAddr>,
}

impl WayBack {
    /// The next round is the first one again.
    pub(super) const fn begin_anew(&mut self) {
        self.rounds = 0;
    }

    /// Addresses of forgotten members.
    pub(super) fn remembered(&self) -> usize {
        self.forgotten.len()
    }

    fn remember(&mut self, now: Timestamp, address: SocketAddr) {
        self.forgotten.retain(|(_, other)| *other != address);
        self.forgotten.push_back((now, address));
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.forgotten
            .retain(|(since, _)| now - *since < FORGOTTEN_AGE_MAX);
    }
}

impl Node {
    /// An address stays a contact when its member is forgotten.
    pub(super) fn remember_contact(&mut self, identity: Identity) {
        let card = self.gate.borrow().card_of(identity);
        if let Some(card) = card {
            self.way_back.remember(self.now, card.address);
        }
    }

    /// The driver remembers them from a former life of ours.
    pub(super) fn reconnect_to(&mut self, addresses: &[SocketAddr]) {
        if addresses.is_empty() {
            return;
        }
        let now = self.now;
        let known = addresses.iter().take(FORGOTTEN_MAX).rev();
        let remembered = known.clone().map(|address| (now, *address));
        self.way_back.forgotten.extend(remembered);
        self.way_back.untried.extend(known);
        self.reconnect_soon();
    }

    /// Says hello once to everyone remembered who is not with us yet. Whoever finds company before
    /// the others would leave them to the cluster-wide rate, and a cluster whose members all
    /// started together would be islands for minutes.
    fn try_remembered(&mut self) {
        let with_us = self.active_addresses();
        let mut tried = 0;
        while tried < RECONNECTS_ALONE
            && let Some(address) = self.way_back.untried.pop()
        {
            // A seed is greeted already.
            if !with_us.contains(&address) && !self.contacts.contains_key(&address) {
                self.say_hello(address);
                tried += 1;
            }
        }
        let pause = self.jitter(UNTRIED_PAUSE);
        self.reconnect_after(pause);
    }

    pub(super) fn reconnect_soon(&mut self) {
        self.way_back.begin_anew();
        self.reconnect_after(RETRY_MIN);
    }

    pub(super) fn schedule_reconnect(&mut self) {
        let interval = if self.is_alone() {
            backoff(self.way_back.rounds, true)
        } else if self.lost_lately() {
            self.tuning.probe_interval
        } else {
            self.tuning.reconnect_interval / RECONNECT_TICKS
        };
        let interval = self.jitter(interval);
        self.reconnect_after(interval);
    }

    fn reconnect_after(&mut self, pause: Duration) {
        self.way_back.due = self.now + pause;
        self.timers.schedule(self.way_back.due, Alarm::Reconnect);
    }

    /// A member failed: from now on the lost are contacted more often.
    pub(super) fn note_loss(&mut self) {
        let had_lost_lately = self.lost_lately();
        self.losses.last_failure = Some(self.now);
        if !had_lost_lately && !self.is_alone() {
            self.schedule_reconnect();
        }
    }

    fn lost_lately(&self) -> bool {
        let span = self.tuning.reconnect_interval * INTERVALS_LATELY;
        let last = self.losses.last_failure;
        last.is_some_and(|at| self.now - at < span)
    }

    /// We had company once, or expect some, and have none.
    fn is_alone(&self) -> bool {
        let expects = !self.contacts.is_empty() || self.way_back.remembered() > 0;
        self.engine.active() == 0 && (self.isolation.is_alone() || expects)
    }

    /// Says hello to members that we lost: about three hellos in each reconnect interval by the
    /// whole cluster together, one in each probe interval after a loss, and more only while we are
    /// alone.
    pub(super) fn reconnect(&mut self) {
        if self.now < self.way_back.due {
            return;
        }
        if !self.way_back.untried.is_empty() {
            return self.try_remembered();
        }
        self.forget_settled();
        let members = self.cluster_size();
        let alone = self.is_alone();
        if alone || self.rng.random_range(0..members) == 0 {
            let wanted = if alone { RECONNECTS_ALONE } else { 1 };
            for address in self.choose_lost(wanted) {
                self.say_hello(address);
            }
        }
        self.way_back.rounds = self.way_back.rounds.saturating_add(1);
        self.schedule_reconnect();
    }

    /// Random addresses of seeds and members that should be with us and are not. Every other
    /// one is a seed: they are few, and the surest way back after a mass failure.
    fn choose_lost(&mut self, wanted: usize) -> Vec<SocketAddr> {
        let mut seeds = self.lost_seeds();
        let mut others = self.lost_members();
        let with_us = self.active_addresses();
        let mut chosen = Vec::new();
        while chosen.len() < wanted && !(seeds.is_empty() && others.is_empty()) {
            let seeds_turn = others.is_empty() || (!seeds.is_empty() && self.rng.random());
            let pool = if seeds_turn { &mut seeds } else { &mut others };
            let address = pool.swap_remove(self.rng.random_range(0..pool.len()));
            if !chosen.contains(&address) && !with_us.contains(&address) {
                chosen.push(address);
            }
        }
        chosen
    }

    fn lost_seeds(&self) -> Vec<SocketAddr> {
        let joined = |contact: &Contact| contact.seed && contact.joined;
        let seeds = self.contacts.iter().filter(|(_, contact)| joined(contact));
        seeds.map(|(address, _)| *address).collect()
    }

    fn lost_members(&mut self) -> Vec<SocketAddr> {
        self.way_back.forget_old(self.now);
        let gate = self.gate.borrow();
        let ours = |(identity, _): &(Identity, _)| !gate.is_beyond(identity.handle);
        let down = gate.down().filter(ours).map(|(_, card)| card.address);
        let forgotten = self.way_back.forgotten.iter().map(|(_, address)| *address);
        down.chain(forgotten).collect()
    }
}
