//! What applications raise, as the gate takes it in and puts it on the wire.

use std::{borrow::Cow, time::Duration};

use super::Gate;
use crate::swim::{
    MemberId,
    events::{Heard, Kept, Source, Text},
    wire::{Update, WireEvent},
};

impl Gate {
    /// Keeps what may be new until the claims that came with it are told.
    pub(super) fn hear_event(&mut self, id: MemberId, generation: u32, event: &WireEvent<'_>) {
        let handle = self.directory.handle(id).filter(|_| event.is_sound());
        let Some(handle) = handle else {
            self.events.stats.refused += 1;
            return;
        };
        let age = Duration::from_millis(event.age_ms.into());
        self.pending.raised.push(Heard {
            source: (handle, generation),
            number: event.number,
            floor: event.number.saturating_sub(event.behind.into()),
            raised: self.now.before(age),
            text: Text {
                name: event.name.as_ref().into(),
                payload: event.payload.as_ref().into(),
            },
            is_rumour: true,
        });
    }

    /// An event as it travels; `None` when it is kept no more.
    pub(in crate::swim) fn event(&self, source: Source, number: u64) -> Option<Update<'static>> {
        let (floor, kept) = self.events.find(source, number)?;
        Some(self.as_it_travels((source, number), floor, kept))
    }

    /// All events that are kept, as an exchange tells them. Whoever is behind what we let go waits
    /// for it no longer: others let as much go.
    pub(in crate::swim) fn events(&self) -> impl Iterator<Item = Update<'static>> {
        let all = self.events.all();
        all.map(|(floor, event, kept)| self.as_it_travels(event, floor, kept))
    }

    fn as_it_travels(
        &self,
        ((handle, generation), number): (Source, u64),
        floor: u64,
        kept: &Kept,
    ) -> Update<'static> {
        let age = (self.now - kept.raised).as_millis();
        Update::Event {
            id: self.directory.id(handle),
            generation,
            event: WireEvent {
                number,
                behind: u16::try_from(number.saturating_sub(floor)).unwrap_or(u16::MAX),
                age_ms: u32::try_from(age).unwrap_or(u32::MAX),
                name: Cow::Owned(kept.text.name.to_string()),
                payload: Cow::Owned(kept.text.payload.to_string()),
            },
        }
    }
}
