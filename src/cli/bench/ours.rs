//! `Ours`: agents of this program, and their consumers.

use std::{path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::sleep,
};

use super::{
    crowd::{Crowd, Ear, Word},
    peer::{Peer, Sent},
    site::Agent,
};
use crate::{
    cli::{Failure, cluster::Cluster, processes::Processes},
    client::{Client, Filter, Members, Record, Told, What},
    swim::Profile,
};

/// How closely an agent's first moment is looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A cluster of them.
#[derive(Debug)]
pub(super) struct Ours(Cluster);

impl Ours {
    pub(super) fn new(profile: Profile) -> Result<Self, Failure> {
        Ok(Self(Cluster::new(profile, false)?))
    }

    fn client(&self, agent: &Agent) -> Client {
        Client::new(self.0.socket(&agent.name))
    }

    async fn metrics(&self, agent: &Agent) -> Option<String> {
        let mut stream = UnixStream::connect(self.0.socket(&agent.name)).await.ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .await
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    }
}

impl Peer for Ours {
    async fn start(&mut self, agent: &Agent, seed: Option<&Agent>) -> Result<(), Failure> {
        let Agent {
            name, host, gossip, ..
        } = agent;
        let seed = seed.map(|seed| seed.gossip.to_string());
        let spawn = |command| host.spawn(command);
        self.0
            .start_by(spawn, name, &gossip.to_string(), seed.as_deref())?;
        Ok(())
    }

    fn listen(&self, agent: &Agent, crowd: &mut Crowd) {
        let socket = self.0.socket(&agent.name);
        crowd.listen(&agent.name, |ear| follow(socket, ear));
    }

    async fn raise(&self, agent: &Agent) -> Result<(), Failure> {
        self.client(agent).send_event("bench", "").await?;
        Ok(())
    }

    async fn leave(&self, agent: &Agent) -> Result<(), Failure> {
        self.client(agent).leave(Some("measured")).await?;
        Ok(())
    }

    async fn sent(&self, agent: &Agent) -> Option<Sent> {
        let text = self.metrics(agent).await?;
        let number = |name| {
            let line = format!("headcount_{name}{{direction=\"sent\"}} ");
            text.lines()
                .find_map(|text| text.strip_prefix(&line)?.parse().ok())
        };
        Some(Sent {
            bytes: number("datagram_bytes_total")?,
            datagrams: number("datagrams_total")?,
        })
    }

    fn processes(&self) -> &Processes {
        &self.0.processes
    }

    fn processes_mut(&mut self) -> &mut Processes {
        &mut self.0.processes
    }
}

/// Tells what the agent at this socket tells, as soon as there is one.
pub(super) async fn follow(socket: PathBuf, ear: Ear) {
    while UnixStream::connect(&socket).await.is_err() {
        sleep(LOOK_EVERY).await;
    }
    let mut watch = Client::new(socket).watch(&Filter::default()).patient();
    let mut members = Members::new(Filter::default());
    while let Ok(told) = watch.next().await {
        let at = ear.now();
        if let Told::Record(record, _) = told {
            members.apply(&record);
            ear.hear(at, heard(&record), members.alive().count());
        }
    }
}

fn heard(record: &Record) -> (Word, String) {
    let Record::Change(change) = record else {
        return (Word::Other, String::new());
    };
    let word = match change.what {
        What::Failed => Word::Failed,
        What::Join { .. } => Word::Join,
        What::Left => Word::Left,
        What::Restart { .. } => Word::Restart,
        What::Suspect => Word::Suspect,
        What::User { .. } => Word::User,
        _ => Word::Other,
    };
    let member = change.member.as_ref();
    (
        word,
        member.map_or_else(String::new, |member| member.name.clone()),
    )
}
