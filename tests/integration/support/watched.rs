//! `Watched`: agents with a consumer each, of which some go and come back.

use super::{Agent, Launch, Watch, await_members};

/// Agents that all know of each other, each with a consumer of everything, in the same order.
pub(crate) struct Watched {
    pub(crate) agents: Vec<Agent>,
    pub(crate) watches: Vec<Watch>,
}

impl Watched {
    pub(crate) fn new(agents: Vec<Agent>) -> Self {
        let watches = agents.iter().map(Agent::watch).collect();
        Self { agents, watches }
    }

    /// Takes an agent out, and its consumer away: those that are left are the ones to be told.
    pub(crate) fn take(&mut self, index: usize) -> Agent {
        drop(self.watches.remove(index));
        self.agents.remove(index)
    }

    /// Starts one that was taken out, and waits until everybody holds everybody alive.
    pub(crate) fn bring_back(&mut self, launch: Launch) {
        let back = launch.start();
        self.watches.push(back.watch());
        self.agents.push(back);
        await_members(&self.agents, "alive", self.agents.len());
    }
}
