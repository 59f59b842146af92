//! Cards: of which lives of a member this node may speak, and where it is in each. The directory
//! has them all, but for those of two processes that had one generation.

use std::{net::SocketAddr, sync::Arc};

use super::{Gate, Twins};
use crate::swim::{
    Card, Junk, Life, MemberId,
    directory::{GENERATIONS_KEPT, Handle},
    identity::Identity,
    wire::WireCard,
};

impl Gate {
    /// The member's card for that life, if this node may speak of it.
    pub(in crate::swim) fn card_of(&self, identity: Identity) -> Option<Arc<Card>> {
        if identity.handle == self.me.handle {
            return Some(self.card.clone());
        }
        self.card(identity.handle, identity.life.generation())
    }

    fn card(&self, handle: Handle, generation: u32) -> Option<Arc<Card>> {
        let own = self.cards.get(&(handle, generation)).cloned();
        own.or_else(|| self.directory.card(handle, generation))
    }

    /// Whether this node may speak of that generation of a member.
    pub(in crate::swim) fn has_card(&self, handle: Handle, generation: u32) -> bool {
        let own = self.cards.contains_key(&(handle, generation));
        own || self.directory.address(handle, generation).is_some()
    }

    /// Where the member is in that life, if this node may speak of it.
    pub(in crate::swim) fn address_of(&self, identity: Identity) -> Option<SocketAddr> {
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
    pub(in crate::swim) fn carded(&self, id: MemberId, life: Life) -> Option<Identity> {
        let handle = self.directory.handle(id)?;
        let identity = Identity { handle, life };
        self.address_of(identity).map(|_| identity)
    }

    /// Keeps the first card of a generation. Another address in a later one means that two
    /// processes have the name, or had: they must hear of each other.
    pub(super) fn intern(&mut self, card: &WireCard<'_>, life: Life) -> Option<Handle> {
        let generation = life.generation();
        let known = self.directory.handle(card.id(&self.cluster));
        let kept = known.and_then(|handle| Some((handle, self.card(handle, generation)?)));
        if let Some((handle, kept)) = kept {
            if kept.address == card.address() {
                return Some(handle);
            }
            if self.roster.knows(handle) {
                let sides = [(kept.address, life), (card.address(), life)];
                self.findings.twins.push(Twins { handle, sides });
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
            self.noticed.junk = Some(Junk::Malformed);
        }
        checked
    }

    /// Keeps a card that the directory has otherwise, of as many generations as that one does.
    fn keep_own(&mut self, handle: Handle, card: Card) {
        self.cards.insert((handle, card.generation), Arc::new(card));
        let mut of_it = self.cards.range((handle, 0)..=(handle, u32::MAX));
        if let Some((oldest, _)) = of_it.next()
            && of_it.count() >= GENERATIONS_KEPT
        {
            let oldest = *oldest;
            self.cards.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{Directory, Scope, Tags};

    #[test]
    fn many_generations_of_one_member_take_bounded_memory() {
        let card = |generation| Card {
            id: MemberId::new("blue", "n1"),
            name: "n1".into(),
            generation,
            address: "10.0.0.1:7946".parse().unwrap(),
            tags: Tags::default(),
        };
        let mut gate = Gate::new("blue".into(), Directory::new(), Scope::Everyone, card(1));
        for generation in 1..=100 {
            gate.keep_own(7, card(generation));
            gate.keep_own(8, card(generation));
        }
        let kept: Vec<_> = gate.cards.keys().copied().collect();
        assert_eq!(kept.len(), 2 * GENERATIONS_KEPT);
        assert_eq!(kept[0], (7, 101 - u32::try_from(GENERATIONS_KEPT).unwrap()));
    }
}
