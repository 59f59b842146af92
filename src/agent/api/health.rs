//! How this agent is, in one word, and why it is not well.

use std::time::Duration;

use crate::agent::{panics, shared::Shared};

/// Whoever is locked out tries again more often, and hears then what it cannot read.
const LOCKED_OUT: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Health {
    /// `ok`, `degraded` or `isolated`.
    pub(super) word: &'static str,
    pub(super) reasons: Vec<&'static str>,
}

impl Health {
    pub(super) fn of(shared: &Shared) -> Self {
        let (isolated, degraded) = {
            let feed = shared.feed();
            (feed.isolated(), feed.degraded())
        };
        let reasons = [
            (isolated, "no other member is reached"),
            (
                shared.is_lonely(),
                "nobody whom it looks for has answered yet",
            ),
            (degraded, "it was stopped or hears too few answers"),
            (
                is_locked_out(shared),
                "it hears only who seals otherwise: with keys that it lacks, or not at all",
            ),
            (
                shared.tallies.data_dir.is_failing(),
                "the data directory cannot be written to",
            ),
            (
                shared.key_file_is_behind(),
                "the key file could not be written: the next start would have other keys",
            ),
            (
                panics::seen(),
                "a part of this agent panicked, see its log: what it did may wait for a restart",
            ),
        ];
        let given = reasons.into_iter().filter(|(is_so, _)| *is_so);
        let reasons: Vec<_> = given.map(|(_, reason)| reason).collect();
        let word = match (isolated, reasons.is_empty()) {
            (true, _) => "isolated",
            (false, true) => "ok",
            (false, false) => "degraded",
        };
        Self { word, reasons }
    }
}

/// Whether we are alone, and there is somebody whom we cannot read.
fn is_locked_out(shared: &Shared) -> bool {
    let is_alone = shared.feed().counts().alive <= 1;
    let unread = shared.vitals().node.unread_at;
    let lately = |at| shared.clock.now().saturating_since(at) < LOCKED_OUT;
    is_alone && unread.is_some_and(lately)
}
