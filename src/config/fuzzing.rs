//! Ways in for fuzzers: files that an operator wrote.

use std::path::Path;

use super::{Surroundings, key_file, sources};

/// A configuration file.
pub(crate) fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Those would have us read any file of this host.
    if text.contains("-file") {
        return;
    }
    let around = Surroundings::default();
    let config = sources::parse(text, Path::new("fuzzed.toml"))
        .and_then(|values| Ok((values.config(&around)?, values.logging()?)));
    if let Err(error) = config {
        assert!(!error.to_string().contains('\n') && !error.hint().is_empty());
    }
}

/// A key file: no line of it is ever told.
pub(crate) fn key_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match key_file::parse(text) {
        Ok(keys) => {
            let new = key_file::rewritten(text, &keys);
            assert_eq!(key_file::parse(&new), Ok(keys));
        }
        Err(invalid) => {
            let long = text.split_whitespace().filter(|word| word.len() >= 16);
            assert!(long.into_iter().all(|word| !invalid.why.contains(word)));
        }
    }
}
