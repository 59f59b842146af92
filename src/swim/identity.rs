//! `Identity`: what foca's list holds of a member, in eight bytes.

use super::{Life, directory::Handle};

/// A member in one of its lives. `handle` is where it is found, `life` decides who supersedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) handle: Handle,
    pub(super) life: Life,
}

impl foca::Identity for Identity {
    type Addr = Handle;

    /// Never `None`: two nodes that hold each other down would tell each other so without end.
    fn renew(&self) -> Option<Self> {
        Some(Self {
            life: self.life.next(),
            ..*self
        })
    }

    fn addr(&self) -> Handle {
        self.handle
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}
