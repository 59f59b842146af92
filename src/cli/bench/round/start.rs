//! From the first process to everybody in every list.

use std::time::Duration;

use super::{Metric, Peer, Round};
use crate::cli::{Failure, bench::cost};

impl<P: Peer> Round<'_, '_, P> {
    /// Starts every agent.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let begun = self.clock.elapsed();
        let agents = self.agents.clone();
        for (number, agent) in agents.iter().enumerate() {
            let seed = (number > 0).then_some(&agents[0]);
            self.start_one(agent, seed).await?;
        }
        let done = self.everybody("at first").await?;
        self.note_time(Metric::Bootstrap, done - begun);
        let costs = self.peer.processes().ids().map(cost::cpu);
        if let Some(cost) = costs.sum::<Option<Duration>>() {
            self.note_time(Metric::BootstrapCpu, cost);
        }
        Ok(())
    }
}
