//! Datagrams in: opened, sorted, and counted where they are junk.

use std::{mem, net::SocketAddr};

use foca::Member;
use zeroize::Zeroize;

use super::Node;
use crate::swim::{
    Junk, PACKET_BYTES_MAX,
    envelope::{Envelope, Kind, Unopened},
    identity::Identity,
    mail::{self, Asker},
};

impl Node {
    pub(super) fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.stats.datagrams_received += 1;
        self.stats.bytes_received += bytes.len() as u64;
        if bytes.len() > PACKET_BYTES_MAX {
            return self.stats.count_junk(Junk::Oversized);
        }
        let asker = Asker::new(from, bytes);
        let mut plain = Vec::new();
        let opened = self.engine.mail().open_datagram(from, bytes, &mut plain);
        let holds_keys = matches!(&opened, Ok(envelope) if envelope.kind == Kind::Keys);
        let handled = match opened {
            Ok(envelope) => {
                self.note_asker(&envelope);
                self.opened(asker, &envelope)
            }
            Err(unopened) => Err(self.unopened(asker, unopened)),
        };
        if let Err(junk) = handled {
            self.stats.count_junk(junk);
        }
        if holds_keys {
            plain.zeroize();
        }
    }

    /// What stays closed is junk, and whoever said hello with it may be told why.
    fn unopened(&mut self, asker: Asker, unopened: Unopened) -> Junk {
        let (junk, wants_answer) = match unopened {
            Unopened::Junk(junk) => return junk,
            Unopened::Key {
                theirs,
                wants_answer,
            } => {
                self.key_refused(asker.address(), theirs);
                (Junk::Key, wants_answer)
            }
            Unopened::Version {
                theirs,
                wants_answer,
            } => {
                self.version_refused(asker.address(), theirs);
                (Junk::Version, wants_answer)
            }
        };
        if wants_answer {
            self.refuse_unread(asker);
        }
        junk
    }

    /// Who speaks in another key than ours is answered in that one, wherever it is reached.
    fn note_asker(&mut self, envelope: &Envelope<'_>) {
        if envelope.key == self.engine.mail().key_id() {
            return;
        }
        let gate = self.gate.borrow();
        let sender = gate.carded(envelope.sender, envelope.life);
        let address = sender.and_then(|sender| gate.address_of(sender));
        drop(gate);
        if let Some(address) = address {
            self.engine.mail().asked_from(address);
        }
    }

    fn opened(&mut self, asker: Asker, envelope: &Envelope<'_>) -> Result<(), Junk> {
        match envelope.kind {
            Kind::Hello => self.on_hello(asker, envelope),
            Kind::Welcome => self.on_welcome(envelope),
            Kind::Refused => self.on_refused(envelope),
            Kind::Challenge => self.on_challenge(asker, envelope),
            Kind::Present => self.on_present(envelope),
            Kind::Swim => self.on_swim(asker, envelope),
            Kind::Exchange => Err(Junk::Malformed),
            Kind::Taken => self.on_taken(envelope),
            Kind::Unknown => self.on_unknown(envelope),
            Kind::Nack => self.on_nack(envelope),
            Kind::Keys => self.on_orders(envelope),
            Kind::Forget => self.on_forget(envelope),
        }
    }

    fn on_swim(&mut self, asker: Asker, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let packet = mail::swim_packet(envelope.payload).ok_or(Junk::Malformed)?;
        if self.gate.borrow().leaving.is_some() {
            return Ok(());
        }
        if envelope.sender == self.id() {
            return self.heard_ourselves(asker.address(), envelope.life);
        }
        let Some(sender) = self.acquaintance(envelope) else {
            if let Some(stranger) = self.stranger(envelope) {
                return self.on_swim_beyond(stranger, packet);
            }
            self.invite(asker, envelope.sender);
            return Err(Junk::Stranger);
        };
        if let Some(twins) = self.superseded(asker.address(), sender) {
            self.introduce(twins);
            return Ok(());
        }
        self.gate.borrow_mut().sender = sender;
        let result = self.engine.packet(packet);
        let noticed = mem::take(&mut self.gate.borrow_mut().noticed);
        if noticed.addressed_before {
            self.introduce_to(sender);
        }
        if noticed.probe_answered {
            self.end_direct_stage();
        }
        if let Some(errand) = noticed.errand {
            self.run_errand(errand);
        }
        self.heed(sender, noticed.overheard, noticed.accused);
        self.check_packet(result, noticed.junk)
    }

    /// Lets foca hear what it does not look for in packets: claims that came as broadcasts, and an
    /// accusation of ours in the header. Whoever accuses us hears first that we live.
    pub(super) fn heed(
        &mut self,
        sender: Identity,
        overheard: Vec<Member<Identity>>,
        accused: bool,
    ) {
        if !overheard.is_empty() {
            let result = self.engine.apply(overheard.into_iter(), true);
            self.check(result);
        }
        if accused {
            self.introduce_to(sender);
        }
    }

    /// The sender's identity, if we were told who it is.
    pub(super) fn acquaintance(&self, envelope: &Envelope<'_>) -> Option<Identity> {
        let gate = self.gate.borrow();
        let known = |identity: &Identity| gate.roster.knows(identity.handle);
        gate.carded(envelope.sender, envelope.life).filter(known)
    }

    /// Junk is the peer's fault and counted as such; anything else would be ours.
    fn check_packet(
        &mut self,
        result: Result<(), foca::Error>,
        junk: Option<Junk>,
    ) -> Result<(), Junk> {
        match result {
            // Foca has read the packet, but not all that was in it was of use.
            Ok(()) => junk.map_or(Ok(()), Err),
            Err(foca::Error::DataFromOurselves | foca::Error::IndirectForOurselves) => {
                Err(Junk::Misdirected)
            }
            Err(
                foca::Error::Decode(_)
                | foca::Error::MalformedPacket
                | foca::Error::DataTooBig
                | foca::Error::CustomBroadcast(_),
            ) => Err(junk.unwrap_or(Junk::Malformed)),
            Err(ours) => {
                self.check(Err(ours));
                Ok(())
            }
        }
    }
}
