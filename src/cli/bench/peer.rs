//! `Peer`: a program whose agents are measured, ours or another's.

use crate::cli::{Failure, processes::Processes};

use super::{crowd::Crowd, site::Agent};

/// What an agent says that it sent so far, by datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) datagrams: u64,
}

/// A cluster of one program's agents.
pub(super) trait Peer: Sized {
    /// Starts an agent, which finds the others by `seed`.
    async fn start(&mut self, agent: &Agent, seed: Option<&Agent>) -> Result<(), Failure>;

    /// Starts an agent's consumer.
    fn listen(&self, agent: &Agent, crowd: &mut Crowd);

    /// Makes an agent raise an event.
    async fn raise(&self, agent: &Agent) -> Result<(), Failure>;

    /// Makes an agent say goodbye and end.
    async fn leave(&self, agent: &Agent) -> Result<(), Failure>;

    /// What an agent says of its traffic, if it does.
    async fn sent(&self, agent: &Agent) -> Option<Sent>;

    /// The agents' processes.
    fn processes(&self) -> &Processes;

    /// The same, to end them.
    fn processes_mut(&mut self) -> &mut Processes;
}
