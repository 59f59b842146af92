//! `Serf`: agents of Debian's `serf`, and their consumers.
//!
//! Consumers read the official stream. A stock agent holds what it tells them of members back until
//! a second has passed without more of it; user events it tells at once.

mod guard;
mod rpc;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    process::Command,
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::{
    crowd::{Crowd, Ear, Word},
    ours::LOOK_EVERY,
    peer::{Peer, Sent},
    site::Agent,
};
use crate::{
    cli::{Failure, processes::Processes},
    swim::Profile,
};
use guard::Guard;
use rpc::Rpc;

/// How often a consumer tries until its agent answers: what it wants to hear is said a second
/// later, and each try costs the machine that is measured.
const CONNECT_EVERY: Duration = Duration::from_millis(10);
const PROGRAM: &str = "serf";
/// What consumers listen to.
const KINDS: &str = "member-join,member-leave,member-failed,member-update,member-reap,user";

/// The version that is installed; `None` where there is none.
pub(super) fn version() -> Option<String> {
    let output = Command::new(PROGRAM).arg("version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().filter(|_| output.status.success())?;
    // Older ones begin with their name.
    let version = line.trim_start_matches("Serf ").trim_start_matches('v');
    Some(version.to_owned())
}

/// A cluster of them.
#[derive(Debug)]
pub(super) struct Serf {
    processes: Processes,
    guard: Guard,
    profile: Profile,
    /// How often each was started.
    lives: BTreeMap<String, u32>,
}

impl Serf {
    pub(super) fn new(profile: Profile) -> Result<Self, Failure> {
        let guard = Guard::start();
        Ok(Self {
            processes: Processes::new()?,
            guard: guard.map_err(|error| Failure::trouble(format!("cannot start sh: {error}")))?,
            profile,
            lives: BTreeMap::new(),
        })
    }

    fn command(&self, agent: &Agent, seed: Option<&Agent>, life: u32) -> Command {
        let Agent {
            name, gossip, api, ..
        } = agent;
        let mut command = Command::new(PROGRAM);
        command.args(["agent", "-log-level=warn"]);
        command.arg(format!("-profile={}", self.profile.as_str()));
        command.arg(format!("-node={name}"));
        command.arg(format!("-bind={gossip}"));
        command.arg(format!("-rpc-addr={api}"));
        // Nothing tells of a restart in which nothing has changed.
        command.arg(format!("-tag=life={life}"));
        if let Some(seed) = seed {
            command.arg(format!("-retry-join={}", seed.gossip));
            command.arg("-retry-interval=1s");
        }
        self.guard.watch(&mut command);
        command
    }
}

impl Peer for Serf {
    /// The first one is waited for, as others that find nobody try again only a second later.
    async fn start(&mut self, agent: &Agent, seed: Option<&Agent>) -> Result<(), Failure> {
        let Agent {
            name, host, api, ..
        } = agent;
        let life = self.lives.entry(name.clone()).or_default();
        *life += 1;
        let life = *life;
        let command = self.command(agent, seed, life);
        self.processes
            .start(name, command, |command| host.spawn(command))?;
        while seed.is_none() && host.connect(*api).is_err() {
            self.processes.all_run()?;
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn listen(&self, agent: &Agent, crowd: &mut Crowd) {
        crowd.listen(&agent.name, |ear| follow(agent.clone(), ear));
    }

    async fn raise(&self, agent: &Agent) -> Result<(), Failure> {
        let event = json!({"Name": "bench", "Payload": "", "Coalesce": false});
        ask(agent, "event", Some(event)).await
    }

    async fn leave(&self, agent: &Agent) -> Result<(), Failure> {
        ask(agent, "leave", None).await
    }

    async fn sent(&self, _agent: &Agent) -> Option<Sent> {
        None
    }

    fn processes(&self) -> &Processes {
        &self.processes
    }

    fn processes_mut(&mut self) -> &mut Processes {
        &mut self.processes
    }
}

/// Sends one request. Its answer is not waited for: what it does is heard elsewhere.
async fn ask(agent: &Agent, command: &str, body: Option<serde_json::Value>) -> Result<(), Failure> {
    let asked = async {
        let mut rpc = Rpc::connect(&agent.host, agent.api).await?;
        rpc.send(command, body).await
    };
    let asked: io::Result<u64> = asked.await;
    asked.map_err(|error| Failure::no(format!("serf's {}, {command}: {error}", agent.name)))?;
    Ok(())
}

/// Tells what the agent tells, as soon as it answers and until it ends.
async fn follow(agent: Agent, ear: Ear) {
    let mut rpc = loop {
        match Rpc::connect(&agent.host, agent.api).await {
            Ok(rpc) => break rpc,
            Err(_) => sleep(CONNECT_EVERY).await,
        }
    };
    // It ends with the agent.
    let _ = listen(&mut rpc, &ear).await;
}

/// First listens and then asks who there is, so that nothing is missed in between.
async fn listen(rpc: &mut Rpc, ear: &Ear) -> io::Result<()> {
    rpc.ask("stream", Some(json!({"Type": KINDS}))).await?;
    let listing = rpc.send("members", None).await?;
    let mut alive = BTreeSet::new();
    loop {
        let told = if rpc.header().await? == listing {
            rpc.read::<Listing>().await?.into()
        } else {
            rpc.read::<Told>().await?
        };
        let at = ear.now();
        let word = told.apply(&mut alive);
        for name in told.names() {
            ear.hear(at, (word, name), alive.len());
        }
    }
}

/// The answer to `members`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    members: Vec<Member>,
}

/// What a stream tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    event: String,
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    name: String,
    status: String,
}

impl From<Listing> for Told {
    fn from(listing: Listing) -> Self {
        let mut members = listing.members;
        members.retain(|member| member.status == "alive");
        let event = "members".into();
        Self { event, members }
    }
}

impl Told {
    /// Takes it into who is alive.
    fn apply(&self, alive: &mut BTreeSet<String>) -> Word {
        let (is_alive, word) = match self.event.as_str() {
            "members" => (true, Word::Other),
            "member-join" => (true, Word::Join),
            "member-update" => (true, Word::Restart),
            "member-failed" => (false, Word::Failed),
            "member-leave" => (false, Word::Left),
            "user" => return Word::User,
            _ => (false, Word::Other),
        };
        for Member { name, .. } in &self.members {
            match is_alive {
                true => alive.insert(name.clone()),
                false => alive.remove(name),
            };
        }
        word
    }

    /// Whom it is about; nobody, once, if about no member.
    fn names(&self) -> Vec<String> {
        match self.members.as_slice() {
            [] => vec![String::new()],
            members => members.iter().map(|member| member.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Serf 0.8 writes it: an address is no text.
    const FAILED: &[u8] = b"\x82\xa5Event\xadmember-failed\xa7Members\x91\x84\xa4Addr\xc4\x04\
        \x7f\t\t\x01\xa4Name\xa2n2\xa6Status\xa6failed\xa4Tags\x80";
    const USER: &[u8] = b"\x84\xa5Event\xa4user\xa5LTime\x01\xa4Name\xa5bench\xa7Payload\xc0";

    #[test]
    fn what_a_stream_tells_changes_who_is_alive() {
        let mut alive = BTreeSet::from(["n1".into(), "n2".into()]);
        let failed: Told = rmp_serde::from_slice(FAILED).unwrap();
        assert_eq!(failed.apply(&mut alive), Word::Failed);
        assert_eq!((failed.names(), alive.len()), (vec!["n2".into()], 1));
        let user: Told = rmp_serde::from_slice(USER).unwrap();
        assert_eq!(user.apply(&mut alive), Word::User);
        assert_eq!((user.names(), alive.len()), (vec![String::new()], 1));
    }
}
