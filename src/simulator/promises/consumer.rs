//! `Consumer`: a program that reads the feed of one process as its lines tell it, now and then.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    feed::{Batch, Epoch, Feed, Snapshot, Subscriber, Taste},
    swim::{Change, MemberView, Node, Timestamp},
};

/// Changes kept for who is behind; few, so that gaps are no rarity.
const JOURNAL_CHANGES: usize = 8;
const JOURNAL_BYTES: usize = 1024 * 1024;
/// The laziest looks at every fourth occasion only.
const RHYTHMS: u32 = 4;

/// The feed of a process, and what its one reader made of it.
#[derive(Debug)]
pub(in crate::simulator) struct Consumer {
    feed: Feed,
    subscriber: Subscriber,
    /// The number of the last line it read, or of the snapshot.
    seq: u64,
    members: BTreeMap<String, Value>,
    /// It reads at every so many occasions.
    rhythm: u32,
    occasions: u32,
}

impl Consumer {
    /// The consumer of process `number`, whose `node` has told nothing so far. Whom it knows
    /// already comes by changes, as it does where no cluster stands from the first moment.
    pub(in crate::simulator) fn new(now: Timestamp, number: u32, node: &Node) -> Self {
        let mut members = node.members();
        let own = members.next().expect("a node shows itself first");
        let mut feed = Feed::new(Epoch(number.into()), now, &own)
            .with_journal_limits(JOURNAL_CHANGES, JOURNAL_BYTES);
        for member in members {
            let previous = None;
            feed.publish(now, &Change::Join { member, previous });
        }
        Self {
            feed,
            subscriber: Subscriber::new(Taste::default(), None, now),
            seq: 0,
            members: BTreeMap::new(),
            rhythm: 1 + number % RHYTHMS,
            occasions: 0,
        }
    }

    pub(in crate::simulator) fn publish(&mut self, at: Timestamp, change: &Change) {
        self.feed.publish(at, change);
    }

    /// Reads, if it is in the mood, all that there is, and compares what it holds with the list.
    ///
    /// # Errors
    /// Says which number was missing, or what the lines do not add up to.
    pub(in crate::simulator) fn look(&mut self, now: Timestamp, node: &Node) -> Result<(), String> {
        self.occasions += 1;
        if !self.occasions.is_multiple_of(self.rhythm) {
            return Ok(());
        }
        let before = self.seq;
        loop {
            match self.subscriber.pull(&self.feed, now) {
                Batch::Nothing { .. } => break,
                Batch::Changes(lines) => {
                    lines.iter().try_for_each(|line| self.take(&line.json))?;
                }
                Batch::Snapshot { gap, snapshot } => self.begin(now, gap, snapshot)?,
            }
        }
        let heartbeat = self.subscriber.heartbeat(&self.feed, now);
        match heartbeat.filter(|line| read(&line.json)["seq"] == self.seq) {
            None => Err(format!("no heartbeat says {}", self.seq)),
            Some(_) if self.seq == before => Ok(()),
            Some(_) => self.compare(node.members()),
        }
    }

    /// Every number comes, and none twice.
    fn take(&mut self, line: &Bytes) -> Result<(), String> {
        let mut record = read(line);
        if record["seq"] != self.seq + 1 {
            return Err(format!("after {} came {record}", self.seq));
        }
        self.seq += 1;
        let is_removal = record["type"] == "removed";
        let member = record["member"].take();
        match member["name"].as_str().map(str::to_owned) {
            Some(name) if is_removal => drop(self.members.remove(&name)),
            Some(name) => drop(self.members.insert(name, member)),
            None => {}
        }
        Ok(())
    }

