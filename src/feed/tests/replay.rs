//! The law of the feed, for every taste: what a consumer was told adds up to what its taste sees,
//! as a model says that knows the whole history and nothing of stages, journals or cursors.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;

type Members = BTreeMap<String, Value>;

/// What a consumer keeps.
#[derive(Default)]
struct Copy {
    taste: Taste,
    seq: u64,
    members: Members,
    /// Whether it had a snapshot: before, it was nowhere.
    has_begun: bool,
    gaps: usize,
}

impl Copy {
    /// Reads everything there is and checks what the heartbeat says of it.
    fn catch_up(&mut self, subscriber: &mut Subscriber, feed: &Feed, now: Timestamp) {
        loop {
            match subscriber.pull(feed, now) {
                Batch::Nothing { until } => {
                    assert!(until.is_none_or(|until| until > now));
                    break;
                }
                Batch::Changes(lines) => lines.iter().for_each(|line| self.change(line)),
                Batch::Snapshot { gap, snapshot } => self.begin(gap, snapshot),
            }
        }
        let heartbeat = subscriber.heartbeat(feed, now).unwrap();
        let heartbeat: Value = serde_json::from_slice(&heartbeat.json).unwrap();
        self.seq = heartbeat["seq"].as_u64().unwrap();
        assert_eq!(heartbeat["digest"], digest(&self.members));
    }

    fn begin(&mut self, gap: Option<(u64, u64)>, snapshot: Snapshot) {
        if let Some((from, to)) = gap {
            assert!(from > self.seq, "it was told some of it");
            assert_eq!(to, snapshot.seq);
            self.gaps += 1;
        }
        self.has_begun = true;
        let record: Value = text(snapshot.record(NOW)).parse().unwrap();
        self.seq = record["seq"].as_u64().unwrap();
        let members = record["members"].as_array().unwrap();
        self.members = members.iter().map(named).collect();
        assert_eq!(record["digest"], digest(&self.members));
    }

    fn change(&mut self, line: &Line) {
        let record: Value = serde_json::from_slice(&line.json).unwrap();
        assert_eq!(record["seq"], line.seq);
        assert!(line.seq > self.seq, "told twice");
        self.seq = line.seq;
        let Some(member) = record.get("member") else {
            return;
        };
        let (name, member) = named(member);
        match record["type"] == "removed" {
            true => drop(self.members.remove(&name)),
            false => drop(self.members.insert(name, member)),
        }
        // It was told once more because it is no longer asked for.
        self.members
            .retain(|_, member| is_wanted(&self.taste, member));
    }
}

fn named(member: &Value) -> (String, Value) {
    (member["name"].as_str().unwrap().into(), member.clone())
}

