//! Where we are: where the configuration says, or where others see us.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::Node;
use crate::swim::{
    Change, Notice, Timestamp,
    wire::{Held, Welcome},
};

/// Between two moves: whoever has two addresses does not go to and fro.
const MOVE_PAUSE: Duration = Duration::from_secs(60);
/// How long after others failed us their words of our address are heard.
const LOST_LATELY: Duration = Duration::from_secs(60);
/// Members that are asked where they see us: if two agree, that is sure.
const ASKED: usize = 2;
/// One is believed that says so for this time, where there is no other.
const INSISTS: Duration = Duration::from_secs(20);
/// A word of our address counts no longer.
const WORD_AGE_MAX: Duration = Duration::from_secs(300);

/// What others say of where we are.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    /// Nobody configured our address: it is where others see us.
    is_reflected: bool,
    /// When somebody said last that we were failed.
    lost: Option<Timestamp>,
    /// Nobody contradicted it yet.
    word: Option<Word>,
    moved: Option<Timestamp>,
}

/// Somebody sees us elsewhere.
#[derive(Clone, Copy, Debug)]
struct Word {
    by: SocketAddr,
    ip: IpAddr,
    /// When it was said first.
    at: Timestamp,
}

impl Whereabouts {
    /// Keeps the word, if it is new. Whether it is sure.
    fn hear(&mut self, word: Word) -> bool {
        let age = |before: &Word| word.at.saturating_since(before.at);
        let same = |before: &Word| before.ip == word.ip && age(before) < WORD_AGE_MAX;
        let before = self.word.filter(same).unwrap_or(word);
        self.word = Some(before);
        before.by != word.by || age(&before) >= INSISTS
    }

    /// Whoever is not lost is reached where it is, whatever others see.
    fn may_move(&self, now: Timestamp) -> bool {
        let within =
            |at: Option<Timestamp>, span| at.is_some_and(|at| now.saturating_since(at) < span);
        self.is_reflected && within(self.lost, LOST_LATELY) && !within(self.moved, MOVE_PAUSE)
    }
}

impl Node {
    /// Bound to every interface, we are where the first peer sees us.
    pub(super) fn adopt_address(&mut self, seen_as: SocketAddr) {
        if self.address().ip().is_unspecified() && !seen_as.ip().is_unspecified() {
            self.whereabouts.is_reflected = true;
            self.set_address(seen_as.ip());
            let change = Change::Update(self.own_view());
            self.change(change);
        }
    }

    fn set_address(&mut self, ip: IpAddr) {
        let own = {
            let mut gate = self.gate.borrow_mut();
            let card = Arc::make_mut(&mut gate.card);
            card.address.set_ip(ip);
            card.address
        };
        // It may be one of the seeds that all nodes are given.
        self.contacts.remove(&own);
    }

    /// A peer says where it sees us. An address of the other IP version is one that we have
    /// besides.
    pub(super) fn compare_address(&mut self, by: SocketAddr, welcome: &Welcome) {
        let (advertised, seen_as) = (self.address(), welcome.seen_as);
        let differs = seen_as != advertised && seen_as.is_ipv4() == advertised.is_ipv4();
        self.stats.seen_elsewhere = differs.then_some(seen_as);
        if !differs {
            self.whereabouts.word = None;
            return;
        }
        let notice = Notice::SeenElsewhere {
            by,
            seen_as,
            advertised,
        };
        self.notice(seen_as, notice);
        // The end of an earlier process says nothing of this one.
        if matches!(&welcome.held, Some(Held::Over(over)) if over.life >= self.life()) {
            self.whereabouts.lost = Some(self.now);
        }
        if seen_as.ip() != advertised.ip() && self.whereabouts.may_move(self.now) {
            self.follow_address(by, seen_as.ip());
        }
    }

    /// Others held us failed: it may be that they do not reach us where we say that we are.
    pub(super) fn doubt_address(&mut self) {
        if !self.whereabouts.is_reflected {
            return;
        }
        self.whereabouts.lost = Some(self.now);
        for member in self.choose_active(ASKED) {
            let address = self.gate.borrow().address_of(member);
            if let Some(address) = address {
                self.say_hello(address);
            }
        }
    }

    /// The host has another address, as by DHCP, and others do not reach us where we were. A card
    /// belongs to a generation, so this is a restart to all others.
    fn follow_address(&mut self, by: SocketAddr, ip: IpAddr) {
        let at = self.now;
        if self.whereabouts.hear(Word { by, ip, at }) {
            self.whereabouts.moved = Some(at);
            self.whereabouts.word = None;
            self.stats.seen_elsewhere = None;
            self.set_address(ip);
            self.begin_generation(self.life().generation().saturating_add(1));
        }
    }
}
