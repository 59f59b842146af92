//! What each taste hears, by example.

use super::*;

fn taste(confidence: &str) -> Taste {
    Taste {
        confidence: confidence.parse().unwrap(),
        ..Taste::default()
    }
}

/// The kinds of what a consumer is told from `seq` on, by `second`.
fn told(feed: &Feed, confidence: &str, second: u64) -> Vec<String> {
    let epoch = feed.epoch();
    let at = Some(Position { epoch, seq: 0 });
    let now = NOW + Duration::from_secs(second);
    match Subscriber::new(taste(confidence), at, now).pull(feed, now) {
        Batch::Changes(lines) => lines.iter().map(kind).collect(),
        Batch::Nothing { .. } => Vec::new(),
        Batch::Snapshot { .. } => panic!("the journal reaches"),
    }
}

fn kind(line: &Line) -> String {
    let record: Value = serde_json::from_slice(&line.json).unwrap();
    format!("{} {}", line.seq, record["type"].as_str().unwrap())
}

fn publish(feed: &mut Feed, second: u64, change: &Change) {
    feed.publish(NOW + Duration::from_secs(second), change);
}

fn suspect() -> Change {
    Change::Suspect(view("n2", MemberState::Suspect))
}

fn failed() -> Change {
    Change::Failed(view("n2", MemberState::Failed))
}

fn back() -> Change {
    Change::Join {
        member: view("n2", MemberState::Alive),
        previous: Some(MemberState::Failed),
    }
}

#[test]
fn who_waits_for_confirmation_never_hears_of_a_suspicion() {
    let mut feed = feed();
    publish(&mut feed, 1, &join("n2"));
    publish(&mut feed, 2, &suspect());
    let member = |feed: &Feed| {
        let members = feed.snapshot_at(feed.seq(), &taste("failed")).members;
        let mut found = members
            .into_iter()
            .filter(|member| member.view.card.name == "n2");
        found.next().expect("it joined")
    };
    let seen = serde_json::to_value(&*member(&feed)).unwrap();
    assert_eq!(seen["state"], "alive");
    assert_eq!(seen["since"], (NOW + Duration::from_secs(1)).to_rfc3339());
    assert!(seen.get("by").is_none() && seen.get("deadline").is_none());
    let mut view = view("n2", MemberState::Suspect);
    view.app = Some(AppStatus::Up);
    publish(&mut feed, 3, &Change::Update(view.clone()));
    let update = serde_json::to_value(&*member(&feed)).unwrap();
    assert_eq!(
        (&update["state"], &update["app"]),
        (&json!("alive"), &json!("up"))
    );
    (view.state, view.suspicion) = (MemberState::Alive, None);
    publish(&mut feed, 4, &Change::Refuted(view));
    publish(&mut feed, 5, &suspect());
    publish(&mut feed, 6, &failed());
    // The second suspicion was of a member without an application: that is news.
    let expected = ["1 join", "3 update", "5 update", "6 failed"];
    assert_eq!(told(&feed, "failed", 6), expected);
}

#[test]
fn a_member_that_flaps_is_told_when_it_stops() {
    let mut feed = feed();
    publish(&mut feed, 0, &join("n2"));
    for second in [20, 24, 28] {
        publish(&mut feed, second, &failed());
        publish(&mut feed, second + 2, &back());
    }
    publish(&mut feed, 50, &failed());
    assert_eq!(told(&feed, "stable:10s", 9), [""; 0]);
    assert_eq!(told(&feed, "stable:10s", 10), ["1 join"]);
    assert_eq!(told(&feed, "stable:10s", 39), ["1 join"]);
    // To those who never heard of its failures it has not come back.
    assert_eq!(told(&feed, "stable:10s", 40), ["1 join", "7 update"]);
    let all = ["1 join", "7 update", "8 failed"];
    assert_eq!(told(&feed, "stable:10s", 60), all);
    let every = [
        "1 join", "2 failed", "3 join", "4 failed", "5 join", "6 failed", "7 join",
    ];
    assert_eq!(told(&feed, "stable:2s", 40), every);
}

#[test]
fn facts_that_change_within_a_state_do_not_make_it_shorter() {
    let mut feed = feed();
    publish(&mut feed, 0, &join("n2"));
    for second in 1..20 {
        let role = format!("role{second}");
        let member = view_of("n2", MemberState::Alive, 1, &role);
        publish(&mut feed, second, &Change::Update(member));
    }
    assert_eq!(told(&feed, "stable:10s", 11), ["1 join", "2 update"]);
}

