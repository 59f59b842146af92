//! `[[hook]]` and `[[file]]`: what an agent does by itself when members change. They stand in the
//! configuration file only.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::feed::{Confidence, Filter, InvalidFilter, InvalidTaste, Taste};

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

/// What these sections are called.
pub(super) const SECTIONS: [&str; 2] = ["file", "hook"];

/// Everything of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Outputs {
    /// Commands for changes.
    #[serde(default, rename = "hook")]
    pub hooks: Vec<Hook>,
    /// Files that show the members.
    #[serde(default, rename = "file")]
    pub files: Vec<OutputFile>,
}

impl Outputs {
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

impl fmt::Display for CommandLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words = match OneOrMany::deserialize(from)? {
            OneOrMany::One(line) => vec!["/bin/sh".into(), "-c".into(), line],
            OneOrMany::Many(words) => words,
        };
        match words.iter().any(|word| word.contains('\0')) || words.iter().all(String::is_empty) {
            true => Err(de::Error::custom(
                "takes a program and its arguments, or a line for the shell",
            )),
            false => Ok(Self(words)),
        }
    }
}

/// `[[hook]]`: a command for each matching change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HookEntry")]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FileEntry")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// A text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "takes a text or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn all(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A time such as `10s`.
#[derive(Clone, Copy)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let expected = || de::Error::custom("takes a time such as 300ms, 10s or 2m, up to 1h");
        let text = String::deserialize(from).map_err(|_: D::Error| expected())?;
        let time = humantime::parse_duration(&text).ok();
        let time = time.filter(|time| *time <= TIME_MAX).map(Time);
        time.ok_or_else(expected)
    }
}

/// Whom an output is about.
fn filter(names: OneOrMany, tags: BTreeMap<String, String>) -> Result<Filter, InvalidFilter> {
    let mut filter = Filter::default();
    for name in names.all() {
        filter.add_name(&name);
    }
    for (key, value) in tags {
        filter.add_tag(&format!("{key}={value}"))?;
    }
    Ok(filter)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HookEntry {
    command: CommandLine,
    #[serde(default)]
    types: OneOrMany,
    #[serde(default)]
    name: OneOrMany,
    #[serde(default)]
    tag: BTreeMap<String, String>,
    confidence: Option<String>,
    timeout: Option<Time>,
    retries: Option<u8>,
    concurrency: Option<u8>,
}

impl TryFrom<HookEntry> for Hook {
    type Error = String;

    fn try_from(entry: HookEntry) -> Result<Self, String> {
        let filter = filter(entry.name, entry.tag);
        let mut filter = filter.map_err(|error| error.to_string())?;
        for types in entry.types.all() {
            let added = filter.add_kinds(&types);
            added.map_err(|error| error.to_string())?;
        }
        Ok(Self {
            command: entry.command,
            taste: Taste {
                filter,
                confidence: confidence(entry.confidence.as_deref())?,
                settle: None,
            },
            timeout: timeout(entry.timeout)?,
            retries: within("retries", entry.retries.unwrap_or(RETRIES_DEFAULT), 0..=10)?,
            concurrency: within(
                "concurrency",
                entry.concurrency.unwrap_or(CONCURRENCY_DEFAULT),
                1..=64,
            )?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileEntry {
    path: PathBuf,
    template: Option<BuiltIn>,
    template_file: Option<PathBuf>,
    state: Option<OneOrMany>,
    #[serde(default)]
    name: OneOrMany,
    #[serde(default)]
    tag: BTreeMap<String, String>,
    #[serde(default)]
    with_app_down: bool,
    port: Option<u16>,
    port_tag: Option<String>,
    upstream: Option<String>,
    reload: Option<CommandLine>,
    timeout: Option<Time>,
    min_interval: Option<Time>,
    settle: Option<Time>,
}

impl TryFrom<FileEntry> for OutputFile {
    type Error = String;

    fn try_from(entry: FileEntry) -> Result<Self, String> {
        let filter = filter(entry.name, entry.tag);
        let mut filter = filter.map_err(|error| error.to_string())?;
        let states = entry
            .state
            .map_or_else(|| SHOWN.into(), |states| states.all().join(","));
        let added = filter.add_states(&states);
        added.map_err(|error| error.to_string())?;
        let or = |time: Option<Time>, default| time.map_or(default, |time| time.0);
        Ok(Self {
            path: entry.path,
            template: template(entry.template, entry.template_file)?,
            filter,
            with_app_down: entry.with_app_down,
            port: entry.port,
            port_tag: entry.port_tag,
            upstream: upstream(entry.upstream)?,
            reload: entry.reload,
            timeout: timeout(entry.timeout)?,
            min_interval: or(entry.min_interval, MIN_INTERVAL_DEFAULT),
            settle: or(entry.settle, SETTLE_DEFAULT),
        })
    }
}

fn template(built_in: Option<BuiltIn>, file: Option<PathBuf>) -> Result<Template, String> {
    match (built_in, file) {
        (Some(built_in), None) => Ok(Template::BuiltIn(built_in)),
        (None, Some(path)) => Ok(Template::File(path)),
        _ => Err("takes either template or template-file".into()),
    }
}

/// It stands in nginx's own configuration: nothing but a word may.
fn upstream(name: Option<String>) -> Result<String, String> {
    let name = name.unwrap_or_else(|| "headcount".into());
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match !name.is_empty() && name.chars().all(is_word) {
        true => Ok(name),
        false => Err(format!(
            "upstream {name:?} is not a word of letters, digits, _, - and ."
        )),
    }
}

fn confidence(given: Option<&str>) -> Result<Confidence, String> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: InvalidTaste| error.to_string())
    };
    given.map_or_else(|| Ok(Confidence::default()), parse)
}

fn timeout(given: Option<Time>) -> Result<Duration, String> {
    let timeout = given.map_or(TIMEOUT_DEFAULT, |time| time.0);
    match timeout >= TIMEOUT_MIN {
        true => Ok(timeout),
        false => Err("timeout takes 100ms to 1h".into()),
    }
}

fn within(key: &str, number: u8, range: RangeInclusive<u8>) -> Result<u8, String> {
    match range.contains(&number) {
        true => Ok(number),
        false => Err(format!(
            "{key} {number} is not in {} to {}",
            range.start(),
            range.end()
        )),
    }
}
