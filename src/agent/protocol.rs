//! `Protocol`: the loop that owns the node. It waits for whatever comes next, hands it to the
//! node and does what the node asks. It never waits for a consumer, a peer or a disk.

use std::{collections::BTreeMap, future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::{
    feed::Filter,
    swim::{
        AppStatus, Card, Input, InvalidCard, KeyChange, MemberState, MemberView, Node, Output,
        Removed, StopReason, Tags, Timestamp, check_tags,
    },
};

use super::{
    gossip::{Datagrams, Received},
    keys::{KeyRefusal, KeyRequest, Keyring},
    report,
    service::Service,
    shared::{Command, Raising, Removal, Retagging, Shared},
    streams::{StreamEvent, Streams},
};

/// Datagrams read before timers get their turn: more than the socket's buffer holds, so that
/// after a stop every queued answer is read before the probe that waited for it gives up, and
/// yet an end for a flood.
const DATAGRAMS_PER_TURN: usize = 4_096;
/// How long leaving may take before the agent ends without it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// The reason others read when a signal ended the agent.
const SHUTDOWN_REASON: &str = "shutdown";

/// How the loop ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Asked twice: at once and without a word.
    Forced,
    /// The node said so, or took too long to say goodbye. Whoever is not asked twice yet may be
    /// while the rest of the agent ends.
    Stopped(StopReason, Shutdown),
}

/// Where the agent is asked to end: the first time to leave, the second time at once.
#[derive(Debug)]
pub(super) struct Shutdown {
    asks: mpsc::Receiver<()>,
    /// It came once. A goodbye that another asked for does not count.
    is_asked: bool,
}

impl Shutdown {
    pub(super) const fn new(asks: mpsc::Receiver<()>) -> Self {
        Self {
            asks,
            is_asked: false,
        }
    }

    /// The next one: whether it is to end at once.
    async fn next(&mut self) -> bool {
        match self.asks.recv().await {
            Some(()) => std::mem::replace(&mut self.is_asked, true),
            None => pending().await,
        }
    }

    /// Waits until it is to end at once.
    pub(super) async fn at_once(&mut self) {
        while !self.next().await {}
    }
}

/// Everything that leads to the node, and from it.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) shared: Arc<Shared>,
    pub(super) datagrams: Datagrams,
    pub(super) streams: Streams,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) shutdown: Shutdown,
    /// Where generations go that must be remembered.
    pub(super) generation: watch::Sender<u32>,
    /// Who is told how we are.
    pub(super) service: Option<Service>,
}

/// The node and everything that brings it input.
#[derive(Debug)]
pub(super) struct Protocol {
    node: Node,
    hands: Hands,
    commands: mpsc::Receiver<Command>,
    shutdown: Shutdown,
    /// When to stop waiting for the node's goodbye.
    leaving_until: Option<Timestamp>,
    /// More datagrams may be waiting than the last turn had room for.
    is_flooded: bool,
}

/// Everything that does what the node asks.
#[derive(Debug)]
struct Hands {
    shared: Arc<Shared>,
    datagrams: Datagrams,
    streams: Streams,
    generation: watch::Sender<u32>,
    service: Option<Service>,
    streams_opened: u64,
    /// Who waits for the removal of which member.
    removals: BTreeMap<String, Vec<oneshot::Sender<Removal>>>,
    stopped: Option<StopReason>,
}

/// What the loop waited for.
#[derive(Debug)]
enum Event {
    Command(Command),
    Datagrams,
    Deadline,
    Shutdown { at_once: bool },
    Stream(StreamEvent),
}

impl Protocol {
    /// Puts the loop together.
    pub(super) fn new(node: Node, ways: Ways) -> Self {
        Self {
            node,
            hands: Hands {
                shared: ways.shared,
                datagrams: ways.datagrams,
                streams: ways.streams,
                generation: ways.generation,
                service: ways.service,
                streams_opened: 0,
                removals: BTreeMap::new(),
                stopped: None,
            },
            commands: ways.commands,
            shutdown: ways.shutdown,
            leaving_until: None,
            is_flooded: false,
        }
    }

    /// Runs until the node stops, or `shutdown` asked twice.
    ///
    /// # Errors
    /// When the system takes the UDP socket's readiness away, which it never does.
    pub(super) async fn run(mut self) -> io::Result<Outcome> {
        // Nothing is due yet, but the node learns what time it is and sets its timers.
        self.handle(Input::Deadline);
        loop {
            match self.next().await? {
                Event::Command(command) => self.obey(command),
                Event::Shutdown { at_once: true } => return Ok(Outcome::Forced),
                Event::Shutdown { at_once: false } => {
                    self.leave(SHUTDOWN_REASON, self.hands.shared.facts.restart_eta);
                }
                Event::Stream(event) => self.stream(event),
                Event::Datagrams | Event::Deadline => {}
            }
            // Whatever woke us: first everything that others said meanwhile, then the timers
            // that may have waited for just that.
            self.drain();
            self.tick();
            self.hands.show(&self.node);
            if let Some(reason) = self.hands.stopped.take() {
                return Ok(Outcome::Stopped(reason, self.shutdown));
            }
            if self.is_past(self.leaving_until) {
                warn!("the goodbye took too long: ending without it");
                return Ok(Outcome::Stopped(StopReason::Left, self.shutdown));
            }
        }
    }

