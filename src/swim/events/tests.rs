//! What a book makes of events as they come, in tables, and against a plain account of them.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{
    book::{EVENTS_EACH_MAX, LEAP_MAX, NUMBER_MAX},
    *,
};
use crate::swim::Timestamp;

const SENDER: Source = (7, 3);
const ME: Handle = 0;

fn at(second: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(second)
}

fn text(payload: &str) -> Text {
    Text {
        name: "deploy".into(),
        payload: payload.into(),
    }
}

fn heard(source: Source, number: u64, floor: u64, raised: Timestamp) -> Heard {
    Heard {
        source,
        number,
        floor,
        raised,
        text: text(""),
        is_rumour: true,
    }
}

fn told(book: &mut EventBook) -> Vec<u64> {
    book.take_ready().iter().map(|told| told.number).collect()
}

#[test]
fn a_newcomer_does_not_wait_for_what_was_too_much() {
    let mut book = EventBook::default();
    let count = EVENTS_EACH_MAX as u64 + 10;
    for _ in 0..count {
        book.raise(at(100), SENDER, text(""));
    }
    let (floor, ..) = book.all().next().unwrap();
    assert_eq!(floor, 11);
    let mut newcomer = EventBook::default();
    newcomer.hear(at(101), &heard(SENDER, floor, floor, at(100)));
    assert_eq!(told(&mut newcomer), [floor]);
    assert_eq!(newcomer.stats.missed, 0);
}

/// Hears these one after the other, each `number` or `number/floor`.
fn hear(book: &mut EventBook, words: &str) -> Vec<u64> {
    for word in words.split_whitespace() {
        let (number, floor) = word.split_once('/').unwrap_or((word, "1"));
        let [number, floor] = [number, floor].map(|number| number.parse().unwrap());
        book.hear(at(100), &heard(SENDER, number, floor, at(100)));
    }
    told(book)
}

#[test]
fn events_are_told_once_and_in_order() {
    for (words, expected) in [
        ("1 2 3", &[1u64, 2, 3][..]),
        ("3 1 2", &[1, 2, 3]),
        ("1 1 2 1 2", &[1, 2]),
        // It waits for the second.
        ("1 3 4", &[1]),
        // A newcomer waits for what may still come, and for nothing else.
        ("9/9 10/9", &[9, 10]),
        ("9/8", &[]),
        ("9/8 8/8", &[8, 9]),
        // Nobody has the second any more.
        ("1 3 4/3", &[1, 3, 4]),
        ("1 5/3 4/3 3/3", &[1, 3, 4, 5]),
        ("1 9/9 2 10/9", &[1, 9, 10]),
    ] {
        let mut book = EventBook::default();
        assert_eq!(hear(&mut book, words), expected, "{words}");
    }
}

#[test]
fn absurd_events_are_refused_and_change_nothing() {
    let mut book = EventBook::default();
    assert_eq!(hear(&mut book, "1 2"), [1, 2]);
    let now = at(100);
    let leap = 3 + LEAP_MAX + 1;
    for absurd in [
        heard(SENDER, 0, 0, now),
        heard(SENDER, 3, 4, now),
        heard(SENDER, 3, 0, now),
        heard(SENDER, leap, leap, now),
        heard((8, 1), NUMBER_MAX + 1, NUMBER_MAX, now),
        heard(SENDER, 3, 3, at(40)),
    ] {
        assert!(!book.hear(now, &absurd), "{absurd:?}");
    }
    assert_eq!(book.stats.refused, 6);
    assert_eq!(hear(&mut book, "3"), [3]);
}

#[test]
fn a_new_generation_counts_anew_and_the_old_one_goes_on() {
    let mut book = EventBook::default();
    assert_eq!(hear(&mut book, "1 2"), [1, 2]);
    let later = (SENDER.0, SENDER.1 + 1);
    assert!(book.hear(at(100), &heard(later, 1, 1, at(100))));
    assert_eq!(told(&mut book), [1]);
    assert_eq!(hear(&mut book, "3"), [3], "raised before the restart");
}

#[test]
fn what_waits_is_told_when_its_time_is_over() {
    let mut book = EventBook::default();
    assert!(hear(&mut book, "2 4").is_empty());
    assert!(book.is_waiting());
    assert_eq!(book.due(ME), Some(at(160)));
    book.expire(at(159), ME);
    assert!(told(&mut book).is_empty());
    book.expire(at(160), ME);
    assert_eq!(told(&mut book), [2, 4]);
    assert_eq!(
        (book.stats.kept, book.stats.kept_bytes, book.stats.missed),
        (0, 0, 2)
    );
    assert!(
        !book.hear(at(170), &heard(SENDER, 3, 1, at(170))),
        "too late"
    );
}

#[test]
fn a_line_outlives_its_events_and_is_forgotten_in_the_end() {
    let mut book = EventBook::default();
    hear(&mut book, "1");
    book.raise(at(100), (ME, 1), text(""));
    book.expire(at(200), ME);
    assert!(
        !book.hear(at(200), &heard(SENDER, 1, 1, at(199))),
        "passed on by a sleeper"
    );
    book.expire(at(100 + 3_600), ME);
    assert_eq!(book.due(ME), None);
    assert_eq!(book.next((ME, 1)), 2, "our own goes on");
    assert_eq!(book.next(SENDER), 1);
}

