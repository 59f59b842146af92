//! The gate: what foca hears and what its words become on the wire.
//!
//! foca knows members as numbers in three states. The gate stands in its codec: every claim that
//! arrives passes [`Gate::judge`] before foca sees it, and every claim that foca sends is clothed
//! in what we know of it, [`Gate::clothe`]. `decode_member` cannot drop a claim; it answers with
//! "you are alive" instead, which foca ignores.

mod beyond;
mod cards;
mod clothe;
mod events;
mod findings;
mod hearsay;
mod import;
mod judge;
mod ourselves;
mod probes;
mod seen;
mod state;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use foca::{Member, State};

use super::{
    Card, Life, MemberId, Scope, Timestamp, Tuning,
    broadcasts::About,
    directory::{Directory, Handle},
    events::EventBook,
    facts::FactBook,
    forgotten::Forgotten,
    identity::Identity,
    prefetch,
    roster::{Record, Roster, Standing},
    wire::{Over, Update},
};
use hearsay::Hearsay;
use probes::Probing;

pub(super) use findings::{Findings, Noticed, Pending, Sighting, Touch, Twins};
pub(super) use hearsay::Heard;

/// State that foca's codec and the node share: what lasts, and at the end what is of one packet or
/// of one turn of the node only.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) now: Timestamp,
    pub(super) cluster: String,
    pub(super) directory: Directory,
    /// Ourselves.
    pub(super) me: Identity,
    pub(super) id: MemberId,
    pub(super) card: Arc<Card>,
    /// Our incarnation as foca last sent it; foca has no getter for it.
    pub(super) incarnation: u16,
    /// What we say once we are leaving.
    pub(super) leaving: Option<Goodbye>,
    pub(super) scope: Scope,
    /// See [`super::Tuning`].
    pub(super) corroborate: bool,
    /// See [`super::Tuning`].
    pub(super) buddy: bool,
    pub(super) roster: Roster,
    forgotten: Forgotten,
    /// Cards that differ from what a shared directory has of the same generation.
    cards: BTreeMap<(Handle, u32), Arc<Card>>,
    /// Claims that were not believed because there are as many members as may be.
    pub(super) members_refused: u64,
    /// What every member says of itself.
    pub(super) facts: FactBook,
    /// What applications raised.
    pub(super) events: EventBook,
    pub(super) probing: Probing,
    /// The packet that foca makes must not be sent as it is.
    pub(super) unsaid: bool,
    /// Who says what is being read.
    pub(super) sender: Identity,
    /// Taken by the node after each packet.
    pub(super) noticed: Noticed,
    /// Taken by the node until there are none left.
    pub(super) findings: Findings,
    /// Taken by the node when there are none left.
    pub(super) pending: Pending,
    /// Updates that foca queued for gossip just now, as they go on the wire.
    pub(super) news: Vec<(About, Vec<u8>)>,
    hearsay: Hearsay,
}

/// How a process takes its leave.
#[derive(Clone, Debug)]
pub(super) struct Goodbye {
    pub(super) reason: String,
    /// When the next process of this member is due, if one is.
    pub(super) eta: Option<Duration>,
}

impl Gate {
    pub(super) fn new(cluster: String, directory: Directory, scope: Scope, card: Card) -> Self {
        let life = Life::first(card.generation);
        let id = card.id;
        // The directory may be shared: it keeps no card that is not final.
        let handle = if card.address.ip().is_unspecified() {
            directory.reserve(id)
        } else {
            directory.intern(card.clone())
        };
        let me = Identity { handle, life };
        Self {
            now: Timestamp::ZERO,
            cluster,
            directory,
            me,
            id,
            card: Arc::new(card),
            incarnation: 0,
            leaving: None,
            roster: Roster::new(&scope),
            scope,
            corroborate: true,
            buddy: true,
            forgotten: Forgotten::default(),
            cards: BTreeMap::new(),
            members_refused: 0,
            facts: FactBook::default(),
            events: EventBook::default(),
            probing: Probing::default(),
            unsaid: false,
            sender: me,
            noticed: Noticed::default(),
            findings: Findings::default(),
            pending: Pending::default(),
            news: Vec::new(),
            hearsay: Hearsay::default(),
        }
    }

