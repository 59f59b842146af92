//! `Story`: what happens in a world, as lines for people, told while it happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fmt,
    net::SocketAddr,
};

use super::{Data, End, Fault, Move, Place, Slot, Spec, World};
use crate::swim::{
    AppStatus, Change, Evidence, Input, MemberId, MemberView, Output, StopReason, StreamEnd,
    Timestamp,
};

/// Whose story is told, and to whom.
pub struct Story {
    whose: Whose,
    /// Hears one line after the other.
    teller: Box<dyn FnMut(&str)>,
}

/// How much is told.
#[derive(Debug)]
enum Whose {
    /// Everybody's changes, and every fault.
    Everybody,
    /// All that these machines take in, send and tell, and what strikes them.
    Only(BTreeSet<Slot>),
}

impl Story {
    /// Every fault, and the changes that anybody tells.
    pub fn of_all(teller: impl FnMut(&str) + 'static) -> Self {
        Self {
            whose: Whose::Everybody,
            teller: Box::new(teller),
        }
    }

    /// What strikes these machines, and all that they take in, send and tell.
    pub fn of(slots: impl IntoIterator<Item = Slot>, teller: impl FnMut(&str) + 'static) -> Self {
        Self {
            whose: Whose::Only(slots.into_iter().collect()),
            teller: Box::new(teller),
        }
    }

    fn follows(&self, slot: Slot) -> bool {
        match &self.whose {
            Whose::Everybody => true,
            Whose::Only(slots) => slots.contains(&slot),
        }
    }

    /// Whether packets and timers of the machine are told, too.
    fn is_close_to(&self, slot: Slot) -> bool {
        matches!(self.whose, Whose::Only(_)) && self.follows(slot)
    }

    /// Whether the fault strikes somebody whose story it is; the network is everybody's.
    fn concerns(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Block { from, to } => self.follows(*from) || self.follows(*to),
            _ => fault.machine().is_none_or(|slot| self.follows(slot)),
        }
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Story")
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Tells `story` from now on.
    pub fn tell(&mut self, story: Story) {
        self.story = Some(story);
    }

    pub(super) fn tell_story(&mut self, line: impl FnOnce() -> String) {
        let seconds = self.counted(self.now()).as_micros() as f64 / 1e6;
        if let Some(story) = &mut self.story {
            (story.teller)(&format!("{seconds:12.6}  {}", line()));
        }
    }

    pub(super) fn tell_story_of(&mut self, slot: Slot, line: impl FnOnce() -> String) {
        if self.story.as_ref().is_some_and(|story| story.follows(slot)) {
            let name = self.named(slot);
            self.tell_story(|| format!("{name:<8} {}", line()));
        }
    }

    pub(super) fn tell_fault(&mut self, fault: &Fault) {
        if self
            .story
            .as_ref()
            .is_some_and(|story| story.concerns(fault))
        {
            let text = self.in_words(fault);
            self.tell_story(|| format!("fault    {text}"));
        }
    }

    pub(super) fn tell_change(&mut self, slot: Slot, change: &Change) {
        let now = self.now();
        self.tell_story_of(slot, || format!("tells {}", summary(change, now)));
    }

    /// A timer that led to nothing is no part of any story.
    pub(super) fn tell_input(&mut self, slot: Slot, input: &Input<'_>, outputs: &[Output]) {
        let idle = matches!(input, Input::Deadline) && outputs.is_empty();
        if idle || !self.is_close_to(slot) {
            return;
        }
        let text = match input {
            Input::Abandon(addresses) => {
                format!("is told to let go of {}", self.who_are(addresses))
            }
            Input::App(app) => {
                let word = app.map_or("nothing", AppStatus::as_str);
                format!("is told of its application: {word}")
            }
            Input::Datagram { from, bytes } => {
                format!("gets {} bytes from {}", bytes.len(), self.who_is(*from))
            }
            Input::Deadline => "wakes up".into(),
            Input::Join(addresses) => format!("is told to join {}", self.who_are(addresses)),
            Input::Event { name, .. } => format!("is told to raise the event {name}"),
            Input::Keys(_) => "is told of keys".into(),
            Input::Leave { reason, restart_in } => match restart_in {
                None => format!("is told to leave: {reason}"),
                Some(eta) => format!("is told to leave, and to be back in {eta:?}"),
            },
            Input::Remove { name } => format!("is told to forget {name}"),
            Input::Reconnect(addresses) => format!("remembers {}", self.who_are(addresses)),
            Input::Tags(tags) => format!("is given tags of {} bytes", tags.size()),
            Input::Tuning(_) => "is given other numbers".into(),
            Input::Refused { by } => format!("is refused by the host of {}", self.who_is(*by)),
            Input::StreamClosed { stream, end } => {
                let how = match end {
                    StreamEnd::Closed => "closed",
                    StreamEnd::Refused => "refused",
                    StreamEnd::Unreachable => "unanswered",
                };
                format!("finds stream {} {how}", stream.0)
            }
            Input::StreamFrame { stream, bytes, .. } => {
                format!("gets {} bytes on stream {}", bytes.len(), stream.0)
            }
        };
        self.tell_story_of(slot, || text);
    }

