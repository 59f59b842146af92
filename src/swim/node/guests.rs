//! Guests: newcomers that came to us first. Gossip is chance; where one node can tell everybody of
//! a guest by itself it does, so that nobody waits for luck or for the next exchange.

use std::mem;

use super::{Node, exchange::EXCHANGE_TIMEOUT, spread::Packets};
use crate::swim::{MemberId, Timestamp, directory::Handle, identity::Identity};

/// So many members one node tells by itself what should miss nobody. In larger clusters eager
/// gossip misses few, and thousands that come at once would cost whom they come to too much.
pub(super) const TOLD_MAX: usize = 64;

/// A newcomer that is being told who there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    handle: Handle,
    since: Timestamp,
}

/// Those of late.
#[derive(Debug, Default)]
pub(super) struct Guests {
    received: Vec<Guest>,
    /// Among the news is one that nobody else knows.
    is_news: bool,
}

impl Node {
    /// It told us who it is, just now.
    pub(super) fn receive_guest(&mut self, id: MemberId) -> Option<Guest> {
        let handle = self.gate.borrow().directory.handle(id)?;
        let guest = Guest {
            handle,
            since: self.now,
        };
        if self.engine.active() <= TOLD_MAX {
            let is_recent = |guest: &Guest| guest.since + EXCHANGE_TIMEOUT > self.now;
            self.guests.received.retain(is_recent);
            self.guests.received.push(guest);
            self.guests.is_news = true;
        }
        Some(guest)
    }

    /// A few random members, or all if there is a guest among the news. Not those who are guests
    /// themselves: they do not know us yet, and would ask who we are.
    pub(super) fn whom_to_tell(&mut self) -> Vec<Identity> {
        if !mem::take(&mut self.guests.is_news) {
            return self.choose_active(self.tuning.eager_sends.into());
        }
        let mut told = self.choose_active(TOLD_MAX);
        told.retain(|member| !self.is_guest(*member));
        told
    }

    fn is_guest(&self, member: Identity) -> bool {
        let mut guests = self.guests_served();
        guests.any(|guest| guest.handle == member.handle)
    }

    /// Tells a guest of those that came while it was told who there is.
    pub(super) fn bring_up_to_date(&mut self, guest: Guest) {
        let Some(member) = self.engine.find(guest.handle).map(|held| *held.id()) else {
            return;
        };
        let came_later =
            |other: &&Guest| other.since >= guest.since && other.handle != guest.handle;
        let mut packets = Packets::default();
        for missed in self.guests.received.iter().filter(came_later) {
            let held = self.engine.find(missed.handle);
            let update = held.and_then(|held| self.gate.borrow().clothe(held));
            if update.is_some_and(|update| !packets.add_update(&update)) {
                break;
            }
        }
        self.send_packets(member, &packets);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::swim::{
        Input,
        node::tests::{Few, address, node},
    };

    const MOMENT: Duration = Duration::from_millis(20);

    /// How many of a cluster of `count` list a newcomer after a moment, in which nothing but what
    /// is said at once can reach them.
    fn told_at_once(count: usize) -> usize {
        let mut few = Few::joined(count);
        few.run(Duration::from_secs(60));
        few.add(node("late", count, 1, 99));
        few.input(count, Input::Join(&[address(0)]));
        few.run(MOMENT);
        (0..count)
            .filter(|at| few.state(*at, "late").is_some())
            .count()
    }

    #[test]
    fn everybody_hears_of_a_newcomer_at_once_where_one_can_tell_all() {
        assert_eq!(told_at_once(40), 40);
    }

    #[test]
    fn those_who_come_together_all_know_each_other_without_another_exchange() {
        let mut few = Few::new(30);
        for at in 1..30 {
            few.input(at, Input::Join(&[address(0)]));
        }
        few.run(MOMENT * 3);
        for at in 0..30 {
            let known = few.nodes[at].as_ref().unwrap().members().count();
            assert_eq!(known, 30, "at n{at}");
        }
    }
}
