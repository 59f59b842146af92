//! `Subscriber`: one consumer's place in the stream.

use super::{Feed, Filter, Line, Position, Snapshot};

/// Changes handed out at once, so that a consumer far behind does not hold the feed for long.
const BATCH_MAX: usize = 256;

/// A consumer of the feed: where it is and what it wants.
#[derive(Clone, Debug)]
pub struct Subscriber {
    filter: Filter,
    place: Place,
}

/// What a consumer gets next.
#[derive(Debug)]
pub enum Batch {
    /// The changes that follow, without those it did not ask for. May be empty.
    Changes(Vec<Line>),
    /// It knows everything.
    Nothing,
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
    /// A consumer that begins with a snapshot or, when it was at `resume`, goes on from there if
    /// the journal still reaches.
    pub fn new(filter: Filter, resume: Option<Position>) -> Self {
        Self {
            filter,
            place: resume.map_or(Place::Outside, Place::Unchecked),
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
    pub fn pull(&mut self, feed: &Feed) -> Batch {
        match self.place {
            Place::At(seq) => self.follow(feed, seq),
            // A number that was never given out is no place in this epoch.
            Place::Unchecked(at) if at.epoch == feed.epoch() && at.seq <= feed.seq() => {
                self.follow(feed, at.seq)
            }
            Place::Outside | Place::Unchecked(_) => self.begin(feed, None),
        }
    }

    fn follow(&mut self, feed: &Feed, seq: u64) -> Batch {
        if !feed.reaches(seq) {
            return self.begin(feed, Some((seq + 1, feed.seq())));
        }
        let (lines, seen) = feed.after(seq, BATCH_MAX, &self.filter);
        self.place = Place::At(seen);
        if seen == seq {
            Batch::Nothing
        } else {
            Batch::Changes(lines)
        }
    }

    fn begin(&mut self, feed: &Feed, gap: Option<(u64, u64)>) -> Batch {
        self.place = Place::At(feed.seq());
        Batch::Snapshot {
            gap,
            snapshot: feed.snapshot(&self.filter),
        }
    }
}
