//! `Members`: who there is, as a stream's records add up to.

use std::{collections::BTreeMap, sync::Arc};

use super::{Change, Filter, Heartbeat, Member, Record, State, What, digest::digest};

/// Who there is, by name. Cloning costs a pointer and a name a member.
///
/// [`View`](super::View) keeps one current; [`apply`](Self::apply) does the same by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    filter: Filter,
    by_name: BTreeMap<String, Arc<Member>>,
    is_known: bool,
    /// The agent's digests are made as ours are: its snapshot's was the same.
    is_comparable: bool,
}

impl Members {
    /// A table of those whom `filter` lets through, which knows nobody yet. The stream must have
    /// the same filter.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Whether a snapshot has come: until then nobody is known.
    pub const fn is_known(&self) -> bool {
        self.is_known
    }

    /// The member called `name`.
    pub fn get(&self, name: &str) -> Option<&Member> {
        self.by_name.get(name).map(|member| &**member)
    }

    /// Everyone by name: failed and departed members too, and the agent itself.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_name.values().map(|member| &**member)
    }

    /// Those in `state`.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &Member> {
        self.iter().filter(move |member| member.state == state)
    }

    /// Those that are alive, the agent itself included.
    pub fn alive(&self) -> impl Iterator<Item = &Member> {
        self.in_state(State::Alive)
    }

    /// Those that have this tag, whatever their state.
    pub fn tagged(&self, key: &str, value: &str) -> impl Iterator<Item = &Member> {
        let has = move |member: &&Member| member.tags.get(key).is_some_and(|held| held == value);
        self.iter().filter(has)
    }

    /// Takes in what a stream told, every record in its order.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Change(change) => self.change(change),
            Record::Snapshot(snapshot) => {
                self.is_known = true;
                let admitted = snapshot.members.iter();
                let admitted = admitted.filter(|member| self.filter.admits(member));
                self.by_name = admitted.map(entry).collect();
                self.is_comparable = snapshot.digest == Some(self.digest());
            }
            Record::Gap(_) | Record::Heartbeat(_) | Record::Other(_) => {}
        }
    }

    /// What a heartbeat's and a snapshot's digest must be. Costs a hash a member.
    pub fn digest(&self) -> String {
        digest(self.iter())
    }

    /// Whether these are the members that the agent speaks of. Also where that cannot be told: its
    /// heartbeats may have no digest, or one that is made as we do not know. Costs a hash a member.
    pub fn agree(&self, heartbeat: &Heartbeat) -> bool {
        let theirs = heartbeat.digest.as_ref().filter(|_| self.is_comparable);
        theirs.is_none_or(|theirs| *theirs == self.digest())
    }

    fn change(&mut self, change: &Change) {
        let Some(member) = &change.member else {
            return;
        };
        // A stream tells of members that had the tags a moment ago, too.
        match change.what == What::Removed || !self.filter.admits(member) {
            true => drop(self.by_name.remove(&member.name)),
            false => self.by_name.extend([entry(member)]),
        }
    }
}

fn entry(member: &Member) -> (String, Arc<Member>) {
    (member.name.clone(), Arc::new(member.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = r#""at":"2026-01-05T10:00:00.000Z""#;

    fn member(name: &str, state: &str, role: &str) -> String {
        format!(
            r#"{{"name":"{name}","id":"1f","address":"127.0.0.1:1","state":"{state}",
            "generation":1,"incarnation":0,"tags":{{"role":"{role}"}},
            "since":"2026-01-05T10:00:00.000Z"}}"#
        )
    }

    fn change(kind: &str, member: &str) -> Record {
        let line = format!(r#"{{"type":"{kind}","seq":2,{AT},"member":{member}}}"#);
        line.parse().unwrap()
    }

    fn snapshot(members: &[String]) -> Record {
        let members = members.join(",");
        let line =
            format!(r#"{{"type":"snapshot","epoch":"5f","seq":1,{AT},"members":[{members}]}}"#);
        line.parse().unwrap()
    }

    #[test]
    fn it_follows_the_stream() {
        let mut members = Members::default();
        assert!(!members.is_known());
        let everyone = snapshot(&[member("a", "alive", "web"), member("b", "left", "db")]);
        let healed = format!(r#"{{"type":"healed","seq":3,{AT},"members":9}}"#);
        for (record, alive) in [
            (everyone.clone(), "a"),
            (change("join", &member("b", "alive", "db")), "a b"),
            (change("join", &member("c", "alive", "web")), "a b c"),
            (change("suspect", &member("a", "suspect", "web")), "b c"),
            (healed.parse().unwrap(), "b c"),
            (change("removed", &member("c", "alive", "web")), "b"),
            (change("invented", &member("d", "alive", "web")), "b d"),
            (everyone, "a"),
        ] {
            members.apply(&record);
            let names: Vec<_> = members.alive().map(|member| &*member.name).collect();
            assert_eq!(names.join(" "), alive, "after {record:?}");
        }
        assert!(members.is_known());
        assert_eq!(members.get("b").unwrap().state, State::Left);
        assert_eq!(members.in_state(State::Left).count(), 1);
        assert_eq!(members.tagged("role", "db").count(), 1);
        assert_eq!(members.iter().count(), 2);
    }

    #[test]
    fn a_member_that_lost_the_tag_is_held_no_more() {
        let mut members = Members::new(Filter::default().tag("role", "db"));
        members.apply(&change("join", &member("a", "alive", "db")));
        assert_eq!(members.iter().count(), 1);
        members.apply(&change("update", &member("a", "alive", "web")));
        assert_eq!(members.iter().count(), 0);
    }

    #[test]
    fn a_snapshot_of_others_than_were_asked_for_brings_nobody_else() {
        let everyone = snapshot(&[member("a", "alive", "web"), member("b", "left", "db")]);
        for (key, value, held) in [("role", "db", 1), ("role:db", "", 0), ("ro=le", "db", 0)] {
            let mut members = Members::new(Filter::default().tag(key, value));
            members.apply(&everyone);
            assert!(members.is_known());
            assert_eq!(members.iter().count(), held, "{key}");
        }
    }

    #[test]
    fn a_digest_tells_when_something_was_missed() {
        let ours = member("a", "alive", "web");
        let sum = digest([serde_json::from_str(&ours).unwrap()].iter());
        let heartbeat = |digest: &str| {
            let line = format!(r#"{{"type":"heartbeat","seq":2,{AT},"digest":"{digest}"}}"#);
            serde_json::from_str::<Heartbeat>(&line).unwrap()
        };
        for (begun_with, is_comparable) in [(&*sum, true), ("another recipe's", false)] {
            let digest = format!(r#""digest":"{begun_with}","members""#);
            let line =
                format!(r#"{{"type":"snapshot","epoch":"5f","seq":1,{AT},{digest}:[{ours}]}}"#);
            let mut members = Members::default();
            members.apply(&line.parse().unwrap());
            assert!(members.agree(&heartbeat(&sum)));
            members.apply(&change("failed", &member("a", "failed", "web")));
            assert_eq!(members.agree(&heartbeat(&sum)), !is_comparable);
        }
    }
}
