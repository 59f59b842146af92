//! What agents cost that nothing happens to.

use std::{iter::zip, time::Duration};

use super::{Metric, Peer, Round};
use crate::cli::{
    Failure,
    bench::{cost, peer::Sent, plan::CALM, site::Traffic},
};

const MINUTE: f64 = 60.0;

/// What was spent so far; of each agent what it spent itself.
struct Spent {
    at: Duration,
    traffic: Option<Traffic>,
    cpu: Vec<Option<Duration>>,
    sent: Vec<Option<Sent>>,
}

impl<P: Peer> Round<'_, '_, P> {
    /// Leaves the agents alone.
    pub(super) async fn steady(&mut self) -> Result<(), Failure> {
        let time = self.turn.plan.time;
        self.listen(CALM).await;
        let before = self.spent().await;
        self.listen(time).await;
        let after = self.spent().await;
        let seconds = (after.at - before.at).as_secs_f64();
        for (before, after) in zip(before.cpu, after.cpu) {
            if let (Some(before), Some(after)) = (before, after) {
                let spent = after.saturating_sub(before).as_secs_f64();
                self.note(Metric::Cpu, spent / seconds * MINUTE);
            }
        }
        for (before, after) in zip(before.sent, after.sent) {
            if let (Some(before), Some(after)) = (before, after) {
                let bytes = after.bytes - before.bytes;
                let datagrams = after.datagrams - before.datagrams;
                self.note(Metric::DatagramBytes, bytes as f64 / seconds);
                self.note(Metric::Datagrams, datagrams as f64 / seconds);
            }
        }
        if let (Some(before), Some(after)) = (before.traffic, after.traffic) {
            let all_seconds = seconds * self.agents.len() as f64;
            let packets = after.packets - before.packets;
            self.note(
                Metric::Bytes,
                (after.bytes - before.bytes) as f64 / all_seconds,
            );
            self.note(Metric::Packets, packets as f64 / all_seconds);
        }
        let memory = self.peer.processes().ids().filter_map(cost::memory);
        let memory: Vec<_> = memory.collect();
        memory
            .into_iter()
            .for_each(|mib| self.note(Metric::Memory, mib));
        Ok(())
    }

    async fn spent(&self) -> Spent {
        let mut sent = Vec::new();
        for agent in &self.agents {
            sent.push(self.peer.sent(agent).await);
        }
        Spent {
            sent,
            cpu: self.peer.processes().ids().map(cost::cpu).collect(),
            traffic: self.site.traffic(),
            at: self.clock.elapsed(),
        }
    }
}
