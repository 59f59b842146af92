//! DOES: everything that touches the operating system.
//!
//! An [`Agent`] is four threads. The *protocol* thread owns the [`crate::swim::Node`], the gossip
//! sockets and the timers; the *API* thread serves the local HTTP API and resolves names; the
//! *outputs* thread runs hooks and writes files of members; the *disk* thread keeps the data
//! directory and the keys, and reads the configuration again. They share the [`crate::feed`] behind
//! a short lock and a queue of commands, so that no consumer, however slow, no answer, however
//! long, and no disk ever delays a probe.
//!
//! Nothing here decides anything about members: that is [`crate::swim`]'s.

mod advertise;
mod api;
mod app;
mod child;
mod clock;
mod descriptors;
mod error;
mod gossip;
mod key_file;
mod keys;
mod local;
mod outputs;
mod panics;
mod program;
mod protocol;
mod reaper;
mod refusals;
mod reload;
mod replace;
mod report;
mod seeds;
mod service;
mod shared;
mod start;
mod store;
mod streams;
mod threads;

pub use child::End;
pub use error::Error;
pub use reload::Reload;
pub use start::{Agent, Exit, check, run, run_with};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {api::fuzzing, store::fuzzing as data_dir};

#[cfg(test)]
mod tests;
