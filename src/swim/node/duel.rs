//! Our own name, or another's, used twice.
//!
//! Each process drew a random instance number. A newcomer whose name is taken waits while the
//! known process is challenged: an answer refuses the newcomer, silence admits it as a restart.
//! Twins that meet later compare (life, instance), and the lower one stops.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use rand::RngExt;

use super::Node;
use crate::swim::{
    Change, Junk, Life, MemberId, Output, StopReason, Timestamp,
    directory::Handle,
    envelope::{Envelope, Kind},
    gate::Twins,
    identity::Identity,
    mail::Asker,
    timers::Alarm,
    wire::{self, Challenge, Over, Present, Taken, Twin},
};

/// How long a challenged process may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// A conflict with one address is told once in this time.
const CONFLICT_PAUSE: Duration = Duration::from_secs(60);
/// Challenges under way. A flood of newcomers with taken names waits for its turn.
const CHALLENGES_MAX: usize = 64;

/// Who was asked and told of names that are used twice.
#[derive(Debug, Default)]
pub(super) struct Duels {
    /// By what an answer must echo.
    challenges: BTreeMap<u64, Challenged>,
    /// When a conflict was last told, by the other process's address.
    conflicts: BTreeMap<SocketAddr, Timestamp>,
    /// When twins were last told of each other.
    introduced: BTreeMap<Handle, Timestamp>,
}

impl Duels {
    pub(super) fn count(&self) -> usize {
        self.challenges.len() + self.conflicts.len() + self.introduced.len()
    }

    fn is_any_challenged(&self, is_it: impl Fn(&Challenged) -> bool) -> bool {
        self.challenges.values().any(is_it)
    }

    /// Takes the challenge that this member answers.
    fn answered(&mut self, nonce: u64, by: MemberId) -> Option<Challenged> {
        let challenged = self.challenges.get(&nonce)?;
        (challenged.id == by).then_some(())?;
        self.challenges.remove(&nonce)
    }

    /// Whether a member may be told of itself again: once in a second, and not too many.
    fn may_introduce(&mut self, handle: Handle, now: Timestamp) -> bool {
        may_tell(&mut self.introduced, handle, now, ANSWER_TIMEOUT)
    }

    /// Whether a conflict with this address may be told: once a minute, and not too many.
    fn may_tell_conflict(&mut self, theirs: SocketAddr, now: Timestamp) -> bool {
        may_tell(&mut self.conflicts, theirs, now, CONFLICT_PAUSE)
    }
}

/// Whether none of it was told within the pause, and not of too many others. It is told then.
fn may_tell<K: Ord>(
    told: &mut BTreeMap<K, Timestamp>,
    of: K,
    now: Timestamp,
    pause: Duration,
) -> bool {
    told.retain(|_, at| now - *at < pause);
    let may = told.len() < CHALLENGES_MAX && !told.contains_key(&of);
    if may {
        told.insert(of, now);
    }
    may
}

/// A process that was asked whether it still lives.
#[derive(Debug)]
struct Challenged {
    id: MemberId,
    address: SocketAddr,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    /// This newcomer wants its name.
    Admit { newcomer: Newcomer, holder: Handle },
    /// It has our own name.
    Duel { life: Life },
}

/// Somebody who said hello, and waits for an answer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) id: MemberId,
    pub(super) address: SocketAddr,
    /// What the answer must echo.
    pub(super) nonce: u64,
}

/// The process that is known by a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) handle: Handle,
    pub(super) address: SocketAddr,
}

/// What a challenge has to say besides "are you there?".
#[derive(Clone, Copy, Debug)]
enum About {
    HeldOver(Over),
    Presence,
    Twin(SocketAddr, Life),
}

impl Node {
    /// Asks the known holder of a name before a newcomer gets it.
    pub(super) fn challenge_holder(&mut self, holder: Holder, newcomer: Newcomer) {
        let id = newcomer.id;
        if self.duels.is_any_challenged(|other| other.id == id) {
            return;
        }
        self.challenge(Challenged {
            id,
            address: holder.address,
            purpose: Purpose::Admit {
                newcomer,
                holder: holder.handle,
            },
        });
    }

    /// Somebody lives, or lived, elsewhere with our name.
    pub(super) fn suspect_twin(&mut self, address: SocketAddr, life: Life) {
        let id = self.id();
        if !self
            .duels
            .is_any_challenged(|other| other.address == address)
        {
            self.challenge(Challenged {
                id,
                address,
                purpose: Purpose::Duel { life },
            });
        }
    }

    fn challenge(&mut self, challenged: Challenged) {
        if self.duels.challenges.len() >= CHALLENGES_MAX {
            return;
        }
        let nonce = self.rng.random();
        self.send_challenge(nonce, challenged.id, challenged.address, About::Presence);
        self.duels.challenges.insert(nonce, challenged);
        self.schedule(ANSWER_TIMEOUT, Alarm::ChallengeSilent(nonce));
    }

