//! `Engine`: foca, driven. Everything foca asks for comes back as data.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    num::{NonZeroU8, NonZeroUsize},
    rc::Rc,
    time::Duration,
};

use foca::{Foca, Member, Notification, State, Timer, TimerToken};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Tuning,
    broadcasts::Broadcasts,
    codec::Codec,
    directory::Handle,
    gate::{Gate, Touch},
    identity::Identity,
    list::List,
    mail::{Mail, SWIM_BYTES_MAX},
    prefetch::{LINE_BYTES, prefetch},
};

/// foca with our types filled in, and what it asked for since it was last looked at.
pub(super) struct Engine {
    foca: Foca<Identity, Codec, Xoshiro256PlusPlus, Broadcasts>,
    effects: Effects,
    tuning: Tuning,
    transmissions: u8,
}

/// Where what foca asks for goes.
struct Effects {
    gate: Rc<RefCell<Gate>>,
    mail: Mail,
    asked: Asked,
}

/// What foca wants to be woken for, and what it noticed.
#[derive(Debug, Default)]
pub(super) struct Asked {
    timers: VecDeque<(Duration, Timer<Identity>)>,
    notes: VecDeque<Note>,
    token: TimerToken,
}

/// What foca noticed, as far as the gate's touches do not tell it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// There is an active member again.
    Active,
    /// There is no active member left.
    Idle,
    /// We were held down and have a new life now.
    Renewed,
}

impl Engine {
    pub(super) fn new(
        gate: Rc<RefCell<Gate>>,
        tuning: Tuning,
        rng: Xoshiro256PlusPlus,
        mail: Mail,
    ) -> Self {
        let me = gate.borrow().me;
        let transmissions = tuning.transmissions(1);
        let config = config(&tuning, transmissions);
        Self {
            foca: Foca::with_custom_broadcast(
                me,
                config,
                rng,
                Codec::new(gate.clone()),
                Broadcasts::new(gate.clone()),
            ),
            effects: Effects {
                gate,
                mail,
                asked: Asked::default(),
            },
            tuning,
            transmissions,
        }
    }

    pub(super) const fn mail(&mut self) -> &mut Mail {
        &mut self.effects.mail
    }

    /// See [`prefetch()`].
    pub(super) fn prefetch(&self) {
        const IN_A_LINE: usize = LINE_BYTES / size_of::<Member<Identity>>();
        self.members().step_by(IN_A_LINE).for_each(prefetch);
        self.effects.mail.prefetch();
    }

    /// Active members, ourselves not counted.
    pub(super) const fn active(&self) -> usize {
        self.foca.num_members()
    }

    /// foca's list, to be filled.
    pub(super) const fn list(&mut self) -> List<'_> {
        List::new(&mut self.foca, &mut self.effects.asked)
    }

    /// foca's list, in its own order.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = &Member<Identity>> {
        self.foca.iter_membership_state()
    }

    /// Those that foca does not hold down.
    pub(super) fn living(&self) -> impl Iterator<Item = &Member<Identity>> {
        self.members().filter(|held| held.state() != State::Down)
    }

    /// What foca holds of one member, in O(n) as every look-up of foca's.
    pub(super) fn find(&self, handle: Handle) -> Option<&Member<Identity>> {
        self.members().find(|member| member.id().handle == handle)
    }

    /// A packet whose sender the gate knows.
    pub(super) fn packet(&mut self, bytes: &[u8]) -> Result<(), foca::Error> {
        self.foca.handle_data(bytes, &mut self.effects)
    }

    pub(super) fn timer(&mut self, timer: Timer<Identity>) -> Result<(), foca::Error> {
        self.foca.handle_timer(timer, &mut self.effects)
    }

    /// The suspect is confirmed, unless it has raised its incarnation since.
    pub(super) fn confirm(
        &mut self,
        member_id: Identity,
        incarnation: u16,
    ) -> Result<(), foca::Error> {
        // foca checks the incarnation, but tells the member that it is down whether or not it was:
        // every refuted suspicion would cost a renewal.
        let accused = Member::new(member_id, incarnation, State::Suspect);
        if self.find(member_id.handle) != Some(&accused) {
            return Ok(());
        }
        let token = self.effects.asked.token;
        self.timer(Timer::ChangeSuspectToDown {
            member_id,
            incarnation,
            token,
        })
    }

    pub(super) fn apply(
        &mut self,
        members: impl Iterator<Item = Member<Identity>>,
        gossip: bool,
    ) -> Result<(), foca::Error> {
        self.foca.apply_many(members, gossip, &mut self.effects)
    }

    /// Takes the life that the gate has now, and stays connected: foca has no live timers after a
    /// change of identity until a list, even an empty one, is applied.
    pub(super) fn adopt_life(&mut self) -> Result<(), foca::Error> {
        let me = self.effects.gate.borrow().me;
        if me != *self.foca.identity() {
            self.foca.change_identity(me, &mut self.effects)?;
        }
        self.reconnect()
    }

    pub(super) fn reconnect(&mut self) -> Result<(), foca::Error> {
        self.apply(std::iter::empty(), false)
    }

    pub(super) fn leave(&mut self) -> Result<(), foca::Error> {
        self.foca.leave_cluster(&mut self.effects)
    }

    /// One round of foca's own gossip.
    pub(super) fn gossip(&mut self) -> Result<(), foca::Error> {
        self.foca.gossip(&mut self.effects)
    }

    /// Follows other numbers. foca keeps the pace of its probes: the node has its timers wait.
    pub(super) fn tune(&mut self, tuning: &Tuning) -> Result<(), foca::Error> {
        self.tuning = Tuning {
            probe_interval: self.tuning.probe_interval,
            probe_timeout: self.tuning.probe_timeout,
            ..tuning.clone()
        };
        self.configure()
    }

    /// Follows the cluster's size. Errors are impossible: only what may change changes.
    pub(super) fn retune(&mut self, members: usize) -> Result<(), foca::Error> {
        let transmissions = self.tuning.transmissions(members);
        if transmissions == self.transmissions {
            return Ok(());
        }
        self.transmissions = transmissions;
        self.configure()
    }

    fn configure(&mut self) -> Result<(), foca::Error> {
        let config = config(&self.tuning, self.transmissions);
        self.foca.set_config(config)
    }

    /// The next thing foca wants to be woken for, in the order it asked.
    pub(super) fn next_timer(&mut self) -> Option<(Duration, Timer<Identity>)> {
        self.effects.asked.timers.pop_front()
    }

    /// The next thing foca noticed.
    pub(super) fn next_note(&mut self) -> Option<Note> {
        self.effects.asked.notes.pop_front()
    }

    /// Claims that rounds of gossip have yet to say.
    pub(super) fn backlog(&self) -> usize {
        self.foca.updates_backlog() + self.foca.custom_broadcast_backlog()
    }

    /// Sends a claim about a member beyond the view on with the next packets.
    pub(super) fn broadcast(&mut self, update: &[u8]) -> Result<(), foca::Error> {
        self.foca.add_broadcast(update).map(|_| ())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("identity", self.foca.identity())
            .finish()
    }
}

