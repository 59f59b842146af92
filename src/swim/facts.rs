//! `Facts`: what a member says of itself that may change within a generation.
//!
//! Only the member itself counts the versions of its facts; everybody else passes the newest on. A
//! new generation begins without any, as a new process does. They are a record of their own beside
//! the member's state (SWIM §3 speaks of liveness only), because an application that died is not a
//! member that failed.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{KeyId, Keys, Tags, directory::Handle, identity::Identity, orders::Mark, wire};

/// Longest reason for the end of an application that travels, in bytes of UTF-8.
pub const APP_REASON_BYTES_MAX: usize = 128;

/// Whether the application beside a member runs, as the member says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppStatus {
    /// It runs.
    Up,
    /// It ended, or does not show any more that it runs.
    Down(AppReason),
}

/// Why an application is down: at most [`APP_REASON_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "Arc<str>")]
pub struct AppReason(Arc<str>);

/// The text is longer than a reason may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason of {0} bytes; at most {APP_REASON_BYTES_MAX} fit")]
pub struct ReasonTooLong(usize);

impl AppStatus {
    /// Down, for as much of `reason` as may travel.
    pub fn down(reason: &str) -> Self {
        Self::Down(AppReason::clipped(reason))
    }

    /// The word used in JSON and on the command line.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down(_) => "down",
        }
    }

    /// Why it is down, if it is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Up => None,
            Self::Down(reason) => Some(reason.as_str()),
        }
    }
}

impl AppReason {
    /// The longest beginning of `text` that may travel.
    pub fn clipped(text: &str) -> Self {
        Self(wire::clip(text, APP_REASON_BYTES_MAX).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AppReason {
    type Error = ReasonTooLong;

    fn try_from(text: String) -> Result<Self, ReasonTooLong> {
        match text.len() {
            bytes if bytes > APP_REASON_BYTES_MAX => Err(ReasonTooLong(bytes)),
            _ => Ok(Self(text.into())),
        }
    }
}

impl From<AppReason> for Arc<str> {
    fn from(reason: AppReason) -> Self {
        reason.0
    }
}

/// One version of what a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Counted by the member itself, from 1 in each generation; 0 before it said anything.
    pub(super) version: u32,
    pub(super) app: Option<AppStatus>,
    /// In place of the tags on its card.
    pub(super) tags: Option<Retagged>,
    /// Its keys, if it has any.
    pub(super) keys: Option<Ring>,
}

/// The keys that a member has, by what they are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "(Vec<KeyId>, Mark, bool)",
    into = "(Vec<KeyId>, Mark, bool)"
)]
pub(super) struct Ring {
    /// The one that seals first.
    pub(super) ids: Vec<KeyId>,
    /// How far it is with orders.
    pub(super) mark: Mark,
    /// Its next process will have them, too.
    pub(super) is_stored: bool,
}

impl TryFrom<(Vec<KeyId>, Mark, bool)> for Ring {
    type Error = &'static str;

    fn try_from((ids, mark, is_stored): (Vec<KeyId>, Mark, bool)) -> Result<Self, &'static str> {
        match ids.len() <= Keys::COUNT_MAX {
            true => Ok(Self {
                ids,
                mark,
                is_stored,
            }),
            false => Err("more keys than anybody has"),
        }
    }
}

impl From<Ring> for (Vec<KeyId>, Mark, bool) {
    fn from(ring: Ring) -> Self {
        (ring.ids, ring.mark, ring.is_stored)
    }
}

/// Tags that a member gave itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retagged {
    /// The version of the facts that they came with.
    pub(super) since: u32,
    pub(super) tags: Tags,
}

impl Facts {
    /// From this version on the member has these tags.
    pub(super) fn retag(&mut self, tags: Tags) {
        let since = self.version;
        self.tags = Some(Retagged { since, tags });
    }

    /// Whether consumers see no difference: they are shown applications and tags, and no keys.
    pub(super) fn look_like(&self, other: &Self) -> bool {
        (&self.app, &self.tags) == (&other.app, &other.tags)
    }
}

/// A member whose newest facts we could not take in: its tags were too large for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lacking {
    pub(super) of: Handle,
    /// Who has them.
    pub(super) told_by: Identity,
}

/// Facts of one generation of a member, as somebody told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) handle: Handle,
    pub(super) generation: u32,
    pub(super) facts: Facts,
    /// Others may not know them yet.
    pub(super) is_rumour: bool,
}

impl Stated {
    /// Which of two words of one member is the later one.
    pub(super) const fn rank(&self) -> (u32, u32) {
        (self.generation, self.facts.version)
    }
}

