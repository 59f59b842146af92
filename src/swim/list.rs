//! `List`: foca's list of a node that has yet to start, and `Remembered`: who goes into it.
//!
//! foca looks for each member in its whole list before it enters it, and there is no other way in:
//! n members cost n² / 2 comparisons, about 25 ms for 10,000, and a cluster of them n³ / 2. A list
//! that is being filled has nothing to do with the rest of its node, so that many can be filled at
//! the same time.

use std::{fmt, sync::Arc, time::Duration};

use foca::{Foca, Member, Notification, State, Timer};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Directory, Enrolled, Life, View,
    broadcasts::Broadcasts,
    codec::Codec,
    engine::{Asked, Note},
    identity::Identity,
};

/// Members whom nodes remember, each alive in the first life of its newest generation. Cheap to
/// clone.
#[derive(Clone)]
pub struct Remembered(Arc<[Identity]>);

/// The list of one node, which any thread may fill.
pub struct List<'a> {
    foca: &'a mut Foca<Identity, Codec, Xoshiro256PlusPlus, Broadcasts>,
    asked: &'a mut Asked,
}

/// Hears foca while a list is filled. Nothing is sent then, and nothing told of any member.
struct Filling<'a>(&'a mut Asked);

impl Remembered {
    /// Those in `view` of whom `directory` has a card now.
    pub fn of(view: &View, directory: &Directory) -> Self {
        let lives = view.iter().map(|Enrolled(handle)| Identity {
            handle,
            life: Life::first(directory.newest(handle)),
        });
        Self(lives.filter(|id| id.life.generation() > 0).collect())
    }

    /// Members in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> List<'a> {
    pub(super) const fn new(
        foca: &'a mut Foca<Identity, Codec, Xoshiro256PlusPlus, Broadcasts>,
        asked: &'a mut Asked,
    ) -> Self {
        Self { foca, asked }
    }

    /// Enters all of `members` but the node itself.
    pub fn fill(self, members: &Remembered) {
        let me = self.foca.identity().handle;
        let others = members.0.iter().filter(|id| id.handle != me);
        let alive = others.map(|id| Member::new(*id, 0, State::Alive));
        let result = self.foca.apply_many(alive, false, Filling(self.asked));
        result.expect("nothing is encoded for a list that is not gossiped");
    }
}

impl foca::Runtime<Identity> for Filling<'_> {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        if matches!(notification, Notification::Active) {
            self.0.note(Note::Active);
        }
    }

    fn send_to(&mut self, _: Identity, _: &[u8]) {}

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        self.0.wake(timer, after);
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Remembered, {} members", self.len())
    }
}

impl fmt::Debug for List<'_> {
    /// Not foca itself: its codec may be looked at on one thread only.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "List of {:?}", self.foca.identity())
    }
}

/// Filling lists on many threads is what they are for.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<List<'_>>();
};