#[test]
fn one_sender_is_bounded_and_waits_no_longer_than_there_is_room() {
    let mut book = EventBook::default();
    let many = EVENTS_EACH_MAX as u64 + 10;
    for number in 2..=many {
        book.hear(at(100), &heard(SENDER, number, 1, at(100)));
    }
    assert_eq!(book.stats.kept, EVENTS_EACH_MAX);
    assert_eq!(told(&mut book), (2..=many).collect::<Vec<_>>());
}

#[test]
fn all_together_are_bounded_and_the_greediest_gives_way() {
    let mut book = EventBook::default();
    let long = text(&"x".repeat(EVENT_PAYLOAD_BYTES_MAX));
    book.hear(at(100), &heard((1, 1), 1, 1, at(100)));
    for sender in 2..60 {
        for number in 1..=200 {
            let event = heard((sender, 1), number, 1, at(100));
            let text = long.clone();
            book.hear(at(100), &Heard { text, ..event });
        }
    }
    assert!(
        (7 << 20..=8 << 20).contains(&book.stats.kept_bytes),
        "{}",
        book.stats.kept_bytes
    );
    assert_eq!(told(&mut book).len(), 1 + 58 * 200, "all of them were told");
    assert!(book.find((1, 1), 1).is_some(), "the modest one stays");
}

#[test]
fn our_own_numbers_leap_over_those_that_somebody_else_used() {
    let mut book = EventBook::default();
    assert_eq!(book.raise(at(1), (ME, 3), text("")), 1);
    book.leap((ME, 3), 9);
    book.leap((ME, 3), 4);
    book.leap((ME, 3), u64::MAX);
    assert_eq!(book.raise(at(1), (ME, 3), text("")), 10);
    let (floor, _) = book.find((ME, 3), 10).unwrap();
    assert_eq!(floor, 10, "nobody waits for the others");
}

#[test]
fn an_event_is_passed_on_in_rounds_and_the_newest_first() {
    let mut outbox = Outbox::default();
    let sent = |outbox: &mut Outbox, now, room: usize| {
        let mut numbers = Vec::new();
        outbox.send(now, 3, |rumour| {
            let has_room = numbers.len() < room;
            if has_room {
                numbers.push(rumour.number);
            }
            has_room
        });
        numbers
    };
    let ms = |ms| Timestamp::ZERO + Duration::from_millis(ms);
    outbox.add(ms(0), SENDER, 1);
    assert_eq!(sent(&mut outbox, ms(0), 9), [1]);
    assert_eq!(outbox.due(), Some(ms(5)));
    outbox.add(ms(5), SENDER, 2);
    assert_eq!(
        sent(&mut outbox, ms(5), 1),
        [2],
        "no room for the second round"
    );
    assert_eq!(sent(&mut outbox, ms(10), 9), [1, 2]);
    assert_eq!(outbox.due(), Some(ms(20)));
    assert_eq!(sent(&mut outbox, ms(20), 9), [1, 2]);
    assert_eq!((outbox.due(), outbox.len()), (None, 0), "three rounds each");
}

#[test]
fn an_outbox_is_bounded_and_says_when_it_is_full() {
    let mut outbox = Outbox::default();
    for number in 0..128 {
        assert!(!outbox.is_full(SENDER), "{number}");
        outbox.add(at(0), SENDER, number);
    }
    assert!(outbox.is_full(SENDER) && !outbox.is_full((8, 1)));
    for number in 0..10_000 {
        outbox.add(at(0), (8, 1), number);
    }
    assert_eq!(outbox.len(), 4_096);
}

#[test]
fn names_and_payloads_have_limits() {
    let name = "n".repeat(EVENT_NAME_BYTES_MAX);
    let payload = "é".repeat(EVENT_PAYLOAD_BYTES_MAX / 2);
    assert_eq!(check_event(&name, &payload), Ok(()));
    assert_eq!(check_event("deploy", ""), Ok(()));
    for bad in ["", "two words", "bell\u{7}", &format!("{name}n")] {
        assert_eq!(check_event(bad, ""), Err(InvalidEvent::Name(bad.into())));
    }
    let error = check_event("deploy", &format!("{payload}x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a payload of 1025 bytes; at most 1024 fit"
    );
}

proptest! {
    /// However events of one process arrive, those told grow; and if every one arrives in time,
    /// all are told.
    #[test]
    fn any_order_of_arrival_gives_the_order_of_raising(
        arrivals in proptest::collection::vec((1u64..30, 1u64..30), 1..120),
        all in proptest::bool::ANY,
    ) {
        let mut book = EventBook::default();
        let mut numbers = Vec::new();
        for (number, floor) in &arrivals {
            let floor = if all { 1 } else { (*floor).min(*number) };
            book.hear(at(1), &heard(SENDER, *number, floor, at(1)));
            numbers.extend(told(&mut book));
        }
        if all {
            (1..30).for_each(|number| {
                book.hear(at(2), &heard(SENDER, number, 1, at(2)));
            });
            numbers.extend(told(&mut book));
            prop_assert_eq!(&numbers, &(1..30).collect::<Vec<_>>());
        }
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        book.expire(at(70), ME);
        numbers.extend(told(&mut book));
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        let counted: BTreeMap<_, _> = book.all().map(|(_, (source, n), _)| (n, source)).collect();
        prop_assert!(counted.is_empty());
    }
}
