//! What passing the gate showed, for the node to draw its conclusions from.

use std::net::SocketAddr;

use foca::Member;

use super::Gate;
use crate::swim::{Junk, Life, directory::Handle, health::Errand, identity::Identity};

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

/// What the codec noticed while foca read a packet.
#[derive(Debug)]
pub(in crate::swim) struct Noticed {
    pub(in crate::swim) addressed_before: bool,
    pub(in crate::swim) probe_answered: bool,
    pub(in crate::swim) errand: Option<Errand>,
    pub(in crate::swim) accused: bool,
    pub(in crate::swim) overheard: Vec<Member<Identity>>,
    pub(in crate::swim) junk: Option<Junk>,
}

/// What the node has to draw conclusions from.
#[derive(Debug)]
pub(in crate::swim) struct Findings {
    pub(in crate::swim) sightings: Vec<Sighting>,
    pub(in crate::swim) twins: Vec<Twins>,
    pub(in crate::swim) touched: Vec<Touch>,
    pub(in crate::swim) beyond: Vec<Member<Identity>>,
}

impl Findings {
    /// Whether nothing more follows: an introduction of twins leads to no other conclusion here.
    pub(in crate::swim) const fn is_last(&self) -> bool {
        self.sightings.is_empty() && self.touched.is_empty() && self.beyond.is_empty()
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

impl Gate {
    /// Takes what the codec noticed since it was asked last.
    pub(in crate::swim) fn noticed(&mut self) -> Noticed {
        Noticed {
            addressed_before: std::mem::take(&mut self.addressed_before),
            probe_answered: std::mem::take(&mut self.probe_answered),
            errand: self.errand.take(),
            accused: std::mem::take(&mut self.accused),
            overheard: std::mem::take(&mut self.overheard),
            junk: self.junk.take(),
        }
    }

    /// Takes what there is to draw conclusions from.
    pub(in crate::swim) fn findings(&mut self) -> Findings {
        Findings {
            sightings: std::mem::take(&mut self.sightings),
            twins: std::mem::take(&mut self.twins),
            touched: std::mem::take(&mut self.touched),
            beyond: std::mem::take(&mut self.beyond),
        }
    }
}
