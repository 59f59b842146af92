//! Everything that takes bytes from others, as a fuzzer calls it: one function for each way in,
//! which panics where it finds something.
//!
//! `fuzz/` drives them with libFuzzer; `cargo test` replays `fuzz/corpus/`, where each folder is
//! the corpus of the target of its name.

use crate::{agent, config, simulator::Scenario, swim};

/// What takes bytes, and the name by which a fuzzer chooses it.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("config", config::fuzzing::file),
    ("data_dir", agent::data_dir::page),
    ("datagram", swim::fuzzing::datagram),
    ("frame", swim::fuzzing::frame),
    ("http", agent::fuzzing::request),
    ("key_file", config::fuzzing::key_file),
    ("packet", swim::fuzzing::packet),
    ("query", agent::fuzzing::query),
    ("scenario", scenario),
];

/// A scenario file.
fn scenario(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(error) = Scenario::parse("fuzzed", text)
    {
        assert!(!error.to_string().is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_corpus_passes_its_target() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let files = fs::read_dir(corpus.join(name)).expect(name);
            let mut count = 0;
            for file in files {
                let path = file.expect("a file").path();
                let bytes = fs::read(&path).expect("readable");
                let ran = std::panic::catch_unwind(|| target(&bytes));
                assert!(ran.is_ok(), "{}", path.display());
                count += 1;
            }
            assert!(count >= 3, "{name}: {count}");
        }
    }
}
