//! Announced restarts: what we hold of a member that said it would be back.

use std::time::Duration;

use super::{words::RESTART_S, *};
use crate::swim::{Change, Input, MemberId, Timestamp, node::tests::Few};

/// heard | held then | told | passed on
const UNKNOWN: &str = "
restarting 1.0            | -           | -    | -
restarting 2.0            | -           | -    | -
restarting 2.1            | -           | -    | -
restarting 2.2            | -           | -    | -
restarting 3.0            | -           | -    | -
known 3.0, restarting 3.0 | alive 3.0/0 | join | restarting 3.0
exchange restarting 2.1   | -           | -    | -
";

/// heard | held then | told | passed on
const ALIVE: &str = "
restarting 1.0            | alive 2.1/5 | -       | -
restarting 2.0            | alive 2.1/5 | -       | -
# Nothing changes for consumers, and everybody waits for its next process.
restarting 2.1            | alive 2.1/5 | -       | restarting 2.1
restarting 2.2            | alive 2.2/0 | update  | restarting 2.2
restarting 3.0            | alive 2.1/5 | -       | -
known 3.0, restarting 3.0 | alive 3.0/0 | restart | restarting 3.0
exchange restarting 2.1   | alive 2.1/5 | -       | restarting 2.1
";

/// heard | held then | told | passed on
const SUSPECT: &str = "
restarting 1.0            | suspect 2.1/5 | -       | -
restarting 2.0            | suspect 2.1/5 | -       | -
# A goodbye says no incarnation, as a refutation would have to.
restarting 2.1            | suspect 2.1/5 | -       | restarting 2.1
restarting 2.2            | suspect 2.1/5 | -       | restarting 2.2
restarting 3.0            | suspect 2.1/5 | -       | -
known 3.0, restarting 3.0 | alive 3.0/0   | restart | restarting 3.0
exchange restarting 2.1   | suspect 2.1/5 | -       | restarting 2.1
";

/// heard | held then | told | passed on
const FAILED: &str = "
restarting 1.0            | failed 2.1/5 | -                 | -
restarting 2.0            | failed 2.1/5 | -                 | -
# Too late: consumers were told.
restarting 2.1            | failed 2.1/5 | -                 | -
restarting 2.2            | failed 2.1/5 | -                 | restarting 2.2
restarting 3.0            | failed 2.1/5 | -                 | -
known 3.0, restarting 3.0 | alive 3.0/0  | join after failed | restarting 3.0
exchange restarting 2.1   | failed 2.1/5 | -                 | -
";

/// heard | held then | told | passed on
const LEFT: &str = "
restarting 1.0            | left 2.1/5  | -               | -
restarting 2.0            | left 2.1/5  | -               | -
restarting 2.1            | left 2.1/5  | -               | -
restarting 2.2            | left 2.1/5  | -               | restarting 2.2
restarting 3.0            | left 2.1/5  | -               | -
known 3.0, restarting 3.0 | alive 3.0/0 | join after left | restarting 3.0
exchange restarting 2.1   | left 2.1/5  | -               | -
";

/// heard | held then | told | passed on
const REMOVED: &str = "
restarting 1.0            | -           | -    | -
restarting 2.0            | -           | -    | -
restarting 2.1            | -           | -    | -
restarting 2.2            | -           | -    | -
restarting 3.0            | -           | -    | -
known 3.0, restarting 3.0 | alive 3.0/0 | join | restarting 3.0
exchange restarting 2.1   | -           | -    | -
";

