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
mod import;
mod judge;
mod ourselves;
mod probes;
mod seen;
mod state;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use foca::{Member, State};

use super::{
    Card, Junk, Life, MemberId, Scope, Timestamp, Tuning,
    broadcasts::About,
    directory::{Directory, Handle},
    events::{EventBook, Heard as HeardEvent},
    facts::{FactBook, Lacking, Stated},
    forgotten::Forgotten,
    health::{Errand, Probe},
    identity::Identity,
    prefetch,
    roster::{Accusation, Claim, Record, Roster, Standing},
    wire::{Over, Update, WireCard},
};
use seen::Seen;

pub(super) use findings::{Sighting, Touch, Twins};

/// State that foca's codec and the node share.
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
    /// Pings sent, foca's and our own.
    pub(super) probes: u64,
    /// What became of the last of foca's.
    pub(super) probe: Option<Probe>,
    /// Its target has answered just now.
    probe_answered: bool,
    /// What others asked us to probe, and have no answer to yet.
    errands: Vec<Errand>,
    /// One that was asked for just now.
    errand: Option<Errand>,
    /// The sender believes us accused, or did: it should hear from us.
    accused: bool,
    /// foca is to refute an accusation that was heard just now.
    refuting: bool,
    /// The packet that is made is a call of our own, which foca knows nothing of.
    pub(super) calling: bool,
    /// What we saw ourselves of members in doubt.
    seen: BTreeMap<Identity, Seen>,
    /// Probes that nobody answered for.
    pub(super) probes_failed: u64,
    /// Claims that were not believed because there are as many members as may be.
    pub(super) members_refused: u64,
    /// The packet that foca makes must not be sent as it is.
    pub(super) unsaid: bool,
    /// Who speaks in a life that said goodbye.
    pub(super) parted: Vec<Identity>,
    /// What we say once we are leaving.
    pub(super) leaving: Option<Goodbye>,
    /// Who sent the packet that foca is reading.
    pub(super) sender: Identity,
    pub(super) scope: Scope,
    /// See [`super::Tuning`].
    pub(super) corroborate: bool,
    /// See [`super::Tuning`].
    pub(super) buddy: bool,
    pub(super) roster: Roster,
    forgotten: Forgotten,
    /// Claims about members beyond the view that say something new.
    pub(super) beyond: Vec<Member<Identity>>,
    /// Claims about members in the view that came where foca does not look for them.
    pub(super) overheard: Vec<Member<Identity>>,
    /// Cards that differ from what a shared directory has of the same generation.
    cards: BTreeMap<(Handle, u32), Arc<Card>>,
    /// Members that may have something new to tell.
    pub(super) touched: Vec<Touch>,
    /// Updates that foca queued for gossip just now, as they go on the wire.
    pub(super) news: Vec<(About, Vec<u8>)>,
    /// What every member says of itself.
    pub(super) facts: FactBook,
    /// What members say of themselves, as far as it may be new.
    pub(super) stated: Vec<Stated>,
    /// Whose tags have to be fetched.
    pub(in crate::swim) lacking: Vec<Lacking>,
    /// What applications raised.
    pub(super) events: EventBook,
    /// What they are said to have raised.
    pub(super) raised: Vec<HeardEvent>,
    /// Members with two cards for one generation.
    pub(super) twins: Vec<Twins>,
    /// What others say of us that foca must not hear.
    pub(super) sightings: Vec<Sighting>,
    /// Why foca could not read the packet.
    pub(super) junk: Option<Junk>,
    /// A member addressed an earlier life of ours: it should learn of this one.
    pub(super) addressed_before: bool,
    /// What qualifies the claims being read.
    heard: BTreeMap<Identity, Vec<Heard>>,
}

/// How a process takes its leave.
#[derive(Clone, Debug)]
pub(super) struct Goodbye {
    pub(super) reason: String,
    /// When the next process of this member is due, if one is.
    pub(super) eta: Option<Duration>,
}

