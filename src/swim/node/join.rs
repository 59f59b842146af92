//! Making contact: hellos to seeds, until they answer. `reconnect` says whom else we greet.
//!
//! hello → welcome with a cookie and the address we are seen at → state exchange on a stream.
//! Nothing is believed of an address before it answered: the cookie shows that whoever opens the
//! stream received our datagram there.

use std::{collections::BTreeSet, hash::Hasher, net::SocketAddr, time::Duration};

use foca::State;
use rand::RngExt;
use siphasher::sip::SipHasher24;

use super::{
    Node,
    duel::{Holder, Newcomer},
};
use crate::swim::{
    Junk, KeyId, MemberId, Notice, Output, Timestamp, check_name,
    envelope::{Envelope, Kind},
    mail::Asker,
    timers::Alarm,
    wire::{self, Held, Hello, Over, Refused, Taken, Twin, Welcome},
};

/// Time to the first retry of a hello. It doubles with each.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest time between two hellos while we know nobody.
const RETRY_ALONE_MAX: Duration = Duration::from_secs(5);
/// Longest time between two hellos while we have company.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take where a hello is said once: some round trips, however slow.
const PATIENCE: Duration = Duration::from_secs(5);
/// Hellos without an answer before the operator hears of it: about three seconds.
const ATTEMPTS_QUIET: u32 = 6;
/// Hellos to a seed while another one tells us everything: less than a second.
const ATTEMPTS_TAUGHT: u32 = 4;
/// Whoever is told of more members than these asks no other seed that is among them. Where
/// thousands join at once, what seeds tell each of them is most of what there is to send; where
/// few do, who came just now is known to one seed only.
const FEW: usize = 500;
/// Addresses that are tried until they answer. What more of them could tell, these do.
const SEEDS_MAX: usize = 1_024;
/// A cookie is good for one to two of these.
const COOKIE_SLOT_MICROS: u64 = 30_000_000;

/// An address that we want to hear from.
#[derive(Debug)]
pub(super) struct Contact {
    /// What an answer must echo, while one is awaited: the same for every hello until then, so
    /// that a slow answer to the first is as good as one to the last.
    nonce: Option<u64>,
    attempts: u32,
    /// Given by the operator: tried until it answers. Others are tried once.
    pub(super) seed: bool,
    /// It answered once. From then on it is tried as any other lost member is.
    pub(super) joined: bool,
    refused: bool,
    retry_at: Timestamp,
    /// It answered while another seed told us everything, and this opens a stream to it.
    cookie: Option<u64>,
}

impl Node {
    pub(super) fn join(&mut self, addresses: &[SocketAddr]) {
        let seeds = self.contacts.values().filter(|contact| contact.seed);
        let mut room = SEEDS_MAX.saturating_sub(seeds.count());
        for address in addresses {
            if *address == self.address() {
                continue;
            }
            let is_new = self.contacts.get(address).is_none_or(|known| !known.seed);
            if is_new && room == 0 {
                let own = self.address();
                self.notice(own, Notice::TooManySeeds);
                break;
            }
            room -= usize::from(is_new);
            let contact = self.contact(*address);
            contact.seed = true;
            contact.attempts = 0;
            contact.joined = false;
            if !self.fresh && self.is_active_address(*address) {
                self.joined(*address);
            } else {
                self.say_hello(*address);
            }
        }
    }

    pub(super) fn abandon(&mut self, addresses: &[SocketAddr]) {
        self.contacts
            .retain(|address, _| !addresses.contains(address));
    }

    fn contact(&mut self, address: SocketAddr) -> &mut Contact {
        self.contacts.entry(address).or_insert(Contact {
            nonce: None,
            attempts: 0,
            seed: false,
            joined: false,
            refused: false,
            retry_at: Timestamp::ZERO,
            cookie: None,
        })
    }

