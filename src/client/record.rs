//! `Record`: one line of the stream.

use std::{borrow::Cow, net::SocketAddr, str::FromStr, time::SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Member, State, time};

/// One line of the stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// Everyone there is; what came before counts no more.
    Snapshot(Snapshot),
    /// Something happened.
    Change(Box<Change>),
    /// Nothing did: the stream is alive and complete.
    Heartbeat(Heartbeat),
    /// Changes are lost; a snapshot follows.
    Gap(Gap),
    /// Something without a number that a newer agent says.
    Other(Map<String, Value>),
}

/// Everyone there is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The run of the agent; numbers of another one have nothing to do with this one's.
    pub epoch: String,
    /// The number of the newest change in it.
    pub seq: u64,
    /// When it was made.
    #[serde(deserialize_with = "time::read")]
    pub at: SystemTime,
    /// See [`Heartbeat::digest`].
    pub digest: Option<String>,
    /// The members asked for, by name; the agent itself is one of them.
    pub members: Vec<Member>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Its number. Those between it and the last record's were not asked for.
    pub seq: u64,
    /// When the agent heard of it.
    pub at: SystemTime,
    /// The word for it, such as `join`.
    pub kind: String,
    /// The member that it is about as it is now, if it is about one.
    pub member: Option<Member>,
    /// What happened.
    pub what: What,
}

/// What happened. Details that `member` shows, too, are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum What {
    /// Two processes have our agent's name; one of them stops.
    Conflict {
        /// The name.
        name: String,
        /// Where our agent is.
        ours: SocketAddr,
        /// Where the other one is.
        theirs: SocketAddr,
    },
    /// Our agent was stopped for a while, or hears too few answers.
    Degraded,
    /// The suspicion ran out.
    Failed,
    /// Our agent reaches others again.
    Healed {
        /// How many.
        members: u64,
    },
    /// Our agent lost every other member.
    Isolated,
    /// The member appeared.
    Join {
        /// What it was before, if it is one that came back.
        previous: Option<State>,
    },
    /// The member said goodbye.
    Left,
    /// Our agent hears as it should again.
    Recovered,
    /// The member answered the accusation.
    Refuted,
    /// The member is forgotten.
    Removed,
    /// The member's agent was started anew while it was alive or suspect.
    Restart {
        /// The generation before.
        previous_generation: u64,
    },
    /// The member is accused.
    Suspect,
    /// The member's own facts changed: address, tags, application, incarnation.
    Update,
    /// An application raised an event.
    User {
        /// The sender's name.
        from: String,
        /// The event's name.
        name: String,
        /// What it carries.
        payload: String,
        /// The sender's generation.
        #[serde(default)]
        generation: u64,
        /// Its number among the sender's events of that generation.
        #[serde(default)]
        number: u64,
    },
    /// Something that a newer agent says.
    #[serde(other)]
    Other,
}

/// The stream is alive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The number of the newest change.
    pub seq: u64,
    /// Now, on the agent's clock.
    #[serde(deserialize_with = "time::read")]
    pub at: SystemTime,
    /// Of the members that the stream told of, if it tells everything of them: see
    /// [`Members::agree`](super::Members::agree).
    pub digest: Option<String>,
}

/// Changes that will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
}

impl Record {
    /// The word for it, such as `snapshot` or `join`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Change(change) => &change.kind,
            Self::Gap(_) => "gap",
            Self::Heartbeat(_) => "heartbeat",
            Self::Other(fields) => fields["type"].as_str().unwrap_or_default(),
            Self::Snapshot(_) => "snapshot",
        }
    }

    /// The number up to which everything is known after this record. A gap has none: until its
    /// snapshot came, we are still before it.
    pub(super) fn seq(&self) -> Option<u64> {
        match self {
            Self::Change(change) => Some(change.seq),
            Self::Gap(_) | Self::Other(_) => None,
            Self::Heartbeat(heartbeat) => Some(heartbeat.seq),
            Self::Snapshot(snapshot) => Some(snapshot.seq),
        }
    }
}

/// Reads a line of the stream.
impl FromStr for Record {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> serde_json::Result<Self> {
        let head: Head<'_> = serde_json::from_str(line)?;
        Ok(match (&*head.kind, head.seq) {
            ("gap", _) => Self::Gap(serde_json::from_str(line)?),
            ("heartbeat", _) => Self::Heartbeat(serde_json::from_str(line)?),
            ("snapshot", _) => Self::Snapshot(serde_json::from_str(line)?),
            (kind, Some(seq)) => Self::Change(Box::new(Change::read(kind, seq, line)?)),
            (_, None) => Self::Other(serde_json::from_str(line)?),
        })
    }
}

/// What says how to read the rest.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    seq: Option<u64>,
}

impl Change {
    fn read(kind: &str, seq: u64, line: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(deserialize_with = "time::read")]
            at: SystemTime,
            member: Option<Member>,
        }
        let Fields { at, member } = serde_json::from_str(line)?;
        Ok(Self {
            seq,
            at,
            kind: kind.into(),
            member,
            what: serde_json::from_str(line)?,
        })
    }
}
