//! Two halves that do not reach each other, until they do again.

use super::{Agent, Metric, Peer, Round};
use crate::cli::Failure;

impl<P: Peer> Round<'_, '_, P> {
    /// Cuts the cluster until each half is on its own everywhere, and heals it.
    pub(super) async fn partition(&mut self) -> Result<(), Failure> {
        if !self.site.cut()? {
            return Ok(());
        }
        let sizes = [0, 1].map(|half| self.agents.iter().filter(|a| a.half == half).count());
        self.agreed("list its half alone", |agent: &Agent| sizes[agent.half])
            .await?;
        let begun = self.clock.elapsed();
        self.site.heal()?;
        let healed = self.everybody("after the cut").await?;
        self.note_time(Metric::Heal, healed - begun);
        Ok(())
    }
}
