//! `Round`: one cluster, from its first process to its last, and what happens to it.

use std::{collections::BTreeMap, net::UdpSocket, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    Metric, Times, cpu,
    crowd::{Crowd, Heard, LOOK_EVERY, answering},
};
use crate::{
    cli::{Failure, cluster::Cluster, moment::Stopwatch, story::about},
    client::{Client, Filter, Members, Record, What},
    swim::Profile,
};

/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Agents, and their consumers.
pub(super) struct Round {
    cluster: Cluster,
    crowd: Crowd,
    clock: Stopwatch,
    names: Vec<String>,
    seed: String,
}

impl Round {
    /// A cluster without agents yet; the clock runs.
    pub(super) fn begin(nodes: u16, profile: Profile) -> Result<Self, Failure> {
        let cluster = Cluster::new(profile, false)?;
        let seed = free_address()?;
        let clock = Stopwatch::start();
        Ok(Self {
            cluster,
            crowd: Crowd::new(clock),
            clock,
            names: (1..=nodes).map(|number| format!("n{number}")).collect(),
            seed,
        })
    }

    /// Does everything once.
    pub(super) async fn play(mut self, times: &mut Times) -> Result<(), Failure> {
        self.bootstrap(times).await?;
        self.event(times).await?;
        let (victim, at) = self.crash(times).await?;
        self.rejoin(&victim, &at, times).await?;
        self.restart(&victim, &at, times).await?;
        self.leave(&victim, times).await
    }

    async fn bootstrap(&mut self, times: &mut Times) -> Result<(), Failure> {
        let begun = self.clock.elapsed();
        for (number, name) in self.names.clone().iter().enumerate() {
            let bind = if number == 0 {
                &self.seed
            } else {
                "127.0.0.1:0"
            };
            let seed = (number > 0).then_some(self.seed.as_str());
            self.cluster.start(name, bind, seed)?;
            self.crowd.listen(name, self.cluster.socket(name));
        }
        let nodes = self.names.len();
        let mut tables: BTreeMap<String, Members> = BTreeMap::new();
        let complete = |heard: &Heard| {
            let table = tables
                .entry(heard.by.clone())
                .or_insert_with(|| Members::new(Filter::default()));
            table.apply(&heard.record);
            table.alive().count() == nodes
        };
        let names = self.names.clone();
        let (_, last) = self.all("of everybody", &names, complete).await?;
        note(times, Metric::Bootstrap, last - begun);
        let costs = self.cluster.processes().map(cpu::time);
        if let Some(cost) = costs.sum::<Option<Duration>>() {
            note(times, Metric::BootstrapCpu, cost);
        }
        Ok(())
    }

    async fn event(&mut self, times: &mut Times) -> Result<(), Failure> {
        let client = Client::new(self.cluster.socket(&self.names[1]));
        let begun = self.clock.elapsed();
        client.send_event("bench", "").await?;
        let names = self.names.clone();
        let told = |heard: &Heard| heard.record.kind() == "user";
        let (_, last) = self.all("the user event", &names, told).await?;
        note(times, Metric::Event, last - begun);
        Ok(())
    }

    /// Kills the last agent. Gives its name and its address.
    async fn crash(&mut self, times: &mut Times) -> Result<(String, String), Failure> {
        let (victim, others) = self.split();
        let client = Client::new(self.cluster.socket(&others[0]));
        let at = client.member(&victim).await?.address.to_string();
        let begun = self.clock.elapsed();
        self.cluster.kill(&victim);
        let mut suspected = None;
        let told = |heard: &Heard| {
            if is(&heard.record, &victim, |what| matches!(what, What::Suspect)) {
                suspected.get_or_insert(heard.at);
            }
            is(&heard.record, &victim, |what| matches!(what, What::Failed))
        };
        let (first, last) = self.all("of the failure", &others, told).await?;
        if let Some(suspected) = suspected {
            note(times, Metric::CrashSuspected, suspected - begun);
        }
        note(times, Metric::CrashFirst, first - begun);
        note(times, Metric::CrashLast, last - begun);
        Ok((victim, at))
    }

