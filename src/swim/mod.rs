//! DECIDES: the protocol node. Pure: no sockets, no clock, no tokio.
//!
//! [`Node`] wraps foca's SWIM engine and adds what foca leaves out: names and addresses, suspicion
//! that can be seen, leave told from failure, restarts, duels, and the ways back after isolation
//! and partition. It is driven by three calls only: [`Node::handle`] for everything that happens,
//! [`Node::deadline`] for when to call again, [`Node::members`] to look.
//!
//! This is the only folder that names `foca::`. It reads no clock and draws no randomness but
//! from the generator that [`Settings::seed`] starts, so the same inputs give the same outputs.

mod allowance;
mod broadcasts;
mod change;
mod codec;
mod contract;
mod damping;
mod directory;
mod doubt;
mod engine;
mod envelope;
mod events;
mod facts;
#[cfg(test)]
mod foca_facts;
mod forgotten;
mod gate;
mod health;
mod identity;
mod keys;
mod list;
mod losses;
mod mail;
mod member;
mod node;
mod orders;
mod parts;
mod prefetch;
mod replay;
mod roster;
mod stats;
mod tags;
mod time;
mod timers;
mod tuning;
mod varint;
mod view;
mod wire;

#[cfg(feature = "agent")]
pub(crate) use allowance::source;
pub use change::Change;
pub use contract::{
    Counts, Input, KeyChange, Notice, Output, RESTART_MAX, Removed, Settings, Status, StopReason,
    StreamEnd, StreamId,
};
pub use directory::Directory;
pub use doubt::{Patience, Refusals};
pub use events::{
    EVENT_LIFETIME, EVENT_NAME_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX, EventStats, InvalidEvent,
    UserEvent, check_event,
};
pub use facts::{APP_REASON_BYTES_MAX, AppReason, AppStatus, ReasonTooLong};
pub use keys::{InvalidKeyId, KEY_BYTES, Key, KeyId, Keys};
pub use list::{List, Remembered};
pub use member::{
    CLUSTER_BYTES_MAX, Card, Evidence, InvalidCard, Life, MemberId, MemberState, MemberView,
    NAME_BYTES_MAX, Suspicion, check_cluster, check_name, is_unseen,
};
#[cfg(feature = "agent")]
pub(crate) use node::STREAMS_BEGUN_MAX;
#[cfg(all(feature = "agent", any(test, feature = "fuzzing")))]
pub(crate) use node::fuzzing;
pub use node::{KeyRing, Load, Node, Outputs, Sketch};
pub(crate) use prefetch::prefetch;
pub use stats::{Junk, Stats};
pub use tags::{TAG_BYTES_MAX, TAG_SEPARATORS, TAGS_MAX, Tags, check_tags};
pub use time::Timestamp;
pub use tuning::{Profile, Tuning, UnknownProfile};
pub use view::{Enrolled, Memory, Scope, View};

/// The format of everything we send. A peer that speaks another one is refused by name.
pub const WIRE_VERSION: u8 = 1;
/// Largest datagram we send or accept, in bytes.
pub const PACKET_BYTES_MAX: usize = 1_400;
/// Largest frame that opens a stream, in bytes. It holds what one member says of itself, tags of
/// 16 KiB included, or sixty-four ids: whoever opens a stream is not known yet.
pub const OPENING_BYTES_MAX: usize = 32 * 1024;
/// Largest stream frame we send or accept, in bytes. About 150,000 members fit.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
