//! What a node makes of events that it hears.

use super::{Stage, subject, surprises};

/// What is heard | how the sender is held then | what consumers are told | what is passed on. The
/// sender is known in generation 2.
const OF_A_MEMBER: &str = "
    event 2.0/1 | alive 2.0/0 | user 1 | event 2.0/1
    event 2.0/1, event 2.0/1 | alive 2.0/0 | user 1 | event 2.0/1
    event 2.0/2, event 2.0/1 | alive 2.0/0 | user 1, user 2 | event 2.0/2, event 2.0/1
    # It waits for the first, and others may have that one.
    event 2.0/2 | alive 2.0/0 | - | event 2.0/2
    event 2.0/9 from 9 | alive 2.0/0 | user 9 | event 2.0/9
    exchange event 2.0/2, event 2.0/1 | alive 2.0/0 | user 1, user 2 | event 2.0/2, event 2.0/1
    # Of a process that we have not heard of: it comes again.
    event 3.0/1 | alive 2.0/0 | - | -
    # Numbers that nobody gives.
    event 2.0/0 from 0 | alive 2.0/0 | - | -
    event 2.0/5 from 0 | alive 2.0/0 | - | -
    # A claim in the same packet makes the sender known.
    alive 3.0/0, event 3.0/1 | alive 3.0/0 | restart, user 1 | alive 3.0/0, event 3.0/1
    event 3.0/1, alive 3.0/0 | alive 3.0/0 | restart, user 1 | alive 3.0/0, event 3.0/1
";

/// The same of a sender that is gone: its last words are told.
const OF_ONE_THAT_IS_GONE: [(&str, &str); 3] = [
    ("failed 2.0/0", "failed 2.0/0"),
    ("left 2.0", "left 2.0/0"),
    ("suspect 2.0/0", "suspect 2.0/0"),
];

#[test]
fn of_a_member() {
    let surprises = surprises(OF_A_MEMBER, |words| subject("alive 2.0/0", words));
    assert!(surprises.is_empty(), "{surprises:#?}");
}

#[test]
fn of_one_that_is_gone_or_accused() {
    for (standing, shown) in OF_ONE_THAT_IS_GONE {
        let expected = [shown, "user 1", "event 2.0/1"];
        assert_eq!(subject(standing, "event 2.0/1"), expected, "{standing}");
    }
}

#[test]
fn of_a_stranger() {
    assert_eq!(subject("unknown", "event 2.0/1"), ["-", "-", "-"]);
    let mut stage = Stage::new();
    stage.hear("event 2.0/1");
    assert_eq!(stage.me.stats().events.refused, 1);
}

#[test]
fn an_event_of_a_stranger_is_told_when_it_comes_again() {
    let mut stage = Stage::new();
    stage.hear("event 2.0/1");
    stage.hear("alive 2.0/0");
    assert_eq!(stage.hear("event 2.0/1").told(), "user 1");
    assert_eq!(stage.hear("event 2.0/1").told(), "-", "once");
    assert_eq!(stage.me.stats().events.duplicates, 1);
}

#[test]
fn a_forged_event_of_our_own_does_not_cost_us_our_next_one() {
    let mut stage = Stage::new();
    let forged = super::claim(super::stage::ME, "event 3.0/9");
    assert_eq!(stage.gossip(&[forged]).told(), "-");
    assert_eq!(stage.me.next_event(), Some(10));
}