    async fn next(&mut self) -> io::Result<Event> {
        let clock = self.hands.shared.clock;
        let told = self.hands.service.as_ref();
        let told = told.and_then(|service| service.deadline(self.hands.shared.pulse.borrow().seq));
        let wake = [self.node.deadline(), self.leaving_until, told]
            .into_iter()
            .flatten()
            .min();
        let is_flooded = self.is_flooded;
        let readable = async {
            if is_flooded {
                tokio::task::yield_now().await;
                Ok(())
            } else {
                self.hands.datagrams.readable().await
            }
        };
        Ok(tokio::select! {
            at_once = self.shutdown.next() => Event::Shutdown { at_once },
            Some(command) = self.commands.recv() => Event::Command(command),
            event = self.hands.streams.next() => Event::Stream(event),
            ready = readable => { ready?; Event::Datagrams }
            () = clock.reach(wake) => Event::Deadline,
        })
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = self.hands.shared.clock.now();
        for output in self.node.handle(now, input) {
            self.hands.perform(now, output);
        }
    }

    fn drain(&mut self) {
        self.is_flooded = true;
        for _ in 0..DATAGRAMS_PER_TURN {
            let now = self.hands.shared.clock.now();
            match self.hands.datagrams.receive() {
                Received::Datagram { from, bytes } => {
                    let input = Input::Datagram { from, bytes };
                    for output in self.node.handle(now, input) {
                        self.hands.perform(now, output);
                    }
                }
                Received::Refused { by } => self.handle(Input::Refused { by }),
                Received::Error => {}
                Received::Nothing => {
                    self.is_flooded = false;
                    return;
                }
            }
        }
    }

    fn tick(&mut self) {
        if self.is_past(self.node.deadline()) {
            self.handle(Input::Deadline);
        }
    }

    fn is_past(&self, deadline: Option<Timestamp>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.hands.shared.clock.now())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::App { status, reply } => {
                self.handle(Input::App(status.as_ref()));
                // Who said it may have gone.
                let _ = reply.send(());
            }
            Command::Abandon(addresses) => self.handle(Input::Abandon(&addresses)),
            Command::Contact(addresses) => self.handle(Input::Join(&addresses)),
            Command::Event {
                name,
                payload,
                reply,
            } => {
                if let Some(raising) = self.raise(&name, &payload) {
                    // Who asked may have gone.
                    let _ = reply.send(raising);
                }
            }
            Command::Keys { request, reply } => {
                let answer = self.change_keys(&request);
                // Who asked may have gone.
                let _ = reply.send(answer);
            }
            Command::KeysStored(ids) => self.handle(Input::Keys(KeyChange::Stored(&ids))),
            Command::Leave { reason, restart_in } => self.leave(&reason, restart_in),
            Command::Tags { change, reply } => {
                if let Some(tags) = self.retag(change) {
                    // Who asked may have gone.
                    let _ = reply.send(tags);
                }
            }
            Command::Remove { name, reply } => self.remove(name, reply),
            Command::Tuning(tuning) => self.handle(Input::Tuning(&tuning)),
            Command::Serving => self.hands.tell(Service::ready),
        }
    }

    /// Gives who has which keys after it.
    fn change_keys(&mut self, request: &KeyRequest) -> Result<Keyring, KeyRefusal> {
        if let Some(change) = Keyring::of(&mut self.node).consent(request)? {
            self.handle(Input::Keys(change));
        }
        Ok(Keyring::of(&mut self.node))
    }

    /// Gives the tags that we have from now on; `None` when we are leaving: nobody would hear it.
    fn retag(&mut self, change: Retagging) -> Option<Result<Tags, InvalidCard>> {
        if self.leaving_until.is_some() {
            return None;
        }
        let tags = change.of(&self.node.own_card().tags);
        let checked = check_tags(&tags);
        if checked.is_ok() {
            self.handle(Input::Tags(&tags));
        }
        Some(checked.map(|()| tags))
    }

    /// `None` when we are leaving: nobody would hear it.
    fn raise(&mut self, name: &str, payload: &str) -> Option<Raising> {
        if self.leaving_until.is_some() {
            return None;
        }
        let Some(number) = self.node.next_event() else {
            return Some(Raising::Full);
        };
        let generation = self.node.own_sketch().life.generation();
        self.handle(Input::Event { name, payload });
        Some(Raising::Done { generation, number })
    }

    fn leave(&mut self, reason: &str, restart_in: Option<Duration>) {
        if self.leaving_until.is_none() {
            match restart_in {
                None => info!(reason, "leaving"),
                Some(eta) => info!(reason, ?eta, "leaving, to be restarted"),
            }
            self.hands.tell(Service::stopping);
            self.audit();
            self.leaving_until = Some(self.hands.shared.clock.now() + LEAVE_TIMEOUT);
            self.handle(Input::Leave { reason, restart_in });
        }
    }

    /// The changes told so far add up to what the node believes, or one of the two has a bug.
    /// Checked once in each debug build's life, as it costs O(n).
    fn audit(&self) {
        if cfg!(debug_assertions) {
            let told = self.hands.shared.feed().snapshot(&Filter::default());
            let told: BTreeMap<_, _> = told
                .members
                .iter()
                .map(|member| (member.view.card.id, essence(&member.view)))
                .collect();
            let believed = self.node.members();
            let believed: BTreeMap<_, _> = believed
                .map(|view| (view.card.id, essence(&view)))
                .collect();
            assert_eq!(told, believed, "the feed and the node disagree");
        }
    }

    /// Whoever asked is answered when the node knows who has forgotten the member.
    fn remove(&mut self, name: String, reply: oneshot::Sender<Removal>) {
        if self.node.is_removable(&name) {
            let waiting = self.hands.removals.entry(name.clone());
            waiting.or_default().push(reply);
            return self.handle(Input::Remove { name: &name });
        }
        // It is being forgotten already.
        if let Some(waiting) = self.hands.removals.get_mut(&name) {
            return waiting.push(reply);
        }
        let refusal = match self.node.member(&name).map(|member| member.state) {
            None => Removal::Unknown,
            // It is back, and consumers are told once that has lasted.
            Some(MemberState::Failed | MemberState::Left) => Removal::Refused(MemberState::Alive),
            Some(state) => Removal::Refused(state),
        };
        // Who asked may have gone.
        let _ = reply.send(refusal);
    }

    fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Closed { stream, end } => {
                self.handle(Input::StreamClosed { stream, end });
            }
            StreamEvent::Frame { stream, frame } => self.handle(Input::StreamFrame {
                stream,
                bytes: &frame.bytes,
            }),
        }
    }
}

