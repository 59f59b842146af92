//! `Directory`: the interner that turns names, ids and addresses into four-byte handles.

use std::{cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc, sync::Arc};

use hashbrown::HashMap;

use super::{Card, MemberId};

/// Cards of one member that are kept: its newest generations. Nodes of one simulation may know
/// different ones at the same time.
pub(super) const GENERATIONS_KEPT: usize = 16;

/// Members that were forgotten and still have their handles. Only when so many others were
/// forgotten after it may a member's handle come to mean another one: by then nothing speaks of it
/// any more.
const FORGOTTEN_MAX: usize = 65_536;

/// A member's number within one process. Never sent.
pub(super) type Handle = u32;

/// Every member this process ever heard of. Cheap to clone: clones are the same directory.
///
/// A simulation gives one directory to all its nodes, so that a name is stored once and not once
/// for each node that knows it.
#[derive(Clone, Default, Debug)]
pub struct Directory(Rc<RefCell<Entries>>);

#[derive(Default, Debug)]
struct Entries {
    /// Looked into for every packet, never iterated: its order is random.
    handles: HashMap<MemberId, Handle>,
    members: Vec<Entry>,
    /// Those without a card since they were forgotten, and which forgetting it was.
    forgotten: VecDeque<(Handle, u64)>,
    forgettings: u64,
    /// Handles that mean nobody.
    free: Vec<Handle>,
    /// Members with a card, and how many of those there may be.
    carded: usize,
    max: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    id: MemberId,
    /// Generation and address of the newest card, which nearly every question is about.
    newest: Option<(u32, SocketAddr)>,
    /// Ordered by generation, the newest last.
    cards: Vec<Arc<Card>>,
    /// Which forgetting took its cards, if one did.
    forgotten: Option<u64>,
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty directory that takes the cards of so many members, failed and departed ones until
    /// they are forgotten included.
    pub fn of_at_most(members: usize) -> Self {
        let directory = Self::new();
        directory.0.borrow_mut().max = Some(members);
        directory
    }

    /// Whether one member more may come.
    pub(super) fn has_room(&self) -> bool {
        let entries = self.0.borrow();
        entries.max.is_none_or(|max| entries.carded < max)
    }

    /// Keeps `card` unless its generation has one already, and names its member's handle.
    pub(super) fn intern(&self, card: Card) -> Handle {
        let handle = self.reserve(card.id);
        let mut entries = self.0.borrow_mut();
        let entry = &mut entries.members[handle as usize];
        let is_new = entry.cards.is_empty();
        entry.forgotten = None;
        entry.keep(card);
        entries.carded += usize::from(is_new);
        handle
    }

    /// The handle of `id`, which may have no card yet.
    pub(super) fn reserve(&self, id: MemberId) -> Handle {
        let mut entries = self.0.borrow_mut();
        match entries.handles.get(&id) {
            Some(handle) => *handle,
            None => entries.enter(id),
        }
    }

    /// The same where somebody only says that it was removed: nobody fills our memory so.
    pub(super) fn reserve_if_room(&self, id: MemberId) -> Option<Handle> {
        let entries = self.0.borrow();
        // Whoever came back since counts as forgotten here until it is its turn: a few more fit.
        let taken = entries
            .handles
            .len()
            .saturating_sub(entries.forgotten.len());
        let has_room = entries.max.is_none_or(|max| taken < max);
        let has_one = entries.handles.contains_key(&id);
        drop(entries);
        (has_one || has_room).then(|| self.reserve(id))
    }

    /// The handle of `id`, if we ever heard of it.
    pub(super) fn handle(&self, id: MemberId) -> Option<Handle> {
        self.0.borrow().handles.get(&id).copied()
    }

    /// The id behind `handle`.
    pub(super) fn id(&self, handle: Handle) -> MemberId {
        self.0.borrow().members[handle as usize].id
    }

    /// The card of one generation.
    pub(super) fn card(&self, handle: Handle, generation: u32) -> Option<Arc<Card>> {
        let entries = self.0.borrow();
        entries
            .members
            .get(handle as usize)?
            .card(generation)
            .cloned()
    }

    /// Where the card of one generation says that the member is.
    pub(super) fn address(&self, handle: Handle, generation: u32) -> Option<SocketAddr> {
        let entries = self.0.borrow();
        let entry = entries.members.get(handle as usize)?;
        match entry.newest {
            Some((newest, address)) if newest == generation => Some(address),
            _ => Some(entry.card(generation)?.address),
        }
    }

