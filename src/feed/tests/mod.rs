//! The laws of the feed: exact records, no hole, snapshot + changes == roster.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::*;
use crate::swim::{
    AppStatus, Card, Change, Evidence, MemberId, MemberState, MemberView, Suspicion, Tags,
    Timestamp, UserEvent,
};

/// 2026-01-05T10:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_767_607_200_000_000);

fn view(name: &str, state: MemberState) -> MemberView {
    view_of(name, state, 1, "web")
}

fn view_of(name: &str, state: MemberState, generation: u32, role: &str) -> MemberView {
    MemberView {
        card: Arc::new(Card {
            id: MemberId::new("test", name),
            name: name.into(),
            generation,
            address: "127.0.0.1:7946".parse().unwrap(),
            tags: Tags::from_iter([("role".into(), role.into())]),
        }),
        state,
        incarnation: 0,
        suspicion: (state == MemberState::Suspect).then(|| Suspicion {
            by: MemberId::new("test", "n3"),
            by_name: Some("n3".into()),
            evidence: Evidence::ProbeTimeout,
            deadline: NOW + Duration::from_secs(4),
        }),
        reason: (state == MemberState::Left).then(|| "maintenance".into()),
        down_since: None,
        app: None,
    }
}

fn join(name: &str) -> Change {
    Change::Join {
        member: view(name, MemberState::Alive),
        previous: None,
    }
}

fn event(payload: &str) -> Change {
    Change::User(UserEvent {
        from: MemberId::new("test", "n2"),
        from_name: "n2".into(),
        generation: 3,
        number: 17,
        name: "deploy".into(),
        payload: payload.into(),
    })
}

fn feed() -> Feed {
    Feed::new(Epoch(0x5f0c), NOW, &view("n1", MemberState::Alive))
}

fn text(pieces: impl Iterator<Item = bytes::Bytes>) -> String {
    String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
}

fn lines(feed: &Feed, seq: u64) -> Vec<Value> {
    let (lines, _) = feed.after(seq, feed.seq(), &Taste::default());
    lines
        .iter()
        .map(|line| serde_json::from_slice(&line.json).unwrap())
        .collect()
}

#[test]
fn a_snapshot_begins_with_ourselves_at_zero() {
    assert_eq!(
        text(feed().snapshot(&Filter::default()).record(NOW)),
        concat!(
            r#"{"type":"snapshot","epoch":"0000000000005f0c","seq":0,"#,
            r#""at":"2026-01-05T10:00:00.000Z","digest":"DIGEST","members":[{"name":"n1","#,
            r#""id":"ID","address":"127.0.0.1:7946","state":"alive","generation":1,"#,
            r#""incarnation":0,"tags":{"role":"web"},"since":"2026-01-05T10:00:00.000Z"}]}"#,
            "\n"
        )
        .replace("ID", &MemberId::new("test", "n1").to_string())
        // sha256 of n1, 127.0.0.1:7946, alive, 1, 0, 2026-01-05T10:00:00.000Z, nothing, role=web
        .replace("DIGEST", "f3dd425e30fb85ed")
    );
}

