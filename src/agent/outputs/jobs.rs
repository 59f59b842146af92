//! `Jobs`: what is to be run, in order for each member and at once for different ones.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

/// Bytes of records that wait for one hook; most of them are the journal's, too.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// One change, for a command.
#[derive(Debug)]
pub(super) struct Job {
    /// Whom it is about; empty for what is about nobody.
    pub(super) about: String,
    /// The record.
    pub(super) json: Bytes,
    /// Runs that failed.
    pub(super) failures: u8,
    /// Its number, or those that it stands for.
    seqs: RangeInclusive<u64>,
}

/// What of a record goes into variables.
#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(rename = "type")]
    pub(super) kind: String,
    seq: Option<u64>,
    pub(super) member: Option<Subject>,
    /// Who raised a user's event, and what it is called.
    from: Option<serde_json::Value>,
    name: Option<String>,
}

/// The member that a record is about.
#[derive(Deserialize)]
pub(super) struct Subject {
    pub(super) name: String,
    address: String,
    pub(super) state: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Job {
    /// From a line of the feed, number `seq`, which says `record`.
    pub(super) fn of(seq: u64, json: Bytes, record: &Record) -> Self {
        Self {
            about: record.about().unwrap_or_default().into(),
            json,
            failures: 0,
            seqs: seq..=seq,
        }
    }

    /// Says that of `about`, or of all for none, these changes will not come.
    pub(super) fn gap(about: &str, seqs: RangeInclusive<u64>) -> Self {
        let mut record = json!({ "type": "gap", "from": seqs.start(), "to": seqs.end() });
        if !about.is_empty() {
            record["name"] = about.into();
        }
        Self {
            about: about.into(),
            json: format!("{record}\n").into(),
            failures: 0,
            seqs,
        }
    }

    /// What the command finds in its environment.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        Record::of(&self.json).variables()
    }
}

impl Record {
    pub(super) fn of(json: &[u8]) -> Self {
        serde_json::from_slice(json).expect("we write our own records")
    }

    /// The member that it is about, or that said it.
    fn about(&self) -> Option<&str> {
        let member = self.member.as_ref().map(|member| member.name.as_str());
        let of_gap = self.name.as_deref().filter(|_| self.kind == "gap");
        let from = self.from.as_ref().and_then(|from| from.as_str());
        member.or(of_gap).or(from)
    }

    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![("HEADCOUNT_TYPE".into(), self.kind.clone())];
        let mut add = |name: &str, value: String| variables.push((name.into(), value));
        if let Some(seq) = self.seq {
            add("HEADCOUNT_SEQ", seq.to_string());
        }
        if let Some(about) = self.about() {
            add("HEADCOUNT_MEMBER", about.into());
        }
        if let Some(name) = self.name.as_ref().filter(|_| self.kind == "user") {
            add("HEADCOUNT_EVENT", name.clone());
        }
        if let Some(member) = &self.member {
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

/// Jobs that wait, in order for each member, who take turns. A member whose job runs gets no
/// second one.
///
/// Whoever floods a slow command harms nobody else: when there are too many bytes, the member with
/// the most of them loses the older half of its own, and its command hears of that by a `gap`.
#[derive(Debug)]
pub(super) struct Jobs {
    waiting: BTreeMap<String, Queue>,
    /// Members that have a job waiting and none that runs, the longest waiting first.
    ready: VecDeque<String>,
    bytes: usize,
    bytes_max: usize,
}

/// Changes of one member of which its command hears no more than that.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) about: String,
    pub(super) seqs: RangeInclusive<u64>,
}

/// What waits for one member.
#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            bytes: 0,
            bytes_max: BYTES_MAX,
        }
    }
}

impl Jobs {
    /// Takes another one. Gives those that were lost for it, of one member or of several.
    pub(super) fn add(&mut self, job: Job) -> Vec<Lost> {
        let about = job.about.clone();
        let queue = self.waiting.entry(about.clone()).or_insert_with(|| {
            self.ready.push_back(about);
            Queue::default()
        });
        self.bytes += job.json.len();
        queue.push_back(job);
        match self.bytes > self.bytes_max {
            true => self.make_room(),
            false => Vec::new(),
        }
    }

    /// So much that the next ones need not look for some again.
    fn make_room(&mut self) -> Vec<Lost> {
        let mut lost = Vec::new();
        while self.bytes > self.bytes_max - self.bytes_max / 8 {
            // At the least, there is a gap for each.
            let Some(more) = self.shed() else { break };
            lost.push(more);
        }
        lost
    }

    /// The next that may run. Its member is busy until [`Jobs::done`].
    pub(super) fn next(&mut self) -> Option<Job> {
        let about = self.ready.pop_front()?;
        let job = self.waiting.get_mut(&about)?.pop_front()?;
        self.bytes -= job.json.len();
        Some(job)
    }

    /// Its run failed: it is the next of its member again, who stays busy.
    pub(super) fn put_back(&mut self, job: Job) {
        self.bytes += job.json.len();
        let queue = self.waiting.entry(job.about.clone()).or_default();
        queue.push_front(job);
    }

