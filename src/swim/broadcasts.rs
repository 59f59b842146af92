//! What foca's list cannot hold, and foca carries as custom broadcasts: claims about members beyond
//! the view, accusations of members that are accused already, and what members say of themselves.

use std::{cell::RefCell, rc::Rc};

use fragile::Fragile;

use super::{
    Junk, MemberId,
    codec::{CodecError, read},
    directory::Handle,
    gate::Gate,
    identity::Identity,
    wire::Update,
};

/// Implements foca's broadcast handler on the shared gate.
#[derive(Debug)]
pub(super) struct Broadcasts(Fragile<Rc<RefCell<Gate>>>);

/// What a piece of news is about: a newer one about the same replaces an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// What is claimed of a member. Accusations replace only those of the same accuser.
    Claim {
        member: Handle,
        accuser: Option<MemberId>,
    },
    /// What a member says of itself.
    Facts(Handle),
}

impl About {
    /// Whatever is claimed of a member.
    pub(super) const fn claim(member: Handle) -> Self {
        Self::Claim {
            member,
            accuser: None,
        }
    }
}

impl Broadcasts {
    pub(super) fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self(Fragile::new(gate))
    }
}

impl foca::Invalidates for About {
    fn invalidates(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Claim { member, accuser },
                Self::Claim {
                    member: other,
                    accuser: by,
                },
            ) => member == other && (accuser.is_none() || accuser == by),
            _ => self == other,
        }
    }
}

impl foca::BroadcastHandler<Identity> for Broadcasts {
    type Key = About;
    type Error = CodecError;

    /// What we hear is judged now and sent on by the node, once it has drawn its conclusions; only
    /// what the node itself adds is kept.
    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&Identity>,
    ) -> Result<Option<About>, CodecError> {
        let mut gate = self.0.get().borrow_mut();
        let update = read::<Update<'_>>(data).map(|(update, _)| update);
        let is_welcome = |update: &Update<'_>| {
            gate.scope.is_partial()
                || matches!(
                    update,
                    Update::Suspect { .. } | Update::Facts { .. } | Update::Tagged { .. }
                )
        };
        let Some(update) = update.filter(is_welcome) else {
            gate.noticed.junk = Some(Junk::Malformed);
            return Err(CodecError::Junk(Junk::Malformed));
        };
        if sender.is_some() {
            gate.overhear(&update);
            return Ok(None);
        }
        let member = gate.directory.handle(update.id(&gate.cluster));
        let accuser = match update {
            Update::Facts { .. } | Update::Tagged { .. } => {
                return Ok(member.map(About::Facts));
            }
            Update::Suspect { accusation, .. } => Some(accusation.by),
            _ => None,
        };
        Ok(member.map(|member| About::Claim { member, accuser }))
    }
}