    /// Tells a member that somebody holds this life of it over; no answer is waited for.
    pub(super) fn tell_held_over(&mut self, member: Identity) {
        let (id, address, over) = {
            let gate = self.gate.borrow();
            let id = gate.directory.id(member.handle);
            (id, gate.address_of(member), gate.over(member))
        };
        if let Some(address) = address {
            let nonce = self.rng.random();
            self.send_challenge(nonce, id, address, About::HeldOver(over));
        }
    }

    /// Members speak in lives that said goodbye. foca would have them renew; they are told that it
    /// was another process, once in a while.
    pub(super) fn tell_parted(&mut self, parted: Vec<Identity>) {
        for member in parted {
            if self.duels.may_introduce(member.handle, self.now) {
                self.tell_held_over(member);
            }
        }
    }

    /// The two sides of a member that speaks in an earlier generation than the one we hold of it.
    /// foca would have it renew once for each packet, and never get there.
    pub(super) fn superseded(&self, from: SocketAddr, sender: Identity) -> Option<Twins> {
        let generation = sender.life.generation();
        let gate = self.gate.borrow();
        // Cheap, and nearly always the answer.
        if gate.directory.newest(sender.handle) <= generation {
            return None;
        }
        let held = *self.engine.find(sender.handle)?.id();
        if held.life.generation() <= generation {
            return None;
        }
        let address = gate.address_of(held)?;
        Some(Twins {
            handle: sender.handle,
            sides: [(from, sender.life), (address, held.life)],
        })
    }

    /// Tells two processes with one name, or what is left of them, of each other.
    pub(super) fn introduce(&mut self, twins: Twins) {
        if !self.duels.may_introduce(twins.handle, self.now) {
            return;
        }
        let id = self.gate.borrow().directory.id(twins.handle);
        let [one, other] = twins.sides;
        for ((to, _), (address, life)) in [(one, other), (other, one)] {
            let nonce = self.rng.random();
            self.send_challenge(nonce, id, to, About::Twin(address, life));
        }
    }

    fn send_challenge(&mut self, nonce: u64, to: MemberId, address: SocketAddr, about: About) {
        let challenge = Challenge {
            nonce,
            to,
            instance: self.instance,
            held_over: match about {
                About::HeldOver(over) => Some(over),
                _ => None,
            },
            twin: match about {
                About::Twin(address, life) => Some((address, life)),
                _ => None,
            },
        };
        let bytes_min = match about {
            About::Twin(..) => wire::TWIN_BYTES_MIN,
            _ => 0,
        };
        self.send_padded((Kind::Challenge, bytes_min), address, &challenge);
    }

    pub(super) fn on_challenge(
        &mut self,
        asker: Asker,
        envelope: &Envelope<'_>,
    ) -> Result<(), Junk> {
        let challenge: Challenge = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        if challenge.to != self.id() || self.gate.borrow().leaving.is_some() {
            return Err(Junk::Misdirected);
        }
        if envelope.sender == self.id() {
            if challenge.instance != self.instance {
                let twin = Twin {
                    address: asker.address(),
                    life: envelope.life,
                    instance: challenge.instance,
                };
                self.duel(twin);
            }
            return Ok(());
        }
        if challenge.twin.is_some() && envelope.payload.len() < wire::TWIN_BYTES_MIN {
            return Err(Junk::Malformed);
        }
        if let Some(over) = challenge.held_over {
            self.outlive_held(over);
        }
        match challenge.twin {
            Some((address, life)) if address != self.address() => self.suspect_twin(address, life),
            Some((_, life)) if life > self.life() => self.outlive(life),
            _ => {}
        }
        let present = Present {
            nonce: challenge.nonce,
            instance: self.instance,
        };
        self.answer(Kind::Present, asker, &present);
        Ok(())
    }

    pub(super) fn on_present(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let present: Present = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let answered = self.duels.answered(present.nonce, envelope.sender);
        let Some(challenged) = answered else {
            return Ok(());
        };
        let holder = Twin {
            address: challenged.address,
            life: envelope.life,
            instance: present.instance,
        };
        match challenged.purpose {
            Purpose::Admit {
                newcomer,
                holder: handle,
            } => {
                let nonce = newcomer.nonce;
                self.send(Kind::Taken, newcomer.address, &Taken { nonce, holder });
                if let Some(name) = self.name_of(handle) {
                    self.tell_conflict(name, holder.address, newcomer.address);
                }
            }
            Purpose::Duel { .. } if present.instance == self.instance => {}
            Purpose::Duel { .. } => self.duel(holder),
        }
        Ok(())
    }