#[test]
fn what_is_not_yet_known_to_last_is_due_when_it_will_be() {
    let mut feed = feed();
    publish(&mut feed, 1, &join("n2"));
    let now = NOW + Duration::from_secs(2);
    let mut subscriber = Subscriber::new(taste("stable:10s"), None, now);
    let Batch::Snapshot { snapshot, .. } = subscriber.pull(&feed, now) else {
        panic!("a stream begins with a snapshot");
    };
    assert_eq!((snapshot.seq, snapshot.members.len()), (0, 1));
    let Batch::Nothing { until } = subscriber.pull(&feed, now) else {
        panic!("nothing has lasted");
    };
    assert_eq!(until, Some(NOW + Duration::from_secs(11)));
    let heartbeat = subscriber.heartbeat(&feed, now).unwrap();
    assert_eq!(heartbeat.seq, 0);
}

#[test]
fn more_changes_than_the_journal_holds_are_told_by_a_gap_now_and_then() {
    let mut feed = feed().with_journal_limits(64, 1 << 20);
    let at = |change: u64| NOW + Duration::from_millis(change);
    let mut subscriber = Subscriber::new(taste("stable:10m"), None, NOW);
    subscriber.pull(&feed, NOW);
    let mut gaps = Vec::new();
    for change in 1..=640 {
        feed.publish(at(change), &join(&format!("m{change}")));
        match subscriber.pull(&feed, at(change)) {
            Batch::Nothing { .. } => {}
            Batch::Changes(_) => panic!("nothing lasted for ten minutes"),
            Batch::Snapshot { gap, snapshot } => {
                let (from, to) = gap.expect("it was told before");
                assert_eq!((to, to + 1), (snapshot.seq, snapshot.members.len() as u64));
                gaps.push((from, to));
            }
        }
    }
    assert!(
        gaps.is_sorted_by(|one, other| one.1 + 1 == other.0),
        "{gaps:?}"
    );
    assert_eq!(gaps.len(), 34, "every 17 changes once the journal is full");
}

#[test]
fn a_snapshot_waits_until_the_cluster_has_settled_but_not_for_ever() {
    let mut feed = feed();
    let settling = Taste {
        settle: Some("2s".parse().unwrap()),
        ..Taste::default()
    };
    let mut subscriber = Subscriber::new(settling, None, NOW);
    let mut pull =
        |feed: &Feed, second: u64| match subscriber.pull(feed, NOW + Duration::from_secs(second)) {
            Batch::Nothing { until } => until.map(|until| (until - NOW).as_secs()),
            _ => None,
        };
    for second in (0..30).step_by(1) {
        publish(&mut feed, second, &join(&format!("m{second}")));
        let until = (second + 2).min(30);
        assert_eq!(pull(&feed, second), Some(until));
        // Who only changes its facts does not come or go.
        publish(
            &mut feed,
            second,
            &Change::Update(view("m0", MemberState::Alive)),
        );
    }
    assert_eq!(pull(&feed, 30), None);
}

#[test]
fn a_stream_that_goes_on_or_tells_a_gap_does_not_wait() {
    let mut feed = feed().with_journal_limits(2, 1 << 20);
    for second in 0..4 {
        publish(&mut feed, second, &join(&format!("m{second}")));
    }
    let settling = Taste {
        settle: Some("10s".parse().unwrap()),
        ..Taste::default()
    };
    let now = NOW + Duration::from_secs(4);
    let resumed = |seq| {
        let epoch = feed.epoch();
        let at = Some(Position { epoch, seq });
        Subscriber::new(settling.clone(), at, now).pull(&feed, now)
    };
    assert!(matches!(resumed(2), Batch::Changes(lines) if lines.len() == 2));
    assert!(matches!(
        resumed(0),
        Batch::Snapshot {
            gap: Some((1, 4)),
            ..
        }
    ));
}

#[test]
fn who_does_not_hear_of_all_changes_of_members_gets_no_digest() {
    let digest = |kinds: &str| {
        let mut taste = Taste::default();
        taste.filter.add_kinds(kinds).unwrap();
        feed().digest_at(0, &taste)
    };
    assert_eq!(digest("join,failed"), None);
    let all = "join,suspect,refuted,failed,left,restart,update,removed";
    assert_eq!(
        digest(all),
        Some(feed().digest_at(0, &Taste::default()).unwrap())
    );
}

#[test]
fn tastes_say_what_is_wrong() {
    for wrong in [
        "",
        "sure",
        "stable",
        "stable:",
        "stable:0s",
        "stable:601s",
        "stable:1500ms",
    ] {
        let error = wrong.parse::<Confidence>().unwrap_err().to_string();
        assert!(error.contains("whole seconds from 1s to 10m"), "{error}");
        assert!(error.contains(&format!("{wrong:?}")), "{error}");
    }
    assert_eq!("stable:10m".parse(), Ok(Confidence::Stable(600)));
    for wrong in ["", "soon", "99ms", "11s"] {
        let error = wrong.parse::<Settle>().unwrap_err().to_string();
        assert!(error.contains("100ms to 10s"), "{error}");
    }
}
