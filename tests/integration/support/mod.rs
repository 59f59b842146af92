//! Real agents for tests: processes, their HTTP API over the Unix socket, their event streams.
//!
//! Nothing here sleeps for a fixed time and hopes: every wait names its condition and gives it
//! [`PATIENCE`], which is generous because two cores may be running many agents at once.

mod agent;
mod container;
mod dns;
mod http;
mod lab;
mod network;
mod relay;
mod wait;
mod watch;
mod watched;

pub(crate) use agent::{Agent, Launch};
pub(crate) use container::{CONTAINER, have_containers};
pub(crate) use dns::Dns;
pub(crate) use http::{Body, Response, exchange, read_head};
pub(crate) use lab::{
    Finished, Lab, Running, await_members, finish, have, headcount, run, skipped,
};
pub(crate) use network::Network;
pub(crate) use relay::Relay;
pub(crate) use wait::{PATIENCE, Stopwatch, draws, pause, until};
pub(crate) use watch::Watch;
pub(crate) use watched::Watched;