    /// A gap says exactly what was missed: from the line after the last to the snapshot.
    fn begin(
        &mut self,
        now: Timestamp,
        gap: Option<(u64, u64)>,
        snapshot: Snapshot,
    ) -> Result<(), String> {
        let record = read(&Vec::from_iter(snapshot.record(now)).concat());
        let seq = record["seq"].as_u64().unwrap_or_default();
        let is_first = self.members.is_empty();
        if gap != (!is_first).then_some((self.seq + 1, seq)) {
            return Err(format!(
                "after {} a gap of {gap:?} and snapshot {seq}",
                self.seq
            ));
        }
        self.seq = seq;
        let members = record["members"].as_array().into_iter().flatten();
        let named = |member: &Value| (member["name"].as_str().unwrap_or("").into(), member.clone());
        self.members = members.map(named).collect();
        Ok(())
    }

    fn compare(&self, list: impl Iterator<Item = MemberView>) -> Result<(), String> {
        let mut listed = 0;
        for view in list {
            listed += 1;
            let held = self.members.get(&*view.card.name);
            if !held.is_some_and(|held| shows(held, &view)) {
                return Err(format!("the lines give {held:?}, the list has {view:?}"));
            }
        }
        match listed == self.members.len() {
            true => Ok(()),
            false => {
                let held = self.members.len();
                Err(format!(
                    "the lines give {held} members, the list has {listed}"
                ))
            }
        }
    }
}

/// What is no JSON is null, which is nothing that is looked for.
fn read(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap_or_default()
}

fn shows(held: &Value, view: &MemberView) -> bool {
    let word = |key: &str| held[key].as_str();
    held["generation"] == view.card.generation
        && held["incarnation"] == view.incarnation
        && word("state") == Some(view.state.as_str())
        && word("address") == Some(&*view.card.address.to_string())
        && word("app") == view.app.as_ref().map(|app| app.as_str())
        && held["tags"] == json!(view.card.tags)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        simulator::{Conditions, Spec, World},
        swim::MemberState,
    };

    /// A world of two that know each other, and what the first holds of the second.
    fn pair() -> (World, MemberView) {
        let mut world = World::new(1, Conditions::LAN);
        let first = world.add(Spec::new("a", &[]));
        let second = world.add(Spec::new("b", &[first]));
        world.start(first);
        world.start(second);
        world.run_for(Duration::from_secs(5));
        let held = world.held(first, second).expect("they met");
        (world, held)
    }

    #[test]
    fn whoever_reads_late_meets_a_gap_and_holds_the_list_again() {
        let (world, held) = pair();
        let node = world.node(world.slots().next().unwrap()).unwrap();
        let mut consumer = Consumer::new(world.now(), 0, node);
        consumer.look(world.now(), node).unwrap();
        assert_eq!((consumer.seq, consumer.members.len()), (1, 2));
        for _ in 0..=JOURNAL_CHANGES {
            consumer.publish(world.now(), &Change::Update(held.clone()));
        }
        consumer.look(world.now(), node).unwrap();
        assert_eq!(consumer.seq, 2 + JOURNAL_CHANGES as u64);
    }

    #[test]
    fn what_the_node_does_not_hold_is_noticed() {
        let (world, mut held) = pair();
        let node = world.node(world.slots().next().unwrap()).unwrap();
        let mut consumer = Consumer::new(world.now(), 0, node);
        consumer.look(world.now(), node).unwrap();
        held.state = MemberState::Failed;
        consumer.publish(world.now(), &Change::Failed(held));
        let seen = consumer.look(world.now(), node).expect_err("b is alive");
        assert!(seen.contains("the lines give"), "{seen}");
    }

    #[test]
    fn a_number_that_is_missing_is_noticed() {
        let (world, held) = pair();
        let node = world.node(world.slots().next().unwrap()).unwrap();
        let mut consumer = Consumer::new(world.now(), 0, node);
        consumer.look(world.now(), node).unwrap();
        consumer.seq -= 1;
        consumer.publish(world.now(), &Change::Update(held));
        let seen = consumer
            .look(world.now(), node)
            .expect_err("one is missing");
        assert!(seen.starts_with("after 0 came"), "{seen}");
    }
}
