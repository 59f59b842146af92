//! `Node`: one member's whole protocol behind three calls.
//!
//! `turn` takes inputs apart and settles what follows from them; `receive` opens datagrams,
//! `beyond` those of members that are not in the list, `answer` limits what strangers get back,
//! `join` makes contact and `reconnect` renews it, `guests` tells all of who came, `exchange`
//! compares state, a large one by `portion`, `follow_up` once more where members came, `sums` says
//! where it differs, `suspect` runs the clocks of suspicions, `evidence` looks closer at members
//! that do not answer, `damp` holds back the returns of those that keep failing, `health` doubts
//! ourselves, `duel` deals with our own name, `spread` sends news on, `facts` passes on what
//! members say of themselves, `fetch` gets what was too large for that, `events` passes on what
//! their applications raise, `keys` replaces what all seal with, `tell` turns what foca believes
//! into changes, `isolation` tells that nobody is left, `notices` tells the operator what is wrong,
//! `look` shows what is believed and `load` how much there is, `recall` starts from what is
//! remembered, `removal` counts who has forgotten a member, `tune` takes other numbers, `part` says
//! goodbye, `whereabouts` follows our address, and `prefetch` asks for a node's memory before it is
//! needed.

mod answer;
mod beyond;
mod damp;
mod duel;
mod events;
mod evidence;
mod exchange;
mod facts;
mod fetch;
mod follow_up;
#[cfg(all(feature = "agent", any(test, feature = "fuzzing")))]
pub(crate) mod fuzzing;
mod guests;
mod health;
mod isolation;
mod join;
mod keys;
mod load;
mod look;
mod notices;
mod part;
mod portion;
mod prefetch;
mod recall;
mod receive;
mod reconnect;
mod removal;
mod spread;
mod sums;
mod suspect;
mod tell;
mod tune;
mod turn;
mod whereabouts;

use std::{
    cell::RefCell, collections::BTreeMap, collections::VecDeque, mem, net::SocketAddr, rc::Rc,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Card, Change, Input, Life, MemberId, Output, Scope, Settings, Stats, StopReason, StreamId,
    Timestamp, Tuning, check_cluster, check_name, check_tags,
    directory::Handle,
    engine::Engine,
    envelope::{Kind, Sealer},
    gate::{Gate, Goodbye},
    health::Health,
    identity::Identity,
    losses::Losses,
    mail::{Addressee, Mail, Sender},
    timers::{Alarm, Timers},
};
use answer::Allowances;
use duel::Duels;
use events::Events;
use evidence::StreamProbe;
use exchange::Talk;
use fetch::Fetch;
use follow_up::FollowUp;
use guests::Guests;
use isolation::Isolation;
use join::Contact;
pub use keys::KeyRing;
use keys::Ordered;
pub use load::Load;
pub use look::Sketch;
use notices::Notices;
use reconnect::WayBack;
use removal::Removal;
use spread::Spread;
use whereabouts::Whereabouts;

/// Streams that a node has open at once, of those that it began.
#[cfg(feature = "agent")]
pub(crate) const STREAMS_BEGUN_MAX: usize =
    exchange::BEGUN_MAX + fetch::FETCHES_MAX + evidence::STREAM_PROBES_MAX;