    pub(super) fn challenge_silent(&mut self, nonce: u64) {
        let Some(challenged) = self.duels.challenges.remove(&nonce) else {
            return;
        };
        match challenged.purpose {
            Purpose::Admit { newcomer, .. } => self.welcome(newcomer),
            Purpose::Duel { life } => self.outlive_process(life),
        }
    }

    /// Another process had our name and this life, and is gone. A renewal would keep its card and
    /// its end, which belong to the generation: only a new generation replaces them.
    pub(super) fn outlive_process(&mut self, life: Life) {
        let mine = self.life().generation();
        if life.generation() >= mine
            && life.is_plausible_after(mine)
            && self.gate.borrow().leaving.is_none()
        {
            self.begin_generation(life.generation().saturating_add(1));
        }
    }

    fn name_of(&self, handle: Handle) -> Option<String> {
        let gate = self.gate.borrow();
        gate.name(gate.directory.id(handle))
    }

    /// Told once a minute for each address, so that a flood of claims is no flood of changes.
    pub(super) fn tell_conflict(&mut self, name: String, ours: SocketAddr, theirs: SocketAddr) {
        if self.duels.may_tell_conflict(theirs, self.now) {
            self.change(Change::Conflict { name, ours, theirs });
        }
    }

    /// A process with our name was there before us.
    pub(super) fn on_taken(&mut self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let taken: Taken = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        let is_asked = self.contact_of(taken.nonce).is_some();
        if is_asked && taken.holder.instance != self.instance {
            if self.fresh {
                self.give_way(taken.holder);
            } else {
                self.duel(taken.holder);
            }
        }
        Ok(())
    }

    /// Nobody has heard of us yet, so nothing is lost when we stop.
    fn give_way(&mut self, holder: Twin) {
        let card = self.gate.borrow().card.clone();
        self.tell_conflict(card.name.clone(), card.address, holder.address);
        self.stop(StopReason::Conflict {
            holder: holder.address,
        });
    }

    /// The lower (life, instance) stops; the other one makes sure that its life is the last word.
    pub(super) fn duel(&mut self, twin: Twin) {
        let ours = self.address();
        let name = self.gate.borrow().card.name.clone();
        self.tell_conflict(name, ours, twin.address);
        if (self.life(), self.instance) < (twin.life, twin.instance) {
            return self.stop(StopReason::Conflict {
                holder: twin.address,
            });
        }
        // It decides by the life and instance that this challenge carries.
        let nonce = self.rng.random();
        self.send_challenge(nonce, self.id(), twin.address, About::Presence);
        // Its card may have spread, and a card belongs to a generation.
        if twin.life.generation() == self.life().generation() {
            self.begin_generation(twin.life.generation().saturating_add(1));
        }
    }

    /// A datagram came from our own id.
    pub(super) fn heard_ourselves(&mut self, from: SocketAddr, life: Life) -> Result<(), Junk> {
        if from != self.address() {
            self.suspect_twin(from, life);
        }
        Err(Junk::Misdirected)
    }

    /// Somebody holds a life over that may be ours.
    pub(super) fn outlive_held(&mut self, over: Over) {
        match over.left {
            true => self.outlive_process(over.life),
            false => self.outlive(over.life),
        }
    }

    /// Moves beyond a life of ours that somebody holds down. At most once for each life: the next
    /// one is greater.
    pub(super) fn outlive(&mut self, life: Life) {
        let mine = self.life();
        let plausible = life.is_plausible_after(mine.generation());
        if life < mine || !plausible || self.gate.borrow().leaving.is_some() {
            return;
        }
        // Nobody has heard of us yet: it was an earlier process, whose directory we do not have.
        if self.fresh || life.generation() > mine.generation() {
            return self.begin_generation(life.generation().saturating_add(1));
        }
        self.stats.renewals += 1;
        self.become_life(life.next());
        self.doubt_address();
    }

    /// Starts over as if the process had been started anew.
    pub(super) fn begin_generation(&mut self, generation: u32) {
        self.become_life(Life::first(generation));
    }

    fn become_life(&mut self, life: Life) {
        {
            let mut gate = self.gate.borrow_mut();
            gate.me.life = life;
            // foca begins again with it, and what we publish never goes back.
            gate.incarnation = 0;
        }
        self.follow_life();
        let result = self.engine.adopt_life();
        self.check(result);
    }

    /// Our card and our memory follow the generation of the life we have now.
    pub(super) fn follow_life(&mut self) {
        let generation = self.life().generation();
        let mut gate = self.gate.borrow_mut();
        let before = gate.card.generation;
        if before == generation {
            return;
        }
        Arc::make_mut(&mut gate.card).generation = generation;
        drop(gate);
        self.push(Output::Remember { generation });
        self.restate_facts();
        self.renumber_events(before);
    }
}
