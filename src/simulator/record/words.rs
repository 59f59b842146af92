//! What happens, in words for people.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr};

use crate::{
    simulator::{Data, Fault, Move, Slot},
    swim::{AppStatus, Change, Evidence, Input, MemberView, Output, StreamEnd, Timestamp},
};

/// What a fault does; `named` says what a machine is called.
pub(in crate::simulator) fn fault(fault: &Fault, named: &dyn Fn(Slot) -> String) -> String {
    match fault {
        Fault::Block { from, to } => {
            let (from, to) = (named(*from), named(*to));
            format!("nothing from {from} reaches {to} any more")
        }
        Fault::Conditions(_) | Fault::Impose(..) => as_written(fault, named),
        Fault::Heal => "nothing is cut any more".into(),
        Fault::Lift(id) => format!("rule {} holds no more", id.0),
        Fault::Partition(sides) => partition(sides),
        Fault::Announce(slot, eta) => {
            let name = named(*slot);
            format!("{name} is asked to leave, and to be back in {eta:?}")
        }
        Fault::App(slot, application) => {
            let (name, word) = (named(*slot), application.word());
            format!("the application of {name} is {word}")
        }
        Fault::Choke(slot, span) => format!("{} chokes for {span:?}", named(*slot)),
        Fault::Crash(slot) => format!("the host of {} is gone", named(*slot)),
        Fault::Event(slot) => format!("the application of {} raises an event", named(*slot)),
        Fault::Kill(slot) => format!("{} is killed", named(*slot)),
        Fault::Leave(slot) => format!("{} is asked to leave", named(*slot)),
        Fault::Pause(slot, span) => format!("{} is stopped for {span:?}", named(*slot)),
        Fault::Remove(slot, name) => format!("{} is asked to forget {name}", named(*slot)),
        Fault::Restart(slot, to, data) => {
            let (name, place) = (named(*slot), place(*to, named));
            let found = match data {
                Data::Kept => "with all that it stored",
                Data::Lost => "with nothing stored",
            };
            format!("{name} is killed and started again, {place}, {found}")
        }
        Fault::Resume(slot) => format!("{} goes on, if it is stopped", named(*slot)),
        Fault::Slow(slot, span) => format!("{} is slow for {span:?}", named(*slot)),
        Fault::Start(slot) => format!("{} is started", named(*slot)),
        Fault::Tags(slot, tags) => {
            format!("{} is given tags of {} bytes", named(*slot), tags.size())
        }
    }
}

/// The parts of a network that is cut, and how many machines each has.
fn partition(sides: &[u16]) -> String {
    if sides.is_empty() {
        return "the network is whole again".into();
    }
    let mut sizes = BTreeMap::<u16, u32>::new();
    for side in sides {
        *sizes.entry(*side).or_default() += 1;
    }
    let sizes: Vec<_> = sizes.values().map(u32::to_string).collect();
    format!("the network is cut into parts of {}", sizes.join(" and "))
}

fn place(to: Move, named: &dyn Fn(Slot) -> String) -> String {
    match to {
        Move::Away => "at a new address".into(),
        Move::Onto(other) => format!("at the address of {}", named(other)),
        Move::Stay => "where it was".into(),
    }
}

/// As a scenario would have it, with names.
fn as_written(fault: &Fault, named: &dyn Fn(Slot) -> String) -> String {
    let Ok(fault) = fault
        .clone()
        .try_map(|slot| Ok::<_, Infallible>(named(slot)));
    serde_json::to_string(&fault).expect("faults are plain data")
}

/// What a node takes in; `who` says who is reached at an address.
pub(in crate::simulator) fn input(input: &Input<'_>, who: &dyn Fn(SocketAddr) -> String) -> String {
    match input {
        Input::Abandon(addresses) => {
            format!("is told to let go of {}", list(addresses, who))
        }
        Input::App(app) => {
            let word = app.map_or("nothing", AppStatus::as_str);
            format!("is told of its application: {word}")
        }
        Input::Datagram { from, bytes } => {
            format!("gets {} bytes from {}", bytes.len(), who(*from))
        }
        Input::Deadline => "wakes up".into(),
        Input::Join(addresses) => format!("is told to join {}", list(addresses, who)),
        Input::Event { name, .. } => format!("is told to raise the event {name}"),
        Input::Keys(_) => "is told of keys".into(),
        Input::Leave { reason, restart_in } => match restart_in {
            None => format!("is told to leave: {reason}"),
            Some(eta) => format!("is told to leave, and to be back in {eta:?}"),
        },
        Input::Remove { name } => format!("is told to forget {name}"),
        Input::Reconnect(addresses) => format!("remembers {}", list(addresses, who)),
        Input::Tags(tags) => format!("is given tags of {} bytes", tags.size()),
        Input::Tuning(_) => "is given other numbers".into(),
        Input::Refused { by } => format!("is refused by the host of {}", who(*by)),
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
    }
}

fn list(addresses: &[SocketAddr], who: &dyn Fn(SocketAddr) -> String) -> String {
    let names = addresses.iter().map(|address| who(*address));
    names.collect::<Vec<_>>().join(", ")
}

/// What a node sends; the rest of what it asks for is told where it takes effect.
pub(in crate::simulator) fn output(
    output: &Output,
    who: &dyn Fn(SocketAddr) -> String,
) -> Option<String> {
    Some(match output {
        Output::CloseStream(stream) => format!("closes stream {}", stream.0),
        Output::OpenStream { stream, to, frame } => format!(
            "opens stream {} to {} with {} bytes",
            stream.0,
            who(*to),
            frame.len()
        ),
        Output::Send { to, bytes } => {
            format!("sends {} bytes to {}", bytes.len(), who(*to))
        }
        Output::StreamFrame { stream, bytes } => {
            format!("sends {} bytes on stream {}", bytes.len(), stream.0)
        }
        _ => return None,
    })
}

/// A change in one line.
pub(in crate::simulator) fn change(change: &Change, now: Timestamp) -> String {
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
