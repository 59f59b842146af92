//! `[[hook]]` and `[[file]]`: what an agent does by itself when members change. They stand in the
//! configuration file only.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs::{self, Metadata},
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;
use toml::Value;

use super::{
    ConfigError, Origin,
    kept::{PATH, resolved},
    section::{self, Entry, Kind, Section, Setting, Source, setting},
};
use crate::{
    feed::{Filter, Taste},
    nearest::nearest,
    swim,
};

/// How long a command may take.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Further attempts after one that failed.
const RETRIES_DEFAULT: u8 = 3;
/// Commands of one hook at once.
const CONCURRENCY_DEFAULT: u8 = 8;
/// A file is not written more often.
const MIN_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// The first file waits until nothing changed for so long: a starting agent knows only itself.
const SETTLE_DEFAULT: Duration = Duration::from_secs(2);
const TIME_MAX: Duration = Duration::from_secs(60 * 60);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Who is shown in a file unless it says otherwise: whoever was not given up.
const SHOWN: &str = "alive,suspect";

const COMMAND: &str = "a program and its arguments, or a line for /bin/sh";
const NAME: Setting = setting(
    "name",
    "a member's name, or a list of them",
    "[\"n1\", \"n2\"]",
);
const TAG: Setting = setting("tag", "a table of keys and texts", "{ role = \"web\" }");
const TIMEOUT: Setting = setting(
    "timeout",
    "a time such as 300ms or 10s, 100ms to 1h",
    "\"10s\"",
);

const HOOK: Kind = Kind {
    name: "hook",
    settings: &[
        setting(
            "command",
            COMMAND,
            "[\"/usr/local/bin/page\", \"--urgent\"]",
        ),
        setting(
            "types",
            "types of changes, one or a list",
            "[\"failed\", \"left\"]",
        ),
        NAME,
        TAG,
        setting(
            "confidence",
            "suspect, failed or stable:TIME",
            "\"stable:10s\"",
        ),
        TIMEOUT,
        setting("retries", "a whole number, 0 to 10", "3"),
        setting("concurrency", "a whole number, 1 to 64", "8"),
    ],
};

const FILE: Kind = Kind {
    name: "file",
    settings: &[
        Setting {
            key: PATH,
            example: "\"/run/members/hosts\"",
        },
        setting("template", BUILT_INS_ALLOWED, "\"hosts\""),
        setting(
            "template-file",
            "the path of a template",
            "\"/etc/headcount/web.jinja\"",
        ),
        setting(
            "state",
            "alive, suspect, failed or left, one or a list",
            "[\"alive\"]",
        ),
        NAME,
        TAG,
        setting("with-app-down", "true or false", "true"),
        setting("port", "a whole number, 1 to 65535", "8080"),
        setting("port-tag", "the key of a tag", "\"port\""),
        setting(
            "upstream",
            "a word of letters, digits, _, - and .",
            "\"web\"",
        ),
        setting("reload", COMMAND, "[\"systemctl\", \"reload\", \"nginx\"]"),
        TIMEOUT,
        setting(
            "min-interval",
            "a time such as 300ms or 10s, 0s to 1h",
            "\"1s\"",
        ),
        setting("settle", "a time such as 300ms or 10s, 0s to 1h", "\"2s\""),
    ],
};

/// What the sections are called.
pub(super) const SECTIONS: [&str; 2] = [FILE.name, HOOK.name];

/// The sections, as the parser gives them.
#[derive(Debug, Deserialize)]
pub(super) struct Entries {
    #[serde(default)]
    hook: Vec<Entry>,
    #[serde(default)]
    file: Vec<Entry>,
}

/// Everything of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Commands for changes.
    pub hooks: Vec<Hook>,
    /// Files that show the members.
    pub files: Vec<OutputFile>,
}

impl Outputs {
    /// They, and where each file says its path.
    ///
    /// # Errors
    /// Whatever is wrong first.
    pub(super) fn read(
        entries: Entries,
        source: Source<'_>,
    ) -> Result<(Self, Vec<Origin>), ConfigError> {
        let hooks = entries.hook.into_iter().map(|entry| {
            let section = Section::new(&HOOK, source, entry)?;
            Hook::read(&section)
        });
        let mut kept = BTreeMap::new();
        let files = entries.file.into_iter().map(|entry| {
            let section = Section::new(&FILE, source, entry)?;
            let file = OutputFile::read(&section)?;
            let other = kept.insert(resolved(&file.path), section.origin());
            section.need("path", |_| match other {
                Some(other) => Err(format!("is that of the [[file]] in {other}, too")),
                None => Ok(()),
            })?;
            Ok((file, section.origin_of("path")))
        });
        let hooks = hooks.collect::<Result<_, _>>()?;
        let (files, paths) = files.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok((Self { hooks, files }, paths))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.files.is_empty()
    }
}

