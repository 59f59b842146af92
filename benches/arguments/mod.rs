//! What a bench was asked for: numbers, and names of what it knows.

use std::{env, process};

/// The words after `--`, taken apart.
pub(crate) struct Arguments {
    numbers: Vec<u64>,
    names: Vec<String>,
}

impl Arguments {
    /// Those of this process. A name that is not one of `known`, which are all a `what`, ends it
    /// with exit code 2.
    #[expect(clippy::print_stderr, reason = "a bench prints what is wrong")]
    pub(crate) fn read(what: &str, known: &[&str]) -> Self {
        let words = env::args().skip(1).filter(|word| word != "--bench");
        let (numbers, names): (Vec<_>, Vec<_>) =
            words.partition(|word| word.parse::<u64>().is_ok());
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            eprintln!("error: no {what} {unknown:?}\nhint: one of {known}");
            process::exit(2);
        }
        let numbers = numbers.iter().flat_map(|number| number.parse()).collect();
        Self { numbers, names }
    }

    /// The number at this place.
    pub(crate) fn number(&self, index: usize) -> Option<u64> {
        self.numbers.get(index).copied()
    }

    /// Whether this was asked for, as everything is when nothing is named.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}
