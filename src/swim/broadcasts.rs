//! Claims that foca's list cannot hold, which foca carries as custom broadcasts: all about members
//! beyond the view, and accusations of members that are accused already.

use std::{cell::RefCell, rc::Rc};

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
pub(super) struct Broadcasts(Rc<RefCell<Gate>>);

/// What a broadcast is about: a newer claim about a member replaces an older one, but accusations
/// only those of the same accuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    member: Handle,
    accuser: Option<MemberId>,
}

impl Broadcasts {
    pub(super) const fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self(gate)
    }
}

impl foca::Invalidates for About {
    fn invalidates(&self, other: &Self) -> bool {
        self.member == other.member && (self.accuser.is_none() || self.accuser == other.accuser)
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
        let mut gate = self.0.borrow_mut();
        let update = read::<Update<'_>>(data).map(|(update, _)| update);
        let accuser = |update: &Update<'_>| match update {
            Update::Suspect { accusation, .. } => Some(accusation.by),
            _ => None,
        };
        let is_welcome = |update: &Update<'_>| gate.scope.is_partial() || accuser(update).is_some();
        let Some(update) = update.filter(is_welcome) else {
            gate.junk = Some(Junk::Malformed);
            return Err(CodecError::Junk(Junk::Malformed));
        };
        if sender.is_some() {
            gate.overhear(&update);
            return Ok(None);
        }
        let id = update.id(&gate.cluster);
        let accuser = accuser(&update);
        let member = gate.directory.handle(id);
        Ok(member.map(|member| About { member, accuser }))
    }
}
