//! TELLS: what consumers hear of the cluster, numbered without a hole. Pure.
//!
//! A [`Feed`] turns each [`crate::swim::Change`] into one numbered JSON line, keeps the newest
//! lines in a bounded journal, and keeps the roster that the lines add up to. A consumer is a
//! [`Subscriber`]: a cursor that pulls. There is no queue for each consumer, so a slow one costs
//! nothing, and one that falls behind the journal is told so by a gap and a fresh snapshot.
//!
//! What a consumer hears is a matter of its [`Taste`]: of whom, of which kinds, and how sure it
//! must be. The numbers are the same for all.
//!
//! The law of this layer: a snapshot at `seq` and every change after it give the roster, for each
//! taste the roster as that taste has it; the [`Digest`] lets a consumer check that.
//!
//! It reads no clock and does no IO; whoever holds the feed says what time it is.

mod digest;
mod entry;
mod filter;
mod journal;
mod member;
mod position;
mod record;
mod roster;
mod snapshot;
mod stage;
mod subscriber;
mod taste;

pub use digest::Digest;
pub use filter::{Filter, InvalidFilter};
pub use journal::{Feed, Line};
pub use member::Member;
pub use position::{Epoch, InvalidPosition, Position};
pub use record::gap;
pub use snapshot::{Pieces, Snapshot};
pub use subscriber::{Batch, Subscriber};
pub use taste::{Confidence, InvalidTaste, Settle, Taste};

#[cfg(test)]
mod tests;
