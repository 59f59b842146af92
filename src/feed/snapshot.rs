//! `Snapshot`: everyone at one moment, turned into JSON piece by piece.

use std::{fmt::Write, sync::Arc, vec};

use bytes::Bytes;

use crate::swim::Timestamp;

use super::{Digest, Epoch, Member};

/// A piece ends after the member that passes this size.
const PIECE_BYTES: usize = 16 * 1024;

/// The roster at `seq`. Cheap to make and independent of the feed afterwards.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run of the agent.
    pub epoch: Epoch,
    /// The number of the newest change in it.
    pub seq: u64,
    /// The members, in no particular order.
    pub members: Vec<Arc<Member>>,
    /// Of the members, unless they are not followed by all their changes.
    pub digest: Option<Digest>,
}

impl Snapshot {
    /// The stream's record of it, one line:
    /// `{"type":"snapshot","epoch","seq","at","digest","members"}`.
    pub fn record(self, at: Timestamp) -> Pieces {
        let (epoch, seq, at) = (self.epoch, self.seq, at.to_rfc3339());
        let mut head = format!(r#"{{"type":"snapshot","epoch":"{epoch}","seq":{seq},"at":"{at}","#);
        if let Some(digest) = self.digest {
            write!(head, r#""digest":"{digest}","#).expect("a string takes whatever is written");
        }
        head += r#""members":["#;
        Pieces::new(head, self.members)
    }

    /// The plain listing, one line: `{"epoch","seq","at","members"}`. Ages are counted to `at`:
    /// the caller's own clock may be another.
    pub fn listing(self, at: Timestamp) -> Pieces {
        let head = format!(
            r#"{{"epoch":"{}","seq":{},"at":"{}","members":["#,
            self.epoch,
            self.seq,
            at.to_rfc3339()
        );
        Pieces::new(head, self.members)
    }
}

/// One JSON object in pieces of some 16 KiB, members ordered by name. A consumer that reads
/// slowly holds one piece and a list of pointers, not the whole text.
#[derive(Debug)]
pub struct Pieces {
    members: vec::IntoIter<Arc<Member>>,
    /// What the next piece begins with. `None` after the last one.
    head: Option<Vec<u8>>,
}

impl Pieces {
    fn new(head: String, mut members: Vec<Arc<Member>>) -> Self {
        members.sort_unstable_by(|a, b| a.view.card.name.cmp(&b.view.card.name));
        Self {
            members: members.into_iter(),
            head: Some(head.into()),
        }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = self.head.take()?;
        while let Some(member) = self.members.next() {
            serde_json::to_writer(&mut piece, &*member)
                .expect("a member has string keys and no failing IO");
            if self.members.len() == 0 {
                break;
            }
            piece.push(b',');
            if piece.len() >= PIECE_BYTES {
                self.head = Some(Vec::with_capacity(PIECE_BYTES + 1024));
                return Some(piece.into());
            }
        }
        piece.extend_from_slice(b"]}\n");
        Some(piece.into())
    }
}