impl Asked {
    pub(super) fn note(&mut self, note: Note) {
        self.notes.push_back(note);
    }

    pub(super) fn wake(&mut self, timer: Timer<Identity>, after: Duration) {
        if let Timer::ProbeRandomMember(token) = timer {
            self.token = token;
        }
        self.timers.push_back((after, timer));
    }
}

impl foca::Runtime<Identity> for &mut Effects {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        let mut gate = self.gate.borrow_mut();
        match notification {
            Notification::MemberUp(id) | Notification::MemberDown(id) => gate.touch(id.handle),
            Notification::Rename(old, new) => {
                gate.findings.touched.push(Touch {
                    handle: new.handle,
                    replaces: Some(old.life),
                });
            }
            Notification::Active => self.asked.note(Note::Active),
            Notification::Idle => self.asked.note(Note::Idle),
            Notification::Rejoin(me) => {
                gate.me = *me;
                gate.incarnation = 0;
                self.asked.note(Note::Renewed);
            }
            // Only when we leave: `Identity::renew` always answers.
            Notification::Defunct => {}
        }
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        let mut gate = self.gate.borrow_mut();
        if std::mem::take(&mut gate.unsaid) {
            return gate.pending.parted.push(to);
        }
        if let Some(address) = gate.address_of(to) {
            self.mail.swim((gate.id, gate.me.life), address, data);
        }
    }

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        // Asked for once for each probe that failed. Suspicions have clocks of our own, which
        // other members' words can move.
        if let Timer::ChangeSuspectToDown {
            member_id,
            incarnation,
            ..
        } = timer
        {
            let accused = Member::new(member_id, incarnation, State::Suspect);
            self.gate.borrow_mut().accuse(&accused);
        } else {
            self.asked.wake(timer, after);
        }
    }
}

fn config(tuning: &Tuning, transmissions: u8) -> foca::Config {
    let fanout = NonZeroUsize::new(tuning.fanout).unwrap_or(NonZeroUsize::MIN);
    // Some sends of an update are ours to make at once; foca makes the rest.
    let later = transmissions.saturating_sub(tuning.eager_sends);
    foca::Config {
        probe_period: tuning.probe_interval,
        probe_rtt: tuning.probe_timeout,
        num_indirect_probes: fanout,
        max_transmissions: NonZeroU8::new(later).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: tuning.suspicion_timeout(1),
        remove_down_after: None,
        max_packet_size: NonZeroUsize::new(SWIM_BYTES_MAX).unwrap_or(NonZeroUsize::MIN),
        notify_down_members: true,
        periodic_announce: None,
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(foca::PeriodicParams {
            frequency: tuning.gossip_interval,
            num_members: fanout,
        }),
    }
}