/// As the README tells consumers to make it.
fn digest(members: &Members) -> String {
    let sum = members.values().fold(0_u64, |sum, member| {
        let field = |key: &str| match &member[key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fields = [
            "name",
            "address",
            "state",
            "generation",
            "incarnation",
            "since",
            "app",
        ];
        let mut lines: Vec<_> = fields.map(field).into();
        let tags = member["tags"].as_object().unwrap().iter();
        lines.extend(tags.map(|(key, value)| format!("{key}={}", value.as_str().unwrap())));
        let hash = Sha256::digest(lines.join("\n"));
        sum.wrapping_add(u64::from_be_bytes(hash[..8].try_into().unwrap()))
    });
    format!("{sum:016x}")
}

/// Every change there was, as those heard it who hear all.
struct History {
    own: (String, Value),
    records: Vec<(Timestamp, Value)>,
}

/// The records of a member for as long as neither its state nor its generation changed.
struct Run {
    began: Timestamp,
    ended: Option<Timestamp>,
    /// With their numbers.
    versions: Vec<(u64, Value)>,
}

impl History {
    /// What is to be seen with `taste` after change `seq`.
    fn view(&self, taste: &Taste, seq: u64) -> Members {
        let seconds = match taste.confidence {
            Confidence::Suspect => return self.admitted(taste, self.everything(seq)),
            Confidence::Failed => 0,
            Confidence::Stable(seconds) => seconds,
        };
        let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        let (name, own) = self.own.clone();
        runs.insert(name, vec![Run::new(Timestamp::ZERO, 0, own)]);
        for (at, record) in &self.records {
            let number = record["seq"].as_u64().unwrap();
            let Some(member) = record.get("member") else {
                continue;
            };
            let (name, member) = named(member);
            let runs = runs.entry(name).or_default();
            match record["type"].as_str().unwrap() {
                "removed" if number <= seq => runs.clear(),
                "removed" => {
                    if let Some(run) = runs.last_mut() {
                        run.ended.get_or_insert(*at);
                    }
                }
                kind => push(
                    runs,
                    (*at, number),
                    member,
                    matches!(kind, "suspect" | "refuted"),
                ),
            }
        }
        let seen = runs.into_iter().filter_map(|(name, runs)| {
            let lasting = |run: &&Run| run.versions[0].0 <= seq && run.lasts(seconds);
            let run = runs.iter().rev().find(lasting)?;
            let version = run
                .versions
                .iter()
                .rev()
                .find(|(number, _)| *number <= seq)?;
            Some((name, version.1.clone()))
        });
        self.admitted(taste, seen.collect())
    }

    fn everything(&self, seq: u64) -> Members {
        let mut members = Members::from([self.own.clone()]);
        for (_, record) in &self.records[..usize::try_from(seq).unwrap()] {
            match (record.get("member").map(named), record["type"] == "removed") {
                (Some((name, _)), true) => drop(members.remove(&name)),
                (Some((name, member)), false) => drop(members.insert(name, member)),
                (None, _) => {}
            }
        }
        members
    }

    /// Those that a consumer keeps that asked for some.
    fn admitted(&self, taste: &Taste, mut members: Members) -> Members {
        members.retain(|_, member| is_wanted(taste, member));
        members
    }
}

impl Run {
    fn new(began: Timestamp, seq: u64, member: Value) -> Self {
        Self {
            began,
            ended: None,
            versions: vec![(seq, member)],
        }
    }

    fn lasts(&self, seconds: u64) -> bool {
        let lasted = |ended: Timestamp| ended.saturating_since(self.began);
        self.ended
            .is_none_or(|ended| lasted(ended) >= Duration::from_secs(seconds))
    }
}

fn push(runs: &mut Vec<Run>, (at, seq): (Timestamp, u64), mut member: Value, is_doubt: bool) {
    let fields = member.as_object_mut().unwrap();
    fields.retain(|key, _| !["by", "evidence", "deadline"].contains(&&**key));
    if member["state"] == "suspect" {
        member["state"] = "alive".into();
    }
    let last = runs.last_mut().filter(|run| run.ended.is_none());
    let same =
        |one: &Value, other: &Value, keys: &[&str]| keys.iter().all(|key| one[*key] == other[*key]);
    match last {
        Some(run)
            if same(
                &run.versions.last().unwrap().1,
                &member,
                &["state", "generation"],
            ) =>
        {
            let held = &run.versions.last().unwrap().1;
            let facts = ["address", "tags", "app", "app_reason", "reason"];
            member["since"] = held["since"].clone();
            if !(is_doubt && same(held, &member, &facts)) {
                run.versions.push((seq, member));
            }
        }
        last => {
            if let Some(run) = last {
                run.ended = Some(at);
            }
            member["since"] = at.to_rfc3339().into();
            runs.push(Run::new(at, seq, member));
        }
    }
}

/// Names and tags as in [`tastes`].
fn is_wanted(taste: &Taste, member: &Value) -> bool {
    let mut wanted = Filter::default();
    wanted.add_tag("role:db").unwrap();
    taste.filter != wanted || member["tags"]["role"] == "db"
}

fn tastes(random: &mut Xoshiro256PlusPlus) -> Taste {
    let confidence = match random.random_range(0..4) {
        0 => Confidence::Suspect,
        1 => Confidence::Failed,
        _ => Confidence::Stable(random.random_range(1..8)),
    };
    let mut filter = Filter::default();
    if random.random_range(0..3) == 0 {
        filter.add_tag("role:db").unwrap();
    }
    Taste {
        filter,
        confidence,
        settle: None,
    }
}

fn random_change(random: &mut Xoshiro256PlusPlus) -> Change {
    let name = format!("m{}", random.random_range(0..8));
    let generation = random.random_range(1..3);
    let role = ["db", "web"][random.random_range(0..2)];
    let incarnation = random.random_range(0..3);
    let member = |state| MemberView {
        incarnation,
        ..view_of(&name, state, generation, role)
    };
    match random.random_range(0..12) {
        0 | 1 => Change::Failed(member(MemberState::Failed)),
        2 => Change::Left(member(MemberState::Left)),
        3 | 4 => Change::Refuted(member(MemberState::Alive)),
        5 => Change::Removed(member(MemberState::Failed)),
        6 | 7 => Change::Suspect(member(MemberState::Suspect)),
        8 => Change::Update(member(MemberState::Alive)),
        9 => Change::Isolated,
        10 => Change::Restart {
            member: member(MemberState::Alive),
            previous_generation: generation - 1,
        },
        _ => Change::Join {
            member: member(MemberState::Alive),
            previous: None,
        },
    }
}

/// One consumer of one feed, which is interrupted now and then, and what it was told.
struct Life {
    feed: Feed,
    history: History,
    taste: Taste,
    subscriber: Subscriber,
    copy: Copy,
    now: Timestamp,
    random: Xoshiro256PlusPlus,
}

impl Life {
    fn new(seed: u64, changes_kept: usize, bytes_kept: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let feed = feed().with_journal_limits(changes_kept, bytes_kept);
        let own = feed.snapshot(&Filter::default()).members.remove(0);
        let own = named(&serde_json::to_value(&*own).unwrap());
        let taste = tastes(&mut random);
        Self {
            feed,
            history: History {
                own,
                records: Vec::new(),
            },
            subscriber: Subscriber::new(taste.clone(), None, NOW),
            copy: Copy {
                taste: taste.clone(),
                ..Copy::default()
            },
            taste,
            now: NOW,
            random,
        }
    }

    fn step(&mut self) {
        self.now = self.now + Duration::from_millis(self.random.random_range(0..1_500));
        let change = random_change(&mut self.random);
        self.publish(&change);
    }

    fn publish(&mut self, change: &Change) {
        let seq = self.feed.publish(self.now, change);
        self.history
            .records
            .push((self.now, lines(&self.feed, seq - 1).remove(0)));
    }

    fn interrupt(&mut self) {
        let (epoch, seq) = (self.feed.epoch(), self.copy.seq);
        let at = Position { epoch, seq };
        let resume = self.copy.has_begun.then_some(at);
        self.subscriber = Subscriber::new(self.taste.clone(), resume, self.now);
    }

    fn read(&mut self) {
        let Self {
            feed,
            subscriber,
            copy,
            now,
            ..
        } = self;
        copy.catch_up(subscriber, feed, *now);
    }

    fn check(&self) {
        let expected = self.history.view(&self.taste, self.copy.seq);
        assert_eq!(
            self.copy.members, expected,
            "{:?} at {}",
            self.taste, self.copy.seq
        );
    }
}

#[test]
fn what_a_consumer_was_told_is_what_its_taste_sees() {
    for seed in 0..1_000 {
        let mut life = Life::new(seed, CHANGES, 1 << 20);
        for _ in 0..100 {
            life.step();
            match life.random.random_range(0..12) {
                0 => life.interrupt(),
                1 => {
                    life.read();
                    life.check();
                }
                _ => {}
            }
        }
        assert_eq!(life.copy.gaps, 0);
    }
}

#[test]
fn a_consumer_that_is_too_slow_is_told_of_the_gap_and_ends_up_in_step() {
    gaps(6, 1 << 20);
}

/// A large change makes the journal forget several small ones, which leaves room for others.
#[test]
fn so_is_one_of_a_journal_that_is_full_of_bytes() {
    gaps(CHANGES, 4_000);
}

fn gaps(changes_kept: usize, bytes_kept: usize) {
    let mut gaps = 0;
    for seed in 0..500 {
        let mut life = Life::new(seed, changes_kept, bytes_kept);
        let is_patient = matches!(life.taste.confidence, Confidence::Stable(_));
        for _ in 0..100 {
            life.step();
            if life.random.random_range(0..8) == 0 {
                let payload = "x".repeat(life.random.random_range(0..3_000));
                life.publish(&event(&payload));
            }
            if life.random.random_range(0..6) == 0 {
                life.read();
                // What the journal forgot before it was known to last was told early.
                if !is_patient {
                    life.check();
                }
            }
        }
        life.now = life.now + Duration::from_secs(10);
        life.read();
        life.check();
        gaps += life.copy.gaps;
    }
    assert!(gaps > 500, "the small journals must make gaps: {gaps}");
}

/// More than a life has.
const CHANGES: usize = 1_000;
