//! The records of the stream, one JSON object a line. Field names and their order are the
//! interface that consumers parse: they only ever grow.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::swim::{Change, Evidence, MemberState, Suspicion, Timestamp};

use super::{Digest, Member};

/// Every `type` that a change can have, for filters.
pub(super) const KINDS: [&str; 14] = [
    "conflict",
    "degraded",
    "failed",
    "healed",
    "isolated",
    "join",
    "left",
    "recovered",
    "refuted",
    "removed",
    "restart",
    "suspect",
    "update",
    "user",
];

/// Those of them that the list of members changes with.
pub(super) const MEMBER_KINDS: [&str; 8] = [
    "failed", "join", "left", "refuted", "removed", "restart", "suspect", "update",
];

/// The line that says the stream is alive and nothing up to `seq` is missing, and by which digest
/// the consumer can check that.
pub(super) fn heartbeat(seq: u64, at: Timestamp, digest: Option<Digest>) -> Bytes {
    line(&Heartbeat {
        kind: "heartbeat",
        seq,
        at: at.to_rfc3339(),
        digest: digest.map(Text),
    })
}

/// The line that says the changes `from` to `to` will not come; a snapshot at `to` follows.
pub fn gap(from: u64, to: u64) -> Bytes {
    line(&Gap {
        kind: "gap",
        from,
        to,
    })
}

/// The line of one change. `member` is the member after it, if it is about one.
pub(super) fn change(seq: u64, at: Timestamp, change: &Change, member: Option<&Member>) -> Bytes {
    let mut record = Record {
        kind: change.kind(),
        seq,
        at: at.to_rfc3339(),
        member,
        ..Record::default()
    };
    match change {
        Change::Conflict { name, ours, theirs } => {
            record.name = Some(name);
            record.ours = Some(*ours);
            record.theirs = Some(*theirs);
        }
        Change::Healed { members } => record.members = Some(*members),
        Change::Join { previous, .. } => record.previous = *previous,
        Change::Left(view) => record.reason = Some(view.reason.as_deref().unwrap_or_default()),
        Change::Restart {
            previous_generation,
            ..
        } => record.previous_generation = Some(*previous_generation),
        Change::Suspect(view) => {
            if let Some(suspicion) = &view.suspicion {
                record.accuse(suspicion);
            }
        }
        Change::User(event) => {
            record.from = Some(&event.from_name);
            record.name = Some(&event.name);
            record.payload = Some(&event.payload);
            record.generation = Some(event.generation);
            record.number = Some(event.number);
        }
        _ => {}
    }
    line(&record)
}

/// Written as its `Display` says.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Default, Serialize)]
struct Record<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<MemberState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ours: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    theirs: Option<SocketAddr>,
}

impl Record<'_> {
    fn accuse(&mut self, suspicion: &Suspicion) {
        self.by = Some(accuser(suspicion));
        self.evidence = Some(suspicion.evidence);
        self.deadline = Some(suspicion.deadline.to_rfc3339());
    }
}

/// The accuser's name when it is known, its id when not.
pub(super) fn accuser(suspicion: &Suspicion) -> String {
    let name = suspicion.by_name.clone();
    name.unwrap_or_else(|| suspicion.by.to_string())
}

#[derive(Serialize)]
struct Heartbeat {
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Text<Digest>>,
}

#[derive(Serialize)]
struct Gap {
    #[serde(rename = "type")]
    kind: &'static str,
    from: u64,
    to: u64,
}

fn line(record: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(256);
    serde_json::to_writer(&mut bytes, record).expect("a record has string keys and no failing IO");
    bytes.push(b'\n');
    bytes.into()
}