    pub(super) fn tell_output(&mut self, slot: Slot, output: &Output) {
        if !self.is_close_to(slot) {
            return;
        }
        let text = match output {
            Output::CloseStream(stream) => format!("closes stream {}", stream.0),
            Output::OpenStream { stream, to, frame } => format!(
                "opens stream {} to {} with {} bytes",
                stream.0,
                self.who_is(*to),
                frame.len()
            ),
            Output::Send { to, bytes } => {
                format!("sends {} bytes to {}", bytes.len(), self.who_is(*to))
            }
            Output::StreamFrame { stream, bytes } => {
                format!("sends {} bytes on stream {}", bytes.len(), stream.0)
            }
            // These are told where they take effect.
            _ => return,
        };
        self.tell_story_of(slot, || text);
    }

    fn is_close_to(&self, slot: Slot) -> bool {
        let story = self.story.as_ref();
        story.is_some_and(|story| story.is_close_to(slot))
    }

    /// The machine's name, with the slot where several have it.
    fn named(&self, slot: Slot) -> String {
        let Spec { name, cluster, .. } = &self.machine(slot).spec;
        match self.by_id[&MemberId::new(cluster, name)].len() {
            1 => name.clone(),
            _ => self.label(slot),
        }
    }

    /// Who is, or was last, reached at `address`.
    fn who_is(&self, address: SocketAddr) -> String {
        let owner = Place::behind(address).and_then(|place| self.owners.get(place.0 as usize));
        owner.map_or_else(|| address.to_string(), |slot| self.named(*slot))
    }

    fn who_are(&self, addresses: &[SocketAddr]) -> String {
        let names = addresses.iter().map(|address| self.who_is(*address));
        names.collect::<Vec<_>>().join(", ")
    }

    fn in_words(&self, fault: &Fault) -> String {
        let named = |slot: &Slot| self.named(*slot);
        match fault {
            Fault::App(slot, application) => {
                format!(
                    "the application of {} is {}",
                    named(slot),
                    application.word()
                )
            }
            Fault::Block { from, to } => {
                format!(
                    "nothing from {} reaches {} any more",
                    named(from),
                    named(to)
                )
            }
            Fault::Crash(slot) => format!("the host of {} is gone", named(slot)),
            Fault::Kill(slot) => format!("{} is killed", named(slot)),
            Fault::Event(slot) => format!("the application of {} raises an event", named(slot)),
            Fault::Heal => "nothing is cut any more".into(),
            Fault::Announce(slot, eta) => {
                format!(
                    "{} is asked to leave, and to be back in {eta:?}",
                    named(slot)
                )
            }
            Fault::Leave(slot) => format!("{} is asked to leave", named(slot)),
            Fault::Partition(sides) if sides.is_empty() => "the network is whole again".into(),
            Fault::Partition(sides) => {
                let mut sizes = BTreeMap::<u16, u32>::new();
                sides
                    .iter()
                    .for_each(|side| *sizes.entry(*side).or_default() += 1);
                let sizes: Vec<_> = sizes.values().map(u32::to_string).collect();
                format!("the network is cut into parts of {}", sizes.join(" and "))
            }
            Fault::Lift(id) => format!("rule {} holds no more", id.0),
            Fault::Pause(slot, span) => format!("{} is stopped for {span:?}", named(slot)),
            Fault::Remove(slot, name) => format!("{} is asked to forget {name}", named(slot)),
            Fault::Restart(slot, to, data) => {
                let place = match to {
                    Move::Away => "at a new address".into(),
                    Move::Onto(other) => format!("at the address of {}", named(other)),
                    Move::Stay => "where it was".into(),
                };
                let data = match data {
                    Data::Kept => "with all that it stored",
                    Data::Lost => "with nothing stored",
                };
                format!(
                    "{} is killed and started again, {place}, {data}",
                    named(slot)
                )
            }
            Fault::Resume(slot) => format!("{} goes on, if it is stopped", named(slot)),
            Fault::Choke(slot, span) => format!("{} chokes for {span:?}", named(slot)),
            Fault::Slow(slot, span) => format!("{} is slow for {span:?}", named(slot)),
            Fault::Start(slot) => format!("{} is started", named(slot)),
            Fault::Tags(slot, tags) => {
                format!("{} is given tags of {} bytes", named(slot), tags.size())
            }
            Fault::Conditions(_) | Fault::Impose(..) => self.as_written(fault),
        }
    }

