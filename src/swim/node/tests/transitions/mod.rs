//! Every transition as a table: (held, heard) → (held then, told, passed on), for a real node that
//! hears of a member by datagrams and streams.
//!
//! Rows name the cases of memberlist's `state_test.go` that they correspond to, and say why where
//! ours end otherwise. SWIM §4.2 has the order of claims within one life; lives are ours: a greater
//! life is another identity and says nothing of the incarnations of a smaller one.

mod events;
mod lifeguard;
mod others;
mod ourselves;
mod restarts;
mod stage;
mod words;

use foca::Message;

use crate::swim::Input;
use stage::{Outcome, SUBJECT, Stage};
use words::{change_word, claim, claim_word, member_word, moment};

/// A table's rows, as their columns, without remarks.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split('|').map(str::trim).collect())
        .collect()
}

/// Claims one after another that lead to a standing of the subject.
fn way_to(standing: &str) -> Vec<String> {
    let (state, at) = standing.split_once(' ').unwrap_or((standing, ""));
    let life = at.split('/').next().unwrap_or_default();
    let step = |state: &str| format!("{state} {at}");
    match state {
        "unknown" => vec![],
        "alive" => vec![step("alive")],
        "suspect" => vec![step("alive"), step("suspect")],
        "failed" => vec![step("alive"), step("suspect"), step("failed")],
        "left" => vec![step("alive"), format!("left {life}")],
        "restarting" => vec![step("alive"), format!("restarting {life}")],
        "removed" => vec![step("alive"), step("suspect"), step("failed"), "-".into()],
        other => panic!("no standing is called {other:?}"),
    }
}

impl Stage {
    /// A node that holds the subject so.
    fn holding(standing: &str) -> Self {
        let mut stage = Self::new();
        for step in way_to(standing) {
            match step.as_str() {
                "-" => stage.input(Input::Remove { name: SUBJECT }),
                step => stage.gossip(&[claim(SUBJECT, step)]),
            };
        }
        stage
    }

    /// Hears of the subject: claims in one packet of gossip, `word` for a packet of its own, or
    /// `exchange` before what comes over a stream.
    fn hear(&mut self, text: &str) -> Outcome {
        if let Some(at) = text.strip_prefix("word ") {
            let (life, incarnation) = moment(at);
            return self.word(life, incarnation);
        }
        let claims = |text: &str| text.split(", ").map(|text| claim(SUBJECT, text)).collect();
        match text.strip_prefix("exchange ") {
            Some(text) => self.exchange(claims(text)),
            None => {
                let claims: Vec<_> = claims(text);
                self.gossip(&claims)
            }
        }
    }

    /// The subject as it is shown.
    fn shown(&self) -> String {
        let member = self.me.member(SUBJECT);
        member.map_or_else(|| "-".into(), |member| member_word(&member))
    }
}

/// How a node that held the subject so holds it after it heard this, what it told and passed on.
fn subject(held: &str, heard: &str) -> [String; 3] {
    let mut stage = Stage::holding(held);
    let outcome = stage.hear(heard);
    [stage.shown(), outcome.told(), outcome.passed_on()]
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    match words.is_empty() {
        true => "-".into(),
        false => words.join(", "),
    }
}

impl Outcome {
    fn told(&self) -> String {
        list(self.changes.iter().map(change_word))
    }

    /// Claims that peers got and what the subject was answered.
    fn passed_on(&self) -> String {
        let turned = |message: &&Message<_>| matches!(message, Message::TurnUndead);
        let answers = self.answers.iter().filter(turned);
        let answers = answers.map(|_| "turn undead".to_owned());
        let challenge = self.is_challenged.then(|| "challenge".to_owned());
        list(
            self.claims
                .iter()
                .map(claim_word)
                .chain(answers)
                .chain(challenge),
        )
    }
}

/// Runs a table of (heard, held then, told, passed on) and gives the rows that came out otherwise.
fn surprises(table: &str, mut run: impl FnMut(&str) -> [String; 3]) -> Vec<String> {
    let mut surprises = Vec::new();
    for row in rows(table) {
        let found = run(row[0]);
        if row[1..] != found {
            surprises.push(format!("{} | {}", row[0], found.join(" | ")));
        }
    }
    surprises
}

/// Checks tables about the subject, each of what is heard while it is held so.
#[track_caller]
fn check(tables: &[(&str, &str)]) {
    for (held, table) in tables {
        let surprises = surprises(table, |heard| subject(held, heard));
        assert!(surprises.is_empty(), "{held}:\n{}", surprises.join("\n"));
    }
}
