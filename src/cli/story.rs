//! `Story`: the stream as aligned lines for people.

use super::{
    moment::{local_second, local_time},
    output::{shown, style},
    record::{Member, Record},
    table::{Cell, Columns},
};

/// Turns records into lines, the columns as wide as anything seen so far.
#[derive(Debug, Default)]
pub(super) struct Story(Columns);

impl Story {
    /// The record's lines: one for a change, one a member for a snapshot, none for a heartbeat.
    pub(super) fn lines(&mut self, record: &Record) -> Vec<String> {
        let rows: Vec<_> = match record.kind.as_str() {
            "heartbeat" | "gap" => Vec::new(),
            "snapshot" => record.everyone().iter().map(|m| known(record, m)).collect(),
            _ => vec![change(record)],
        };
        for row in &rows {
            self.0.widen(row);
        }
        rows.iter().map(|row| self.0.line(row)).collect()
    }
}

/// Somebody who was there when the stream began.
fn known(record: &Record, member: &Member) -> Vec<Cell> {
    let state = &member.state;
    let mut detail = format!("{state}, generation {}", member.generation);
    if let Some(application) = member.application() {
        detail = format!("{detail}, {}", shown(&application));
    }
    row(record, member, Cell::styled(detail, style(state)))
}

fn change(record: &Record) -> Vec<Cell> {
    match &record.member {
        Some(member) => row(record, member, detail(record, member).into()),
        None => {
            let subject = Member {
                name: record.name.clone().unwrap_or_default(),
                address: record.ours.clone().unwrap_or_default(),
                ..Member::default()
            };
            row(record, &subject, shown(&own_detail(record)).into())
        }
    }
}

fn row(record: &Record, subject: &Member, detail: Cell) -> Vec<Cell> {
    // As wide as the longest word, so that the columns stay where they are.
    let kind = format!("{:9}", record.kind);
    vec![
        local_time(&record.at).into(),
        Cell::styled(kind, style(&record.kind)),
        shown(&subject.name).into(),
        shown(&subject.address).into(),
        detail,
    ]
}

/// What else there is to know of a change about a member.
fn detail(record: &Record, member: &Member) -> String {
    let text = match record.kind.as_str() {
        "join" => match &record.previous {
            Some(previous) => format!("was {previous}, generation {}", member.generation),
            None => format!("generation {}", member.generation),
        },
        "left" => {
            let reason = record.reason.as_ref().or(member.reason.as_ref());
            format!("reason: {}", reason.map_or("none given", String::as_str))
        }
        "refuted" => format!("incarnation {}", member.incarnation),
        "restart" => {
            let previous = record.previous_generation.unwrap_or_default();
            format!("generation {}, was {previous}", member.generation)
        }
        "suspect" => accusation(record),
        "update" => update(member),
        _ => String::new(),
    };
    shown(&text)
}

/// The record does not say what is new: all that can be.
fn update(member: &Member) -> String {
    let parts = [member.application().unwrap_or_default(), tags(member)];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

fn accusation(record: &Record) -> String {
    let unknown = || "unknown".into();
    let by = record.by.clone().unwrap_or_else(unknown);
    let evidence = record.evidence.clone().unwrap_or_else(unknown);
    match &record.deadline {
        Some(deadline) => {
            let deadline = local_second(deadline);
            format!("by {by} ({evidence}), failed at {deadline} unless refuted")
        }
        None => format!("by {by} ({evidence})"),
    }
}

/// What there is to know of a change about ourselves or the cluster.
fn own_detail(record: &Record) -> String {
    match record.kind.as_str() {
        "conflict" => {
            let theirs = record.theirs.as_deref().unwrap_or("another address");
            format!("the same name is used at {theirs}")
        }
        "healed" => match record.members {
            super::record::Members::Count(1) => "1 other member is reached".into(),
            super::record::Members::Count(others) => format!("{others} other members are reached"),
            _ => String::new(),
        },
        "degraded" => "this agent was stopped or hears too few answers".into(),
        "recovered" => "this agent hears answers as it should".into(),
        "isolated" => "no other member is reached".into(),
        "user" => {
            let payload = record.payload.as_deref().unwrap_or_default();
            format!("from {}: {payload}", record.from)
        }
        _ => String::new(),
    }
}

/// A member's tags as they are given to `--tag`.
pub(super) fn tags(member: &Member) -> String {
    let pairs = member
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Vec<String> {
        let mut story = Story::default();
        let records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<_> = records.flat_map(|record| story.lines(&record)).collect();
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(strip).collect()
    }

    /// Local time is whatever it is here; its width is not.
    fn without_time(lines: &[String]) -> Vec<&str> {
        lines.iter().map(|line| &line[14..]).collect()
    }

    #[test]
    fn a_failure_reads_in_columns() {
        let n2 = r#"{"name":"n2","address":"127.0.0.1:99","state":"x","generation":3,"tags":{}}"#;
        let at = r#""at":"2026-01-05T10:00:00.000Z""#;
        let lines = told(&[
            &format!(r#"{{"type":"snapshot","epoch":"5f","seq":1,{at},"members":[{n2}]}}"#),
            &format!(
                r#"{{"type":"suspect","seq":2,{at},"member":{n2},"by":"n3","evidence":"seen"}}"#
            ),
            &format!(r#"{{"type":"heartbeat","seq":2,{at}}}"#),
            &format!(r#"{{"type":"failed","seq":3,{at},"member":{n2}}}"#),
            &format!(r#"{{"type":"join","seq":4,{at},"member":{n2},"previous":"failed"}}"#),
            &format!(r#"{{"type":"healed","seq":5,{at},"members":1}}"#),
        ]);
        assert_eq!(
            without_time(&lines),
            [
                "snapshot   n2  127.0.0.1:99  x, generation 3",
                "suspect    n2  127.0.0.1:99  by n3 (seen)",
                "failed     n2  127.0.0.1:99",
                "join       n2  127.0.0.1:99  was failed, generation 3",
                "healed                       1 other member is reached",
            ]
        );
    }

    #[test]
    fn an_update_says_how_the_application_is() {
        let n2 = r#""name":"n2","state":"alive","tags":{"role":"web"},"app":"down""#;
        let lines = told(&[
            &format!(r#"{{"type":"update","seq":2,"member":{{{n2},"app_reason":"x\n"}}}}"#),
            &format!(r#"{{"type":"snapshot","seq":2,"members":[{{{n2},"generation":1}}]}}"#),
        ]);
        assert!(lines[0].ends_with(r"app down: x\n, role=web"), "{lines:?}");
        assert!(
            lines[1].ends_with("alive, generation 1, app down"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let lines = told(&[
            r#"{"type":"left","seq":2,"at":"","member":{"name":"n","reason":"a\u001b[2Jb\nc"}}"#,
        ]);
        assert!(lines[0].ends_with(r"reason: a\u{1b}[2Jb\nc"), "{lines:?}");
    }
}
