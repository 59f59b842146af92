//! What is worth a line in the operator's log, and not said there again and again.

use std::{
    mem::{self, Discriminant},
    net::SocketAddr,
    time::Duration,
};

use super::Node;
use crate::swim::{Notice, Output, Timestamp};

/// One line in the log for each peer in this time.
const INTERVAL: Duration = Duration::from_secs(60);
/// Peers that we remember having complained about. More are not complained about.
const NOTICED_MAX: usize = 256;

/// What was complained about lately.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<Noticed>);

#[derive(Debug)]
struct Noticed {
    about: SocketAddr,
    kind: Discriminant<Notice>,
    at: Timestamp,
}

impl Notices {
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.0.retain(|noticed| now - noticed.at < INTERVAL);
    }

    fn is_said(&self, about: SocketAddr, kind: Discriminant<Notice>) -> bool {
        let same = |noticed: &Noticed| (noticed.about, noticed.kind) == (about, kind);
        self.0.iter().any(same)
    }
}

impl Node {
    /// Says each kind once a minute for each address, and no more than [`NOTICED_MAX`] a minute of
    /// others: whatever they send, what is wrong with ourselves is said.
    pub(super) fn notice(&mut self, about: SocketAddr, notice: Notice) {
        let (at, kind) = (self.now, mem::discriminant(&notice));
        self.notices.forget_old(at);
        let has_room = self.notices.count() < NOTICED_MAX || about == self.address();
        if has_room && !self.notices.is_said(about, kind) {
            self.notices.0.push(Noticed { about, kind, at });
            self.push(Output::Notice(Box::new(notice)));
        }
    }
}
