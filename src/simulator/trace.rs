//! `Trace`: one hash over everything that happened, so that two runs can be compared to the byte.

use std::{hash::Hasher, net::SocketAddr};

use siphasher::sip::SipHasher13;

use super::Slot;
use crate::swim::{AppStatus, Change, Input, MemberView, Output, StopReason, Tags, Timestamp};

/// A running hash over every input and output of every node. Lengths come before bytes and
/// integers have fixed widths, so that equal hashes mean equal runs on any machine.
#[derive(Debug)]
pub(super) struct Trace(SipHasher13);

impl Trace {
    pub(super) fn new(seed: u64) -> Self {
        Self(SipHasher13::new_with_keys(seed, 0))
    }

    /// The hash of the run so far.
    pub(super) fn hash(&self) -> u64 {
        self.0.finish()
    }

    pub(super) fn input(&mut self, now: Timestamp, slot: Slot, input: &Input<'_>) {
        self.0.write_u64(now.as_micros());
        self.0.write_u32(slot.0);
        match *input {
            Input::App(app) => {
                self.0.write_u8(7);
                self.0.write_u8(u8::from(app.is_some()));
                app.into_iter().for_each(|app| self.app(app));
            }
            Input::Datagram { from, bytes } => {
                self.0.write_u8(0);
                self.address(from);
                self.bytes(bytes);
            }
            Input::Deadline => self.0.write_u8(1),
            Input::Abandon(addresses) => self.addresses(10, addresses),
            Input::Join(addresses) => self.addresses(2, addresses),
            Input::Reconnect(addresses) => self.addresses(11, addresses),
            Input::Event { name, payload } => {
                self.0.write_u8(8);
                self.bytes(name.as_bytes());
                self.bytes(payload.as_bytes());
            }
            Input::Keys(change) => {
                self.0.write_u8(12);
                self.bytes(format!("{change:?}").as_bytes());
            }
            Input::Leave { reason, restart_in } => {
                self.0.write_u8(3);
                self.bytes(reason.as_bytes());
                if let Some(eta) = restart_in {
                    self.0.write_u128(eta.as_micros());
                }
            }
            Input::Remove { name } => {
                self.0.write_u8(4);
                self.bytes(name.as_bytes());
            }
            Input::Tags(tags) => {
                self.0.write_u8(9);
                self.tags(tags);
            }
            Input::Tuning(tuning) => {
                self.0.write_u8(13);
                self.bytes(format!("{tuning:?}").as_bytes());
            }
            Input::StreamFrame { stream, bytes } => {
                self.0.write_u8(5);
                self.0.write_u64(stream.0);
                self.bytes(bytes);
            }
            Input::StreamClosed { stream, end } => {
                self.0.write_u8(6);
                self.0.write_u64(stream.0);
                self.0.write_u8(end as u8);
            }
            Input::Refused { by } => {
                self.0.write_u8(14);
                self.address(by);
            }
        }
    }

    pub(super) fn output(&mut self, output: &Output) {
        match output {
            Output::Change(change) => {
                self.0.write_u8(0);
                self.change(change);
            }
            Output::CloseStream(stream) => {
                self.0.write_u8(1);
                self.0.write_u64(stream.0);
            }
            Output::Joined(address) => {
                self.0.write_u8(2);
                self.address(*address);
            }
            Output::Keys(keys) => {
                self.0.write_u8(9);
                self.bytes(format!("{keys:?}").as_bytes());
            }
            Output::Notice(notice) => {
                self.0.write_u8(3);
                self.bytes(notice.to_string().as_bytes());
            }
            Output::OpenStream { stream, to, frame } => {
                self.0.write_u8(4);
                self.0.write_u64(stream.0);
                self.address(*to);
                self.bytes(frame);
            }
            Output::Remember { generation } => {
                self.0.write_u8(5);
                self.0.write_u32(*generation);
            }
            Output::Removed(removed) => {
                self.0.write_u8(10);
                self.bytes(format!("{removed:?}").as_bytes());
            }
            Output::Restarting { member, due } => {
                self.0.write_u8(11);
                self.0.write_u64(member.0);
                self.0.write_u64(due.as_micros());
            }
            Output::Send { to, bytes } => {
                self.0.write_u8(6);
                self.address(*to);
                self.bytes(bytes);
            }
            Output::Stop(reason) => {
                self.0.write_u8(7);
                self.0
                    .write_u8(u8::from(matches!(reason, StopReason::Conflict { .. })));
            }
            Output::StreamFrame { stream, bytes } => {
                self.0.write_u8(8);
                self.0.write_u64(stream.0);
                self.bytes(bytes);
            }
        }
    }

    fn change(&mut self, change: &Change) {
        self.bytes(change.kind().as_bytes());
        if let Some(member) = change.member() {
            self.member(member);
        }
        if let Change::User(event) = change {
            self.0.write_u64(event.from.0);
            self.0.write_u32(event.generation);
            self.0.write_u64(event.number);
            self.bytes(event.name.as_bytes());
            self.bytes(event.payload.as_bytes());
        }
    }

    fn member(&mut self, member: &MemberView) {
        self.bytes(member.card.name.as_bytes());
        self.0.write_u32(member.card.generation);
        self.address(member.card.address);
        self.bytes(member.state.as_str().as_bytes());
        self.0.write_u32(member.incarnation);
        self.bytes(member.reason.as_deref().unwrap_or_default().as_bytes());
        if let Some(suspicion) = &member.suspicion {
            self.0.write_u64(suspicion.by.0);
            self.0.write_u64(suspicion.deadline.as_micros());
        }
        if let Some(app) = &member.app {
            self.app(app);
        }
        self.tags(&member.card.tags);
    }

    fn tags(&mut self, tags: &Tags) {
        for (key, value) in tags.iter() {
            self.bytes(key.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    fn app(&mut self, app: &AppStatus) {
        self.bytes(app.as_str().as_bytes());
        self.bytes(app.reason().unwrap_or_default().as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write_u64(bytes.len() as u64);
        self.0.write(bytes);
    }

    fn addresses(&mut self, kind: u8, addresses: &[SocketAddr]) {
        self.0.write_u8(kind);
        for address in addresses {
            self.address(*address);
        }
    }

    fn address(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(v4) => self.0.write_u32(v4.ip().to_bits()),
            SocketAddr::V6(v6) => self.0.write(&v6.ip().octets()),
        }
        self.0.write_u16(address.port());
    }
}