/// A claim with what foca cannot hold of it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) incarnation: u16,
    pub(super) claim: Claim,
    pub(super) age: Duration,
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
            probes: 0,
            probe: None,
            probe_answered: false,
            errands: Vec::new(),
            errand: None,
            accused: false,
            refuting: false,
            calling: false,
            seen: BTreeMap::new(),
            probes_failed: 0,
            members_refused: 0,
            unsaid: false,
            parted: Vec::new(),
            leaving: None,
            sender: me,
            roster: Roster::new(&scope),
            forgotten: Forgotten::default(),
            scope,
            corroborate: true,
            buddy: true,
            beyond: Vec::new(),
            overheard: Vec::new(),
            cards: BTreeMap::new(),
            touched: Vec::new(),
            news: Vec::new(),
            facts: FactBook::default(),
            stated: Vec::new(),
            lacking: Vec::new(),
            events: EventBook::default(),
            raised: Vec::new(),
            twins: Vec::new(),
            sightings: Vec::new(),
            junk: None,
            addressed_before: false,
            heard: BTreeMap::new(),
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

    /// The member's card for that life, if this node may speak of it.
    pub(super) fn card_of(&self, identity: Identity) -> Option<Arc<Card>> {
        if identity.handle == self.me.handle {
            return Some(self.card.clone());
        }
        self.card(identity.handle, identity.life.generation())
    }

    /// Follows other numbers.
    pub(super) const fn tune(&mut self, tuning: &Tuning) {
        (self.corroborate, self.buddy) = (tuning.corroborate, tuning.buddy);
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

    fn card(&self, handle: Handle, generation: u32) -> Option<Arc<Card>> {
        let own = self.cards.get(&(handle, generation)).cloned();
        own.or_else(|| self.directory.card(handle, generation))
    }

    /// Whether this node may speak of that generation of a member.
    pub(super) fn has_card(&self, handle: Handle, generation: u32) -> bool {
        let own = self.cards.contains_key(&(handle, generation));
        own || self.directory.address(handle, generation).is_some()
    }

    /// Where the member is in that life, if this node may speak of it.
    pub(super) fn address_of(&self, identity: Identity) -> Option<std::net::SocketAddr> {
        if identity.handle == self.me.handle {
            return Some(self.card.address);
        }
        let (handle, generation) = (identity.handle, identity.life.generation());
        match self.cards.get(&(handle, generation)) {
            Some(own) => Some(own.address),
            None => self.directory.address(handle, generation),
        }
    }

    /// The identity of a member in a life of which we have the card.
    pub(super) fn carded(&self, id: MemberId, life: Life) -> Option<Identity> {
        let handle = self.directory.handle(id)?;
        let identity = Identity { handle, life };
        self.address_of(identity).map(|_| identity)
    }

    pub(super) fn touch(&mut self, handle: Handle) {
        self.touched.push(Touch {
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

    /// Keeps the first card of a generation. Another address in a later one means that two
    /// processes have the name, or had: they must hear of each other.
    fn intern(&mut self, card: &WireCard<'_>, life: Life) -> Option<Handle> {
        let generation = life.generation();
        let known = self.directory.handle(card.id(&self.cluster));
        let kept = known.and_then(|handle| Some((handle, self.card(handle, generation)?)));
        if let Some((handle, kept)) = kept {
            if kept.address == card.address() {
                return Some(handle);
            }
            if self.roster.knows(handle) {
                let sides = [(kept.address, life), (card.address(), life)];
                self.twins.push(Twins { handle, sides });
            } else {
                let card = self.checked(card, generation)?;
                self.keep_own(handle, card);
            }
            return Some(handle);
        }
        let is_carded = known.is_some_and(|handle| self.directory.newest(handle) > 0);
        if !is_carded && !self.directory.has_room() {
            self.members_refused += 1;
            return None;
        }
        let card = self.checked(card, generation)?;
        Some(self.directory.intern(card))
    }

    fn checked(&mut self, card: &WireCard<'_>, generation: u32) -> Option<Card> {
        let checked = card.check(&self.cluster, generation);
        if checked.is_none() {
            self.junk = Some(Junk::Malformed);
        }
        checked
    }

    /// Notes what qualifies a claim about `member` that foca is going to hear.
    pub(super) fn hear(&mut self, member: &Member<Identity>, claim: Claim, age_s: u32) {
        self.touch(member.id().handle);
        self.heard.entry(*member.id()).or_default().push(Heard {
            incarnation: member.incarnation(),
            claim,
            age: Duration::from_secs(age_s.into()),
        });
    }

    /// What was heard last of `identity` in this `state`.
    pub(super) fn heard(&self, identity: Identity, state: State) -> Option<&Heard> {
        let fits = |claim: &Claim| match claim {
            Claim::Suspect(_) => state == State::Suspect,
            _ => state == State::Down,
        };
        self.heard_of(identity)
            .rev()
            .find(|heard| fits(&heard.claim))
    }

    /// What was heard of `identity`, the latest last.
    pub(super) fn heard_of(&self, identity: Identity) -> impl DoubleEndedIterator<Item = &Heard> {
        self.heard.get(&identity).into_iter().flatten()
    }

    /// This life of a member is over, by its own word or an operator's: in whatever incarnation.
    fn hear_end(&mut self, about: Identity, claim: Claim, age_s: u32) -> Member<Identity> {
        let gone = Member::new(about, 0, State::Down);
        self.hear(&gone, claim, age_s);
        gone
    }

    /// Somebody accuses a member in this incarnation.
    fn hear_accusation(
        &mut self,
        about: Identity,
        incarnation: u16,
        accusation: Accusation,
    ) -> Member<Identity> {
        let accused = Member::new(about, incarnation, State::Suspect);
        self.hear(&accused, Claim::Suspect(accusation), 0);
        accused
    }

    /// Our own probe failed: we accuse, whether or not somebody did before.
    pub(super) fn accuse(&mut self, member: &Member<Identity>) {
        self.probes_failed += 1;
        self.accuse_of_seen(member);
    }

    /// We accuse a member of what we saw.
    pub(super) fn accuse_of_seen(&mut self, member: &Member<Identity>) {
        let accusation = self.own_accusation(*member.id());
        self.hear(member, Claim::Suspect(accusation), 0);
    }

    /// Who accused this member in this very incarnation, as heard just now.
    pub(super) fn accusations(
        &self,
        member: &Member<Identity>,
    ) -> impl Iterator<Item = Accusation> {
        let fits = |heard: &&Heard| heard.incarnation == member.incarnation();
        let heard = self.heard_of(*member.id()).filter(fits);
        heard.filter_map(|heard| match heard.claim {
            Claim::Suspect(accusation) => Some(accusation),
            _ => None,
        })
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

    pub(super) fn forget_heard(&mut self) {
        self.heard.clear();
        self.refuting = false;
    }
}

#[cfg(test)]
mod tests;
