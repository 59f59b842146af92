//! What foca's list cannot hold, and foca carries as custom broadcasts: what members say of
//! themselves, and claims about members beyond the view. A node that keeps everyone in its list
//! neither sends nor accepts such claims.

use std::{cell::RefCell, rc::Rc};

use super::{
    Junk,
    codec::{CodecError, read},
    directory::Handle,
    gate::Gate,
    identity::Identity,
    wire::Update,
};

/// Implements foca's broadcast handler on the shared gate.
#[derive(Debug)]
pub(super) struct Broadcasts(Rc<RefCell<Gate>>);

/// What a piece of news is about: a newer one replaces an older one about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// What is claimed of a member.
    Claim(Handle),
    /// What a member says of itself.
    Facts(Handle),
}

impl Broadcasts {
    pub(super) const fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self(gate)
    }
}

impl foca::Invalidates for About {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
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
        let carried =
            |update: &Update<'_>| gate.scope.is_partial() || matches!(update, Update::Facts { .. });
        let update = read::<Update<'_>>(data).filter(|(update, _)| carried(update));
        let Some((update, _)) = update else {
            gate.junk = Some(Junk::Malformed);
            return Err(CodecError::Junk(Junk::Malformed));
        };
        if sender.is_some() {
            gate.overhear(&update);
            return Ok(None);
        }
        let handle = gate.directory.handle(update.id(&gate.cluster));
        Ok(handle.map(match update {
            Update::Facts { .. } => About::Facts,
            _ => About::Claim,
        }))
    }
}