/// A program and its arguments; a text is a line for `/bin/sh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// The program, and what it is given.
    pub fn parts(&self) -> (&str, &[String]) {
        let (program, arguments) = self.0.split_first().expect("not empty");
        (program, arguments)
    }
}

/// For people, in one line.
impl fmt::Display for CommandLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.join(" ").chars() {
            match swim::is_unseen(sign) {
                true => sign.escape_default().fmt(formatter)?,
                false => formatter.write_char(sign)?,
            }
        }
        Ok(())
    }
}

impl CommandLine {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let words = section::words(value)?;
        let is_told = words.first().is_some_and(|word| !word.trim().is_empty());
        if !is_told || words.iter().any(|word| word.contains('\0')) {
            return Err("names no program");
        }
        Ok(Self(match value {
            Value::String(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
            _ => words,
        }))
    }
}

/// `[[hook]]`: a command for each matching change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What is run, with the change's record on its standard input.
    pub command: CommandLine,
    /// Which changes, and how sure they must be.
    pub taste: Taste,
    /// It is killed after this long. 100 ms to 1 h, 10 s unless given.
    pub timeout: Duration,
    /// Further attempts after one that failed, 0 to 10, 3 unless given.
    pub retries: u8,
    /// Commands of this hook at once, 1 to 64, 8 unless given.
    pub concurrency: u8,
}

/// `[[file]]`: a file that shows the members, replaced as a whole when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it looks like.
    pub template: Template,
    /// Which members.
    pub filter: Filter,
    /// Whether members are shown whose application is down.
    pub with_app_down: bool,
    /// The application's port, where it is not the gossip port.
    pub port: Option<u16>,
    /// The tag that holds a member's own application port.
    pub port_tag: Option<String>,
    /// What nginx is to call them. `headcount` unless given.
    pub upstream: String,
    /// Run after each replacement.
    pub reload: Option<CommandLine>,
    /// `reload` is killed after this long. 100 ms to 1 h, 10 s unless given.
    pub timeout: Duration,
    /// Replacements are at least so far apart. 0 to 1 h, 1 s unless given.
    pub min_interval: Duration,
    /// The first one waits until nothing changed for so long. 0 to 1 h, 2 s unless given.
    pub settle: Duration,
}

/// What a file looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// One of ours.
    BuiltIn(BuiltIn),
    /// A file of the operator's.
    File(PathBuf),
}

/// A template of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// A map for HAProxy: name, address and port of the application.
    HaproxyMap,
    /// Lines as in `/etc/hosts`.
    Hosts,
    /// The members as the API shows them.
    Json,
    /// An `upstream` block of nginx.
    Nginx,
    /// Targets for Prometheus's `file_sd_configs`.
    Prometheus,
}

/// Those of ours, by name.
const BUILT_INS: [(&str, BuiltIn); 5] = [
    ("haproxy-map", BuiltIn::HaproxyMap),
    ("hosts", BuiltIn::Hosts),
    ("json", BuiltIn::Json),
    ("nginx", BuiltIn::Nginx),
    ("prometheus", BuiltIn::Prometheus),
];
const BUILT_INS_ALLOWED: &str = "haproxy-map, hosts, json, nginx or prometheus";

impl Hook {
    fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let command = section.need("command", CommandLine::read)?;
        let mut filter = filter(section)?;
        section.read("types", |value| {
            let list = section::texts(value)?.join(",");
            filter.add_kinds(&list).map_err(wrong)
        })?;
        let confidence = section.read("confidence", |value| {
            section::text(value)?.parse().map_err(wrong)
        })?;
        let retries = section.read("retries", section::number(0..=10))?;
        let concurrency = section.read("concurrency", section::number(1..=64))?;
        Ok(Self {
            command,
            taste: Taste {
                filter,
                confidence: confidence.unwrap_or_default(),
                settle: None,
            },
            timeout: timeout(section)?,
            retries: retries.unwrap_or(RETRIES_DEFAULT),
            concurrency: concurrency.unwrap_or(CONCURRENCY_DEFAULT),
        })
    }
}

