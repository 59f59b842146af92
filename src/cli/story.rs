//! `Story`: the stream as aligned lines for people.

use std::time::SystemTime;

use super::{
    moment::{local_second, local_time},
    output::{shown, style},
    table::{Cell, Columns},
    tag_list::{Extent, tags},
};
use crate::client::{Change, Member, Record, Suspicion, What};

/// Turns records into lines, the columns as wide as anything seen so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    columns: Columns,
    tags: Extent,
}

impl Story {
    /// With so much of members' tags.
    pub(super) fn new(tags: Extent) -> Self {
        Self {
            columns: Columns::default(),
            tags,
        }
    }

    /// The record's lines: one for a change, one a member for a snapshot, none for a heartbeat.
    pub(super) fn lines(&mut self, record: &Record) -> Vec<String> {
        let rows: Vec<_> = match record {
            Record::Change(change) => vec![told(change, self.tags)],
            Record::Snapshot(snapshot) => {
                let known = |member| known(snapshot.at, member);
                snapshot.members.iter().map(known).collect()
            }
            Record::Gap(_) | Record::Heartbeat(_) | Record::Other(_) => Vec::new(),
        };
        for row in &rows {
            self.columns.widen(row);
        }
        rows.iter().map(|row| self.columns.line(row)).collect()
    }
}

/// Somebody who was there when the stream began.
fn known(at: SystemTime, member: &Member) -> Vec<Cell> {
    let mut detail = format!("{}, generation {}", member.state, member.generation);
    if let Some(due) = member.restart_due {
        detail = format!("{detail}, restarting, due {}", local_second(due));
    }
    if let Some(application) = application(member) {
        detail = format!("{detail}, {}", shown(&application));
    }
    let detail = Cell::styled(detail, style(member.state.as_str()));
    row(at, "snapshot", subject(member), detail)
}

fn told(change: &Change, tags: Extent) -> Vec<Cell> {
    let subject = match (&change.member, &change.what) {
        (Some(member), _) => subject(member),
        (None, What::Conflict { name, ours, .. }) => (name.clone(), ours.to_string()),
        (None, What::User { from, .. }) => (from.clone(), String::new()),
        (None, _) => (String::new(), String::new()),
    };
    let detail = shown(&detail(change, tags)).into();
    row(change.at, &change.kind, subject, detail)
}

/// The member that a change is about, if it is one that is `wanted`.
pub(super) fn about(record: &Record, wanted: impl FnOnce(&What) -> bool) -> Option<&Member> {
    match record {
        Record::Change(change) if wanted(&change.what) => change.member.as_ref(),
        _ => None,
    }
}

/// Whom it is about, and where that is.
fn subject(member: &Member) -> (String, String) {
    (member.name.clone(), member.address.to_string())
}

fn row(at: SystemTime, kind: &str, (name, place): (String, String), detail: Cell) -> Vec<Cell> {
    vec![
        local_time(at).into(),
        // As wide as the longest word, so that the columns stay where they are.
        Cell::styled(shown(&format!("{kind:9}")), style(kind)),
        shown(&name).into(),
        place.into(),
        detail,
    ]
}

/// What else there is to know of a change.
fn detail(change: &Change, tags: Extent) -> String {
    match &change.what {
        What::Conflict { theirs, .. } => format!("the same name is used at {theirs}"),
        What::Degraded => "this agent was stopped or hears too few answers".into(),
        What::Healed { members: 1 } => "1 other member is reached".into(),
        What::Healed { members } => format!("{members} other members are reached"),
        What::Isolated => "no other member is reached".into(),
        What::Recovered => "this agent hears answers as it should".into(),
        What::User { name, payload, .. } if payload.is_empty() => name.clone(),
        What::User { name, payload, .. } => format!("{name}: {payload}"),
        what => change
            .member
            .as_ref()
            .map_or_else(String::new, |member| fate(what, member, tags)),
    }
}

/// What else there is to know of a change about a member.
fn fate(what: &What, member: &Member, tags: Extent) -> String {
    let generation = member.generation;
    match what {
        What::Join {
            previous: Some(previous),
        } => format!("was {previous}, generation {generation}"),
        What::Join { previous: None } => format!("generation {generation}"),
        What::Failed => member.reason.clone().unwrap_or_default(),
        What::Left => format!(
            "reason: {}",
            member.reason.as_deref().unwrap_or("none given")
        ),
        What::Refuted => format!("incarnation {}", member.incarnation),
        What::Restart {
            previous_generation,
        } => {
            format!("generation {generation}, was {previous_generation}")
        }
        What::Suspect => member
            .suspicion
            .as_ref()
            .map_or_else(String::new, accusation),
        What::Update => update(member, tags),
        _ => String::new(),
    }
}

