//! What remains of a run: a story for people, and one hash for whoever compares runs.

mod story;
mod trace_hash;
pub(super) mod words;

pub use story::Story;
pub(super) use trace_hash::TraceHash;
