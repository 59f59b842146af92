//! TELLS: what consumers hear of the cluster, numbered without a hole. Pure.
//!
//! A [`Feed`] turns each [`crate::swim::Change`] into one numbered JSON line, keeps the newest
//! lines in a bounded journal, and keeps the roster that the lines add up to. A consumer is a
//! [`Subscriber`]: a cursor that pulls. There is no queue for each consumer, so a slow one costs
//! nothing, and one that falls behind the journal is told so by a gap and a fresh snapshot.
//!
//! The law of this layer: a snapshot at `seq` and every change after it give the roster.
//!
//! It reads no clock and does no IO; whoever holds the feed says what time it is.

mod filter;
mod journal;
mod record;
mod roster;
mod snapshot;
mod subscriber;

pub use filter::{Filter, InvalidFilter};
pub use journal::{Epoch, Feed, InvalidPosition, Line, Position};
pub use record::{gap, heartbeat};
pub use roster::Member;
pub use snapshot::{Pieces, Snapshot};
pub use subscriber::{Batch, Subscriber};

#[cfg(test)]
mod tests;
