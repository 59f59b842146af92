//! `Command`: the line that runs the same again.

use std::{borrow::Cow, fmt};

use super::Args;

/// `headcount simulate` with everything that decides a run of one seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command<'a> {
    pub(super) args: &'a Args,
    pub(super) seed: u64,
}

impl Command<'_> {
    /// All of it but the number of the seed, which comes last.
    pub(super) fn before_seed(&self) -> String {
        let args = self.args;
        let scenario = quoted(&args.scenario);
        let [nodes, view] = [("nodes", args.nodes), ("view", args.view)]
            .map(|(flag, given)| given.map_or_else(String::new, |n| format!(" --{flag} {n}")));
        let duration = args.duration.map(humantime::format_duration);
        let duration = duration.map_or_else(String::new, |duration| {
            format!(" --duration {}", quoted(&duration.to_string()))
        });
        format!("headcount simulate {scenario}{nodes}{view}{duration} --seed ")
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.before_seed(), self.seed)
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    match word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word() {
        assert_eq!(quoted("dir/crash.toml"), "dir/crash.toml");
        assert_eq!(quoted("my own.toml"), "'my own.toml'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
