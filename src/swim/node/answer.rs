//! Answers to whoever sends datagrams: never longer than what they answer, and only so many.

use std::{
    hash::Hasher,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;
use siphasher::sip::SipHasher24;

use super::Node;
use crate::swim::{
    allowance::{Allowance, source},
    envelope::Kind,
    mail::Asker,
};

/// Cookies are of other slots, so that neither hash tells of the other.
const SOURCES: u64 = u64::MAX;

/// What is left for whoever asks, made when somebody does. Those whom we cannot read take nothing
/// from those whom we can.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    read: Option<Box<Allowance>>,
    unread: Option<Box<Allowance>>,
}

impl Node {
    /// Answers a datagram, never with more bytes than were asked with.
    pub(super) fn answer(&mut self, kind: Kind, asker: Asker, message: &impl Serialize) {
        if self.may_answer(asker.address()) {
            self.reply(kind, asker, message);
        }
    }

    /// Answers a datagram that cannot be read.
    pub(super) fn answer_unread(&mut self, kind: Kind, asker: Asker, message: &impl Serialize) {
        if self.spend(asker.address(), |allowances| &mut allowances.unread) {
            self.reply(kind, asker, message);
        }
    }

    /// Whether one more answer may go there. It is counted.
    pub(super) fn may_answer(&mut self, to: SocketAddr) -> bool {
        self.spend(to, |allowances| &mut allowances.read)
    }

    fn spend(
        &mut self,
        to: SocketAddr,
        of: fn(&mut Allowances) -> &mut Option<Box<Allowance>>,
    ) -> bool {
        let source = self.source(to.ip());
        let allowance = of(&mut self.allowances).get_or_insert_default();
        let is_left = allowance.spend(source, self.now);
        self.stats.answers_withheld += u64::from(!is_left);
        is_left
    }

    fn source(&self, address: IpAddr) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.cookie_key, SOURCES);
        match source(address) {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.finish()
    }

    fn reply(&mut self, kind: Kind, asker: Asker, message: &impl Serialize) {
        let sender = self.sender();
        self.engine.mail().answer(kind, sender, asker, message);
    }
}