/// What of a member must be the same for consumers and node.
fn essence(view: &MemberView) -> (Arc<Card>, MemberState, u32, Option<AppStatus>) {
    let app = view.app.clone();
    (view.card.clone(), view.state, view.incarnation, app)
}

impl Hands {
    fn perform(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Change(change) => {
                // Consumers hear of it before the log and the rest of this turn.
                let seq = self.shared.publish(now, &change);
                report::change(seq, &change);
            }
            Output::CloseStream(stream) => self.streams.close(stream),
            Output::Joined(address) => self.joined(address),
            Output::Keys(keys) => {
                self.shared.keys.send_replace(keys);
            }
            Output::Notice(notice) => warn!("{notice}"),
            Output::OpenStream { stream, to, frame } => {
                self.streams_opened += 1;
                self.streams.dial(stream, to, frame);
            }
            Output::Remember { generation } => {
                self.generation.send_replace(generation);
            }
            Output::Removed(removed) => self.removed(*removed),
            Output::Restarting { member, due } => self.shared.feed().await_restart(member, due),
            Output::Send { to, bytes } => self.datagrams.send(to, &bytes),
            Output::Stop(reason) => self.stop(reason),
            Output::StreamFrame { stream, bytes } => self.streams.write(stream, bytes),
        }
    }

    fn removed(&mut self, removed: Removed) {
        info!(
            member = removed.name,
            applied_by = removed.applied_by,
            missing = removed.missing.len(),
            "forgotten"
        );
        for reply in self.removals.remove(&removed.name).into_iter().flatten() {
            // Who asked may have gone.
            let _ = reply.send(Removal::Done(removed.clone()));
        }
    }

    fn joined(&self, address: SocketAddr) {
        info!(%address, "joined");
        // Nobody waits for most of them.
        let _ = self.shared.joined.send(address);
    }

    fn stop(&mut self, reason: StopReason) {
        self.tell(Service::stopping);
        match &reason {
            StopReason::Conflict { holder } => error!(
                name = self.shared.facts.name, ours = %self.shared.facts.bind, theirs = %holder,
                "another agent has our name and stays: stopping"
            ),
            StopReason::Left => info!("left"),
        }
        self.stopped.get_or_insert(reason);
    }

    /// Lets the service manager know, if there is one.
    fn tell(&mut self, what: impl FnOnce(&mut Service)) {
        if let Some(service) = &mut self.service {
            what(service);
        }
    }

    /// Lets others see what this turn did: the API's thread and the service manager.
    fn show(&mut self, node: &Node) {
        let shared = &self.shared;
        if let Some(service) = &mut self.service {
            let seq = shared.pulse.borrow().seq;
            service.turned(shared.clock.now(), seq, || shared.feed().counts());
        }
        let mut vitals = self.shared.vitals();
        vitals.node = *node.stats();
        vitals.send_errors = self.datagrams.send_errors;
        vitals.receive_errors = self.datagrams.receive_errors;
        vitals.streams_open = self.streams.len();
        vitals.streams_opened = self.streams_opened;
    }
}