#[test]
fn who_is_to_restart_is_shown_as_such_until_it_is_back_or_failed() {
    let due = |feed: &Feed, confidence| {
        let taste = Taste {
            confidence,
            ..Taste::default()
        };
        let shown = text(feed.snapshot_at(feed.seq(), &taste).record(NOW));
        assert_eq!(
            shown.contains(r#""restart_due":"2026-01-05T10:00:30.000Z""#),
            feed.restarting() == 1,
            "{shown}"
        );
        feed.restarting()
    };
    let back = Change::Restart {
        member: view_of("n2", MemberState::Alive, 2, "web"),
        previous_generation: 1,
    };
    let failed = Change::Failed(view("n2", MemberState::Failed));
    for end in [back, failed] {
        for confidence in [Confidence::Suspect, Confidence::Failed] {
            let mut feed = feed();
            let seq = feed.publish(NOW, &join("n2"));
            let digest = feed.snapshot(&Filter::default()).digest;
            let id = MemberId::new("test", "n2");
            feed.await_restart(id, NOW + Duration::from_secs(30));
            feed.await_restart(MemberId::new("test", "n9"), NOW);
            assert_eq!(due(&feed, confidence), 1);
            assert_eq!(feed.seq(), seq, "no change");
            assert_eq!(feed.snapshot(&Filter::default()).digest, digest);
            // What else is told of it leaves it so.
            let retagged = view_of("n2", MemberState::Alive, 1, "db");
            feed.publish(NOW, &Change::Update(retagged));
            assert_eq!(due(&feed, confidence), 1);
            feed.publish(NOW, &end);
            assert_eq!(due(&feed, confidence), 0);
        }
    }
}

#[test]
fn a_suspect_line_names_accuser_evidence_and_deadline_in_order() {
    let mut feed = feed();
    feed.publish(NOW, &join("n2"));
    let later = NOW + Duration::from_secs(1);
    let seq = feed.publish(later, &Change::Suspect(view("n2", MemberState::Suspect)));
    let (lines, _) = feed.after(seq - 1, seq, &Taste::default());
    assert_eq!(
        String::from_utf8(lines[0].json.to_vec()).unwrap(),
        concat!(
            r#"{"type":"suspect","seq":2,"at":"2026-01-05T10:00:01.000Z","#,
            r#""member":{"name":"n2","id":"ID","address":"127.0.0.1:7946","state":"suspect","#,
            r#""generation":1,"incarnation":0,"tags":{"role":"web"},"#,
            r#""since":"2026-01-05T10:00:01.000Z","by":"n3","evidence":"probe-timeout","#,
            r#""deadline":"2026-01-05T10:00:04.000Z"},"by":"n3","evidence":"probe-timeout","#,
            r#""deadline":"2026-01-05T10:00:04.000Z"}"#,
            "\n"
        )
        .replace("ID", &MemberId::new("test", "n2").to_string())
    );
}

#[test]
fn a_members_application_is_told_apart_from_its_state() {
    let mut feed = feed();
    feed.publish(NOW, &join("n2"));
    let mut view = view("n2", MemberState::Alive);
    view.app = Some(AppStatus::down("exited with status 3"));
    feed.publish(NOW, &Change::Update(view.clone()));
    view.app = Some(AppStatus::Up);
    feed.publish(NOW, &Change::Update(view));
    let lines = lines(&feed, 0);
    assert!(lines[0]["member"].get("app").is_none());
    assert_eq!(lines[1]["type"], "update");
    assert_eq!(lines[1]["member"]["state"], "alive");
    assert_eq!(lines[1]["member"]["app"], "down");
    assert_eq!(lines[1]["member"]["app_reason"], "exited with status 3");
    assert_eq!(lines[2]["member"]["app"], "up");
    assert!(lines[2]["member"].get("app_reason").is_none());
}

#[test]
fn every_change_carries_its_own_fields() {
    let mut feed = feed();
    let address = |port: u16| format!("127.0.0.1:{port}").parse().unwrap();
    feed.publish(
        NOW,
        &Change::Join {
            member: view("n2", MemberState::Alive),
            previous: Some(MemberState::Failed),
        },
    );
    feed.publish(
        NOW,
        &Change::Restart {
            member: view_of("n2", MemberState::Alive, 2, "web"),
            previous_generation: 1,
        },
    );
    feed.publish(NOW, &Change::Left(view("n2", MemberState::Left)));
    feed.publish(NOW, &Change::Healed { members: 7 });
    feed.publish(
        NOW,
        &Change::Conflict {
            name: "n1".into(),
            ours: address(1),
            theirs: address(2),
        },
    );
    feed.publish(NOW, &Change::Isolated);
    let lines = lines(&feed, 0);
    assert_eq!(lines[0]["previous"], "failed");
    assert_eq!(lines[1]["previous_generation"], 1);
    assert_eq!(lines[1]["member"]["generation"], 2);
    assert_eq!(lines[2]["reason"], "maintenance");
    assert_eq!(lines[2]["member"]["reason"], "maintenance");
    let at = NOW.to_rfc3339();
    assert_eq!(
        lines[3],
        json!({"type":"healed","seq":4,"at":at,"members":7})
    );
    assert_eq!(
        lines[4],
        json!({"type":"conflict","seq":5,"at":at,"name":"n1",
            "ours":"127.0.0.1:1","theirs":"127.0.0.1:2"})
    );
    assert_eq!(lines[5], json!({"type":"isolated","seq":6,"at":at}));
    assert!(feed.isolated());
}

#[test]
fn every_kind_of_change_can_be_filtered() {
    let member = || view("n2", MemberState::Alive);
    let address = "127.0.0.1:1".parse().unwrap();
    let changes = [
        Change::Conflict {
            name: "n1".into(),
            ours: address,
            theirs: address,
        },
        Change::Degraded,
        Change::Failed(member()),
        Change::Healed { members: 1 },
        Change::Isolated,
        join("n2"),
        Change::Left(member()),
        Change::Recovered,
        Change::Refuted(member()),
        Change::Removed(member()),
        Change::Restart {
            member: member(),
            previous_generation: 1,
        },
        Change::Suspect(member()),
        Change::Update(member()),
        event("restart now"),
    ];
    let about_members = changes.iter().filter(|change| change.member().is_some());
    let about_members: Vec<_> = about_members.map(Change::kind).collect();
    assert_eq!(about_members, record::MEMBER_KINDS);
    assert_eq!(changes.map(|change| change.kind()), record::KINDS);
}

#[test]
fn a_user_event_is_as_the_design_shows() {
    let mut feed = feed();
    feed.publish(NOW, &event("restart \"now\""));
    let (lines, _) = feed.after(0, 1, &Taste::default());
    let expected = concat!(
        r#"{"type":"user","seq":1,"at":"2026-01-05T10:00:00.000Z","from":"n2","name":"deploy","#,
        r#""payload":"restart \"now\"","generation":3,"number":17}"#,
        "\n"
    );
    assert_eq!(lines[0].json, expected);
}

#[test]
fn heartbeat_and_gap_are_as_the_design_shows() {
    assert_eq!(
        record::heartbeat(42, NOW, None),
        "{\"type\":\"heartbeat\",\"seq\":42,\"at\":\"2026-01-05T10:00:00.000Z\"}\n"
    );
    assert_eq!(gap(43, 910), "{\"type\":\"gap\",\"from\":43,\"to\":910}\n");
}

#[test]
fn since_moves_with_state_and_generation_only() {
    let mut feed = feed();
    let id = MemberId::new("test", "n2");
    let mut second = 0;
    let mut publish = |feed: &mut Feed, change: Change| {
        second += 1;
        feed.publish(NOW + Duration::from_secs(second), &change);
        feed.member(id)
            .unwrap()
            .since
            .saturating_since(NOW)
            .as_secs()
    };
    assert_eq!(publish(&mut feed, join("n2")), 1);
    let update = Change::Update(view_of("n2", MemberState::Alive, 1, "db"));
    assert_eq!(publish(&mut feed, update), 1);
    let suspect = || Change::Suspect(view("n2", MemberState::Suspect));
    assert_eq!(publish(&mut feed, suspect()), 3);
    assert_eq!(publish(&mut feed, suspect()), 3);
    let refuted = Change::Refuted(view("n2", MemberState::Alive));
    assert_eq!(publish(&mut feed, refuted), 5);
    let restart = Change::Restart {
        member: view_of("n2", MemberState::Alive, 2, "web"),
        previous_generation: 1,
    };
    assert_eq!(publish(&mut feed, restart), 6);
}

#[test]
fn counts_follow_the_roster() {
    let mut feed = feed();
    feed.publish(NOW, &join("n2"));
    feed.publish(NOW, &join("n3"));
    feed.publish(NOW, &Change::Suspect(view("n2", MemberState::Suspect)));
    assert_eq!((feed.counts().alive, feed.counts().suspect), (2, 1));
    feed.publish(NOW, &Change::Failed(view("n2", MemberState::Failed)));
    feed.publish(NOW, &Change::Left(view("n3", MemberState::Left)));
    feed.publish(NOW, &Change::Removed(view("n2", MemberState::Failed)));
    let counts = feed.counts();
    assert_eq!((counts.alive, counts.suspect), (1, 0));
    assert_eq!((counts.failed, counts.left), (0, 1));
}

#[test]
fn a_large_snapshot_comes_in_pieces_ordered_by_name() {
    let mut feed = feed();
    for number in 0..2_000 {
        feed.publish(NOW, &join(&format!("m{number:04}")));
    }
    let pieces: Vec<_> = feed.snapshot(&Filter::default()).listing(NOW).collect();
    assert!(pieces.len() > 12);
    assert!(pieces.iter().all(|piece| piece.len() < 17_000));
    let listing: Value = serde_json::from_slice(&pieces.concat()).unwrap();
    assert_eq!(listing["at"], NOW.to_rfc3339());
    let members = listing["members"].as_array().unwrap();
    assert_eq!(members.len(), 2_001);
    assert_eq!(members[7]["name"], "m0007");
}

#[test]
fn positions_survive_their_text() {
    let position = Position {
        epoch: Epoch(u64::MAX - 1),
        seq: 42,
    };
    assert_eq!(position.to_string().parse(), Ok(position));
    for wrong in ["", "42", "x:1", "5f0c:", "5f0c:-1", "5f0c:1:2"] {
        assert!(wrong.parse::<Position>().is_err(), "{wrong}");
    }
}

#[test]
fn resume_goes_on_without_a_snapshot_while_the_journal_reaches() {
    let mut feed = feed().with_journal_limits(4, 1 << 20);
    for number in 0..6 {
        feed.publish(NOW, &join(&format!("m{number}")));
    }
    let resumed = |feed: &Feed, epoch: u64, seq: u64| {
        let epoch = Epoch(epoch);
        Subscriber::new(Taste::default(), Some(Position { epoch, seq }), NOW).pull(feed, NOW)
    };
    assert!(matches!(resumed(&feed, 0x5f0c, 6), Batch::Nothing { .. }));
    let Batch::Changes(lines) = resumed(&feed, 0x5f0c, 2) else {
        panic!("the journal holds 3 to 6");
    };
    assert_eq!(
        lines.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [3, 4, 5, 6]
    );
    let Batch::Snapshot { gap, snapshot } = resumed(&feed, 0x5f0c, 1) else {
        panic!("the journal forgot 2");
    };
    assert_eq!((gap, snapshot.seq), (Some((2, 6)), 6));
    for (epoch, seq) in [(0x5f0d, 3), (0x5f0c, 7)] {
        let Batch::Snapshot { gap, .. } = resumed(&feed, epoch, seq) else {
            panic!("not a place in this epoch");
        };
        assert_eq!(gap, None);
    }
}

#[test]
fn filtered_lines_are_skipped_and_numbers_stay() {
    let mut feed = feed();
    let mut filter = Filter::default();
    filter.add_tag("role:db").unwrap();
    let taste = Taste {
        filter,
        ..Taste::default()
    };
    let mut subscriber = Subscriber::new(taste, None, NOW);
    let Batch::Snapshot { snapshot, .. } = subscriber.pull(&feed, NOW) else {
        panic!("a stream begins with a snapshot");
    };
    assert!(snapshot.members.is_empty());
    feed.publish(NOW, &join("n2"));
    feed.publish(
        NOW,
        &Change::Update(view_of("n2", MemberState::Alive, 1, "db")),
    );
    // It was asked for until this line, so the line is told.
    feed.publish(
        NOW,
        &Change::Update(view_of("n2", MemberState::Alive, 1, "web")),
    );
    feed.publish(NOW, &Change::Failed(view("n2", MemberState::Failed)));
    feed.publish(NOW, &Change::Isolated);
    let Batch::Changes(lines) = subscriber.pull(&feed, NOW) else {
        panic!("there is news");
    };
    assert_eq!(
        lines.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [2, 3, 5]
    );
    assert_eq!(subscriber.seq(), 5);
    assert!(matches!(subscriber.pull(&feed, NOW), Batch::Nothing { .. }));
}

#[test]
fn events_are_filtered_by_who_sends_them() {
    let mut feed = feed();
    feed.publish(NOW, &join("n2"));
    feed.publish(NOW, &event("v2"));
    let told = |query: fn(&mut Filter)| {
        let mut taste = Taste::default();
        query(&mut taste.filter);
        let (lines, _) = feed.after(1, 2, &taste);
        lines.len()
    };
    assert_eq!(told(|filter| filter.add_tag("role:web").unwrap()), 1);
    assert_eq!(told(|filter| filter.add_tag("role:db").unwrap()), 0);
    assert_eq!(told(|filter| filter.add_name("n2")), 1);
    assert_eq!(told(|filter| filter.add_name("n1")), 0);
}

#[test]
fn filters_say_what_is_wrong() {
    let mut filter = Filter::default();
    assert_eq!(
        filter.add_states("alive,dead").unwrap_err().to_string(),
        r#"state "dead" is not one of alive, suspect, failed, left"#
    );
    assert!(filter.add_tag("role").is_err());
    assert!(filter.add_kinds("suspect,nonsense").is_err());
}

mod replay;
mod tastes;
