//! What passing the gate showed, for the node to draw its conclusions from: of one packet, of one
//! round of conclusions, and of a whole turn.

use std::net::SocketAddr;

use foca::Member;

use crate::swim::{
    Junk, Life,
    directory::Handle,
    events::Heard,
    facts::{Lacking, Stated},
    health::Errand,
    identity::Identity,
};

/// A member that may have something new to tell, and the life it replaces if it replaces one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::swim) struct Touch {
    pub(in crate::swim) handle: Handle,
    pub(in crate::swim) replaces: Option<Life>,
}

/// A member that is said to live twice: each address with the life it is said to have there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::swim) struct Twins {
    pub(in crate::swim) handle: Handle,
    pub(in crate::swim) sides: [(SocketAddr, Life); 2],
}

/// What a packet shows besides its claims. Of one packet only: the node takes it whole.
#[derive(Debug, Default)]
pub(in crate::swim) struct Noticed {
    /// The sender addressed an earlier life of ours: it should learn of this one.
    pub(in crate::swim) addressed_before: bool,
    /// It answered our probe.
    pub(in crate::swim) probe_answered: bool,
    /// It asked us to probe for it.
    pub(in crate::swim) errand: Option<Errand>,
    /// It believes us accused, or did: it should hear from us.
    pub(in crate::swim) accused: bool,
    /// Claims about members in the view that came where foca does not look for them.
    pub(in crate::swim) overheard: Vec<Member<Identity>>,
    /// Why foca could not read it, or not make use of all of it.
    pub(in crate::swim) junk: Option<Junk>,
}

/// What the node has to draw conclusions from, which may lead to more of it.
#[derive(Debug, Default)]
pub(in crate::swim) struct Findings {
    /// What others say of us that foca must not hear.
    pub(in crate::swim) sightings: Vec<Sighting>,
    /// Members with two cards for one generation.
    pub(in crate::swim) twins: Vec<Twins>,
    /// Members that may have something new to tell.
    pub(in crate::swim) touched: Vec<Touch>,
    /// Claims about members beyond the view that say something new.
    pub(in crate::swim) beyond: Vec<Member<Identity>>,
}

impl Findings {
    /// Whether nothing more follows: an introduction of twins leads to no other conclusion here.
    pub(in crate::swim) const fn is_last(&self) -> bool {
        self.sightings.is_empty() && self.touched.is_empty() && self.beyond.is_empty()
    }
}

/// What waits until every claim that came with it is told.
#[derive(Debug, Default)]
pub(in crate::swim) struct Pending {
    /// What members say of themselves, as far as it may be new.
    pub(in crate::swim) stated: Vec<Stated>,
    /// Whose tags have to be fetched.
    pub(in crate::swim) lacking: Vec<Lacking>,
    /// What applications are said to have raised.
    pub(in crate::swim) raised: Vec<Heard>,
    /// Who speaks in a life that said goodbye.
    pub(in crate::swim) parted: Vec<Identity>,
}

/// Up to where something waited.
#[derive(Clone, Copy, Debug)]
pub(in crate::swim) struct Mark {
    stated: usize,
    raised: usize,
}

impl Pending {
    pub(in crate::swim) const fn mark(&self) -> Mark {
        Mark {
            stated: self.stated.len(),
            raised: self.raised.len(),
        }
    }

    /// Whether what came after the mark is passed on as rumours are.
    pub(in crate::swim) fn pass_on_since(&mut self, mark: Mark, is_rumour: bool) {
        for stated in &mut self.stated[mark.stated..] {
            stated.is_rumour = is_rumour;
        }
        for raised in &mut self.raised[mark.raised..] {
            raised.is_rumour = is_rumour;
        }
    }
}

/// What somebody says of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::swim) enum Sighting {
    /// This life of ours is held down, or accused beyond our reach.
    Down(Life),
    /// This life of ours is held to have left, or to be in an incarnation we never had: an
    /// earlier process had it, whose directory is lost.
    Predecessor(Life),
    /// Somebody with our name lives, or lived, at another address.
    Twin { address: SocketAddr, life: Life },
}
