//! Looking at a node: its list, itself, and what it believes.

use std::{net::SocketAddr, sync::Arc};

use foca::Member;

use super::Node;
use crate::swim::{
    Card, Counts, Enrolled, Life, MemberId, MemberState, MemberView, Status,
    identity::Identity,
    roster::{Record, Standing},
};

/// One member as a node holds it now, without what the member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// Who.
    pub member: Enrolled,
    /// In which life.
    pub life: Life,
    /// The published incarnation, as in [`MemberView`].
    pub incarnation: u32,
    /// What is believed of it.
    pub state: MemberState,
    /// Which version is held of what it says of itself; 0 when it said nothing.
    pub facts: u32,
}

impl Node {
    /// Everyone we know: ourselves first, then alive, suspect, failed and departed members in no
    /// particular order.
    pub fn members(&self) -> impl Iterator<Item = MemberView> {
        let others = self
            .engine
            .members()
            .filter_map(|held| self.view_held(held));
        std::iter::once(self.own_view()).chain(others)
    }

    /// The member called `name`, in O(n).
    pub fn member(&self, name: &str) -> Option<MemberView> {
        self.members().find(|member| member.card.name == name)
    }

    /// The same as [`Node::members`] without cards, reasons and accusations: a hundred times
    /// cheaper.
    pub fn sketches(&self) -> impl Iterator<Item = Sketch> {
        let others = self.engine.members().filter_map(|held| {
            let record = self.record_held(held)?;
            Some(self.sketch(*held.id(), &record))
        });
        std::iter::once(self.own_sketch()).chain(others)
    }

    /// Ourselves.
    pub fn own_sketch(&self) -> Sketch {
        let gate = self.gate.borrow();
        let state = match gate.leaving {
            Some(_) => MemberState::Left,
            None => MemberState::Alive,
        };
        Sketch {
            member: Enrolled(gate.me.handle),
            life: gate.me.life,
            incarnation: gate.me.life.published(gate.incarnation),
            state,
            facts: gate.facts_version(gate.me),
        }
    }

    /// Whether we hold the member to be at `address`.
    pub fn is_at(&self, member: &Sketch, address: SocketAddr) -> bool {
        let gate = self.gate.borrow();
        let identity = Identity {
            handle: member.member.0,
            life: member.life,
        };
        gate.address_of(identity) == Some(address)
    }

    /// The id of a member of our directory.
    pub fn id_of(&self, member: Enrolled) -> MemberId {
        self.gate.borrow().directory.id(member.0)
    }

    /// What is believed of a member, whether it is in the list or beyond it. `None` when it should
    /// be in the list and is not, or was never heard of. O(n).
    pub fn believes(&self, id: MemberId) -> Option<MemberState> {
        let gate = self.gate.borrow();
        let handle = gate.directory.handle(id)?;
        if gate.is_beyond(handle) {
            return Some(gate.presumption(handle).standing.shown());
        }
        drop(gate);
        let record = self.record_held(self.engine.find(handle)?)?;
        Some(record.told().standing.shown())
    }

    /// What we say of ourselves, with the tags that we have now.
    pub fn own_card(&self) -> Arc<Card> {
        let gate = self.gate.borrow();
        let shown = gate.card_shown(gate.me);
        shown.unwrap_or_else(|| gate.card.clone())
    }

    /// Where this node stands, in O(n).
    pub fn status(&self) -> Status {
        let mut counts = Counts::default();
        for member in self.sketches() {
            match member.state {
                MemberState::Alive => counts.alive += 1,
                MemberState::Failed => counts.failed += 1,
                MemberState::Left => counts.left += 1,
                MemberState::Suspect => counts.suspect += 1,
            }
        }
        let own = self.own_view();
        Status {
            card: own.card,
            life: self.life(),
            incarnation: own.incarnation,
            counts,
            isolated: self.is_isolated(),
        }
    }

    fn view_held(&self, held: &Member<Identity>) -> Option<MemberView> {
        let record = self.record_held(held)?;
        self.view(*held.id(), &record)
    }

    /// What was told of a member in foca's list. `None` if nothing was, or that it is forgotten.
    pub(super) fn record_held(&self, held: &Member<Identity>) -> Option<Record> {
        let gate = self.gate.borrow();
        let handle = held.id().handle;
        gate.roster.knows(handle).then_some(())?;
        let record = gate.roster.record(handle).cloned();
        let record = record.unwrap_or_else(|| Record {
            incarnation: held.incarnation(),
            ..Record::alive(held.id().life)
        });
        (record.standing != Standing::Removed).then_some(record)
    }

    fn sketch(&self, held: Identity, record: &Record) -> Sketch {
        let told = record.told();
        let identity = Identity {
            life: told.life,
            ..held
        };
        Sketch {
            member: Enrolled(identity.handle),
            life: identity.life,
            incarnation: told.life.published(told.incarnation),
            state: told.standing.shown(),
            facts: self.gate.borrow().facts_version(identity),
        }
    }
}
