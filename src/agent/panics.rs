//! Panics are bugs. What one of them ended may be gone until the agent is started again, so
//! whoever asks how the agent is hears of it from then on.

use std::{
    cell::Cell,
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::error;

thread_local! {
    /// Which part of an agent this thread is.
    static PART: Cell<Option<&'static str>> = const { Cell::new(None) };
}
/// The hook belongs to the process, and so does what it saw.
static SEEN: AtomicBool = AtomicBool::new(false);

/// Notes every panic of this thread, which is this part of an agent.
pub(super) fn note_those_of(part: &'static str) {
    static ONCE: Once = Once::new();
    PART.set(Some(part));
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(part) = PART.get() {
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

#[cfg(test)]
mod tests {
    use std::{env, process::Command, thread};

    use super::*;

    const ALONE: &str = "HEADCOUNT_TEST_PANICS";

    /// In a process of its own: other tests of this one ask agents how they are.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a variable of the test's own")]
    fn panics_of_parts_are_seen_and_no_others() {
        if env::var_os(ALONE).is_none() {
            let mut alone = Command::new(env::current_exe().unwrap());
            let ended = alone.arg("agent::panics::tests").env(ALONE, "1").output();
            assert!(ended.as_ref().unwrap().status.success(), "{ended:?}");
            return;
        }
        note_those_of("test");
        thread::spawn(|| panic!("of nobody's")).join().unwrap_err();
        assert!(!seen());
        let part = thread::spawn(|| {
            note_those_of("part");
            panic!("of a part");
        });
        part.join().unwrap_err();
        assert!(seen());
    }
}
