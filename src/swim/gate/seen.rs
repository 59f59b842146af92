//! What we saw ourselves of members in doubt. It qualifies our own accusations, and is forgotten
//! when it says nothing any more.

use super::{Gate, probes::Probing};
use crate::swim::{Evidence, Timestamp, identity::Identity, roster::Accusation};

/// Something seen of a member.
#[derive(Clone, Copy, Debug)]
pub(in crate::swim) struct Seen {
    evidence: Evidence,
    /// So long it is remembered even of a member that nobody accuses.
    until: Timestamp,
}

impl Probing {
    /// Whom the running probe asks, without an answer so far.
    pub(in crate::swim) fn unanswered(&self) -> Option<Identity> {
        self.last
            .filter(|probe| !probe.answered)
            .map(|probe| probe.target)
    }

    /// Notes what was seen of a member until `until`, or longer while it is accused.
    pub(in crate::swim) fn note_seen(
        &mut self,
        of: Identity,
        evidence: Evidence,
        until: Timestamp,
    ) {
        self.seen.insert(of, Seen { evidence, until });
    }

    pub(in crate::swim) fn seen(&self, of: Identity) -> Option<Evidence> {
        self.seen.get(&of).map(|seen| seen.evidence)
    }
}

impl Gate {
    /// Our own accusation of a member: what we saw of it, or that we saw nothing.
    pub(in crate::swim) fn own_accusation(&self, of: Identity) -> Accusation {
        Accusation {
            by: self.id,
            evidence: self.probing.seen(of).unwrap_or(Evidence::ProbeTimeout),
        }
    }

    /// Forgets what was seen of members that are in doubt no more.
    pub(super) fn forget_seen(&mut self) {
        let mut seen = std::mem::take(&mut self.probing.seen);
        let probed = self.probing.unanswered();
        seen.retain(|of, seen| {
            self.now < seen.until || probed == Some(*of) || self.is_suspect(*of)
        });
        self.probing.seen = seen;
    }
}
