//! Events that applications raise: named payloads that reach every consumer of every member.
//!
//! Each process numbers its events from one. Whoever hears one passes it on, keeps it for its
//! lifetime so that it can be given to those who missed it, and tells a sender's events in the
//! order of their numbers.

mod book;
mod outbox;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{MemberId, directory::Handle, member::is_word};

pub use book::EVENT_LIFETIME;
pub(super) use book::{EventBook, Heard, Kept};
pub(super) use outbox::{Outbox, PAUSE as OUTBOX_PAUSE};

/// Longest name of an event, in bytes of UTF-8.
pub const EVENT_NAME_BYTES_MAX: usize = 64;
/// Longest payload of an event, in bytes of UTF-8: with its name it must fit one packet.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 1_024;

/// An event that an application raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// The member whose application raised it.
    pub from: MemberId,
    /// That member's name.
    pub from_name: String,
    /// The process of that member which numbered it.
    pub generation: u32,
    /// Counted by that process, from 1.
    pub number: u64,
    /// What it is called.
    pub name: Arc<str>,
    /// What it says.
    pub payload: Arc<str>,
}

/// Why an event cannot be raised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// The name is empty, too long or holds white space or control characters.
    #[error(
        "event name {0:?} is not 1 to {EVENT_NAME_BYTES_MAX} bytes of printable text without spaces"
    )]
    Name(String),
    /// The payload is too long.
    #[error("a payload of {0} bytes; at most {EVENT_PAYLOAD_BYTES_MAX} fit")]
    PayloadTooLarge(usize),
}

/// Checks an event: a name of 1 to 64 bytes without white space and control characters, a payload
/// of at most 1,024 bytes.
///
/// # Errors
/// [`InvalidEvent`].
pub fn check_event(name: &str, payload: &str) -> Result<(), InvalidEvent> {
    if !is_word(name, EVENT_NAME_BYTES_MAX) {
        return Err(InvalidEvent::Name(name.into()));
    }
    match payload.len() {
        bytes if bytes > EVENT_PAYLOAD_BYTES_MAX => Err(InvalidEvent::PayloadTooLarge(bytes)),
        _ => Ok(()),
    }
}

/// What became of events at one node. All but the last two only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventStats {
    /// Events that were raised here.
    pub raised: u64,
    /// Events that consumers were told, our own included.
    pub told: u64,
    /// Copies of events that were known already: what reaching everybody costs.
    pub duplicates: u64,
    /// Numbers of a sender that were skipped: their lifetime was over, or there was no room.
    pub missed: u64,
    /// Events thrown away: of unknown senders, too old, too large or with absurd numbers.
    pub refused: u64,
    /// Events that are kept for those who missed them, or wait for one before them.
    pub kept: usize,
    /// Bytes that they take.
    pub kept_bytes: usize,
}

/// The process that numbers an event: a member in one of its generations.
pub(super) type Source = (Handle, u32);

/// An event's name and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) name: Arc<str>,
    pub(super) payload: Arc<str>,
}

/// An event whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) source: Source,
    pub(super) number: u64,
    pub(super) text: Text,
}

impl Text {
    pub(super) fn len(&self) -> usize {
        self.name.len() + self.payload.len()
    }
}
