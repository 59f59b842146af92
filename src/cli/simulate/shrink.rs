//! A swarm's seed that failed, made small and written down as a scenario of its own.

use std::{fs, thread};

use tokio::sync::oneshot;

use super::{Interrupts, Output};
use crate::simulator::{Plan, Shrunk};

/// Shrinks a plan that broke a promise, writes what is left to a file here, and gives the command
/// that runs it. `None` when somebody interrupts, or when the file cannot be written, which is
/// said.
pub(super) async fn shrunk(
    plan: Plan,
    interrupts: &mut Interrupts,
    output: &mut Output,
) -> Option<String> {
    output.talk(format!("shrinking seed {}", plan.seed));
    let shrunk = tokio::select! {
        shrunk = in_background(plan) => shrunk?,
        () = interrupts.next() => return None,
    };
    output.talk(&shrunk);
    let file = shrunk.file_name();
    match fs::write(&file, shrunk.to_toml()) {
        Ok(()) => Some(format!("headcount simulate {file}")),
        Err(error) => {
            output.talk(format!("cannot write {file} here: {error}"));
            None
        }
    }
}

/// On a thread of its own, which nobody waits for after an interrupt.
async fn in_background(plan: Plan) -> Option<Shrunk> {
    let (done, shrunk) = oneshot::channel();
    thread::spawn(move || {
        // Whoever interrupted does not want it any more.
        let _ = done.send(plan.shrunk());
    });
    shrunk.await.ok().flatten()
}
