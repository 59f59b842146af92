//! The code's own rules, so that nobody has to remember them in a review.

use std::{
    fs,
    path::{Path, PathBuf},
};

const COLUMNS_MAX: usize = 100;
const PRODUCTION_LINES_MAX: usize = 500;

/// Which other layers a layer may name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("swim", &[]),
    ("feed", &["swim"]),
    ("simulator", &["feed", "swim"]),
    ("agent", &["config", "feed", "swim"]),
    ("cli", &["agent", "config", "feed", "simulator", "swim"]),
];
const LAYERS: &[&str] = &["agent", "cli", "config", "feed", "simulator", "swim"];

/// Words that only some places may use, with those places: files, or folders.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("foca::", &["swim/"]),
    ("Instant::now", &["agent/clock.rs"]),
    ("SystemTime::now", &["agent/clock.rs"]),
    ("thread::sleep", &["agent/clock.rs"]),
    ("env::var", &["config/surroundings.rs"]),
    ("disallowed_", &["agent/clock.rs", "config/surroundings.rs"]),
    ("print!(", &["cli/output.rs"]),
    ("println!(", &["cli/output.rs"]),
    ("stdout()", &["cli/output.rs"]),
    ("stderr()", &["cli/output.rs", "cli/agent.rs"]), // the log is no talk
];
/// Words that nobody may use.
const BANNED: &[&str] = &[
    "todo!",
    "unimplemented!",
    "dbg!",
    "TODO",
    "FIXME",
    "XXX",
    "#[ignore",
];
const BANNED_MODULES: &[&str] = &[
    "common", "core", "helper", "helpers", "manager", "misc", "types", "util", "utils",
];

struct Source {
    /// Relative to the package.
    path: String,
    text: String,
}

impl Source {
    /// The lines above the unit tests, with their numbers.
    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        lines.enumerate().map(|(index, line)| (index + 1, line))
    }

    fn is_tests(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("tests.rs")
    }
}

/// Every file below `folder` whose name ends with `ending`, in order.
fn files(folder: &str, ending: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.extend(paths.iter().filter(|path| path.is_dir()).cloned());
        let named = |path: &&PathBuf| path.to_string_lossy().ends_with(ending);
        found.extend(paths.iter().filter(named).map(|path| {
            Source {
                path: path
                    .strip_prefix(root)
                    .expect("below it")
                    .to_string_lossy()
                    .into_owned(),
                text: fs::read_to_string(path).expect("readable text"),
            }
        }));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn all_rust() -> Vec<Source> {
    ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn layers_import_only_what_lies_below_them() {
    let mut complaints = Vec::new();
    for (layer, allowed) in MAY_IMPORT {
        for source in files(&format!("src/{layer}"), ".rs") {
            for (number, line) in source.production().filter(|(_, line)| !is_comment(line)) {
                for other in LAYERS
                    .iter()
                    .filter(|o| *o != layer && !allowed.contains(o))
                {
                    let named = [format!("crate::{other}"), format!("super::super::{other}")];
                    if named.iter().any(|path| line.contains(path)) {
                        complaints.push(format!("{}:{number}: {layer} names {other}", source.path));
                    }
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn clock_environment_terminal_and_engine_have_one_place_each() {
    let mut complaints = Vec::new();
    for source in files("src", ".rs")
        .iter()
        .filter(|source| !source.is_tests())
    {
        for (number, line) in source.production().filter(|(_, line)| !is_comment(line)) {
            for (word, places) in ONLY_IN.iter().filter(|(word, _)| line.contains(word)) {
                let path = source.path.trim_start_matches("src/");
                if !places.iter().any(|place| path.starts_with(place)) {
                    complaints.push(format!("{path}:{number}: {word} belongs to {places:?}"));
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn files_are_short_and_lines_are_narrow() {
    let mut complaints = Vec::new();
    for source in all_rust() {
        let lines = source.production().count();
        if lines > PRODUCTION_LINES_MAX && !source.is_tests() {
            complaints.push(format!("{}: {lines} lines of code", source.path));
        }
        for (index, line) in source.text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX {
                complaints.push(format!("{}:{}: too wide", source.path, index + 1));
            }
        }
    }
    none(&complaints);
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_skipped() {
    let sources = all_rust();
    let rules = "tests/integration/tidy.rs";
    let complaints: Vec<_> = sources
        .iter()
        .filter(|source| source.path != rules)
        .flat_map(|source| {
            let word = BANNED.iter().filter(|word| source.text.contains(**word));
            word.map(|word| format!("{}: {word}", source.path))
        })
        .collect();
    none(&complaints);
}

#[test]
fn modules_are_named_after_what_they_are() {
    let complaints: Vec<_> = all_rust()
        .into_iter()
        .filter(|source| {
            let parts = source.path.trim_end_matches(".rs").split('/');
            let mut parts = parts.skip(1);
            parts.any(|part| {
                BANNED_MODULES.contains(&part) || part.ends_with("_old") || part.ends_with("_2")
            })
        })
        .map(|source| source.path)
        .collect();
    none(&complaints);
}

#[test]
fn every_scenario_begins_with_a_sentence() {
    let complaints: Vec<_> = files("simulations", ".toml")
        .into_iter()
        .filter(|scenario| !scenario.text.starts_with("# "))
        .map(|scenario| {
            format!(
                "{}: begin with a comment that says what it is for",
                scenario.path
            )
        })
        .collect();
    none(&complaints);
}
