//! `View`: members by number, for whoever starts with knowledge of them.

use std::{fmt, rc::Rc};

use super::{
    Card,
    directory::{Directory, Handle},
};

/// Some members of a [`Directory`], each once. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct View(Rc<[Handle]>);

impl Directory {
    /// The members that `cards` tell of, entered into the directory.
    pub fn view(&self, cards: impl IntoIterator<Item = Card>) -> View {
        let mut handles: Vec<_> = cards.into_iter().map(|card| self.intern(card)).collect();
        handles.sort_unstable();
        handles.dedup();
        View(handles.into())
    }
}

impl View {
    /// Members in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "View of {}", self.len())
    }
}
