//! `Answer`: what the agent said, read and as it came.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Deref,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{App, Member, time};

/// An answer: what it says, by dereferencing, and the JSON that said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    json: String,
    value: T,
}

/// The answer of `GET /v1/members`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Listing {
    /// The run of the agent.
    pub epoch: String,
    /// The number of the newest change in it.
    pub seq: u64,
    /// Now, on the agent's clock, which its members' times are told by.
    #[serde(deserialize_with = "time::read")]
    pub at: SystemTime,
    /// The members asked for, by name.
    pub members: Vec<Member>,
}

/// The answer of `GET /v1/status`: the agent itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its id, as its member record has it.
    pub id: String,
    /// How often it was started.
    pub generation: u64,
    /// Grows with each proof that it lives.
    pub incarnation: u64,
    /// Where others reach it.
    pub address: SocketAddr,
    /// Where a peer saw it last, when that is not its address.
    pub seen_as: Option<SocketAddr>,
    /// The cluster's name.
    pub cluster: String,
    /// The version of its program.
    pub version: String,
    /// `ok`, `degraded` or `isolated`.
    pub health: String,
    /// Why it is not `ok`, a clause each.
    #[serde(default)]
    pub health_reasons: Vec<String>,
    /// `sealed` or `plaintext`: what its gossip is.
    pub gossip: String,
    /// What the key that it seals with is called.
    pub key: Option<String>,
    /// `lan`, `wan` or `local`.
    pub profile: String,
    /// How long it has been running, to the second.
    #[serde(rename = "uptime_s", deserialize_with = "seconds")]
    pub uptime: Duration,
    /// Members by state, itself included.
    pub counts: Counts,
    /// Of those alive, how many announced a restart and are not back yet.
    #[serde(default)]
    pub restarting: u64,
    /// This run of it.
    pub epoch: String,
    /// The number of the newest change.
    pub seq: u64,
    /// Its process.
    pub pid: u32,
    /// Its socket.
    pub socket: PathBuf,
    /// Where it serves the API on TCP.
    pub http: Option<SocketAddr>,
    /// Streams that are open.
    pub subscribers: u64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    app: Option<String>,
    app_reason: Option<String>,
}

/// Members by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Those that are alive.
    pub alive: u64,
    /// Those that are accused.
    pub suspect: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that left.
    pub left: u64,
}

/// The answer of `POST /v1/join`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Joined {
    /// The addresses that answered.
    pub joined: Vec<String>,
    /// Those that did not yet; the agent keeps trying.
    pub pending: Vec<String>,
}

/// The answer of `POST /v1/leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Left {
    /// Whether it has left; if not, it still is leaving.
    pub left: bool,
}

/// The answer of `DELETE /v1/members/NAME`: how far the removal has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Removed {
    /// The member's name.
    #[serde(rename = "removed")]
    pub name: String,
    /// Living members that have forgotten it, the agent included.
    pub applied_by: usize,
    /// Living members.
    pub members: usize,
    /// The names of those that did not say so within 3 s. They hear of it when they compare what
    /// they know with others.
    pub missing: Vec<String>,
}

/// The answer of `POST /v1/events`: what the event is known by in every stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Raised {
    /// The sender's name.
    pub from: String,
    /// The sender's generation.
    pub generation: u64,
    /// Its number among the sender's events of this generation.
    pub number: u64,
}

/// The answer of everything about keys: who has which.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Keyring {
    /// The key that was added, used or removed just now.
    pub changed: Option<String>,
    /// What the agent seals with.
    pub primary: Option<String>,
    /// All keys that anybody has: the agent's own first, in its order.
    pub keys: Vec<KeySpread>,
    /// Every member that did not leave, failed ones included, by name.
    pub members: Vec<KeyHolder>,
    /// The agent's key file.
    pub file: Option<PathBuf>,
    /// Whether its next start would have the keys that it has now.
    pub stored: bool,
}

/// How far a key has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct KeySpread {
    /// What it is called.
    pub id: String,
    /// Members that can read what is sealed with it.
    pub accepted_by: usize,
    /// Members that seal with it.
    pub primary_of: usize,
}

/// A member and its keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct KeyHolder {
    /// Its name.
    pub name: String,
    /// What its keys are called, the one that seals first. Empty when it never said.
    pub keys: Vec<String>,
    /// Whether its next start would have them, too, as far as it said.
    #[serde(default = "stored")]
    pub stored: bool,
}

/// An agent that does not say so may have done it.
const fn stored() -> bool {
    true
}

impl KeyHolder {
    /// Whether it accepts the key that is called so.
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key == id)
    }
}

impl Status {
    /// How its application is, if it ever said anything of one.
    pub fn app(&self) -> Option<App> {
        App::of(self.app.clone(), self.app_reason.clone())
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

impl<T> Answer<T> {
    /// What the agent said, as it came.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What it says, without its JSON.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: DeserializeOwned> Answer<T> {
    pub(super) fn read(json: String) -> serde_json::Result<Self> {
        let value = serde_json::from_str(&json)?;
        Ok(Self { json, value })
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