    /// See [`prefetch()`].
    pub(super) fn prefetch(&self) {
        self.roster.prefetch();
        prefetch(&*self.card);
    }

    /// What a member is called. Ourselves as well when we do not know our address yet: our card is
    /// in no directory then.
    pub(super) fn name(&self, id: MemberId) -> Option<String> {
        match id == self.id {
            true => Some(self.card.name.clone()),
            false => self.directory.name(id),
        }
    }

    /// Follows other numbers.
    pub(super) const fn tune(&mut self, tuning: &Tuning) {
        self.corroborate = tuning.corroborate;
        self.buddy = tuning.buddy;
    }

    /// Members that are failed, gone or removed, with the card of the life that is over.
    pub(super) fn down(&self) -> impl Iterator<Item = (Identity, Arc<Card>)> {
        let down = self.roster.records();
        let down = down.filter(|(_, record)| !record.standing.is_active());
        down.filter_map(|(handle, record)| {
            let life = record.life;
            let identity = Identity { handle, life };
            Some((identity, self.card_of(identity)?))
        })
    }

    pub(super) fn touch(&mut self, handle: Handle) {
        self.findings.touched.push(Touch {
            handle,
            replaces: None,
        });
    }

    /// Notes what consumers are told of a member now.
    pub(super) fn tell(&mut self, handle: Handle, record: Record) {
        match record.standing {
            Standing::Removed => self.facts.forget(handle),
            _ => self.facts.follow(handle, record.life.generation()),
        }
        self.roster.tell(handle, record);
    }

    /// How a life ended that is held over.
    pub(super) fn over(&self, identity: Identity) -> Over {
        let Identity { handle, life } = identity;
        let record = self.roster.record(handle);
        let record = record.filter(|record| record.life >= life);
        let left = |record: &Record| record.standing.has_said_goodbye();
        Over {
            life: record.map_or(life, |record| record.life),
            left: record.is_some_and(left),
        }
    }

    /// Whether nobody has accused this life yet of a member that we know.
    fn holds_alive(&self, identity: Identity) -> bool {
        let Identity { handle, life } = identity;
        let known = self.roster.knows(handle) || self.is_beyond(handle);
        let accused = |record: &Record| record.life >= life && record.standing != Standing::Alive;
        known && !self.roster.record(handle).is_some_and(accused)
    }

    /// Whether this life of a member stands accused.
    pub(super) fn is_suspect(&self, identity: Identity) -> bool {
        let record = self.roster.record(identity.handle);
        record
            .is_some_and(|record| record.life == identity.life && record.standing.doubt().is_some())
    }

    /// The accusation of a suspect as it goes on the wire.
    pub(super) fn charge_against(&self, suspect: Identity) -> Option<Update<'static>> {
        let record = self.roster.record(suspect.handle);
        let record = record.filter(|record| record.life == suspect.life)?;
        record.standing.doubt()?;
        self.clothe(&Member::new(suspect, record.incarnation, State::Suspect))
    }

    /// What keeps foca as it is.
    fn nothing(&self) -> Member<Identity> {
        Member::new(self.me, self.incarnation, State::Alive)
    }

    /// A member is forgotten: nothing of it is kept but its number, and which life it was.
    pub(super) fn forget(&mut self, handle: Handle) {
        if let Some(record) = self.roster.record(handle) {
            self.forgotten.add(self.directory.id(handle), record.life);
        }
        self.roster.forget(handle);
        self.facts.forget(handle);
        self.cards.retain(|(of, _), _| *of != handle);
        self.directory.release(handle);
    }

    /// What was heard in this turn is told, and says nothing of what the next one hears.
    pub(super) fn end_turn(&mut self) {
        self.hearsay = Hearsay::default();
        self.forget_seen();
    }
}

#[cfg(test)]
mod tests;
