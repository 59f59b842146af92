//! `Subscriber`: one consumer's place in the stream.

use std::time::Duration;

use bytes::Bytes;

use crate::swim::Timestamp;

use super::{Feed, Line, Position, Snapshot, Taste, record};

/// Longest wait for a cluster to settle. A client takes a stream that is silent for some 30 s for
/// a dead one.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(30);

/// A consumer of the feed: where it is and what it wants.
#[derive(Clone, Debug)]
pub struct Subscriber {
    taste: Taste,
    place: Place,
    /// When its first snapshot comes even if the cluster has not settled.
    patience_ends: Timestamp,
}

/// What a consumer gets next.
#[derive(Debug)]
pub enum Batch {
    /// The changes that follow, without those it did not ask for. May be empty.
    Changes(Vec<Line>),
    /// It knows everything that it may know by now.
    Nothing {
        /// When it may know more, if that is known.
        until: Option<Timestamp>,
    },
    /// It must begin anew.
    Snapshot {
        /// First and last number of the changes it misses, if it was in this epoch before.
        gap: Option<(u64, u64)>,
        /// The roster now.
        snapshot: Snapshot,
    },
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// It has everything up to this number.
    At(u64),
    /// It has nothing of this epoch.
    Outside,
    /// It says it was at this position.
    Unchecked(Position),
}

impl Subscriber {
    /// A consumer that, from `now` on, begins with a snapshot or, when it was at `resume`, goes
    /// on from there if the journal still reaches.
    pub fn new(taste: Taste, resume: Option<Position>, now: Timestamp) -> Self {
        Self {
            taste,
            place: resume.map_or(Place::Outside, Place::Unchecked),
            patience_ends: now + SETTLE_WAIT_MAX,
        }
    }

    /// The last number it knows.
    pub const fn seq(&self) -> u64 {
        match self.place {
            Place::At(seq) => seq,
            Place::Outside => 0,
            Place::Unchecked(position) => position.seq,
        }
    }

    /// What comes next; the subscriber then has it. Looks at 256 changes at most.
    pub fn pull(&mut self, feed: &Feed, now: Timestamp) -> Batch {
        match self.place {
            Place::At(seq) => self.follow(feed, now, seq),
            // A number that was never given out is no place in this epoch.
            Place::Unchecked(at) if at.epoch == feed.epoch() && at.seq <= feed.seq() => {
                self.follow(feed, now, at.seq)
            }
            Place::Outside | Place::Unchecked(_) => match self.unsettled(feed, now) {
                until @ Some(_) => Batch::Nothing { until },
                None => self.begin(feed, now, None),
            },
        }
    }

    /// The line that says the stream is alive, to one that just pulled nothing from this `feed`.
    /// There is none before the snapshot.
    pub fn heartbeat(&self, feed: &Feed, now: Timestamp) -> Option<Line> {
        let Place::At(seq) = self.place else {
            return None;
        };
        let json: Bytes = record::heartbeat(seq, now, feed.digest_at(seq, &self.taste));
        Some(Line { seq, json })
    }

    fn follow(&mut self, feed: &Feed, now: Timestamp, seq: u64) -> Batch {
        let horizon = feed.horizon(self.taste.confidence, now);
        if !feed.reaches(seq, self.taste.confidence, now) {
            return self.begin(feed, now, Some((seq + 1, horizon)));
        }
        if horizon <= seq {
            self.place = Place::At(seq);
            let until = feed.due(seq, self.taste.confidence);
            return Batch::Nothing { until };
        }
        let (lines, seen) = feed.after(seq, horizon, &self.taste);
        self.place = Place::At(seen);
        Batch::Changes(lines)
    }

    /// Until when the first snapshot has to wait.
    fn unsettled(&self, feed: &Feed, now: Timestamp) -> Option<Timestamp> {
        let until = feed.moved() + self.taste.settle?.quiet();
        Some(until.min(self.patience_ends)).filter(|until| now < *until)
    }

    fn begin(&mut self, feed: &Feed, now: Timestamp, gap: Option<(u64, u64)>) -> Batch {
        let seq = feed.horizon(self.taste.confidence, now);
        self.place = Place::At(seq);
        Batch::Snapshot {
            gap,
            snapshot: feed.snapshot_at(seq, &self.taste),
        }
    }
}
