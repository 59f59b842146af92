//! Panics are bugs. What one of them ended is gone until the agent is started again, so whoever
//! asks how the agent is hears of it from then on.

use std::{
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tracing::error;

/// The hook belongs to the process, and so does what it saw.
static SEEN: AtomicBool = AtomicBool::new(false);

/// Notes every panic of a thread that is named after one of these parts of an agent.
pub(super) fn note_those_of(parts: &'static [&'static str]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = thread::current();
            let part = thread.name().filter(|name| parts.contains(name));
            if let Some(part) = part {
                SEEN.store(true, Ordering::Relaxed);
                error!(part, "a part of this agent panicked, which is a bug");
            }
            before(info);
        }));
    });
}

/// Whether there was one.
pub(super) fn seen() -> bool {
    SEEN.load(Ordering::Relaxed)
}