    /// Drops the cards of a member that is forgotten, unless others use this directory too. The
    /// handle stays, so that it does not come to mean another member soon.
    pub(super) fn release(&self, handle: Handle) {
        if Rc::strong_count(&self.0) == 1 {
            self.0.borrow_mut().release(handle);
        }
    }

    /// The newest generation that anybody told this process of.
    pub(super) fn newest(&self, handle: Handle) -> u32 {
        let entries = self.0.borrow();
        let entry = entries.members.get(handle as usize);
        let newest = entry.and_then(|entry| entry.newest);
        newest.map_or(0, |(generation, _)| generation)
    }

    /// The name of `id`, if we ever heard of it.
    pub(super) fn name(&self, id: MemberId) -> Option<String> {
        let handle = self.handle(id)?;
        let entries = self.0.borrow();
        Some(entries.members[handle as usize].cards.last()?.name.clone())
    }
}

impl Entries {
    fn enter(&mut self, id: MemberId) -> Handle {
        let entry = Entry {
            id,
            newest: None,
            cards: Vec::new(),
            forgotten: None,
        };
        let handle = if let Some(handle) = self.free.pop() {
            self.members[handle as usize] = entry;
            handle
        } else {
            self.members.push(entry);
            Handle::try_from(self.members.len() - 1).expect("under 2^32 members by memory")
        };
        self.handles.insert(id, handle);
        handle
    }

    fn release(&mut self, handle: Handle) {
        self.forgettings += 1;
        let entry = &mut self.members[handle as usize];
        let was_carded = !entry.cards.is_empty();
        (entry.newest, entry.cards) = (None, Vec::new());
        entry.forgotten = Some(self.forgettings);
        self.carded -= usize::from(was_carded);
        self.forgotten.push_back((handle, self.forgettings));
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.free_oldest();
        }
    }

    /// Takes the handle from whoever was forgotten longest ago, unless it has come back since.
    fn free_oldest(&mut self) {
        let Some((handle, forgetting)) = self.forgotten.pop_front() else {
            return;
        };
        let entry = &self.members[handle as usize];
        if entry.forgotten == Some(forgetting) {
            self.handles.remove(&entry.id);
            self.free.push(handle);
        }
    }
}

impl Entry {
    fn card(&self, generation: u32) -> Option<&Arc<Card>> {
        let mut newest_first = self.cards.iter().rev();
        newest_first.find(|card| card.generation == generation)
    }

    fn keep(&mut self, card: Card) {
        let place = self
            .cards
            .partition_point(|kept| kept.generation < card.generation);
        if self
            .cards
            .get(place)
            .is_some_and(|kept| kept.generation == card.generation)
        {
            return;
        }
        self.cards.insert(place, Arc::new(card));
        if self.cards.len() > GENERATIONS_KEPT {
            self.cards.remove(0);
        }
        let newest = self.cards.last();
        self.newest = newest.map(|card| (card.generation, card.address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::Tags;

    fn numbered(number: usize) -> Card {
        let name = format!("n{number}");
        Card {
            id: MemberId::new("blue", &name),
            name,
            generation: 1,
            address: ([10, 0, 0, 1], 7946).into(),
            tags: Tags::default(),
        }
    }

    #[test]
    fn numbers_of_the_forgotten_are_limited_and_rest_before_they_mean_another() {
        let directory = Directory::new();
        let stays = directory.intern(numbered(0));
        let gone = directory.intern(numbered(1));
        directory.release(gone);
        assert_eq!(directory.intern(numbered(1)), gone, "it is back");
        for number in 2..2 + FORGOTTEN_MAX {
            let handle = directory.intern(numbered(number));
            assert_eq!(handle as usize, number, "nobody's before");
            directory.release(handle);
        }
        for number in 0..3 * FORGOTTEN_MAX {
            directory.release(directory.intern(numbered(FORGOTTEN_MAX + 2 + number)));
        }
        let entries = directory.0.borrow();
        assert!(entries.members.len() <= FORGOTTEN_MAX + 4);
        assert_eq!(
            entries.members.len(),
            entries.handles.len() + entries.free.len()
        );
        for (number, handle) in [(0, stays), (1, gone)] {
            assert_eq!(entries.handles[&numbered(number).id], handle);
            assert_eq!(entries.members[handle as usize].cards.len(), 1);
        }
    }
}