/// Versions that may pass unheard.
const LEAP_MAX: u32 = 1 << 20;
/// The first word of a generation that is heard may be as late as this.
const FIRST_WORD_MAX: u32 = u32::MAX / 2;

/// The newest facts of every member that ever stated any, ourselves included. Whoever never did
/// costs nothing.
#[derive(Debug, Default)]
pub(super) struct FactBook(BTreeMap<Handle, (u32, Facts)>);

impl FactBook {
    /// The facts of that generation of a member.
    pub(super) fn of(&self, handle: Handle, generation: u32) -> Option<&Facts> {
        let (held, facts) = self.0.get(&handle)?;
        (*held == generation).then_some(facts)
    }

    /// The newest generation that stated any, and its facts.
    pub(super) fn newest(&self, handle: Handle) -> Option<(u32, &Facts)> {
        let (generation, facts) = self.0.get(&handle)?;
        Some((*generation, facts))
    }

    /// Whether this is a later word than the one held. One that skips more versions than
    /// [`LEAP_MAX`] is damaged or forged: believed, it would leave the member none to use. Who
    /// holds none of that generation cannot tell, and leaves the member half of them.
    pub(super) fn is_news(&self, stated: &Stated) -> bool {
        let held = self.0.get(&stated.handle);
        let held = held.map_or((0, 0), |(generation, facts)| (*generation, facts.version));
        let latest = match held.0 == stated.generation {
            true => held.1.saturating_add(LEAP_MAX),
            false => FIRST_WORD_MAX,
        };
        (1..=latest).contains(&stated.facts.version) && stated.rank() > held
    }

    /// Keeps the facts in place of what was held of the member.
    pub(super) fn note(&mut self, handle: Handle, generation: u32, facts: Facts) {
        self.0.insert(handle, (generation, facts));
    }

    /// The member is in `generation` now: what an earlier one said is over.
    pub(super) fn follow(&mut self, handle: Handle, generation: u32) {
        if self
            .0
            .get(&handle)
            .is_some_and(|(held, _)| *held < generation)
        {
            self.forget(handle);
        }
    }

    pub(super) fn forget(&mut self, handle: Handle) {
        self.0.remove(&handle);
    }

    /// Everybody's, by handle: member, generation, facts.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Handle, u32, &Facts)> {
        let entries = self.0.iter();
        entries.map(|(handle, (generation, facts))| (*handle, *generation, facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(generation: u32, version: u32) -> Stated {
        Stated {
            handle: 7,
            generation,
            facts: Facts {
                version,
                app: Some(AppStatus::Up),
                ..Facts::default()
            },
            is_rumour: true,
        }
    }

    #[test]
    fn the_later_generation_wins_then_the_later_version() {
        let mut book = FactBook::default();
        assert!(book.is_news(&stated(3, 1)) && !book.is_news(&stated(3, 0)));
        book.note(7, 3, stated(3, 5).facts);
        for (generation, version, is_news) in [
            (3, 4, false),
            (3, 5, false),
            (3, 6, true),
            (2, 9, false),
            (4, 1, true),
        ] {
            let stated = stated(generation, version);
            assert_eq!(book.is_news(&stated), is_news, "{generation}.{version}");
        }
    }

    #[test]
    fn the_first_word_heard_of_a_generation_may_be_a_late_one_and_leaves_room() {
        let mut book = FactBook::default();
        assert!(book.is_news(&stated(3, 10 * LEAP_MAX)));
        assert!(!book.is_news(&stated(3, FIRST_WORD_MAX + 1)));
        book.note(7, 3, stated(3, 5).facts);
        assert!(!book.is_news(&stated(3, 10 * LEAP_MAX)));
        assert!(book.is_news(&stated(4, 10 * LEAP_MAX)));
    }

    #[test]
    fn a_new_generation_has_said_nothing() {
        let mut book = FactBook::default();
        book.note(7, 3, stated(3, 5).facts);
        assert!(book.of(7, 4).is_none() && book.of(7, 3).is_some());
        book.follow(7, 3);
        assert_eq!(book.iter().len(), 1);
        book.follow(7, 4);
        assert_eq!(book.iter().len(), 0);
    }

    #[test]
    fn a_reason_is_cut_between_characters_and_a_longer_one_from_the_wire_is_refused() {
        let long = "é".repeat(65);
        let AppStatus::Down(reason) = AppStatus::down(&long) else {
            panic!("not down");
        };
        assert_eq!(reason.as_str().len(), APP_REASON_BYTES_MAX);
        let read = |text: &str| {
            let bytes = postcard::to_stdvec(text).unwrap();
            postcard::from_bytes::<AppReason>(&bytes)
        };
        assert_eq!(read(reason.as_str()), Ok(reason));
        assert!(read(&long).is_err());
    }
}
