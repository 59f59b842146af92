//! The agent's records, read as any consumer reads them: unknown fields are ignored.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// One line of the stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) seq: Option<u64>,
    pub(super) at: String,
    pub(super) epoch: Option<String>,
    pub(super) member: Option<Member>,
    pub(super) members: Members,
    pub(super) by: Option<String>,
    pub(super) evidence: Option<String>,
    pub(super) deadline: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) previous_generation: Option<u32>,
    pub(super) reason: Option<String>,
    pub(super) name: Option<String>,
    pub(super) ours: Option<String>,
    pub(super) theirs: Option<String>,
    pub(super) payload: Option<String>,
    pub(super) from: Place,
    pub(super) to: Option<u64>,
}

/// The members of a snapshot, or how many there are.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Members {
    List(Vec<Member>),
    Count(u64),
    #[default]
    Nothing,
}

/// The first number of a gap, or the sender of a user event.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Place {
    Number(u64),
    Name(String),
    #[default]
    Nothing,
}

/// The answer of `GET /v1/members`.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    /// Now, on the agent's clock.
    #[serde(default)]
    pub(super) at: String,
    pub(super) members: Vec<Member>,
}

/// One member.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) state: String,
    pub(super) generation: u64,
    pub(super) incarnation: u64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) since: String,
    pub(super) reason: Option<String>,
    pub(super) app: Option<String>,
    pub(super) app_reason: Option<String>,
    pub(super) by: Option<String>,
    pub(super) evidence: Option<String>,
    pub(super) deadline: Option<String>,
}

impl Member {
    /// Its application in words, `None` when it never said anything of one.
    pub(super) fn application(&self) -> Option<String> {
        let app = self.app.as_ref()?;
        let reason = self.app_reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        Some(format!("app {app}{reason}"))
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state == "alive"
    }
}

impl Record {
    /// Everyone in a snapshot; nobody in any other record.
    pub(super) fn everyone(&self) -> &[Member] {
        match &self.members {
            Members::List(members) => members,
            _ => &[],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Name(name) => formatter.write_str(name),
            Self::Nothing => formatter.write_str("?"),
        }
    }
}
