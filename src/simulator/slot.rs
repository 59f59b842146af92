//! `Slot`: a machine's number in its world.

/// A machine's number in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(super) u32);

impl Slot {
    /// The slot with this index.
    pub(super) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("slots are u32"))
    }

    /// The slot as an index; slots count up from zero in the order of [`super::World::add`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
