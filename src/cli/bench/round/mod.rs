//! `Round`: one cluster, from its first process to its last, and what happens to it.

mod blows;
mod partition;
mod pause;
mod start;
mod steady;

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    crowd::{Crowd, Heard},
    metric::Metric,
    peer::Peer,
    phase::Phase,
    plan::{BOOTSTRAPS, Plan},
    samples::Samples,
    site::{Agent, Site},
};
use crate::cli::{Failure, moment::Stopwatch};

/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A repetition of one side, and where its numbers go.
pub(super) struct Turn<'a> {
    pub(super) plan: &'a Plan,
    pub(super) repetition: u16,
    pub(super) samples: &'a mut Samples,
    /// Is told what comes next.
    pub(super) begins: &'a mut dyn FnMut(Phase),
}

/// Agents, and their consumers.
struct Round<'a, 'b, P> {
    /// Before the site, which its processes are on.
    peer: P,
    site: Site,
    crowd: Crowd,
    clock: Stopwatch,
    agents: Vec<Agent>,
    dice: Xoshiro256PlusPlus,
    turn: &'b mut Turn<'a>,
}

/// When the first and the last of those heard something who should.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Duration,
    last: Duration,
}

impl Turn<'_> {
    /// Does everything once: starts clusters, and goes through the plan with the last one.
    pub(super) async fn play<P: Peer>(
        mut self,
        site: impl Fn() -> Result<Site, Failure>,
        peer: impl Fn() -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        (self.begins)(Phase::Bootstrap);
        for _ in 1..BOOTSTRAPS {
            Round::begin(site()?, peer()?, &mut self).start().await?;
        }
        let mut round = Round::begin(site()?, peer()?, &mut self);
        round.start().await?;
        for phase in plan.after_start() {
            round.phase(phase).await?;
        }
        Ok(())
    }
}

impl<'a, 'b, P: Peer> Round<'a, 'b, P> {
    /// A cluster without agents yet; the clock runs.
    fn begin(site: Site, peer: P, turn: &'b mut Turn<'a>) -> Self {
        let clock = Stopwatch::start();
        Self {
            agents: (0..turn.plan.nodes)
                .map(|number| site.agent(number))
                .collect(),
            peer,
            site,
            crowd: Crowd::new(clock),
            clock,
            // Each side is struck at the same moments.
            dice: Xoshiro256PlusPlus::seed_from_u64(turn.repetition.into()),
            turn,
        }
    }

    /// What comes after the start, begun when everybody is there.
    async fn phase(&mut self, phase: Phase) -> Result<(), Failure> {
        (self.turn.begins)(phase);
        self.everybody("before").await?;
        match phase {
            Phase::Bootstrap => Ok(()),
            Phase::Steady => self.steady().await,
            Phase::Pause => self.pause().await,
            Phase::Partition => self.partition().await,
            Phase::Event | Phase::Crash | Phase::Restart | Phase::Leave => self.blows(phase).await,
        }?;
        // An agent that ended by itself costs nothing, and tells of no failure.
        self.peer.processes_mut().all_run()
    }

    fn note(&mut self, metric: Metric, value: f64) {
        let repetition = self.turn.repetition;
        self.turn.samples.note(metric, repetition, value);
    }

    fn note_time(&mut self, metric: Metric, time: Duration) {
        let repetition = self.turn.repetition;
        self.turn.samples.note_time(metric, repetition, time);
    }

    /// Any but the first, through whom all others find each other.
    fn victim(&mut self) -> Agent {
        let index = self.dice.random_range(1..self.agents.len());
        self.agents[index].clone()
    }

    /// All agents but this one.
    fn others(&self, victim: &Agent) -> Vec<String> {
        let names = self.agents.iter().map(|agent| agent.name.clone());
        names.filter(|name| *name != victim.name).collect()
    }

    /// Starts an agent that ran before.
    async fn start_again(&mut self, agent: &Agent) -> Result<(), Failure> {
        let seed = self.agents[0].clone();
        self.start_one(agent, Some(&seed)).await
    }

    /// Starts an agent and its consumer.
    async fn start_one(&mut self, agent: &Agent, seed: Option<&Agent>) -> Result<(), Failure> {
        self.peer.start(agent, seed).await?;
        self.peer.listen(agent, &mut self.crowd);
        Ok(())
    }

    /// Ends an agent, as `kill -9` does if it still runs.
    fn end(&mut self, agent: &Agent) {
        self.peer.processes_mut().kill(&agent.name);
        self.crowd.dismiss(&agent.name);
    }

    /// Waits until every consumer takes everybody for alive; when the last one did.
    async fn everybody(&mut self, when: &str) -> Result<Duration, Failure> {
        let nodes = self.agents.len();
        self.agreed(&format!("list everybody {when}"), |_| nodes)
            .await
    }

    /// Waits until the consumer of each agent takes as many members for alive as `wanted` says;
    /// when the last one did.
    async fn agreed(
        &mut self,
        what: &str,
        wanted: impl Fn(&Agent) -> usize,
    ) -> Result<Duration, Failure> {
        let begun = self.clock.elapsed();
        let mut at = begun;
        loop {
            let differs = |agent: &&Agent| self.crowd.alive(&agent.name) != wanted(agent);
            let Some(missing) = self.agents.iter().find(differs) else {
                return Ok(at);
            };
            let name = missing.name.clone();
            match self.crowd.next().await {
                Some(heard) => at = heard.at,
                None => self.check(begun, || format!("{name} did not {what}"))?,
            }
        }
    }

    /// Waits until every one of `observers` heard what is `wanted`.
    async fn all(
        &mut self,
        what: &str,
        observers: Vec<String>,
        mut wanted: impl FnMut(&Heard) -> bool,
    ) -> Result<Times, Failure> {
        let begun = self.clock.elapsed();
        let mut times = Vec::new();
        let mut missing = observers;
        while !missing.is_empty() {
            let Some(heard) = self.crowd.next().await else {
                let names = missing.join(", ");
                self.check(begun, || format!("{names} did not hear {what}"))?;
                continue;
            };
            if missing.contains(&heard.by) && wanted(&heard) {
                missing.retain(|observer| *observer != heard.by);
                times.push(heard.at);
            }
        }
        Ok(Times {
            first: times.iter().min().copied().unwrap_or(begun),
            last: times.iter().max().copied().unwrap_or(begun),
        })
    }

    /// Everything that is heard in the next `time`.
    async fn listen(&mut self, time: Duration) -> Vec<Heard> {
        let until = self.clock.elapsed() + time;
        let mut heard = Vec::new();
        loop {
            let left = until.saturating_sub(self.clock.elapsed());
            match tokio::time::timeout(left, self.crowd.next()).await {
                Ok(told) => heard.extend(told),
                Err(_) => return heard,
            }
        }
    }

    /// Whether it is worth waiting for what was begun to be waited for then.
    fn check(&mut self, begun: Duration, late: impl FnOnce() -> String) -> Result<(), Failure> {
        self.peer.processes_mut().all_run()?;
        match self.clock.elapsed() - begun > PATIENCE {
            true => {
                let (late, seconds) = (late(), PATIENCE.as_secs());
                Err(Failure::no(format!("{late} within {seconds} s")))
            }
            false => Ok(()),
        }
    }
}
