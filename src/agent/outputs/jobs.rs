//! `Jobs`: what is to be run, in order for each member and at once for different ones.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::Deserialize;

/// One change, for a command.
#[derive(Debug)]
pub(super) struct Job {
    /// Whom it is about; empty for what is about nobody.
    pub(super) about: String,
    /// The record.
    pub(super) json: Bytes,
    /// What the command finds in its environment.
    pub(super) variables: Vec<(String, String)>,
}

/// What of a record goes into variables.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: String,
    seq: Option<u64>,
    member: Option<Subject>,
    /// Who raised a user's event, and what it is called.
    from: Option<serde_json::Value>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Subject {
    name: String,
    address: String,
    state: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Job {
    /// From a line of the feed.
    pub(super) fn of(json: Bytes) -> Self {
        let record: Record =
            serde_json::from_slice(&json).expect("the feed writes its own records");
        let from = record.from.as_ref().and_then(|from| from.as_str());
        let member = record.member.as_ref();
        let about = member.map(|member| member.name.as_str()).or(from);
        Self {
            about: about.unwrap_or_default().into(),
            variables: record.variables(),
            json,
        }
    }
}

impl Record {
    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![("HEADCOUNT_TYPE".into(), self.kind.clone())];
        let mut add = |name: &str, value: String| variables.push((name.into(), value));
        if let Some(seq) = self.seq {
            add("HEADCOUNT_SEQ", seq.to_string());
        }
        if let Some(from) = self.from.as_ref().and_then(|from| from.as_str()) {
            add("HEADCOUNT_MEMBER", from.into());
        }
        if let Some(name) = self.name.as_ref().filter(|_| self.kind == "user") {
            add("HEADCOUNT_EVENT", name.clone());
        }
        if let Some(member) = &self.member {
            add("HEADCOUNT_MEMBER", member.name.clone());
            add("HEADCOUNT_ADDRESS", member.address.clone());
            add("HEADCOUNT_STATE", member.state.clone());
            for (key, value) in &member.tags {
                add(&format!("HEADCOUNT_TAG_{}", variable(key)), value.clone());
            }
        }
        variables
    }
}

/// A tag's key as variables are called.
fn variable(key: &str) -> String {
    let sign = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    key.chars().map(sign).collect()
}

/// Jobs that wait, in order for each member. A member whose job runs gets no second one.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    waiting: BTreeMap<String, VecDeque<Job>>,
    /// Members that have a job waiting and none that runs, the longest waiting first.
    ready: VecDeque<String>,
    count: usize,
}

impl Jobs {
    pub(super) fn add(&mut self, job: Job) {
        self.count += 1;
        let about = job.about.clone();
        let queue = self.waiting.entry(about.clone()).or_insert_with(|| {
            self.ready.push_back(about);
            VecDeque::new()
        });
        queue.push_back(job);
    }

    /// The next that may run. Its member is busy until [`Jobs::done`].
    pub(super) fn next(&mut self) -> Option<Job> {
        let about = self.ready.pop_front()?;
        let job = self.waiting.get_mut(&about)?.pop_front();
        self.count -= usize::from(job.is_some());
        job
    }

    /// The job of this member has ended.
    pub(super) fn done(&mut self, about: String) {
        let has_more = self
            .waiting
            .get(&about)
            .is_some_and(|queue| !queue.is_empty());
        match has_more {
            true => self.ready.push_back(about),
            false => drop(self.waiting.remove(&about)),
        }
    }

    /// Jobs that wait.
    pub(super) const fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(about: &str, seq: u64) -> Job {
        let tags = r#"{"my-role":"web"}"#;
        let member = format!(
            r#"{{"name":"{about}","address":"127.0.0.1:1","state":"failed","tags":{tags}}}"#
        );
        let line = format!(r#"{{"type":"failed","seq":{seq},"member":{member}}}"#);
        Job::of(line.into())
    }

    fn seq(job: &Job) -> &str {
        &job.variables[1].1
    }

    #[test]
    fn a_member_has_one_at_a_time_and_in_order_and_members_do_not_wait_for_each_other() {
        let mut jobs = Jobs::default();
        for (about, seq) in [("a", 1), ("a", 2), ("b", 3), ("a", 4)] {
            jobs.add(job(about, seq));
        }
        let first = jobs.next().unwrap();
        let second = jobs.next().unwrap();
        assert_eq!([seq(&first), seq(&second)], ["1", "3"]);
        assert!(jobs.next().is_none());
        assert_eq!(jobs.len(), 2);
        jobs.done("b".into());
        assert!(jobs.next().is_none());
        jobs.done("a".into());
        assert_eq!(seq(&jobs.next().unwrap()), "2");
        jobs.done("a".into());
        assert_eq!(seq(&jobs.next().unwrap()), "4");
        jobs.done("a".into());
        assert!(jobs.next().is_none() && jobs.waiting.is_empty());
    }

    #[test]
    fn a_command_finds_the_member_in_its_environment() {
        let variables = job("n1", 7).variables;
        let expected = [
            ("HEADCOUNT_TYPE", "failed"),
            ("HEADCOUNT_SEQ", "7"),
            ("HEADCOUNT_MEMBER", "n1"),
            ("HEADCOUNT_ADDRESS", "127.0.0.1:1"),
            ("HEADCOUNT_STATE", "failed"),
            ("HEADCOUNT_TAG_MY_ROLE", "web"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables, expected);
    }
}