    /// As a scenario would have it, with names.
    fn as_written(&self, fault: &Fault) -> String {
        let Ok(fault) = fault
            .clone()
            .try_map(|slot| Ok::<_, Infallible>(self.named(slot)));
        serde_json::to_string(&fault).expect("faults are plain data")
    }
}

/// How a process ended.
pub(super) fn end_in_words(end: &End) -> String {
    match end {
        End::Crashed => "it was killed".into(),
        End::Stopped(StopReason::Conflict { holder }) => {
            format!("its name is taken, by who is at {holder}")
        }
        End::Stopped(StopReason::Left) => "it left".into(),
    }
}

/// A change in one line.
fn summary(change: &Change, now: Timestamp) -> String {
    let kind = change.kind();
    if let Some(view) = change.member() {
        let before = match change {
            Change::Join { previous, .. } => {
                previous.map(|state| format!("was {}", state.as_str()))
            }
            Change::Restart {
                previous_generation,
                ..
            } => Some(format!("was generation {previous_generation}")),
            _ => None,
        };
        let before = before.map_or_else(String::new, |before| format!(", {before}"));
        return format!("{kind} {}{before}", in_short(view, now));
    }
    match change {
        Change::Conflict { name, ours, theirs } => {
            format!("{kind}: {name} is at {ours} and at {theirs}")
        }
        Change::Healed { members } => format!("{kind}: {members} others are there"),
        Change::User(event) => format!(
            "event {} of {}, number {} of generation {}, {} bytes",
            event.name,
            event.from_name,
            event.number,
            event.generation,
            event.payload.len()
        ),
        _ => kind.into(),
    }
}

/// A member as it is told: where it is, how often it started and refuted, and what is said of it.
fn in_short(view: &MemberView, now: Timestamp) -> String {
    let (card, state) = (&view.card, view.state.as_str());
    let mut text = format!(
        "{} at {} generation {} incarnation {}, {state}",
        card.name, card.address, card.generation, view.incarnation
    );
    let suspicion = view.suspicion.as_ref().map(|suspicion| {
        let by = suspicion.by_name.as_deref().unwrap_or("somebody");
        let left = suspicion.deadline.saturating_since(now);
        let evidence = match suspicion.evidence {
            Evidence::ProbeTimeout => "no probe was answered",
            Evidence::HeldFailed => "another holds it failed",
            Evidence::Refused => "its host refuses",
            Evidence::StreamReachable => "only a stream was answered",
            Evidence::RestartOverdue => "its restart is overdue",
        };
        format!(", accused by {by}: {evidence}; failed in {left:?} unless it refutes")
    });
    text.extend(suspicion);
    text.extend(view.reason.iter().map(|reason| format!(", {reason}")));
    let app = view.app.as_ref();
    text.extend(app.map(|app| format!(", application {}", app.as_str())));
    text
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, time::Duration};

    use super::{super::Conditions, *};

    /// What is told of two nodes, the second of which is stopped, and of an event.
    fn told() -> String {
        let mut world = World::new(1, Conditions::LAN);
        let first = world.add(Spec::new("n0", &[]));
        let second = world.add(Spec::new("n1", &[first]));
        world.start(first);
        world.start(second);
        world.run_for(Duration::from_secs(5));
        world.begin_counting();
        let lines = Rc::new(RefCell::new(String::new()));
        let heard = Rc::clone(&lines);
        let teller = move |line: &str| heard.borrow_mut().extend([line, "\n"]);
        world.tell(Story::of([first, second], teller));
        world.apply(Fault::Restart(second, Move::Stay, Data::Lost));
        world.run_for(Duration::from_secs(2));
        for _ in 0..4 {
            world.apply(Fault::Event(first));
        }
        world.apply(Fault::Crash(second));
        world.run_for(Duration::from_secs(30));
        lines.take()
    }

    #[test]
    fn a_story_is_told_in_words_and_from_when_counting_began() {
        let told = told();
        for words in [
            "    0.000000  fault    n1 is killed and started again, where it was, with",
            "    2.000000  fault    the host of n1 is gone",
            "    2.000000  n1       ends: it was killed",
            "tells event ",
            ", accused by n0: no probe was answered; failed in ",
            "tells failed n1 at ",
        ] {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
        for debug in ["Some(", "None", "Kept", "ProbeTimeout", "UserEvent"] {
            assert!(!told.contains(debug), "{debug} in {told}");
        }
    }
}
