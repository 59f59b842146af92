//! What applications raise, as the gate takes it in and puts it on the wire.

use std::{borrow::Cow, time::Duration};

use super::Gate;
use crate::swim::{
    MemberId,
    events::{Heard, Source, Text},
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
        self.raised.push(Heard {
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
        let (handle, generation) = source;
        let age = (self.now - kept.raised).as_millis();
        Some(Update::Event {
            id: self.directory.id(handle),
            generation,
            event: WireEvent {
                number,
                behind: u16::try_from(number - floor).unwrap_or(u16::MAX),
                age_ms: u32::try_from(age).unwrap_or(u32::MAX),
                name: Cow::Owned(kept.text.name.to_string()),
                payload: Cow::Owned(kept.text.payload.to_string()),
            },
        })
    }

    /// All events that are kept, as they travel.
    pub(in crate::swim) fn events(&self) -> impl Iterator<Item = Update<'static>> {
        let numbers = self.events.numbers();
        numbers.filter_map(|(source, number)| self.event(source, number))
    }
}