/// One member of a cluster.
#[derive(Debug)]
pub struct Node {
    now: Timestamp,
    started: bool,
    stopped: bool,
    tuning: Tuning,
    /// Tells us from another process with our name.
    instance: u64,
    /// Nobody has heard of this life of ours yet.
    fresh: bool,
    /// How far we trust ourselves.
    health: Health,
    /// Consumers were told that we do not.
    degraded: bool,
    gate: Rc<RefCell<Gate>>,
    engine: Engine,
    timers: Timers,
    rng: Xoshiro256PlusPlus,
    cookie_key: u64,
    contacts: BTreeMap<SocketAddr, Contact>,
    way_back: WayBack,
    losses: Losses,
    isolation: Isolation,
    whereabouts: Whereabouts,
    exchanges: BTreeMap<StreamId, Talk>,
    fetches: BTreeMap<StreamId, Fetch>,
    follow_up: Option<FollowUp>,
    guests: Guests,
    stream_probes: BTreeMap<StreamId, StreamProbe>,
    /// Refusals by members that no probe asks are listened to from then on.
    hints_from: Timestamp,
    /// Our goodbye, until we know somebody to say it to.
    parting: Option<Goodbye>,
    duels: Duels,
    allowances: Allowances,
    spread: Spread,
    events: Events,
    ordered: Ordered,
    /// Removals that are being counted, by whom they are about.
    removals: BTreeMap<Handle, Removal>,
    /// foca's next round of gossip, while there is nothing to say.
    resting_gossip: Option<(Timestamp, foca::Timer<Identity>)>,
    told: (Life, u16),
    /// When others were last set right about what we say of ourselves.
    set_right: Option<Timestamp>,
    notices: Notices,
    stats: Stats,
}

impl Node {
    /// A node that has not met anybody yet.
    ///
    /// # Panics
    /// When the settings break [`check_name`], [`check_cluster`] or [`check_tags`].
    pub fn new(settings: Settings) -> Self {
        let card = card(&settings);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
        let mail = Mail::new(sealer(&settings, card.id, &mut rng));
        let ordered = Ordered::new(&settings.keys);
        let ring = ordered.ring(&settings.keys);
        let mut gate = Gate::new(settings.cluster, settings.directory, settings.scope, card);
        Self::begin_with_facts(&mut gate, ring);
        gate.tune(&settings.tuning);
        let told = (gate.me.life, 0);
        let gate = Rc::new(RefCell::new(gate));
        let engine_rng = Xoshiro256PlusPlus::seed_from_u64(rng.random());
        let tuning = settings.tuning;
        Self {
            now: Timestamp::ZERO,
            started: false,
            stopped: false,
            instance: rng.random(),
            fresh: true,
            health: Health::new(tuning.health_max),
            degraded: false,
            engine: Engine::new(gate.clone(), tuning.clone(), engine_rng, mail),
            gate,
            tuning,
            timers: Timers::default(),
            cookie_key: rng.random(),
            rng,
            contacts: BTreeMap::new(),
            way_back: WayBack::default(),
            losses: Losses::default(),
            isolation: Isolation::default(),
            whereabouts: Whereabouts::default(),
            exchanges: BTreeMap::new(),
            fetches: BTreeMap::new(),
            follow_up: None,
            guests: Guests::default(),
            stream_probes: BTreeMap::new(),
            hints_from: Timestamp::ZERO,
            parting: None,
            duels: Duels::default(),
            allowances: Allowances::default(),
            spread: Spread::default(),
            events: Events::default(),
            ordered,
            removals: BTreeMap::new(),
            resting_gossip: None,
            told,
            set_right: None,
            notices: Notices::default(),
            stats: Stats::default(),
        }
    }

