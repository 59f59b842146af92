//! The vocabulary of membership: who a member is, which life of it we mean, and what we hold of it.

use std::{fmt, hash::Hasher, net::SocketAddr, sync::Arc};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::{AppStatus, TAG_BYTES_MAX, TAGS_MAX, Tags, Timestamp};

/// Longest member name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest cluster name, in bytes of UTF-8.
pub const CLUSTER_BYTES_MAX: usize = 64;

/// A member's stable id: a hash of the cluster's and the member's name. The same process name
/// has the same id on every address and after every restart.
///
/// On the wire it takes exactly eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "[u8; 8]", into = "[u8; 8]")]
pub struct MemberId(pub(crate) u64);

impl MemberId {
    /// The id of the member called `name` in `cluster`.
    pub fn new(cluster: &str, name: &str) -> Self {
        let mut hasher = SipHasher24::new();
        hasher.write_usize(cluster.len());
        hasher.write(cluster.as_bytes());
        hasher.write(name.as_bytes());
        Self(hasher.finish())
    }
}

impl From<[u8; 8]> for MemberId {
    fn from(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

impl From<MemberId> for [u8; 8] {
    fn from(id: MemberId) -> Self {
        id.0.to_le_bytes()
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One life of a member: its generation (one more at each process start, persisted) and, below
/// it, its renewal (one more each time the process outlives a false failure). The greater life
/// supersedes, and a superseded life never returns.
///
/// A process that renews more than 255 times moves to the next generation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life(u32);

impl Life {
    const RENEWAL_BITS: u32 = 8;
    /// The greatest generation a life can name: 16,777,215.
    pub const GENERATION_MAX: u32 = u32::MAX >> Self::RENEWAL_BITS;

    /// The first life of `generation`, which is clamped to [`Life::GENERATION_MAX`].
    pub const fn first(generation: u32) -> Self {
        let generation = if generation > Self::GENERATION_MAX {
            Self::GENERATION_MAX
        } else {
            generation
        };
        Self(generation << Self::RENEWAL_BITS)
    }

    /// The life that supersedes this one within the same process.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Generations that a member may skip. A claim beyond it is damaged or forged: believed, it
    /// would use up the member's generations for good.
    const LEAP_MAX: u32 = 1 << 16;

    /// Whether a member last seen in `generation` can have come to this life.
    pub(super) const fn is_plausible_after(self, generation: u32) -> bool {
        self.generation() <= generation.saturating_add(Self::LEAP_MAX)
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) const fn to_bits(self) -> u32 {
        self.0
    }

    /// Process starts so far.
    pub const fn generation(self) -> u32 {
        self.0 >> Self::RENEWAL_BITS
    }

    /// False failures outlived since the process started.
    pub const fn renewal(self) -> u32 {
        self.0 & ((1 << Self::RENEWAL_BITS) - 1)
    }

    /// What consumers are told as the incarnation: it never goes back within a generation, as
    /// foca's does with every renewal.
    pub(super) const fn published(self, incarnation: u16) -> u32 {
        (self.renewal() << u16::BITS) | incarnation as u32
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.generation(), self.renewal())
    }
}

/// What is believed of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It proved itself lately.
    Alive,
    /// Confirmed: the suspicion ran out.
    Failed,
    /// It said goodbye.
    Left,
    /// Accused; it may still refute.
    Suspect,
}

impl MemberState {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Failed => "failed",
            Self::Left => "left",
            Self::Suspect => "suspect",
        }
    }

    /// Whether the member is taken for one that runs: alive, or suspected only.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

/// What an accuser saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Neither the direct nor the indirect probes were answered in time.
    ProbeTimeout,
    /// Another member holds it failed, as told in a state exchange.
    HeldFailed,
    /// Its host says that nobody listens there: a dialled stream was reset, most often after an
    /// ICMP port unreachable. The host lives, the process is gone.
    Refused,
    /// No probe was answered, but a question over a stream was: a firewall, not a death.
    StreamReachable,
    /// It announced a restart, and was not back when it had said.
    RestartOverdue,
}

