//! `View`: which members a node keeps in its list.
//!
//! Every agent keeps all of them. A simulation of a hundred thousand nodes cannot: n lists of n
//! members do not fit. There each node keeps some neighbours, and presumes of everybody else what
//! nearly always holds: that they are alive, in their first life, unless somebody says otherwise.

use std::{fmt, rc::Rc};

use super::{
    Card, MemberId,
    directory::{Directory, Handle},
    prefetch,
};

/// A member's place in one [`Directory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enrolled(pub(super) Handle);

impl Enrolled {
    /// Members are numbered from zero in the order in which a directory first heard of them.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Some members of a [`Directory`], each once. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct View(Rc<[Handle]>);

/// Whom a node keeps in its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everyone, as every agent does.
    #[default]
    Everyone,
    /// These neighbours only, who should have the node among theirs.
    Neighbours {
        /// Who they are.
        view: View,
        /// Members of the whole cluster, for everything that grows with its logarithm.
        cluster: usize,
    },
}

/// Whether those whom a node remembers know it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// They know this life of ours: the cluster stands.
    Mutual,
    /// We remember them; of this life of ours nobody has heard.
    OneSided,
}

impl Directory {
    /// Gives a member its place before any process speaks for it.
    pub fn enrol(&self, id: MemberId) -> Enrolled {
        Enrolled(self.reserve(id))
    }

    /// Enters what a member says of itself.
    pub fn enter(&self, card: Card) -> Enrolled {
        Enrolled(self.intern(card))
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

    /// Whether `member` is in it.
    pub fn contains(&self, member: Enrolled) -> bool {
        self.position(member.0).is_some()
    }

    /// See [`prefetch()`].
    pub(super) fn prefetch(&self) {
        prefetch(&self.0[..]);
    }

    /// Everybody in it.
    pub fn iter(&self) -> impl Iterator<Item = Enrolled> + '_ {
        self.0.iter().copied().map(Enrolled)
    }

    /// The place of a member in the order of handles. Neighbours are drawn evenly, so that a guess
    /// is off by a few places, where a binary search would miss the cache at nearly every step.
    pub(super) fn position(&self, handle: Handle) -> Option<usize> {
        let (handles, last) = (&self.0, *self.0.last()?);
        if handle > last {
            return None;
        }
        let guess = handle as usize * (handles.len() - 1) / (last as usize).max(1);
        let before = handles[..guess].iter().rev();
        let skipped = before.take_while(|other| **other >= handle).count();
        let from = guess - skipped;
        let beyond = handles[from..].iter();
        let at = from + beyond.take_while(|other| **other < handle).count();
        (handles.get(at) == Some(&handle)).then_some(at)
    }
}

impl Scope {
    pub(super) const fn is_partial(&self) -> bool {
        matches!(self, Self::Neighbours { .. })
    }

    /// Whether the node keeps this member in its list.
    pub(super) fn covers(&self, handle: Handle) -> bool {
        match self {
            Self::Everyone => true,
            Self::Neighbours { view, .. } => view.position(handle).is_some(),
        }
    }
}

impl FromIterator<Enrolled> for View {
    fn from_iter<I: IntoIterator<Item = Enrolled>>(members: I) -> Self {
        let mut handles: Vec<_> = members.into_iter().map(|member| member.0).collect();
        handles.sort_unstable();
        handles.dedup();
        Self(handles.into())
    }
}

impl fmt::Debug for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "View of {}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_in_a_view_is_found_and_nobody_else() {
        for members in [
            vec![],
            vec![0],
            vec![7],
            vec![0, 1, 2],
            vec![0, 900, 901, 905, 10_000],
        ] {
            let view: View = members.iter().copied().map(Enrolled).collect();
            for handle in 0..10_010 {
                let expected = members.iter().position(|other| *other == handle);
                assert_eq!(view.position(handle), expected, "{handle} in {members:?}");
            }
        }
    }
}