    /// The job of this member has ended, or has waited for long enough to run again.
    pub(super) fn done(&mut self, about: String) {
        let queue = self.waiting.get(&about);
        match queue.is_some_and(|queue| !queue.jobs.is_empty()) {
            true => self.ready.push_back(about),
            false => drop(self.waiting.remove(&about)),
        }
    }

    /// Frees some of the bytes of whoever has the most, unless those are gaps already.
    fn shed(&mut self) -> Option<Lost> {
        let (about, queue) = self
            .waiting
            .iter_mut()
            .max_by_key(|(_, queue)| queue.bytes)?;
        let before = queue.bytes;
        let seqs = queue.shed(about)?;
        self.bytes = self.bytes - before + queue.bytes;
        let about = about.clone();
        (queue.bytes < before).then_some(Lost { about, seqs })
    }
}

impl Queue {
    fn push_back(&mut self, job: Job) {
        self.bytes += job.json.len();
        self.jobs.push_back(job);
    }

    fn push_front(&mut self, job: Job) {
        self.bytes += job.json.len();
        self.jobs.push_front(job);
    }

    fn pop_front(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.bytes -= job.json.len();
        Some(job)
    }

    /// Puts a gap in the place of the older half, and at least of an earlier gap and a change.
    fn shed(&mut self, about: &str) -> Option<RangeInclusive<u64>> {
        let half = self.jobs.len().min(self.jobs.len() / 2 + 1);
        let older: Vec<_> = self.jobs.drain(..half).collect();
        let seqs = *older.first()?.seqs.start()..=*older.last()?.seqs.end();
        self.bytes -= older.iter().map(|job| job.json.len()).sum::<usize>();
        self.push_front(Job::gap(about, seqs.clone()));
        Some(seqs)
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
        let record = Record::of(line.as_bytes());
        Job::of(seq, line.into(), &record)
    }

    fn seq(job: &Job) -> u64 {
        *job.seqs.start()
    }

    #[test]
    fn a_member_has_one_at_a_time_and_in_order_and_members_do_not_wait_for_each_other() {
        let mut jobs = Jobs::default();
        for (about, seq) in [("a", 1), ("a", 2), ("b", 3), ("a", 4)] {
            jobs.add(job(about, seq));
        }
        let first = jobs.next().unwrap();
        let second = jobs.next().unwrap();
        assert_eq!([seq(&first), seq(&second)], [1, 3]);
        assert!(jobs.next().is_none());
        jobs.done("b".into());
        assert!(jobs.next().is_none());
        jobs.done("a".into());
        assert_eq!(seq(&jobs.next().unwrap()), 2);
        jobs.done("a".into());
        assert_eq!(seq(&jobs.next().unwrap()), 4);
        jobs.done("a".into());
        assert!(jobs.next().is_none() && jobs.waiting.is_empty());
        assert_eq!(jobs.bytes, 0);
    }

    #[test]
    fn a_job_that_failed_is_the_next_of_its_member_who_is_busy_until_it_may_run_again() {
        let mut jobs = Jobs::default();
        for seq in [1, 2] {
            jobs.add(job("a", seq));
        }
        let failed = jobs.next().unwrap();
        jobs.put_back(failed);
        assert!(jobs.next().is_none());
        jobs.done("a".into());
        assert_eq!(seq(&jobs.next().unwrap()), 1);
    }

    #[test]
    fn a_flood_of_one_member_costs_nobody_else_a_change_and_is_told_as_a_gap() {
        let room = 20 * job("a", 10).json.len();
        let mut jobs = Jobs {
            bytes_max: room,
            ..Jobs::default()
        };
        jobs.add(job("calm", 1));
        let mut lost = Vec::new();
        for seq in 2..1_000 {
            lost.extend(jobs.add(job("flood", seq)));
            assert!(jobs.bytes <= room, "{seq}");
        }
        assert!(lost.iter().all(|lost| lost.about == "flood"));
        let last = *lost.last().unwrap().seqs.end();
        assert_eq!(seq(&jobs.next().unwrap()), 1);
        let gap = jobs.next().unwrap();
        let record = format!("{{\"from\":2,\"name\":\"flood\",\"to\":{last},\"type\":\"gap\"}}\n");
        assert_eq!(gap.json, record);
        let variables = [("HEADCOUNT_TYPE", "gap"), ("HEADCOUNT_MEMBER", "flood")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(gap.variables(), variables);
        for kept in last + 1..1_000 {
            jobs.done("flood".into());
            assert_eq!(seq(&jobs.next().unwrap()), kept);
        }
        jobs.done("flood".into());
        assert!(jobs.next().is_none());
    }

    #[test]
    fn with_room_for_nothing_there_is_a_gap_for_each_member() {
        let mut jobs = Jobs {
            bytes_max: 1,
            ..Jobs::default()
        };
        for seq in 1..=6 {
            let about = if seq % 2 == 0 { "a" } else { "b" };
            jobs.add(job(about, seq));
        }
        let gaps = [jobs.next().unwrap(), jobs.next().unwrap()];
        assert_eq!(
            gaps.map(|gap| (gap.about, gap.seqs)),
            [("b".into(), 1..=5), ("a".into(), 2..=6),]
        );
    }

    #[test]
    fn a_command_finds_the_member_in_its_environment() {
        let variables = job("n1", 7).variables();
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
