//! `Fault`: everything that can happen to a cluster, as data. What it does is the world's.

mod application;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use application::Application;

use super::{Conditions, Rule, RuleId, Slot, time_text};
use crate::swim::Tags;

/// Which address a restarted process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move<N = Slot> {
    /// One that nobody ever had.
    Away,
    /// The one of this machine, if nothing runs there; otherwise as [`Move::Away`]. The other
    /// machine gets a new one.
    Onto(N),
    /// The one it had.
    Stay,
}

/// What a restarted process finds in its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// What it stored: its generation grows.
    Kept,
    /// Nothing: it starts as generation 1 again.
    Lost,
}

/// Something that happens to machines or between them. What cannot happen (killing what does not
/// run) does nothing, so that any list of faults can be run and shortened.
///
/// `N` is what a machine is called by: its slot in a world, its name in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault<N = Slot> {
    /// The operator has the process leave, and announces the next one for the end of a while.
    Announce(N, #[serde(with = "time_text")] Duration),
    /// The application beside the agent starts or ends; the agent notices at once.
    App(N, Application),
    /// Nothing from one machine reaches the other; the way back stays open.
    Block {
        /// Whose datagrams are lost.
        from: N,
        /// Who does not get them.
        to: N,
    },
    /// The network carries better or worse from now on.
    Conditions(Conditions),
    /// The host is gone, and with it the process: silence.
    Crash(N),
    /// The application beside the agent raises a user event.
    Event(N),
    /// Partitions, blocks and rules end.
    Heal,
    /// From now on a rule holds between some machines.
    Impose(RuleId, Rule<N>),
    /// SIGKILL: the process is gone, and its host says so to whoever asks.
    Kill(N),
    /// The operator asks the process to leave.
    Leave(N),
    /// A rule ends.
    Lift(RuleId),
    /// Only machines on the same side reach each other; the side of each slot by its index, 0 when
    /// there is none.
    Partition(Vec<u16>),
    /// SIGSTOP, and SIGCONT after a while.
    Pause(N, #[serde(with = "time_text")] Duration),
    /// The operator has the member forgotten, at this node.
    Remove(N, String),
    /// SIGKILL if it runs, then a new process.
    Restart(N, Move<N>, Data),
    /// SIGCONT; a slow process is as fast as ever.
    Resume(N),
    /// For a while the process blocks whenever it is about to send something or has received
    /// something, until the while is over: Lifeguard's anomaly.
    Slow(N, #[serde(with = "time_text")] Duration),
    /// The same in a process of many threads: what arrives is not taken in until the while is over
    /// either, and the first that would send blocks; but its timers come before what arrived, as
    /// if they had fired in time.
    Choke(N, #[serde(with = "time_text")] Duration),
    /// A process starts, if none runs.
    Start(N),
    /// The operator gives the member these tags in place of those that it has.
    Tags(N, Tags),
}

impl<N> Fault<N> {
    /// The same with every machine called as `to` says, or the first error of it.
    ///
    /// # Errors
    /// What `to` does not know.
    pub fn try_map<M: Ord, E>(self, mut to: impl FnMut(N) -> Result<M, E>) -> Result<Fault<M>, E> {
        Ok(match self {
            Self::Announce(node, eta) => Fault::Announce(to(node)?, eta),
            Self::App(node, application) => Fault::App(to(node)?, application),
            Self::Block { from, to: target } => Fault::Block {
                from: to(from)?,
                to: to(target)?,
            },
            Self::Conditions(conditions) => Fault::Conditions(conditions),
            Self::Crash(node) => Fault::Crash(to(node)?),
            Self::Event(node) => Fault::Event(to(node)?),
            Self::Heal => Fault::Heal,
            Self::Impose(id, rule) => Fault::Impose(id, rule.try_map(to)?),
            Self::Kill(node) => Fault::Kill(to(node)?),
            Self::Leave(node) => Fault::Leave(to(node)?),
            Self::Lift(id) => Fault::Lift(id),
            Self::Partition(sides) => Fault::Partition(sides),
            Self::Pause(node, span) => Fault::Pause(to(node)?, span),
            Self::Remove(node, name) => Fault::Remove(to(node)?, name),
            Self::Restart(node, address, data) => {
                let address = match address {
                    Move::Away => Move::Away,
                    Move::Onto(other) => Move::Onto(to(other)?),
                    Move::Stay => Move::Stay,
                };
                Fault::Restart(to(node)?, address, data)
            }
            Self::Resume(node) => Fault::Resume(to(node)?),
            Self::Choke(node, span) => Fault::Choke(to(node)?, span),
            Self::Slow(node, span) => Fault::Slow(to(node)?, span),
            Self::Start(node) => Fault::Start(to(node)?),
            Self::Tags(node, tags) => Fault::Tags(to(node)?, tags),
        })
    }
}

impl Fault {
    /// The machine to which it happens, where that is one.
    pub(in crate::simulator) const fn machine(&self) -> Option<Slot> {
        match self {
            Self::Announce(slot, _)
            | Self::App(slot, _)
            | Self::Choke(slot, _)
            | Self::Crash(slot)
            | Self::Event(slot)
            | Self::Kill(slot)
            | Self::Leave(slot)
            | Self::Pause(slot, _)
            | Self::Remove(slot, _)
            | Self::Restart(slot, ..)
            | Self::Resume(slot)
            | Self::Slow(slot, _)
            | Self::Start(slot)
            | Self::Tags(slot, _) => Some(*slot),
            Self::Block { .. }
            | Self::Conditions(_)
            | Self::Heal
            | Self::Impose(..)
            | Self::Lift(_)
            | Self::Partition(_) => None,
        }
    }

    /// Whom it makes a bad node. Of a partition it is all but the first side; who is healed,
    /// starts, or is told something is struck by nothing.
    pub(in crate::simulator) fn struck(&self) -> Vec<Slot> {
        match self {
            Self::Announce(slot, _)
            | Self::Block { to: slot, .. }
            | Self::Choke(slot, _)
            | Self::Crash(slot)
            | Self::Kill(slot)
            | Self::Leave(slot)
            | Self::Pause(slot, _)
            | Self::Restart(slot, ..)
            | Self::Slow(slot, _) => vec![*slot],
            Self::Impose(_, rule) => rule.singled_out().collect(),
            Self::Partition(sides) => {
                let slots = (0..).map(Slot).zip(sides);
                let apart = slots.filter(|(_, side)| **side > 0);
                apart.map(|(slot, _)| slot).collect()
            }
            Self::App(..)
            | Self::Conditions(_)
            | Self::Event(_)
            | Self::Heal
            | Self::Lift(_)
            | Self::Remove(..)
            | Self::Resume(_)
            | Self::Start(_)
            | Self::Tags(..) => Vec::new(),
        }
    }

    /// Whether it has something said, of which others hear.
    pub(in crate::simulator) const fn is_word(&self) -> bool {
        matches!(
            self,
            Self::App(..) | Self::Event(_) | Self::Remove(..) | Self::Tags(..)
        )
    }

    /// Whether everybody goes on to hear all that is said, and nobody who left is forgotten or
    /// waited for: then who left is never called failed.
    pub(in crate::simulator) const fn is_harmless(&self) -> bool {
        match self {
            Self::App(..)
            | Self::Event(_)
            | Self::Heal
            | Self::Leave(_)
            | Self::Start(_)
            | Self::Tags(..) => true,
            Self::Announce(..)
            | Self::Block { .. }
            | Self::Choke(..)
            | Self::Conditions(_)
            | Self::Crash(_)
            | Self::Impose(..)
            | Self::Kill(_)
            | Self::Lift(_)
            | Self::Partition(_)
            | Self::Pause(..)
            | Self::Remove(..)
            | Self::Restart(..)
            | Self::Resume(_)
            | Self::Slow(..) => false,
        }
    }

    /// The rule that it ends.
    pub(in crate::simulator) const fn lifted(&self) -> Option<RuleId> {
        match self {
            Self::Lift(id) => Some(*id),
            _ => None,
        }
    }

    /// How long it lasts, or is said to last.
    pub(in crate::simulator) const fn span_mut(&mut self) -> Option<&mut Duration> {
        match self {
            Self::Announce(_, span)
            | Self::Choke(_, span)
            | Self::Pause(_, span)
            | Self::Slow(_, span) => Some(span),
            Self::App(..)
            | Self::Block { .. }
            | Self::Conditions(_)
            | Self::Crash(_)
            | Self::Event(_)
            | Self::Heal
            | Self::Impose(..)
            | Self::Kill(_)
            | Self::Leave(_)
            | Self::Lift(_)
            | Self::Partition(_)
            | Self::Remove(..)
            | Self::Restart(..)
            | Self::Resume(_)
            | Self::Start(_)
            | Self::Tags(..) => None,
        }
    }
}
