//! What members say of themselves, as the gate keeps it and puts it on the wire.

use super::Gate;
use crate::swim::{
    AppStatus, MemberId,
    directory::Handle,
    facts::{Facts, Stated},
    identity::Identity,
    wire::Update,
};

impl Gate {
    /// What the member last said of its application in this generation.
    pub(in crate::swim) fn app(&self, identity: Identity) -> Option<AppStatus> {
        self.facts_of(identity)?.app.clone()
    }

    /// Which version of its facts is held; 0 when it said nothing in this generation.
    pub(in crate::swim) fn facts_version(&self, identity: Identity) -> u32 {
        self.facts_of(identity).map_or(0, |facts| facts.version)
    }

    fn facts_of(&self, identity: Identity) -> Option<&Facts> {
        self.facts.of(identity.handle, identity.life.generation())
    }

    /// Keeps what may be new until the claims that came with it are told.
    pub(super) fn hear_facts(&mut self, id: MemberId, generation: u32, facts: &Facts) {
        let Some(handle) = self.directory.handle(id) else {
            return;
        };
        let stated = Stated {
            handle,
            generation,
            facts: facts.clone(),
            is_rumour: true,
        };
        if self.facts.is_news(&stated) {
            self.stated.push(stated);
        }
    }

    /// The member's facts as they travel.
    pub(in crate::swim) fn statement(&self, handle: Handle) -> Option<Update<'static>> {
        let (generation, facts) = self.facts.newest(handle)?;
        Some(self.update(handle, generation, facts))
    }

    /// Everybody's facts as they travel.
    pub(in crate::swim) fn statements(&self) -> impl Iterator<Item = Update<'static>> {
        let all = self.facts.iter();
        all.map(|(handle, generation, facts)| self.update(handle, generation, facts))
    }

    fn update(&self, handle: Handle, generation: u32, facts: &Facts) -> Update<'static> {
        Update::Facts {
            id: self.directory.id(handle),
            generation,
            facts: facts.clone(),
        }
    }
}
