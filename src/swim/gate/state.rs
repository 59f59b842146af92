//! What members say of themselves, as the gate keeps it and puts it on the wire.

use std::sync::Arc;

use super::Gate;
use crate::swim::{
    AppStatus, Card, Junk, MemberId,
    directory::Handle,
    facts::{Facts, Lacking, Retagged, Ring, Stated},
    identity::Identity,
    tags::PACKET_TAG_BYTES_MAX,
    wire::{Said, Update, WireTags},
};

impl Gate {
    /// What the member last said of its application in this generation.
    pub(in crate::swim) fn app(&self, identity: Identity) -> Option<AppStatus> {
        self.facts_of(identity)?.app.clone()
    }

    /// The member's card with the tags that it has now.
    pub(in crate::swim) fn card_shown(&self, identity: Identity) -> Option<Arc<Card>> {
        let card = self.card_of(identity)?;
        let retagged = self
            .facts_of(identity)
            .and_then(|facts| facts.tags.as_ref());
        Some(match retagged {
            None => card,
            Some(Retagged { tags, .. }) => Arc::new(Card {
                tags: tags.clone(),
                ..Card::clone(&card)
            }),
        })
    }

    /// Which version of its facts is held; 0 when it said nothing in this generation.
    pub(in crate::swim) fn facts_version(&self, identity: Identity) -> u32 {
        self.facts_of(identity).map_or(0, |facts| facts.version)
    }

    /// The keys that the member said last it has in this generation.
    pub(in crate::swim) fn ring(&self, identity: Identity) -> Option<&Ring> {
        self.facts_of(identity)?.keys.as_ref()
    }

    fn facts_of(&self, identity: Identity) -> Option<&Facts> {
        self.facts.of(identity.handle, identity.life.generation())
    }

    /// Keeps what is no claim, and may be new, until the claims that came with it are told. Whether
    /// it is no claim.
    pub(in crate::swim) fn hear_word(&mut self, update: &Update<'_>) -> bool {
        match update {
            Update::Event {
                id,
                generation,
                event,
            } => self.hear_event(*id, *generation, event),
            Update::Facts {
                id,
                generation,
                said,
            } => self.hear_facts((*id, *generation), said, |_| Some(None)),
            Update::Tagged {
                tags: Some(tags), ..
            } if tags.check().is_none() => self.noticed.junk = Some(Junk::Malformed),
            Update::Tagged {
                id,
                generation,
                said,
                since,
                tags,
            } => self.hear_facts((*id, *generation), said, |held| match tags {
                Some(tags) => {
                    let (since, tags) = (*since, tags.check()?);
                    Some(Some(Retagged { since, tags }))
                }
                None => {
                    let held = held.filter(|held| held.since == *since)?;
                    Some(Some(held.clone()))
                }
            }),
            _ => return false,
        }
        true
    }

    /// `tags` gives those that were said, from those that are held; `None` when they have to be
    /// fetched.
    fn hear_facts(
        &mut self,
        (id, generation): (MemberId, u32),
        said: &Said,
        tags: impl FnOnce(Option<&Retagged>) -> Option<Option<Retagged>>,
    ) {
        let Some(of) = self.directory.handle(id) else {
            return;
        };
        let held = self.facts.of(of, generation);
        let tags = tags(held.and_then(|held| held.tags.as_ref()));
        let stated = Stated {
            handle: of,
            generation,
            facts: Facts {
                version: said.version,
                app: said.app.clone(),
                tags: tags.clone().flatten(),
                keys: said.keys.clone(),
            },
            is_rumour: true,
        };
        if !self.facts.is_news(&stated) {
            return;
        }
        // A later word of our own is set right, whatever it says.
        if tags.is_some() || of == self.me.handle {
            self.pending.stated.push(stated);
        } else if self.sender.handle != self.me.handle {
            let told_by = self.sender;
            self.pending.lacking.push(Lacking { of, told_by });
        }
    }

    /// The member's facts as they travel in packets.
    pub(in crate::swim) fn statement(&self, handle: Handle) -> Option<Update<'static>> {
        self.statement_within(handle, PACKET_TAG_BYTES_MAX)
    }

    /// The member's facts, with its tags unless they are larger than that.
    pub(in crate::swim) fn statement_within(
        &self,
        handle: Handle,
        tag_bytes_max: usize,
    ) -> Option<Update<'static>> {
        let (generation, facts) = self.facts.newest(handle)?;
        let id = self.directory.id(handle);
        let said = Said {
            version: facts.version,
            app: facts.app.clone(),
            keys: facts.keys.clone(),
        };
        Some(match &facts.tags {
            None => Update::Facts {
                id,
                generation,
                said,
            },
            Some(Retagged { since, tags }) => Update::Tagged {
                id,
                generation,
                said,
                since: *since,
                tags: (tags.size() <= tag_bytes_max).then(|| WireTags::own(tags)),
            },
        })
    }

    /// Everybody's facts as they travel.
    pub(in crate::swim) fn statements(&self) -> impl Iterator<Item = Update<'static>> {
        let all = self.facts.iter();
        all.filter_map(|(handle, ..)| self.statement(handle))
    }
}
