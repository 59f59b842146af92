//! News travels at once: what foca queued just now goes to a few members immediately, and foca's
//! ticks do the rest. The eager sends are a fixed part of an update's transmission budget, at most
//! half of it, so that one burst of loss cannot eat it all.

use std::{net::SocketAddr, time::Duration};

use bytes::BufMut;
use foca::{Header, Message};
use rand::RngExt;

use super::Node;
use crate::swim::{
    Timestamp,
    broadcasts::About,
    identity::Identity,
    mail::SWIM_BYTES_MAX,
    timers::Alarm,
    wire::{self, Update},
};

/// News that comes closer together than this travels together.
const PAUSE: Duration = Duration::from_millis(5);
/// Packets that one member gets at once. What does not fit is left to foca's ticks, or not said.
const PACKETS_MAX: usize = 4;

/// News that has not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Spread {
    pub(super) news: Vec<(About, Vec<u8>)>,
    last: Timestamp,
    waiting: bool,
}

impl Node {
    /// Takes over what foca queued, and sends it unless other news just went out.
    pub(super) fn collect_news(&mut self) {
        let news = std::mem::take(&mut self.gate.borrow_mut().news);
        if news.is_empty() || self.tuning.eager_sends == 0 {
            return;
        }
        for (about, bytes) in news {
            self.spread.news.retain(|(other, _)| *other != about);
            self.spread.news.push((about, bytes));
        }
        let due = self.spread.last + PAUSE;
        if due <= self.now || self.spread.last == Timestamp::ZERO {
            self.spread_now();
        } else if !self.spread.waiting {
            self.spread.waiting = true;
            self.timers.schedule(due, Alarm::Eager);
        }
    }

    /// Sends all news to a few random members.
    pub(super) fn spread_now(&mut self) {
        let news = std::mem::take(&mut self.spread.news);
        self.spread.waiting = false;
        self.spread.last = self.now;
        let mut packets = Packets::default();
        for (_, bytes) in &news {
            if !packets.add(bytes) {
                break;
            }
        }
        for target in self.whom_to_tell() {
            self.send_packets(target, &packets);
        }
    }

    /// Sends a member all of these packets.
    pub(super) fn send_packets(&mut self, to: Identity, packets: &Packets) {
        for (count, updates) in &packets.0 {
            self.send_gossip(to, *count, updates);
        }
    }

    /// Gossips what foca does not: it goes out at once and with the next packets.
    pub(super) fn broadcast(&mut self, about: About, update: &Update<'_>) {
        let bytes = wire::encoded(update);
        let result = self.engine.broadcast(&bytes);
        self.check(result);
        self.gate.borrow_mut().news.push((about, bytes));
    }

    /// Passes on what most should hear soon and nobody must hear: at once, and never again. It
    /// reaches all but e^(−3(1−s)) = 6 % of the members (Demers 1987).
    pub(super) fn mention(&mut self, about: About, update: &Update<'_>) {
        if self.tuning.eager_sends == 0 {
            return self.broadcast(about, update);
        }
        let bytes = wire::encoded(update);
        self.gate.borrow_mut().news.push((about, bytes));
    }

    /// Tells one member who we are now: it addressed an earlier life of ours.
    pub(super) fn introduce_to(&mut self, member: Identity) {
        let introduction = self.gate.borrow().introduction();
        self.send_gossip(member, 1, &wire::encoded(&introduction));
    }

    pub(super) fn send_gossip(&mut self, to: Identity, count: u16, updates: &[u8]) {
        self.send_packet(to, Message::Gossip, count, updates);
    }

    /// A packet of foca's kind that foca did not make: it spends none of foca's budget.
    pub(super) fn send_packet(
        &mut self,
        to: Identity,
        message: Message<Identity>,
        count: u16,
        updates: &[u8],
    ) {
        let (src, src_incarnation, address) = {
            let gate = self.gate.borrow();
            let Some(address) = gate.address_of(to) else {
                return;
            };
            (gate.me, gate.incarnation, address)
        };
        let header = Header {
            src,
            src_incarnation,
            dst: to,
            message,
        };
        let mut packet = Vec::with_capacity(HEADER_BYTES_MAX + updates.len());
        self.gate.borrow_mut().put_header(&header, &mut packet);
        packet.put_u16(count);
        packet.extend_from_slice(updates);
        self.send_swim(address, &packet);
    }

    fn send_swim(&mut self, to: SocketAddr, packet: &[u8]) {
        let sender = self.sender();
        self.engine.mail().swim(sender, to, packet);
    }

    /// Up to `wanted` different active members, each as likely as any other.
    pub(super) fn choose_active(&mut self, wanted: usize) -> Vec<Identity> {
        let mut chosen: Vec<Identity> = Vec::with_capacity(wanted);
        for (seen, member) in self.engine.living().enumerate() {
            if chosen.len() < wanted {
                chosen.push(*member.id());
            } else if let Some(kept) = chosen.get_mut(self.rng.random_range(0..=seen)) {
                *kept = *member.id();
            }
        }
        chosen
    }
}

/// Header and count of a packet.
const HEADER_BYTES_MAX: usize = 64;
/// Header, count and updates must fit one packet.
const UPDATES_BYTES_MAX: usize = SWIM_BYTES_MAX - HEADER_BYTES_MAX;

/// Whole updates packed into as few packets as their order allows, each with its count.
#[derive(Debug, Default)]
pub(super) struct Packets(Vec<(u16, Vec<u8>)>);

impl Packets {
    /// Adds an update, unless it would need one packet too many. Whether it did.
    pub(super) fn add(&mut self, update: &[u8]) -> bool {
        let is_full = self.0.len() == PACKETS_MAX;
        match self.0.last_mut() {
            Some((count, packet)) if packet.len() + update.len() <= UPDATES_BYTES_MAX => {
                *count += 1;
                packet.extend_from_slice(update);
            }
            _ if is_full => return false,
            _ => self.0.push((1, update.to_vec())),
        }
        true
    }

    pub(super) fn add_update(&mut self, update: &Update<'_>) -> bool {
        self.add(&wire::encoded(update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_packed_whole_and_in_order() {
        let update = vec![7; 500];
        let mut packets = Packets::default();
        assert_eq!((0..9).filter(|_| packets.add(&update)).count(), 8);
        let shape: Vec<_> = packets.0[..2]
            .iter()
            .map(|(count, bytes)| (*count, bytes.len()))
            .collect();
        assert_eq!(shape, [(2, 1000), (2, 1000)]);
        assert_eq!(packets.0.len(), PACKETS_MAX);
    }
}