    pub(super) fn say_hello(&mut self, to: SocketAddr) {
        let (nonce, spread) = (self.rng.random(), self.rng.random_range(0.75..1.25));
        let (now, alone) = (self.now, self.engine.active() == 0);
        let patience = PATIENCE.max(self.tuning.probe_timeout * 4);
        let contact = self.contact(to);
        let nonce = *contact.nonce.get_or_insert(nonce);
        contact.attempts += 1;
        let wait = if contact.is_pressing() {
            backoff(contact.attempts, alone || contact.refused)
        } else {
            patience
        };
        contact.retry_at = now + wait.mul_f64(spread);
        let (attempts, retry_at) = (contact.attempts, contact.retry_at);
        let complain = attempts > ATTEMPTS_QUIET && contact.is_pressing() && !contact.refused;
        self.timers.schedule(retry_at, Alarm::Hello(to));
        if complain {
            let address = to;
            self.notice(to, Notice::JoinUnanswered { address, attempts });
        }
        self.send_hello(nonce, to);
    }

    fn send_hello(&mut self, nonce: u64, to: SocketAddr) {
        let (cluster, card) = {
            let gate = self.gate.borrow();
            (gate.cluster.clone(), gate.card.clone())
        };
        let hello = Hello {
            nonce,
            cluster: &cluster,
            name: &card.name,
            instance: self.instance,
            address: card.address,
            to,
            holds_over: self.held_over_at(to),
        };
        self.send_padded((Kind::Hello, wire::HELLO_BYTES_MIN), to, &hello);
    }

    /// Nobody answered this hello yet.
    pub(super) fn hello_again(&mut self, to: SocketAddr) {
        let now = self.now;
        let Some(contact) = self.contacts.get_mut(&to) else {
            return;
        };
        if contact.nonce.is_none() || now < contact.retry_at {
            return;
        }
        if !contact.seed {
            self.contacts.remove(&to);
        } else if contact.joined {
            contact.nonce = None;
        } else if self.is_active_address(to) {
            self.joined(to);
        } else {
            self.say_hello(to);
        }
    }

    pub(super) fn joined(&mut self, address: SocketAddr) {
        if let Some(contact) = self.contacts.get_mut(&address) {
            contact.nonce = None;
            contact.cookie = None;
            contact.attempts = 0;
            let is_first = !std::mem::replace(&mut contact.joined, true);
            if !contact.seed {
                self.contacts.remove(&address);
            } else if is_first {
                self.push(Output::Joined(address));
            }
        }
    }