    /// Takes what happened at `now` and gives what must be done about it. `now` never goes back.
    ///
    /// The outputs borrow the node: nothing else can happen to it before they are drained.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Outputs<'_> {
        self.begin(now);
        if !self.stopped {
            self.take(input);
            self.settle();
        }
        let mail = self.engine.mail();
        self.stats.datagrams_sent = mail.datagrams;
        self.stats.bytes_sent = mail.bytes;
        let gate = self.gate.borrow();
        (self.stats.probes, self.stats.probes_failed) = (gate.probing.sent, gate.probing.failed);
        self.stats.events = gate.events.stats;
        self.stats.members_refused = gate.members_refused;
        drop(gate);
        Outputs {
            queue: &mut mail.outputs,
        }
    }

    /// When to call [`Node::handle`] with [`Input::Deadline`], unless something else happens
    /// earlier. `None` when the node waits for nothing.
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.stopped {
            None
        } else {
            self.timers.deadline()
        }
    }

    /// Counters since the node was made.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// It is `now`; the first time, the node starts.
    fn begin(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.gate.borrow_mut().now = self.now;
        self.engine.mail().begin();
        self.forgive_stall();
        if !mem::replace(&mut self.started, true) {
            self.schedule_exchange();
            self.schedule_reconnect();
        }
    }

    /// foca's errors outside of reading packets mean that we drive it wrongly.
    fn check(&mut self, result: Result<(), foca::Error>) {
        if let Err(error) = result {
            self.stats.engine_errors += 1;
            debug_assert!(false, "foca: {error:?}");
        }
    }

    /// Members there are or should be, ourselves included.
    fn cluster_size(&self) -> usize {
        match self.gate.borrow().scope {
            Scope::Everyone => self.engine.active() + 1,
            Scope::Neighbours { cluster, .. } => cluster,
        }
    }

    fn confirm(&mut self, suspect: Identity, incarnation: u16) {
        if self.gate.borrow().is_beyond(suspect.handle) {
            return self.confirm_beyond(suspect, incarnation);
        }
        let result = self.engine.confirm(suspect, incarnation);
        self.check(result);
    }

    fn id(&self) -> MemberId {
        self.gate.borrow().id
    }

    fn life(&self) -> Life {
        self.gate.borrow().me.life
    }

    fn address(&self) -> SocketAddr {
        self.gate.borrow().card.address
    }

    fn sender(&self) -> Sender {
        let gate = self.gate.borrow();
        (gate.id, gate.me.life)
    }

    fn push(&mut self, output: Output) {
        self.engine.mail().push(output);
    }

    fn change(&mut self, change: Change) {
        self.push(Output::Change(Box::new(change)));
    }

    fn schedule(&mut self, after: Duration, alarm: Alarm) {
        self.timers.schedule(self.now + after, alarm);
    }

    fn send(&mut self, kind: Kind, to: impl Into<Addressee>, message: &impl serde::Serialize) {
        self.send_padded((kind, 0), to, message);
    }

    fn send_padded(
        &mut self,
        (kind, bytes_min): (Kind, usize),
        to: impl Into<Addressee>,
        message: &impl serde::Serialize,
    ) {
        let sender = self.sender();
        let mail = self.engine.mail();
        mail.message((kind, bytes_min), sender, to, message);
    }

    /// `duration` give or take a tenth, so that nodes started together drift apart.
    fn jitter(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(self.rng.random_range(0.9..1.1))
    }

    fn stop(&mut self, reason: StopReason) {
        self.stopped = true;
        self.push(Output::Stop(reason));
    }
}

/// What a node says of itself at its start.
fn card(settings: &Settings) -> Card {
    check_name(&settings.name).expect("a checked name");
    check_cluster(&settings.cluster).expect("a checked cluster");
    check_tags(&settings.tags).expect("checked tags");
    Card {
        id: MemberId::new(&settings.cluster, &settings.name),
        name: settings.name.clone(),
        generation: settings.generation,
        address: settings.address,
        tags: settings.tags.clone(),
    }
}

/// Seals with the first of the node's keys, if it has any.
fn sealer(settings: &Settings, me: MemberId, rng: &mut Xoshiro256PlusPlus) -> Sealer {
    let sealer = Sealer::new(&settings.cluster);
    match settings.keys.primary() {
        Some(_) => sealer.with(settings.keys.clone(), rng.random(), me),
        None => sealer,
    }
}

/// What one input led to, in order. What is not taken out before this is dropped comes first out
/// of the next call; nothing is lost.
#[derive(Debug)]
pub struct Outputs<'a> {
    queue: &'a mut VecDeque<Output>,
}

impl Iterator for Outputs<'_> {
    type Item = Output;

    fn next(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests;