/// heard | held then | told | passed on
const RESTARTING: &str = "
alive 1.0/9              | alive 2.1/5   | -                | -
alive 2.0/9              | alive 2.1/5   | -                | -
alive 2.1/4              | alive 2.1/5   | -                | -
alive 2.1/5              | alive 2.1/5   | -                | -
alive 2.1/6              | alive 2.1/5   | -                | -
alive 2.2/0              | alive 2.2/0   | update           | alive 2.2/0
# Its next process is there.
alive 3.0/0              | alive 3.0/0   | restart          | alive 3.0/0
suspect 1.0/9            | alive 2.1/5   | -                | -
suspect 2.0/9            | alive 2.1/5   | -                | -
suspect 2.1/4            | alive 2.1/5   | -                | -
suspect 2.1/5            | alive 2.1/5   | -                | -
suspect 2.1/6            | alive 2.1/5   | -                | -
suspect 2.2/0            | suspect 2.2/0 | suspect          | suspect 2.2/0 by p1
suspect 3.0/0            | alive 2.1/5   | -                | -
failed 1.0/9             | alive 2.1/5   | -                | -
failed 2.0/9             | alive 2.1/5   | -                | -
failed 2.1/4             | alive 2.1/5   | -                | -
# Its own word is better than what others think.
failed 2.1/5             | alive 2.1/5   | -                | -
failed 2.1/6             | alive 2.1/5   | -                | -
failed 2.2/0             | suspect 2.2/0 | suspect          | suspect 2.2/0 by p1
failed 3.0/0             | alive 2.1/5   | -                | -
left 1.0                 | alive 2.1/5   | -                | -
left 2.0                 | alive 2.1/5   | -                | -
# Or so is a later one of its own.
left 2.1                 | left 2.1/5    | left             | -
left 2.2                 | left 2.2/0    | left             | left 2.2
left 3.0                 | alive 2.1/5   | -                | -
removed 1.0              | alive 2.1/5   | -                | -
removed 2.0              | alive 2.1/5   | -                | -
removed 2.1              | -             | failed, removed  | -
removed 2.2              | -             | failed, removed  | removed 2.2
removed 3.0              | -             | failed, removed  | removed 3.0
restarting 1.0           | alive 2.1/5   | -                | -
restarting 2.0           | alive 2.1/5   | -                | -
restarting 2.1           | alive 2.1/5   | -                | -
restarting 2.2           | alive 2.2/0   | update           | restarting 2.2
restarting 3.0           | alive 2.1/5   | -                | -
word 2.0/9               | alive 2.1/5   | -                | challenge
word 2.1/4               | alive 2.1/5   | -                | challenge
# Who said goodbye does not go on: its next process must take a generation.
word 2.1/5               | alive 2.1/5   | -                | challenge
word 2.1/6               | alive 2.1/5   | -                | challenge
word 2.2/0               | alive 2.2/0   | update           | alive 2.2/0
alive 2.1/5 elsewhere    | alive 2.1/5   | -                | challenge
alive 3.0/0 elsewhere    | alive 3.0/0   | restart          | alive 3.0/0
known 3.0, suspect 3.0/0 | suspect 3.0/0 | restart, suspect | suspect 3.0/0 by p1
known 3.0, failed 3.0/0  | suspect 3.0/0 | restart, suspect | suspect 3.0/0 by p1
known 3.0, left 3.0      | left 3.0/0    | left             | left 3.0
known 3.0                | alive 2.1/5   | -                | -
exchange alive 2.1/5     | alive 2.1/5   | -                | challenge
exchange suspect 2.1/5   | alive 2.1/5   | -                | -
exchange failed 2.1/5    | alive 2.1/5   | -                | -
exchange left 2.1        | left 2.1/5    | left             | -
exchange removed 2.1     | -             | failed, removed  | -
";

const TABLES: [(&str, &str); 7] = [
    ("unknown", UNKNOWN),
    ("alive 2.1/5", ALIVE),
    ("suspect 2.1/5", SUSPECT),
    ("failed 2.1/5", FAILED),
    ("left 2.1/5", LEFT),
    ("removed 2.1/5", REMOVED),
    ("restarting 2.1/5", RESTARTING),
];

#[test]
fn every_word_about_an_announced_restart_ends_as_the_table_says() {
    check(&TABLES);
}

#[test]
fn who_announces_a_restart_is_waited_for() {
    let mut few = Few::joined(3);
    let reason = "";
    let restart_in = Some(Duration::from_secs(60));
    few.input(2, Input::Leave { reason, restart_in });
    few.run(Duration::from_secs(2));
    for at in 0..2 {
        let [(member, due)] = few.awaited[&at][..] else {
            panic!("{:?}", few.awaited[&at]);
        };
        assert_eq!(member, MemberId::new("blue", "n2"));
        assert!(due > few.now, "{due:?}");
    }
}

#[test]
fn who_is_not_back_in_time_has_failed() {
    let mut stage = Stage::holding("restarting 2.1/5");
    let due = Timestamp::from_micros(u64::from(RESTART_S) * 1_000_000);
    let early = stage.run(stage.now + (due - Timestamp::ZERO) / 2);
    assert!(early.is_empty(), "{early:?}");
    let told = stage.run(stage.now + (due - Timestamp::ZERO));
    let [Change::Failed(member)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(stage.shown(), "failed 2.1/5");
    assert_eq!(member.reason.as_deref(), Some("restart overdue"));
}