    pub(super) fn on_hello(&mut self, asker: Asker, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let hello: Hello<'_> = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        if envelope.payload.len() < wire::HELLO_BYTES_MIN {
            return Err(Junk::Malformed);
        }
        let from = asker.address();
        let ours = self.gate.borrow().cluster.clone();
        if hello.cluster != ours {
            let refused = Refused {
                nonce: hello.nonce,
                cluster: &ours,
            };
            self.answer(Kind::Refused, asker, &refused);
            let theirs = hello.cluster.to_owned();
            self.notice(from, Notice::ForeignCluster { from, theirs, ours });
            return Err(Junk::Cluster);
        }
        check_name(hello.name).map_err(|_| Junk::Malformed)?;
        if MemberId::new(hello.cluster, hello.name) != envelope.sender {
            return Err(Junk::Malformed);
        }
        if envelope.sender == self.id() && hello.instance == self.instance {
            return self.hello_returned(from, envelope, &hello);
        }
        self.adopt_address(hello.to);
        if envelope.sender == self.id() {
            self.hello_from_our_name(asker, &hello);
        } else if self.gate.borrow().leaving.is_none() {
            self.consider(from, envelope, &hello);
        }
        Ok(())
    }

    /// Our own hello: one of our addresses is among those that we were told to join. Others may
    /// return it, too, where it can be captured.
    fn hello_returned(
        &mut self,
        from: SocketAddr,
        envelope: &Envelope<'_>,
        hello: &Hello<'_>,
    ) -> Result<(), Junk> {
        if hello.to != from {
            return Err(Junk::Replay);
        }
        if envelope.seal.is_none() {
            self.adopt_address(from);
        }
        self.contacts.remove(&from);
        Ok(())
    }

    /// A hello of a twin.
    fn hello_from_our_name(&mut self, asker: Asker, hello: &Hello<'_>) {
        let (address, life) = (self.address(), self.life());
        let holder = Twin {
            address,
            life,
            instance: self.instance,
        };
        let nonce = hello.nonce;
        self.answer(Kind::Taken, asker, &Taken { nonce, holder });
        // Said to somebody else it tells of no twin here: it may be an earlier process of ours.
        if hello.to == address {
            self.tell_conflict(hello.name.to_owned(), address, asker.address());
        }
    }

    /// A newcomer, a restarted process, or a member that lost us.
    fn consider(&mut self, from: SocketAddr, envelope: &Envelope<'_>, hello: &Hello<'_>) {
        if let Some((id, over)) = hello.holds_over
            && id == self.id()
        {
            self.outlive_held(over);
        }
        let newcomer = Newcomer {
            id: envelope.sender,
            address: from,
            nonce: hello.nonce,
        };
        let claimed = settled(hello.address, from);
        match self.active_elsewhere(newcomer.id, claimed) {
            Some(holder) => self.challenge_holder(holder, newcomer),
            None if self.may_answer(from) => self.welcome(newcomer),
            None => {}
        }
    }

    /// Who is active now as `id`, if that is not where it is `claimed` to be.
    fn active_elsewhere(&self, id: MemberId, claimed: SocketAddr) -> Option<Holder> {
        let handle = self.gate.borrow().directory.handle(id)?;
        let held = self
            .engine
            .find(handle)
            .filter(|held| held.state() != State::Down)?;
        let address = self.gate.borrow().address_of(*held.id())?;
        (address != claimed).then_some(Holder { handle, address })
    }

    pub(super) fn welcome(&mut self, newcomer: Newcomer) {
        let Newcomer { id, address, nonce } = newcomer;
        let handle = self.gate.borrow().directory.handle(id);
        let held = handle.and_then(|handle| self.engine.find(handle));
        let held = held.map(|held| match held.state() {
            State::Down => Held::Over(self.gate.borrow().over(*held.id())),
            _ => Held::Active(held.id().life),
        });
        let cookie = self.cookie(id);
        let welcome = Welcome {
            nonce,
            cookie,
            seen_as: address,
            held,
        };
        self.send(Kind::Welcome, address, &welcome);
    }

    pub(super) fn on_welcome(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let welcome: Welcome = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let Some(to) = self.contact_of(welcome.nonce) else {
            return Ok(());
        };
        if self.gate.borrow().leaving.is_some() {
            return Ok(());
        }
        self.adopt_address(welcome.seen_as);
        let life = self.life();
        self.compare_address(to, &welcome);
        if let Some(held) = welcome.held {
            self.rise_above(held);
        }
        let is_told = self.life() == life && self.engine.active() > FEW;
        if is_told && self.is_active_address(to) {
            self.joined(to);
        } else if self.is_taught_by_another(to) {
            self.contact(to).cookie = Some(welcome.cookie);
        } else {
            self.open_exchange(to, Some(welcome.cookie));
        }
        Ok(())
    }

    /// Whether somebody tells us just now who is there, while we know nobody. If it falls silent
    /// the next hellos to seeds find out; others are asked once, and not kept waiting.
    fn is_taught_by_another(&self, seed: SocketAddr) -> bool {
        let contact = self.contacts.get(&seed);
        let may_wait = |contact: &Contact| contact.seed && contact.attempts <= ATTEMPTS_TAUGHT;
        contact.is_some_and(may_wait) && self.is_taught()
    }

    /// One seed has told us all: the others, which answered meanwhile, may know more.
    pub(super) fn ask_other_seeds(&mut self) {
        let few = self.engine.active() <= FEW;
        let cookie = |(to, contact): (&SocketAddr, &mut Contact)| {
            let cookie = contact.cookie.take();
            cookie.filter(|_| few).map(|cookie| (*to, cookie))
        };
        let welcomed: Vec<_> = self.contacts.iter_mut().filter_map(cookie).collect();
        for (to, cookie) in welcomed {
            self.open_exchange(to, Some(cookie));
        }
    }

    /// The other side knows a life of ours that is over, or that we never had.
    fn rise_above(&mut self, held: Held) {
        let mine = self.life();
        match held {
            Held::Active(life) | Held::Over(Over { life, .. }) if self.fresh && life >= mine => {
                self.outlive_process(life);
            }
            Held::Over(over) => self.outlive_held(over),
            Held::Active(life) if life > mine => self.outlive(life),
            Held::Active(_) => {}
        }
    }

    pub(super) fn on_refused(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let refused: Refused<'_> = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let Some(by) = self.contact_of(refused.nonce) else {
            return Ok(());
        };
        self.contact(by).refused = true;
        let ours = self.gate.borrow().cluster.clone();
        let theirs = refused.cluster.to_owned();
        self.notice(by, Notice::RefusedCluster { by, theirs, ours });
        Ok(())
    }

    /// A peer that speaks another format said something.
    pub(super) fn version_refused(&mut self, from: SocketAddr, theirs: u8) {
        self.notice(from, Notice::UnknownVersion { from, theirs });
    }

    /// A peer seals with a key that we do not have, or not at all while we do, or we do not.
    pub(super) fn key_refused(&mut self, from: SocketAddr, theirs: Option<KeyId>) {
        self.stats.unread_at = Some(self.now);
        let ours = self.engine.mail().key_id();
        self.notice(from, Notice::UnknownKey { from, theirs, ours });
    }

    /// Answers a hello that we cannot read. The answer's envelope carries our format's number and
    /// our key's id, which is all that the other side reads of it.
    pub(super) fn refuse_unread(&mut self, asker: Asker) {
        let cluster = self.gate.borrow().cluster.clone();
        let refused = Refused {
            nonce: 0,
            cluster: &cluster,
        };
        self.answer_unread(Kind::Refused, asker, &refused);
    }

    pub(super) fn contact_of(&self, nonce: u64) -> Option<SocketAddr> {
        let asked = |(_, contact): &(&SocketAddr, &Contact)| contact.nonce == Some(nonce);
        self.contacts
            .iter()
            .find(asked)
            .map(|(address, _)| *address)
    }

    /// The member whose life we hold over that was at this address, if there is one.
    fn held_over_at(&self, address: SocketAddr) -> Option<(MemberId, Over)> {
        let gate = self.gate.borrow();
        let held = gate.down().find(|(_, card)| card.address == address);
        held.map(|(identity, card)| (card.id, gate.over(identity)))
    }

    pub(super) fn is_active_address(&self, address: SocketAddr) -> bool {
        let gate = self.gate.borrow();
        let mut active = self.engine.living();
        active.any(|held| gate.address_of(*held.id()) == Some(address))
    }

    /// Where we are and where every active member is: to look up many at once.
    pub(super) fn active_addresses(&self) -> BTreeSet<SocketAddr> {
        let gate = self.gate.borrow();
        let active = self.engine.living();
        let addresses = active.filter_map(|held| gate.address_of(*held.id()));
        addresses.chain([gate.card.address]).collect()
    }

    /// Good for whoever is `id`, now and for another slot.
    pub(super) fn cookie(&self, id: MemberId) -> u64 {
        self.cookie_of(id, self.now.as_micros() / COOKIE_SLOT_MICROS)
    }

    fn cookie_of(&self, id: MemberId, slot: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.cookie_key, slot);
        hasher.write_u64(id.0);
        hasher.finish()
    }

    pub(super) fn is_our_cookie(&self, cookie: u64, id: MemberId) -> bool {
        let slot = self.now.as_micros() / COOKIE_SLOT_MICROS;
        let mut slots = [Some(slot), slot.checked_sub(1)].into_iter().flatten();
        slots.any(|slot| self.cookie_of(id, slot) == cookie)
    }
}

impl Contact {
    /// Tried again and again until it answers.
    const fn is_pressing(&self) -> bool {
        self.seed && !self.joined
    }
}

/// Time to the next hello after `attempts` of them.
pub(super) fn backoff(attempts: u32, alone: bool) -> Duration {
    let max = if alone { RETRY_ALONE_MAX } else { RETRY_MAX };
    RETRY_MIN
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(max)
}

/// The address that a peer claims, or the one it was seen at when it does not know its own.
fn settled(claimed: SocketAddr, seen: SocketAddr) -> SocketAddr {
    if claimed.ip().is_unspecified() {
        SocketAddr::new(seen.ip(), claimed.port())
    } else {
        claimed
    }
}
