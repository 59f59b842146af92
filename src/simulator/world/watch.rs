//! `Watch`: at whose changes a world looks.

use super::Slot;

/// Whose changes are kept and held against promises.
#[derive(Debug)]
pub(super) enum Watch {
    /// Everybody's, and each list is compared with its changes whenever one is told.
    Everyone,
    /// Those of these machines, in order, whose lists are compared now and then.
    Only(Vec<Slot>),
}

impl Watch {
    /// Whether changes told in `slot` are kept.
    pub(super) fn sees(&self, slot: Slot) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(observers) => observers.binary_search(&slot).is_ok(),
        }
    }

    /// Whether every change is a reason to compare lists.
    pub(super) const fn is_thorough(&self) -> bool {
        matches!(self, Self::Everyone)
    }
}
