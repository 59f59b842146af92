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

/// Between two moves: whoever has two addresses does not go to and fro. And how long what others
/// say of our address is heard after they lost us.
const MOVE_PAUSE: Duration = Duration::from_secs(60);
/// Members that are asked where they see us: two must agree.
const ASKED: usize = 2;

/// What others say of where we are.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    /// Nobody configured our address: it is where others see us.
    is_reflected: bool,
    /// When somebody said last that we were failed.
    lost: Option<Timestamp>,
    /// Who saw us elsewhere after that, and where.
    elsewhere: Option<(SocketAddr, IpAddr)>,
    moved: Option<Timestamp>,
}

impl Whereabouts {
    /// Takes in that `by` sees us at another address. Whether somebody else said so before.
    fn confirm(&mut self, by: SocketAddr, at: IpAddr) -> bool {
        let before = self.elsewhere.replace((by, at));
        before.is_some_and(|(other, seen)| other != by && seen == at)
    }

    /// Whoever is not lost is reached where it is, whatever others see.
    fn may_move(&self, now: Timestamp) -> bool {
        let lately =
            |at: Option<Timestamp>| at.is_some_and(|at| now.saturating_since(at) < MOVE_PAUSE);
        self.is_reflected && lately(self.lost) && !lately(self.moved)
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
            self.whereabouts.elsewhere = None;
            return;
        }
        let notice = Notice::SeenElsewhere {
            by,
            seen_as,
            advertised,
        };
        self.notice(seen_as, notice);
        if matches!(welcome.held, Some(Held::Over(_))) {
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

    /// The host has another address, as by DHCP: two peers see us there, and neither reaches us
    /// where we were. A card belongs to a generation, so this is a restart to all others.
    fn follow_address(&mut self, by: SocketAddr, ip: IpAddr) {
        let are_two = self.engine.members().count() <= 1;
        if self.whereabouts.confirm(by, ip) || are_two {
            self.whereabouts.moved = Some(self.now);
            self.stats.seen_elsewhere = None;
            self.set_address(ip);
            self.begin_generation(self.life().generation().saturating_add(1));
        }
    }
}
