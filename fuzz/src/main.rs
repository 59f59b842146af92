//! One libFuzzer for all targets: `HEADCOUNT_FUZZ=packet` chooses one. `fuzz/run` builds and runs it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("HEADCOUNT_FUZZ").unwrap_or_default();
    let mut targets = headcount::fuzzing::TARGETS.into_iter();
    match targets.find(|(target, _)| *target == name) {
        Some((_, target)) => target,
        None => panic!("HEADCOUNT_FUZZ is {name:?}, which is no target"),
    }
}