    async fn rejoin(&mut self, victim: &str, at: &str, times: &mut Times) -> Result<(), Failure> {
        let (_, others) = self.split();
        let begun = self.clock.elapsed();
        self.cluster.start(victim, at, Some(&self.seed))?;
        let told = |heard: &Heard| {
            is(&heard.record, victim, |what| {
                matches!(what, What::Join { .. })
            })
        };
        let (_, last) = self.all("of the return", &others, told).await?;
        note(times, Metric::Rejoin, last - begun);
        Ok(())
    }

    async fn restart(&mut self, victim: &str, at: &str, times: &mut Times) -> Result<(), Failure> {
        let (_, others) = self.split();
        let begun = self.clock.elapsed();
        self.cluster.kill(victim);
        self.cluster.start(victim, at, Some(&self.seed))?;
        let told = |heard: &Heard| {
            is(&heard.record, victim, |what| {
                matches!(what, What::Restart { .. })
            })
        };
        let (_, last) = self.all("of the restart", &others, told).await?;
        note(times, Metric::Restart, last - begun);
        Ok(())
    }

    async fn leave(&mut self, victim: &str, times: &mut Times) -> Result<(), Failure> {
        let (_, others) = self.split();
        let client = self.settled(victim).await?;
        self.cluster.dismiss(victim);
        let begun = self.clock.elapsed();
        client.leave(Some("measured")).await?;
        let told = |heard: &Heard| is(&heard.record, victim, |what| matches!(what, What::Left));
        let (_, last) = self.all("of the goodbye", &others, told).await?;
        note(times, Metric::Leave, last - begun);
        Ok(())
    }

    /// The agent, once it lists everybody: whoever leaves before knows nobody to say goodbye to.
    async fn settled(&self, name: &str) -> Result<Client, Failure> {
        let settled = async {
            let client = answering(self.cluster.socket(name)).await;
            let everybody = Filter::default();
            while client.members(&everybody, &[]).await?.members.len() < self.names.len() {
                sleep(LOOK_EVERY).await;
            }
            Ok(client)
        };
        let settled = timeout(PATIENCE, settled).await;
        settled.unwrap_or_else(|_| Err(late(name, "list everybody")))
    }

    /// Waits until every one of `observers` heard what `wanted` knows. When the first and when the
    /// last of them did.
    async fn all(
        &mut self,
        what: &str,
        observers: &[String],
        mut wanted: impl FnMut(&Heard) -> bool,
    ) -> Result<(Duration, Duration), Failure> {
        let begun = self.clock.elapsed();
        let mut missing = observers.to_vec();
        let mut times = Vec::new();
        while !missing.is_empty() {
            let Some(heard) = self.crowd.next().await else {
                if let Some(casualty) = self.cluster.casualty() {
                    return Err(casualty);
                }
                if self.clock.elapsed() - begun > PATIENCE {
                    return Err(late(&missing.join(", "), &format!("hear {what}")));
                }
                continue;
            };
            if missing.contains(&heard.by) && wanted(&heard) {
                missing.retain(|observer| *observer != heard.by);
                times.push(heard.at);
            }
        }
        let first = times.iter().min().copied().unwrap_or_default();
        Ok((first, times.iter().max().copied().unwrap_or_default()))
    }

    /// The agent that things happen to, and the others.
    fn split(&self) -> (String, Vec<String>) {
        let (victim, others) = self.names.split_last().expect("three agents or more");
        (victim.clone(), others.to_vec())
    }
}

fn late(who: &str, what: &str) -> Failure {
    let seconds = PATIENCE.as_secs();
    Failure::no(format!("{who} did not {what} within {seconds} s"))
}

fn note(times: &mut Times, metric: Metric, time: Duration) {
    times.entry(metric).or_default().record_time(time);
}

/// Whether the record says so of the member.
fn is(record: &Record, name: &str, wanted: impl FnOnce(&What) -> bool) -> bool {
    about(record, wanted).is_some_and(|member| member.name == name)
}

/// A port for the agent that the others are told of before it runs.
fn free_address() -> Result<String, Failure> {
    let address = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = address.map_err(|error| Failure::trouble(format!("no free port: {error}")))?;
    Ok(address.to_string())
}