/// The record does not say what is new: all that can be.
fn update(member: &Member, extent: Extent) -> String {
    let tags = tags(&member.tags, extent);
    let parts = [application(member).unwrap_or_default(), tags];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// Its application in words, `None` when it never said anything of one.
fn application(member: &Member) -> Option<String> {
    let app = member.app.as_ref()?;
    let reason = app.reason().filter(|reason| !reason.is_empty());
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    Some(format!("app {}{reason}", app.as_str()))
}

fn accusation(suspicion: &Suspicion) -> String {
    let Suspicion { by, evidence, .. } = suspicion;
    let deadline = local_second(suspicion.deadline);
    format!("by {by} ({evidence}), failed by {deadline} unless refuted")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const AT: &str = "2026-01-05T10:00:00.000Z";

    fn told(lines: impl IntoIterator<Item = Value>) -> Vec<String> {
        let mut story = Story::default();
        let records = lines.into_iter().map(|mut line| {
            line["at"] = AT.into();
            line.to_string().parse().unwrap()
        });
        let lines: Vec<_> = records.flat_map(|record| story.lines(&record)).collect();
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(strip).collect()
    }

    /// Local time is whatever it is here; its width is not.
    fn without_time(lines: &[String]) -> Vec<&str> {
        lines.iter().map(|line| &line[14..]).collect()
    }

    fn n2() -> Value {
        json!({"name": "n2", "id": "1f", "address": "127.0.0.1:99", "state": "alive",
            "generation": 3, "incarnation": 0, "tags": {}, "since": AT})
    }

    #[test]
    fn a_failure_reads_in_columns() {
        let mut accused = n2();
        accused["by"] = "n3".into();
        accused["evidence"] = "seen".into();
        accused["deadline"] = AT.into();
        let lines = told([
            json!({"type": "snapshot", "epoch": "5f", "seq": 1, "members": [n2()]}),
            json!({"type": "suspect", "seq": 2, "member": accused}),
            json!({"type": "heartbeat", "seq": 2}),
            json!({"type": "failed", "seq": 3, "member": n2()}),
            json!({"type": "join", "seq": 4, "member": n2(), "previous": "failed"}),
            json!({"type": "healed", "seq": 5, "members": 1}),
        ]);
        let deadline = &lines[1][lines[1].len() - 23..lines[1].len() - 15];
        assert_eq!(
            without_time(&lines),
            [
                "snapshot   n2  127.0.0.1:99  alive, generation 3",
                &format!(
                    "suspect    n2  127.0.0.1:99  by n3 (seen), failed by {deadline} unless refuted"
                ),
                "failed     n2  127.0.0.1:99",
                "join       n2  127.0.0.1:99  was failed, generation 3",
                "healed                       1 other member is reached",
            ]
        );
    }

    #[test]
    fn an_update_says_how_the_application_is() {
        let mut down = n2();
        down["app"] = "down".into();
        down["tags"]["role"] = "web".into();
        let snapshot =
            json!({"type": "snapshot", "epoch": "", "seq": 2, "members": [down.clone()]});
        down["app_reason"] = "x\n".into();
        let lines = told([
            json!({"type": "update", "seq": 2, "member": down}),
            snapshot,
        ]);
        assert!(lines[0].ends_with(r"app down: x\n, role=web"), "{lines:?}");
        assert!(
            lines[1].ends_with("alive, generation 3, app down"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_failure_that_has_a_reason_says_it() {
        let mut overdue = n2();
        overdue["reason"] = "restart overdue".into();
        let lines = told([json!({"type": "failed", "seq": 3, "member": overdue})]);
        assert!(
            lines[0].ends_with("127.0.0.1:99  restart overdue"),
            "{lines:?}"
        );
    }

    #[test]
    fn events_and_what_is_unknown_are_told_too() {
        let lines = told([
            json!({"type": "user", "seq": 1, "from": "n1", "name": "ping", "payload": ""}),
            json!({"type": "user", "seq": 2, "from": "n1", "name": "deploy", "payload": "v2"}),
            json!({"type": "invented", "seq": 3, "member": n2()}),
        ]);
        assert_eq!(
            without_time(&lines),
            [
                "user       n1    ping",
                "user       n1    deploy: v2",
                "invented   n2  127.0.0.1:99",
            ]
        );
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let mut left = n2();
        left["reason"] = "a\u{1b}[2Jb\nc".into();
        let lines = told([json!({"type": "left", "seq": 2, "member": left})]);
        assert!(lines[0].ends_with(r"reason: a\u{1b}[2Jb\nc"), "{lines:?}");
    }
}
