//! # The tour
//!
//! `headcount` is a SWIM membership and failure-detection service: an agent runs beside each
//! application process, agents gossip over UDP, and every change is published on a local socket.
//!
//! Data flows one way: bytes → [`swim`] → [`feed`] → socket.
//!
//! ```text
//! cli ──► agent ──► feed ──► swim ──► foca
//!  ├────► config           (what agents are told to be; agent and cli use it)
//!  ├────► simulator ───────► swim          (the simulator may use feed to check replay)
//!  └────► client ┄┄ HTTP ┄┄► an agent
//! ```
//!
//! | folder | verb | change it when |
//! |---|---|---|
//! | [`swim`] | DECIDES | the protocol changes: what is believed, sent, when. Pure |
//! | [`feed`] | TELLS | the event stream changes: records, numbering, resume. Pure |
//! | [`agent`] | DOES | sockets, clock, signals, files, the local HTTP API |
//! | [`config`] | READS | flags, environment and file, what comes first, and what is wrong |
//! | [`client`] | LISTENS | programs in Rust talk to an agent otherwise: watches, views, requests |
//! | [`simulator`] | PROVES | virtual time, network, faults, checkers. Pure |
//! | [`cli`] | SPEAKS | flags, tables, messages; the only place that prints |
//!
//! Three small files belong to no folder: `names` puts many names into a sentence, `nearest` finds
//! what somebody meant to write, `fuzzing` hands bytes to all that takes them from others.
//!
//! # The drive contract
//!
//! Agent and simulator drive a [`swim::Node`] the same way: everything that happens goes in
//! through [`swim::Node::handle`] together with the time, everything to be done comes out of it,
//! and [`swim::Node::deadline`] says when to call again.
//!
//! # Words
//!
//! **node**: this process. **member**: a record about a node. **peer**: an address that sent us
//! bytes. **identity**: what foca knows a member by. **generation**: process starts so far.
//! **life**: generation and renewal. **incarnation**: raised to refute. **probe**, **suspect**: as
//! in the SWIM paper. **change**: what the feed says; *event* stays the user's word.

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "agent")]
pub mod config;
pub mod feed;
#[cfg(all(feature = "agent", any(test, feature = "fuzzing")))]
pub mod fuzzing;
#[cfg(feature = "agent")]
mod names;
mod nearest;
pub mod simulator;
pub mod swim;
