//! Counters of what went in, what came out and what was thrown away.

use std::net::SocketAddr;

use super::{EventStats, Timestamp};

/// Why bytes from a peer were thrown away. What a peer sends is never an error of the driver:
/// it is counted here and nothing else happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Junk {
    /// More exchanges at once than we serve.
    Busy,
    /// The checksum or seal does not fit: damaged, forged, or of another cluster.
    Checksum,
    /// It asked for another cluster in so many words.
    Cluster,
    /// Not our format at all.
    Foreign,
    /// Sealed with a key that we do not have, or not sealed while we have one.
    Key,
    /// Ours, but its inside does not parse.
    Malformed,
    /// Meant for another member, or for an earlier life of ours.
    Misdirected,
    /// Larger than any packet of ours.
    Oversized,
    /// Sealed once and heard before, or captured from an earlier process.
    Replay,
    /// From a member we never heard of.
    Stranger,
    /// Another version of our format.
    Version,
}

impl Junk {
    /// Every kind, in the order of the counters.
    pub const ALL: [Self; 11] = [
        Self::Busy,
        Self::Checksum,
        Self::Cluster,
        Self::Foreign,
        Self::Key,
        Self::Malformed,
        Self::Misdirected,
        Self::Oversized,
        Self::Replay,
        Self::Stranger,
        Self::Version,
    ];

    /// The label used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Checksum => "checksum",
            Self::Cluster => "cluster",
            Self::Foreign => "foreign",
            Self::Key => "key",
            Self::Malformed => "malformed",
            Self::Misdirected => "misdirected",
            Self::Oversized => "oversized",
            Self::Replay => "replay",
            Self::Stranger => "stranger",
            Self::Version => "version",
        }
    }
}

/// Counters since the node was made, which only grow, where it is seen, and what it cannot read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams handed in, junk included.
    pub datagrams_received: u64,
    /// Datagrams handed out.
    pub datagrams_sent: u64,
    /// Bytes of the datagrams handed in.
    pub bytes_received: u64,
    /// Bytes of the datagrams handed out.
    pub bytes_sent: u64,
    /// State exchanges that ended with both sides told.
    pub exchanges: u64,
    /// Probes that we sent.
    pub probes: u64,
    /// Probes of members we held active that ended without any answer, direct or indirect.
    pub probes_failed: u64,
    /// Claims of members that were thrown away because there were as many as may be.
    pub members_refused: u64,
    /// Answers that strangers did not get, as there had been too many.
    pub answers_withheld: u64,
    /// Times we refuted an accusation.
    pub refutations: u64,
    /// Times we outlived a false failure with a new life.
    pub renewals: u64,
    /// Events that applications raised.
    pub events: EventStats,
    /// Where the peer that welcomed us last saw us, when that is not where we say that we are.
    pub seen_elsewhere: Option<SocketAddr>,
    /// When something came last that was sealed with a key that we do not have, or not sealed while
    /// we have one, or the other way round.
    pub unread_at: Option<Timestamp>,
    /// Misuse of foca that it reported; always zero unless we have a bug.
    pub engine_errors: u64,
    junk: [u64; Junk::ALL.len()],
}

impl Stats {
    /// Datagrams and frames thrown away for `reason`.
    pub const fn junk(&self, reason: Junk) -> u64 {
        self.junk[reason as usize]
    }

    /// Datagrams and frames thrown away, whatever the reason.
    pub fn junk_total(&self) -> u64 {
        self.junk.iter().sum()
    }

    pub(super) const fn count_junk(&mut self, reason: Junk) {
        self.junk[reason as usize] += 1;
    }
}
