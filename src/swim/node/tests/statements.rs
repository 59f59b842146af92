//! What members say of themselves and their applications raise, among a few nodes.

use std::time::Duration;

use super::{Few, LATENCY, Node, address, node, settings, shown_app};
use crate::swim::{
    AppStatus, Change, EVENT_LIFETIME, EVENT_PAYLOAD_BYTES_MAX, Input, Settings, Tags,
};

const SECOND: Duration = Duration::from_secs(1);

fn raise(few: &mut Few, at: usize, payload: &str) {
    few.input(
        at,
        Input::Event {
            name: "deploy",
            payload,
        },
    );
}

/// Payloads of the events that `at` told, in order.
fn heard(few: &Few, at: usize) -> Vec<&str> {
    let changes = few.changes[at].iter();
    let events = changes.filter_map(|change| match change {
        Change::User(event) => Some(&*event.payload),
        _ => None,
    });
    events.collect()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn shown_tags(few: &Few, at: usize, name: &str) -> Option<Tags> {
    Some(few.nodes[at].as_ref()?.member(name)?.card.tags.clone())
}

#[test]
fn an_event_is_told_here_at_once_and_everywhere_within_two_hops() {
    let mut few = Few::joined(5);
    raise(&mut few, 2, "one");
    assert_eq!(heard(&few, 2), ["one"]);
    few.run(LATENCY * 20);
    assert!((0..5).all(|at| heard(&few, at) == ["one"]));
    let Some(Change::User(event)) = few.changes[0].last() else {
        panic!("{:?}", few.changes[0].last());
    };
    assert_eq!((&*event.from_name, event.generation), ("n2", 1));
    assert_eq!((event.number, &*event.name), (1, "deploy"));
}

#[test]
fn a_burst_of_the_longest_events_keeps_its_order_everywhere() {
    let mut few = Few::joined(5);
    let filler = "x".repeat(EVENT_PAYLOAD_BYTES_MAX - 2);
    let payloads: Vec<_> = (10..60).map(|number| format!("{number}{filler}")).collect();
    for payload in &payloads {
        raise(&mut few, 2, payload);
    }
    few.run(SECOND);
    assert!((0..5).all(|at| heard(&few, at) == payloads));
}

#[test]
fn a_newcomer_is_told_what_was_raised_within_a_lifetime_and_nothing_older() {
    let mut few = Few::new(4);
    for at in 1..3 {
        few.input(at, Input::Join(&[address(0)]));
    }
    few.run(SECOND * 2);
    raise(&mut few, 1, "old");
    few.run(EVENT_LIFETIME / 2);
    raise(&mut few, 1, "new");
    raise(&mut few, 2, "last words");
    few.run(SECOND);
    few.input(
        2,
        Input::Leave {
            reason: "",
            restart_in: None,
        },
    );
    few.run(EVENT_LIFETIME / 2);
    few.input(3, Input::Join(&[address(0)]));
    few.run(SECOND * 2);
    let mut told = heard(&few, 3);
    told.sort_unstable();
    assert_eq!(told, ["last words", "new"]);
    few.run(EVENT_LIFETIME);
    let kept = |node: &Node| node.stats().events.kept;
    assert!(few.nodes.iter().flatten().all(|node| kept(node) == 0));
}

#[test]
fn what_was_raised_in_loneliness_is_given_to_the_first_company() {
    let mut few = Few::new(2);
    few.run(SECOND);
    raise(&mut few, 0, "one");
    raise(&mut few, 1, "two");
    few.run(SECOND);
    few.input(1, Input::Join(&[address(0)]));
    few.run(SECOND);
    assert_eq!(heard(&few, 0), ["one", "two"]);
    assert_eq!(heard(&few, 1), ["two", "one"]);
}

#[test]
fn a_process_that_lost_its_directory_counts_its_first_events_in_its_new_generation() {
    let mut few = Few::joined(3);
    raise(&mut few, 2, "before");
    few.run(SECOND);
    few.nodes[2] = Some(node("n2", 2, 1, 99));
    raise(&mut few, 2, "after");
    few.input(2, Input::Join(&[address(0)]));
    few.run(SECOND * 5);
    assert_eq!(heard(&few, 0), ["before", "after"]);
}

#[test]
fn a_queue_is_full_after_so_many_events_and_free_again_when_they_are_sent() {
    let mut few = Few::joined(2);
    let mut raised = 0;
    while few.nodes[0].as_ref().unwrap().next_event().is_some() {
        raise(&mut few, 0, "x");
        raised += 1;
    }
    assert!((128..256).contains(&raised), "{raised}");
    raise(&mut few, 0, "one too many");
    few.run(SECOND);
    assert_eq!(heard(&few, 1).len(), raised);
    assert!(few.nodes[0].as_ref().unwrap().next_event().is_some());
}

#[test]
fn tags_are_replaced_everywhere_and_a_newcomer_learns_them() {
    let mut few = Few::joined(4);
    let mut newcomer = few.nodes.pop().unwrap();
    for new in [tags(&[("role", "db"), ("zone", "a")]), tags(&[])] {
        few.changes = vec![Vec::new(); 4];
        few.input(1, Input::Tags(&new));
        few.input(1, Input::Tags(&new));
        few.run(LATENCY * 20);
        for at in 0..3 {
            assert_eq!(few.kinds(at), ["update"], "at n{at}");
            assert_eq!(shown_tags(&few, at, "n1").as_ref(), Some(&new));
        }
    }
    few.nodes.push(newcomer.take());
    few.run(SECOND * 60);
    assert_eq!(shown_tags(&few, 3, "n1"), Some(Tags::default()));
    assert_eq!(shown_tags(&few, 3, "n2"), Some(tags(&[("role", "web")])));
}

#[test]
fn an_application_keeps_the_tags_and_tags_keep_the_application() {
    let mut few = Few::joined(3);
    let new = tags(&[("role", "db")]);
    few.input(1, Input::App(Some(&AppStatus::Up)));
    few.input(1, Input::Tags(&new));
    few.input(1, Input::App(Some(&AppStatus::down("drained"))));
    few.run(SECOND);
    for at in 0..3 {
        assert_eq!(shown_tags(&few, at, "n1").as_ref(), Some(&new));
        assert_eq!(shown_app(&few, at, "n1"), Some(AppStatus::down("drained")));
    }
}

#[test]
fn tags_too_large_for_a_packet_are_fetched_and_passed_on() {
    let mut few = Few::joined(6);
    let large = tags(&[("notes", &"x".repeat(16_000))]);
    few.input(1, Input::Tags(&large));
    few.run(LATENCY * 50);
    assert!((0..6).all(|at| shown_tags(&few, at, "n1").as_ref() == Some(&large)));
    // What the application says then does not bring them again.
    let fetches = few.dialled.len();
    few.input(1, Input::App(Some(&AppStatus::Up)));
    few.run(LATENCY * 50);
    assert!((0..6).all(|at| shown_app(&few, at, "n1") == Some(AppStatus::Up)));
    assert_eq!(few.dialled.len(), fetches);
}

#[test]
fn a_member_may_start_with_tags_too_large_for_its_card() {
    let mut few = Few::joined(3);
    let large = tags(&[("notes", &"x".repeat(16_000))]);
    few.nodes[2] = Some(Node::new(Settings {
        tags: large.clone(),
        ..settings("n2", 2, 2, 99)
    }));
    few.input(2, Input::Join(&[address(0)]));
    few.run(SECOND * 2);
    assert!((0..3).all(|at| shown_tags(&few, at, "n2").as_ref() == Some(&large)));
}

#[test]
fn a_newcomer_is_never_shown_the_tags_that_a_member_was_started_with() {
    let mut few = Few::new(3);
    let [started, now] = [tags(&[("role", "web")]), tags(&[("role", "db")])];
    few.nodes[1] = Some(Node::new(Settings {
        tags: started,
        ..settings("n1", 1, 1, 7)
    }));
    few.input(1, Input::Join(&[address(0)]));
    few.run(SECOND);
    few.input(1, Input::Tags(&now));
    few.run(SECOND);
    few.input(2, Input::Join(&[address(0)]));
    few.run(SECOND);
    let told = few.changes[2].iter();
    let shown = told.filter_map(|change| match change {
        Change::Join { member, .. } | Change::Update(member) => Some(&member.card),
        _ => None,
    });
    let of_n1: Vec<_> = shown.filter(|card| card.name == "n1").collect();
    assert!(
        !of_n1.is_empty() && of_n1.iter().all(|card| card.tags == now),
        "{of_n1:?}"
    );
}
