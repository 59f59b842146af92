//! Our side of an exchange that another begins.

use super::{Exchange, Node, Speaker, Talk, dial::ROUNDS_MAX};
use crate::swim::{
    Junk, MemberId, StreamId,
    envelope::Kind,
    mail::Asker,
    node::guests::Guest,
    parts::Parts,
    wire::{Frame, Unknown, Update},
};

/// Exchanges under way that others began.
const SERVED_MAX: usize = 128;

/// One that another began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// Nobody had heard of us before.
    fresh: bool,
    /// Who dialled, if it is a newcomer.
    guest: Option<Guest>,
    /// We have more to tell.
    is_cut: bool,
    /// How often it began another round.
    rounds: u8,
}

impl Node {
    /// Somebody speaks as a member whom we never heard of: it should come and tell us all, unless
    /// we are being told just now.
    pub(in crate::swim::node) fn invite(&mut self, asker: Asker, id: MemberId) {
        if self.is_taught() {
            return;
        }
        let unknown = Unknown {
            cookie: self.cookie(id),
        };
        self.answer(Kind::Unknown, asker.called(id), &unknown);
    }

    /// Answers whoever has a cookie or is a member already.
    pub(super) fn serve(
        &mut self,
        speaker: Speaker<'_>,
        cookie: Option<u64>,
        me: &Update<'_>,
        digest: u64,
    ) -> Result<(), Junk> {
        let envelope = speaker.envelope;
        let invited = cookie.is_some_and(|cookie| self.is_our_cookie(cookie, envelope.sender));
        if invited {
            self.engine.mail().prove(envelope);
        } else if !self.is_member(envelope) {
            return Err(Junk::Stranger);
        }
        if !self.is_honest(envelope, me) {
            return Err(Junk::Malformed);
        }
        if self.served() >= SERVED_MAX {
            return Err(Junk::Busy);
        }
        let fresh = std::mem::take(&mut self.fresh);
        let is_newcomer = self.acquaintance(envelope).is_none();
        self.import(envelope, std::slice::from_ref(me), true);
        let guest = is_newcomer.then(|| self.receive_guest(envelope.sender));
        let service = Service {
            fresh,
            guest: guest.flatten(),
            is_cut: false,
            rounds: 0,
        };
        self.settle();
        // Equal digests would hide an earlier process of ours in our very life.
        if fresh || (is_newcomer && self.digest() != digest) {
            self.tell_all(speaker, service);
        } else {
            self.compare(speaker, service, digest);
        }
        Ok(())
    }

    fn tell_all(&mut self, listener: Speaker<'_>, service: Service) {
        let is_cut = self.tell_state(listener, Parts::ALL);
        self.expect(
            listener.stream,
            Exchange::Served(Service { is_cut, ..service }),
        );
    }

    /// Says that we know the same, or where we differ, or all where that does not pay.
    fn compare(&mut self, listener: Speaker<'_>, service: Service, digest: u64) {
        let stream = listener.stream;
        if self.digest() == digest {
            self.say(stream, &Frame::Same);
            return self.end_service(stream, service);
        }
        match self.part_count() {
            count @ 2.. => {
                let sums = self.sums(count);
                self.say(stream, &Frame::Sums(sums));
                self.expect(stream, Exchange::Served(service));
            }
            _ => self.tell_all(listener, service),
        }
    }

    /// What the side says that dialled us.
    pub(super) fn go_on_serving(
        &mut self,
        speaker: Speaker<'_>,
        service: Service,
        frame: Frame<'_>,
    ) -> Result<(), Junk> {
        let stream = speaker.stream;
        match frame {
            Frame::Finish { updates, is_cut } => {
                if service.fresh {
                    self.rise_above_predecessor(&updates);
                }
                self.import(speaker.envelope, &updates, self.engine.active() > 0);
                self.end_round(stream, service, is_cut || service.is_cut);
            }
            Frame::State {
                parts,
                updates,
                is_cut,
            } if !service.fresh => {
                let gossip = self.engine.active() > 0;
                let ours_is_cut = self.answer_state(speaker, parts, &updates, gossip);
                self.end_round(stream, service, is_cut || ours_is_cut);
            }
            Frame::Again { digest } if !service.fresh && service.rounds < ROUNDS_MAX => {
                let rounds = service.rounds + 1;
                let service = Service { rounds, ..service };
                self.settle();
                self.compare(speaker, service, digest);
            }
            _ => return Err(Junk::Malformed),
        }
        Ok(())
    }

    /// Whoever dialled has told and been told. It begins another round if there is more.
    fn end_round(&mut self, stream: StreamId, service: Service, is_cut: bool) {
        if !is_cut {
            return self.end_service(stream, service);
        }
        let service = Service {
            fresh: false,
            is_cut: false,
            ..service
        };
        self.expect(stream, Exchange::Served(service));
    }

    fn end_service(&mut self, stream: StreamId, service: Service) {
        self.close(stream);
        if let Some(guest) = service.guest {
            self.bring_up_to_date(guest);
        }
    }

    /// We had told nobody of our life, and yet they know it: an earlier process had it.
    fn rise_above_predecessor(&mut self, updates: &[Update<'_>]) {
        let (id, cluster) = (self.id(), self.gate.borrow().cluster.clone());
        let ours = updates.iter().filter(|update| update.id(&cluster) == id);
        if let Some(life) = ours.map(Update::life).max() {
            self.outlive_process(life);
        }
    }

    fn served(&self) -> usize {
        let is_served = |talk: &&Talk| matches!(talk.what, Exchange::Served(_));
        self.exchanges.values().filter(is_served).count()
    }

    /// Newcomers that are being told who there is.
    pub(in crate::swim::node) fn guests_served(&self) -> impl Iterator<Item = Guest> {
        self.exchanges.values().filter_map(|talk| match talk.what {
            Exchange::Served(service) => service.guest,
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{Life, envelope::Envelope, node::tests::Few};

    #[test]
    fn whoever_asks_for_ever_more_rounds_is_hung_up_on() {
        let mut few = Few::joined(2);
        let node = few.nodes[0].as_mut().unwrap();
        let (stream, sender) = (StreamId(9), MemberId::new("blue", "n1"));
        let envelope = Envelope {
            kind: Kind::Exchange,
            sender,
            life: Life::first(1),
            payload: &[],
            seal: None,
            key: None,
        };
        let envelope = &envelope;
        let speaker = Speaker { stream, envelope };
        let mut again = |service| {
            node.go_on_serving(speaker, service, Frame::Again { digest: 1 })?;
            match node.exchanges[&stream].what {
                Exchange::Served(service) => Ok(service),
                _ => Err(Junk::Malformed),
            }
        };
        let mut service = Service {
            fresh: false,
            guest: None,
            is_cut: true,
            rounds: 0,
        };
        for _ in 0..ROUNDS_MAX {
            service = again(service).unwrap();
        }
        assert_eq!(again(service).err(), Some(Junk::Malformed));
    }
}
