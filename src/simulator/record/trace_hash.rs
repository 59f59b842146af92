//! `TraceHash`: one hash over everything that happened, so that two runs can be compared to the
//! byte.

use std::{hash::Hasher, net::SocketAddr};

use siphasher::sip::SipHasher13;

use crate::{
    simulator::Slot,
    swim::{AppStatus, Change, Input, MemberView, Output, StopReason, Tags, Timestamp},
};

/// A running hash over every input and output of every node. Lengths come before bytes, counts
/// before lists and a mark before what may be missing; integers have fixed widths, so that equal
/// hashes mean equal runs on any machine.
#[derive(Debug)]
pub(in crate::simulator) struct TraceHash(SipHasher13);

impl TraceHash {
    pub(in crate::simulator) fn new(seed: u64) -> Self {
        Self(SipHasher13::new_with_keys(seed, 0))
    }

    /// The hash of the run so far.
    pub(in crate::simulator) fn so_far(&self) -> u64 {
        self.0.finish()
    }

    pub(in crate::simulator) fn input(&mut self, now: Timestamp, slot: Slot, input: &Input<'_>) {
        self.0.write_u64(now.as_micros());
        self.0.write_u32(slot.0);
        match *input {
            Input::App(app) => {
                self.0.write_u8(7);
                self.has(app.is_some());
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
                self.has(restart_in.is_some());
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

    pub(in crate::simulator) fn output(&mut self, output: &Output) {
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
                match reason {
                    StopReason::Left => self.has(false),
                    StopReason::Conflict { holder } => {
                        self.has(true);
                        self.address(*holder);
                    }
                }
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
        match change {
            Change::Conflict { name, ours, theirs } => {
                self.bytes(name.as_bytes());
                self.address(*ours);
                self.address(*theirs);
            }
            Change::Healed { members } => self.0.write_u64(*members as u64),
            Change::Degraded | Change::Isolated | Change::Recovered => {}
            Change::Join { member, previous } => {
                self.member(member);
                self.has(previous.is_some());
                if let Some(state) = previous {
                    self.bytes(state.as_str().as_bytes());
                }
            }
            Change::Restart {
                member,
                previous_generation,
            } => {
                self.member(member);
                self.0.write_u32(*previous_generation);
            }
            Change::Failed(member)
            | Change::Left(member)
            | Change::Refuted(member)
            | Change::Removed(member)
            | Change::Suspect(member)
            | Change::Update(member) => self.member(member),
            Change::User(event) => {
                self.0.write_u64(event.from.0);
                self.bytes(event.from_name.as_bytes());
                self.0.write_u32(event.generation);
                self.0.write_u64(event.number);
                self.bytes(event.name.as_bytes());
                self.bytes(event.payload.as_bytes());
            }
        }
    }

    fn member(&mut self, member: &MemberView) {
        self.0.write_u64(member.card.id.0);
        self.bytes(member.card.name.as_bytes());
        self.0.write_u32(member.card.generation);
        self.address(member.card.address);
        self.bytes(member.state.as_str().as_bytes());
        self.0.write_u32(member.incarnation);
        self.some_bytes(member.reason.as_deref());
        self.has(member.suspicion.is_some());
        if let Some(suspicion) = &member.suspicion {
            self.0.write_u64(suspicion.by.0);
            self.some_bytes(suspicion.by_name.as_deref());
            self.0.write_u8(suspicion.evidence as u8);
            self.0.write_u64(suspicion.deadline.as_micros());
        }
        self.has(member.app.is_some());
        if let Some(app) = &member.app {
            self.app(app);
        }
        self.has(member.down_since.is_some());
        if let Some(since) = member.down_since {
            self.0.write_u64(since.as_micros());
        }
        self.tags(&member.card.tags);
    }

    fn tags(&mut self, tags: &Tags) {
        self.0.write_u64(tags.iter().count() as u64);
        for (key, value) in tags.iter() {
            self.bytes(key.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    fn app(&mut self, app: &AppStatus) {
        self.bytes(app.as_str().as_bytes());
        self.some_bytes(app.reason());
    }

    fn some_bytes(&mut self, text: Option<&str>) {
        self.has(text.is_some());
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    /// Whether what may be missing is there.
    fn has(&mut self, is_there: bool) {
        self.0.write_u8(u8::from(is_there));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write_u64(bytes.len() as u64);
        self.0.write(bytes);
    }

    fn addresses(&mut self, kind: u8, addresses: &[SocketAddr]) {
        self.0.write_u8(kind);
        self.0.write_u64(addresses.len() as u64);
        for address in addresses {
            self.address(*address);
        }
    }

    fn address(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(v4) => {
                self.0.write_u8(4);
                self.0.write_u32(v4.ip().to_bits());
            }
            SocketAddr::V6(v6) => {
                self.0.write_u8(6);
                self.0.write(&v6.ip().octets());
            }
        }
        self.0.write_u16(address.port());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::swim::{Card, Evidence, MemberId, MemberState, Suspicion};

    fn hash(trace: impl FnOnce(&mut TraceHash)) -> u64 {
        let mut fresh = TraceHash::new(1);
        trace(&mut fresh);
        fresh.so_far()
    }

    fn of_change(change: Change) -> u64 {
        hash(|trace| trace.output(&Output::Change(Box::new(change))))
    }

    fn of_leave(restart_in: Option<Duration>) -> u64 {
        let reason = "told to";
        let leave = Input::Leave { reason, restart_in };
        hash(|trace| trace.input(Timestamp::ZERO, Slot(0), &leave))
    }

    fn of_joins(lists: &[&[SocketAddr]]) -> u64 {
        hash(|trace| {
            for list in lists {
                trace.addresses(2, list);
            }
        })
    }

    fn suspect(evidence: Evidence) -> MemberView {
        let id = MemberId(7);
        MemberView {
            card: std::sync::Arc::new(Card {
                id,
                name: "n7".into(),
                generation: 1,
                address: ([10, 0, 0, 7], 7946).into(),
                tags: Tags::default(),
            }),
            state: MemberState::Suspect,
            suspicion: Some(Suspicion {
                by: id,
                by_name: None,
                evidence,
                deadline: Timestamp::ZERO,
            }),
            incarnation: 0,
            reason: None,
            app: None,
            down_since: None,
        }
    }

    #[test]
    fn what_differs_differs_in_its_hash() {
        let healed = |members| of_change(Change::Healed { members });
        assert_ne!(healed(1), healed(2));
        let accused = |evidence| of_change(Change::Suspect(suspect(evidence)));
        assert_ne!(accused(Evidence::Refused), accused(Evidence::ProbeTimeout));
        let member = || suspect(Evidence::Refused);
        let joined = |previous| {
            let member = member();
            of_change(Change::Join { member, previous })
        };
        assert_ne!(joined(None), joined(Some(MemberState::Left)));
        let restarted = |previous_generation| {
            let member = member();
            of_change(Change::Restart {
                member,
                previous_generation,
            })
        };
        assert_ne!(restarted(1), restarted(2));
        assert_ne!(of_leave(None), of_leave(Some(Duration::ZERO)));
        let address = SocketAddr::from(([10, 0, 0, 7], 7946));
        assert_ne!(of_joins(&[&[address], &[]]), of_joins(&[&[], &[address]]));
    }
}
