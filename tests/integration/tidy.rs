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
    ("config", &["feed", "swim"]),
    ("agent", &["config", "feed", "swim"]),
    ("client", &[]),
    (
        "cli",
        &["agent", "client", "config", "feed", "simulator", "swim"],
    ),
];
const LAYERS: &[&str] = &[
    "agent",
    "cli",
    "client",
    "config",
    "feed",
    "simulator",
    "swim",
];

/// Words that only some places may use, with those places: files, or folders.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("foca::", &["swim/"]),
    ("Instant::now", &["agent/clock.rs", "cli/moment.rs"]),
    ("SystemTime::now", &["agent/clock.rs"]),
    ("thread::sleep", &["agent/clock.rs"]),
    ("env::var", &["config/surroundings.rs"]),
    (
        "disallowed_",
        &["agent/clock.rs", "cli/moment.rs", "config/surroundings.rs"],
    ),
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
    /// The lines above the unit tests, with their numbers. Tests that are a file of their own,
    /// `#[cfg(test)] mod tests;`, may stand anywhere and are skipped.
    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = (1..).zip(self.text.lines()).peekable();
        std::iter::from_fn(move || {
            loop {
                let (number, line) = lines.next()?;
                if line != "#[cfg(test)]" {
                    return Some((number, line));
                }
                let is_elsewhere = |next: &&str| next.starts_with("mod ") && next.ends_with(';');
                lines.peek().map(|(_, next)| *next).filter(is_elsewhere)?;
                lines.next();
            }
        })
    }

    /// Every path from the crate's root that the code above the unit tests names, with the
    /// number of its line: what a `use` of several names on several lines brings in, too.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let code = self.production().filter(|(_, line)| !is_comment(line));
        let (mut paths, mut open) = (Vec::new(), None::<(usize, String)>);
        for (number, line) in code {
            let (number, text) = match open.take() {
                Some((number, text)) => (number, format!("{text}{}", line.trim())),
                None => (number, line.trim().to_owned()),
            };
            let is_use =
                text.starts_with("use ") || text.starts_with("pub") && text.contains(" use ");
            if is_use && !text.contains(';') {
                open = Some((number, text));
                continue;
            }
            for root in ["crate::", "super::super::"] {
                // What stands before the first one is no path.
                let rests = text.split(root).skip(1);
                paths.extend(rests.flat_map(heads).map(|head| (number, head)));
            }
        }
        paths
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
    ["src", "tests", "benches", "examples"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

/// The first names of a path: of `{a::{b, c}, d}` they are `a` and `d`.
fn heads(path: &str) -> Vec<String> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let Some(group) = path.strip_prefix('{') else {
        return vec![path.chars().take_while(is_word).collect()];
    };
    let (mut heads, mut depth) = (vec![String::new()], 0_usize);
    let mut is_head = true;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                is_head = true;
            }
            ':' => is_head = false,
            c if is_head && depth == 0 && is_word(&c) => {
                heads.last_mut().expect("begun with one").push(c);
            }
            _ => {}
        }
    }
    heads
}

/// What `text`, a file of `layer`, names of other layers against the rules.
fn trespasses(layer: &str, source: &Source) -> Vec<String> {
    let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == layer);
    let allowed = allowed.map_or(&[][..], |(_, allowed)| allowed);
    let mut paths = source.crate_paths();
    paths.retain(|(_, head)| {
        let head = head.as_str();
        head != layer && LAYERS.contains(&head) && !allowed.contains(&head)
    });
    let complaint = |(number, head)| format!("{}:{number}: {layer} names {head}", source.path);
    paths.into_iter().map(complaint).collect()
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
    let complaints = LAYERS.iter().flat_map(|layer| {
        let sources = files(&format!("src/{layer}"), ".rs");
        sources
            .into_iter()
            .flat_map(|source| trespasses(layer, &source))
    });
    none(&complaints.collect::<Vec<_>>());
}

#[test]
fn a_forbidden_import_is_seen_however_it_is_written() {
    let found = |text: &str| {
        let (path, text) = ("sample.rs".into(), text.into());
        trespasses("feed", &Source { path, text })
    };
    for text in [
        "use crate::agent::X;",
        "use crate::{agent::X, swim};",
        "use crate::{swim::{A, B}, agent};",
        "use crate::{\n    swim::{\n        A,\n    },\n    agent::X,\n};",
        "pub(crate) use crate::{\n    agent::X,\n};",
        "let x = crate::agent::run();",
        "use super::super::{swim, agent};",
        "#[cfg(test)]\nmod tests;\nuse crate::agent::X;",
    ] {
        let complaints = found(text);
        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
        assert!(
            complaints[0].ends_with("feed names agent"),
            "{complaints:?}"
        );
    }
    for text in [
        "use crate::{\n    swim::{agent, A},\n    feed::B,\n};",
        "/// As crate::agent does.",
        "use super::agent;",
        "#[cfg(test)]\nmod tests {\n    use crate::agent::X;\n}",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
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

#[test]
fn every_test_and_metric_that_security_md_names_is_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md");
    let text = fs::read_to_string(path).expect("SECURITY.md");
    let is_name = |word: &&str| word.matches('_').count() > 2 && !word.contains(' ');
    let named = text.split('`').skip(1).step_by(2).filter(is_name);
    let is_metric = |name: &&str| name.ends_with("_total");
    let (metrics, named): (Vec<_>, Vec<_>) = named.partition(is_metric);
    assert!(named.len() > 10, "{named:?}");
    let sources = all_rust();
    for metric in metrics {
        let quoted = format!("\"{metric}\"");
        assert!(
            sources.iter().any(|source| source.text.contains(&quoted)),
            "{metric}"
        );
    }
    for name in named {
        let test = format!("fn {name}()");
        assert!(
            sources.iter().any(|source| source.text.contains(&test)),
            "{name}"
        );
    }
}