/// What a member says of itself for one generation. Only the tags may change within it, and only in
/// what is shown of a member: see [`MemberView::card`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Card {
    /// Its stable id.
    pub id: MemberId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// The process start this card belongs to.
    pub generation: u32,
    /// Where its datagrams and streams go.
    pub address: SocketAddr,
    /// Its tags: in a view those that it has now, elsewhere those that it started with.
    pub tags: Tags,
}

/// An accusation that has not been settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Who accused; ourselves included.
    pub by: MemberId,
    /// The accuser's name, when we know it.
    pub by_name: Option<String>,
    /// What the accuser saw.
    pub evidence: Evidence,
    /// When the member will be confirmed failed unless it refutes.
    pub deadline: Timestamp,
}

/// One member as a node holds it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// What the member says of itself, with the tags that it has now.
    pub card: Arc<Card>,
    /// What we believe of it.
    pub state: MemberState,
    /// The published incarnation: the renewal above foca's 16-bit incarnation. It never goes
    /// back within a generation.
    pub incarnation: u32,
    /// The open accusation, for a suspect.
    pub suspicion: Option<Suspicion>,
    /// Why it left, for a member that did.
    pub reason: Option<String>,
    /// What it last said of its application in this generation, if it said anything. A member that
    /// failed or left keeps it, as it keeps its tags: its last word.
    pub app: Option<AppStatus>,
    /// When it failed or left, by whoever saw it first, for a member that did. A newcomer learns
    /// it with the member, to the second.
    pub down_since: Option<Timestamp>,
}

/// The reason a name, cluster or tag set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    /// The name is empty, too long or holds white space or control characters.
    #[error("name {0:?} is not 1 to {NAME_BYTES_MAX} bytes of printable text without spaces")]
    Name(String),
    /// The cluster name is empty, too long or holds white space or control characters.
    #[error("cluster {0:?} is not 1 to {CLUSTER_BYTES_MAX} bytes of printable text without spaces")]
    Cluster(String),
    /// A tag key is empty or holds white space, control characters or `=`.
    #[error("tag key {0:?} is not printable text without spaces, `=` or `:`")]
    TagKey(String),
    /// A tag's value holds control characters, which environments and files cannot.
    #[error("the value of tag {0:?} holds control characters")]
    TagValue(String),
    /// There are more tags than there may be.
    #[error("{0} tags; at most {TAGS_MAX} fit")]
    TooManyTags(usize),
    /// The tags are larger than they may be.
    #[error("tags take {0} bytes; at most {TAG_BYTES_MAX} fit")]
    TagsTooLarge(usize),
}

/// Checks a member name: 1 to 128 bytes, no white space, no control characters.
///
/// # Errors
/// [`InvalidCard::Name`].
pub fn check_name(name: &str) -> Result<(), InvalidCard> {
    if is_word(name, NAME_BYTES_MAX) {
        Ok(())
    } else {
        Err(InvalidCard::Name(name.into()))
    }
}

/// Checks a cluster name: 1 to 64 bytes, no white space, no control characters.
///
/// # Errors
/// [`InvalidCard::Cluster`].
pub fn check_cluster(cluster: &str) -> Result<(), InvalidCard> {
    if is_word(cluster, CLUSTER_BYTES_MAX) {
        Ok(())
    } else {
        Err(InvalidCard::Cluster(cluster.into()))
    }
}

pub(super) fn is_word(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && !text.chars().any(|c| c.is_whitespace() || is_unseen(c))
}

/// Whether a sign moves others or is not seen: control characters, and what formats text, as marks
/// that turn its direction and spaces of no width do (Unicode's categories Cc and Cf).
pub fn is_unseen(c: char) -> bool {
    c.is_control() || c.general_category() == GeneralCategory::Format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_see() {
        for name in ["web-1", "düsseldorf", "ünïcödé", "名前", "a/b", "#1"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a\n", "z\u{200b}w", "a\u{202e}bcd", "\u{feff}x"] {
            assert_eq!(check_name(name), Err(InvalidCard::Name(name.into())));
        }
    }
}