impl OutputFile {
    fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let path = section.need("path", file_path)?;
        let template = Template::read(section)?;
        let mut filter = filter(section)?;
        let states = section.read("state", |value| {
            let list = section::texts(value)?.join(",");
            filter.add_states(&list).map_err(wrong)
        })?;
        if states.is_none() {
            filter.add_states(SHOWN).expect("our own words");
        }
        let span = |name| section.read(name, section::time(Duration::ZERO..=TIME_MAX));
        let upstream = section.read("upstream", upstream)?;
        Ok(Self {
            path,
            template,
            filter,
            with_app_down: section
                .read("with-app-down", section::truth)?
                .unwrap_or_default(),
            port: section.read("port", section::number(1..=u16::MAX))?,
            port_tag: section.read("port-tag", section::text)?,
            upstream: upstream.unwrap_or_else(|| "headcount".into()),
            reload: section.read("reload", CommandLine::read)?,
            timeout: timeout(section)?,
            min_interval: span("min-interval")?.unwrap_or(MIN_INTERVAL_DEFAULT),
            settle: span("settle")?.unwrap_or(SETTLE_DEFAULT),
        })
    }
}

impl Template {
    fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let built_in = section.read("template", built_in)?;
        let file = section.read("template-file", |value| match built_in {
            Some(_) => Err("stands beside template, which says the same"),
            None => section::text(value),
        })?;
        match (built_in, file) {
            (Some(built_in), _) => Ok(Self::BuiltIn(built_in)),
            (None, Some(path)) => Ok(Self::File(path.into())),
            (None, None) => Err(section.lacks("template")),
        }
    }
}

fn file_path(value: &Value) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(section::text(value)?);
    let held = fs::metadata(&path).ok();
    if path.file_name().is_none() || held.as_ref().is_some_and(Metadata::is_dir) {
        return Err("is a folder");
    }
    // What is written takes the place of whatever is there.
    match held.is_none_or(|held| held.is_file()) {
        true => Ok(path),
        false => Err("is no plain file"),
    }
}

fn built_in(value: &Value) -> Result<BuiltIn, String> {
    let name = section::text(value)?;
    let names = BUILT_INS.iter().map(|(name, _)| *name);
    let near = nearest(&name, names);
    let near = near.map_or_else(String::new, |near| format!(", the nearest is {near}"));
    let mut found = BUILT_INS.iter().filter(|(known, _)| *known == name);
    let found = found.next().map(|(_, built_in)| *built_in);
    found.ok_or_else(|| format!("is none of ours{near}"))
}

/// Whom an output is about.
fn filter(section: &Section<'_>) -> Result<Filter, ConfigError> {
    let mut filter = Filter::default();
    section.read("name", |value| {
        for name in section::texts(value)? {
            // Nobody could have it.
            swim::check_name(&name).map_err(wrong)?;
            filter.add_name(&name);
        }
        Ok::<_, String>(())
    })?;
    section.read("tag", |value| {
        let pairs = section::pairs(value)?;
        for (key, value) in &pairs {
            filter.add_pair(key, value).map_err(wrong)?;
        }
        swim::check_tags(&pairs.into_iter().collect()).map_err(wrong)
    })?;
    Ok(filter)
}

/// What somebody else says is wrong.
fn wrong(error: impl fmt::Display) -> String {
    format!("cannot be: {error}")
}

/// It stands in nginx's own configuration: nothing but a word may.
fn upstream(value: &Value) -> Result<String, &'static str> {
    let name = section::text(value)?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match name.chars().all(is_word) {
        true => Ok(name),
        false => Err("is not a word"),
    }
}

fn timeout(section: &Section<'_>) -> Result<Duration, ConfigError> {
    let given = section.read("timeout", section::time(TIMEOUT_MIN..=TIME_MAX))?;
    Ok(given.unwrap_or(TIMEOUT_DEFAULT))
}

#[cfg(test)]
impl Outputs {
    /// Those of this file.
    pub(crate) fn of(text: &str) -> Self {
        let path = std::path::Path::new("test.toml");
        super::sources::parse(text, path).unwrap().outputs
    }
}
