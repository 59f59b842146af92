//! PROVES: a whole cluster in one thread and in virtual time. Pure: no clock, no sockets, no
//! randomness but from one seed, and no threads but those that fill lists before anything happens.
//!
//! A [`World`] drives the very [`crate::swim::Node`] that the agent runs, by the same three calls,
//! over a simulated [`Network`](Conditions) with every [`Fault`] an operator could meet. Promises
//! are checked while it runs ([`Promise`]), and the same seed gives the same [`Run::trace_hash`]
//! on any machine. [`Plan`] draws a whole cluster's bad day from one seed.
//!
//! It does not simulate an async runtime or an operating system beyond what a process can feel:
//! addresses, latency, loss, streams that break, a full socket buffer, being stopped.
//!
//! # The tour
//!
//! ```text
//! scenario ──► swarm ──► liveness ──► world ─┬──► record ──► faults ──► network
//!                                            └──► promises ──► measures
//! ```
//!
//! Each folder may name those that its arrows lead to, at once or over others, and no other.
//!
//! | folder | verb | change it when |
//! |---|---|---|
//! | `network` | DECIDES | bytes get lost, late, doubled, damaged or refused otherwise |
//! | `faults` | NAMES | something else can happen; what it does is in `world::strikes` |
//! | `measures` | COUNTS | a run is to know another number |
//! | `promises` | CHECKS | a node owes its consumers something else |
//! | `record` | TELLS | the lines of a story read otherwise, or what the hash of a run covers |
//! | `world` | RUNS | time, machines, their processes and what passes between them |
//! | `liveness` | WAITS | views count as equal, or must be so, otherwise |
//! | `swarm` | DRAWS | random plans have something else in them, or shrink otherwise |
//! | `scenario` | READS | the files that people write, and what is reported of their runs |
//!
//! Two small files belong to no folder: `slot` numbers machines, `time_text` writes times.

mod faults;
mod liveness;
mod measures;
mod network;
mod promises;
mod record;
mod scenario;
mod slot;
mod swarm;
mod time_text;
mod world;

pub use faults::{Application, Data, Fault, Move};
pub use liveness::{Phase, STABLE_FOR, Watcher};
pub use measures::{Distribution, Measures, Outage, Percentiles, Second, Series, Step, Traffic};
pub use network::{
    Bursts, Cargo, Conditions, Effect, Latency, LogNormal, Machines, Mtu, Place, Rate, Rule,
    RuleId, Zones,
};
pub use promises::{Promise, Violation};
pub use record::Story;
pub use scenario::{Crashes, NODES_MAX, Outcome, Report, Scenario, ScenarioError, Telling};
pub use slot::Slot;
pub use swarm::{CONVERGENCE_MAX, Plan, Shrunk};
pub use world::{End, Run, Spec, Tapped, Told, World};
