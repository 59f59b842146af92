//! Claims about members beyond the view, which foca's list must not hold: foca carries them as
//! custom broadcasts. A node that keeps everyone in its list neither sends nor accepts any.

use std::{cell::RefCell, rc::Rc};

use fragile::Fragile;

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
pub(super) struct Broadcasts(Fragile<Rc<RefCell<Gate>>>);

/// The member that a broadcast is about: a newer claim replaces an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About(Handle);

impl Broadcasts {
    pub(super) fn new(gate: Rc<RefCell<Gate>>) -> Self {
        Self(Fragile::new(gate))
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
        let mut gate = self.0.get().borrow_mut();
        let update = read::<Update<'_>>(data).filter(|_| gate.scope.is_partial());
        let Some((update, _)) = update else {
            gate.junk = Some(Junk::Malformed);
            return Err(CodecError::Junk(Junk::Malformed));
        };
        if sender.is_some() {
            gate.overhear(&update);
            return Ok(None);
        }
        let id = update.id(&gate.cluster);
        Ok(gate.directory.handle(id).map(About))
    }
}
