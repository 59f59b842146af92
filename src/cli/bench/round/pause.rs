//! An agent that is stopped for a while, and what is told of it, and of the others, meanwhile.

use std::collections::BTreeSet;

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::{Agent, Metric, Peer, Round};
use crate::cli::{
    Failure,
    bench::{
        crowd::Word,
        plan::{AFTERMATH, PAUSE},
    },
};

impl<P: Peer> Round<'_, '_, P> {
    /// Stops an agent and lets it go on: nobody is dead.
    pub(super) async fn pause(&mut self) -> Result<(), Failure> {
        let victim = self.victim();
        self.signal(&victim, Signal::STOP)?;
        let mut heard = self.listen(PAUSE).await;
        self.signal(&victim, Signal::CONT)?;
        heard.extend(self.listen(AFTERMATH).await);
        heard.retain(|heard| heard.word == Word::Failed);
        self.note(Metric::PauseFailures, heard.len() as f64);
        let tellers: BTreeSet<_> = heard.into_iter().map(|heard| heard.by).collect();
        self.note(Metric::PauseTellers, tellers.len() as f64);
        Ok(())
    }

    fn signal(&self, agent: &Agent, signal: Signal) -> Result<(), Failure> {
        let id = self.peer.processes().id(&agent.name);
        let id = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let sent = id.map_or(Err(Errno::SRCH), |id| kill_process(id, signal));
        sent.map_err(|error| {
            let (signal, name) = (signal.as_raw(), &agent.name);
            Failure::trouble(format!("cannot send signal {signal} to {name}: {error}"))
        })
    }
}
