//! LISTENS: an agent's local API as a Rust program uses it.
//!
//! A [`Client`] asks the agent at one socket. A [`Watch`] is its stream of changes: it opens
//! itself again when it breaks, with ever longer pauses, and resumes where it was. A [`View`] is
//! a table of the [`Members`] that a watch keeps current, to be asked and waited on:
//!
//! ```no_run
//! # async fn example() -> Result<(), headcount::client::Error> {
//! use headcount::client::{Client, Filter};
//!
//! let client = Client::new("/run/headcount.sock");
//! let web = Filter::default().tag("role", "web");
//! let mut view = client.watch(&web).into_view();
//! let members = view.until(|members| members.alive().count() >= 3).await?;
//! for member in members.alive() {
//!     println!("{} {}", member.name, member.address);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/follow.rs` is a whole program. A program that needs nothing else takes the crate with
//! `default-features = false, features = ["client"]`. Everything here wants to run in a tokio
//! runtime with its IO and its timers enabled.
//!
//! Records are typed, and newer agents do no harm: fields that are not known are ignored, types of
//! records and states that are not known have variants of their own. This module speaks HTTP and
//! shares nothing with the agent.

mod answer;
mod app;
mod connection;
mod cursor;
mod digest;
mod error;
mod filter;
mod lines;
mod member;
mod members;
mod record;
mod requests;
mod time;
mod view;
mod watch;

pub use answer::{
    Answer, Counts, Joined, KeyHolder, KeySpread, Keyring, Left, Listing, Raised, Removed, Status,
};
pub use app::{Application, HeldLease, Lease, LeaseEnd, ShownLease};
pub use error::Error;
pub use filter::{Confidence, Filter, InvalidConfidence};
pub use member::{App, Member, State, Suspicion, UnknownState};
pub use members::Members;
pub use record::{Change, Gap, Heartbeat, Record, Snapshot, What};
pub use requests::Client;
pub use view::View;
pub use watch::{Told, Watch};
