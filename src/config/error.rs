//! Why a configuration is refused, and where the refused value came from.

use std::{fmt, path::PathBuf};

use super::{keys, outputs::SECTIONS};
use crate::nearest::nearest;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it: what it was derived from.
    Default(&'static str),
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// A flag on the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(source) => formatter.write_str(source),
            Self::File(path, line) => write!(formatter, "{}:{line}", path.display()),
            Self::Flag(key) => write!(formatter, "flag --{key}"),
            Self::Variable(name) => write!(formatter, "variable {name}"),
        }
    }
}

/// Why a configuration cannot be used. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value is not one of those its key takes.
    #[error(transparent)]
    Invalid(Box<InvalidValue>),
    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// The key must be given, because nothing around the process says a default.
    #[error("{key} is not given, and {why}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Why there is no default.
        why: &'static str,
    },
    /// A variable's value is no text.
    #[error("variable {variable} is not UTF-8")]
    NotText {
        /// Its name.
        variable: String,
    },
    /// A section is written as something else.
    #[error("{name} ({origin}) is not a section")]
    NotSections {
        /// The section's name.
        name: String,
        /// Its line.
        origin: Origin,
    },
    /// A section lacks a setting without which it is nothing.
    #[error("[[{section}]] ({origin}) has no {key}")]
    MissingSetting {
        /// The section's name.
        section: &'static str,
        /// The setting.
        key: &'static str,
        /// Where the section begins.
        origin: Origin,
        /// A value as it is written.
        example: &'static str,
    },
    /// A section has a setting that does not exist.
    #[error("unknown key {key:?} in [[{section}]] ({origin})")]
    UnknownSetting {
        /// The section's name.
        section: &'static str,
        /// As written.
        key: String,
        /// Its line.
        origin: Origin,
        /// What it looks like most, if it looks like anything.
        near: Option<&'static str>,
        /// What there is.
        all: String,
    },
    /// The file sets something that does not exist.
    #[error("unknown key {key:?} ({}:{line})", path.display())]
    UnknownKey {
        /// As written.
        key: String,
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
    },
    /// The file cannot be read.
    #[error("config {path:?} ({origin}): {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// What the system says.
        why: String,
    },
}

/// A value that its key does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {value:?} ({origin}) {why}; allowed: {allowed}")]
pub struct InvalidValue {
    /// The key.
    pub key: &'static str,
    /// What was given.
    pub value: String,
    /// By whom.
    pub origin: Origin,
    /// What is wrong with it, as a predicate.
    pub why: String,
    /// What the key takes.
    pub allowed: &'static str,
    /// What to do.
    pub hint: String,
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Invalid(invalid) => invalid.hint.clone(),
            Self::Missing { key, .. } => {
                format!("say --{key}, or set {}", keys::variable(key))
            }
            Self::NotText { variable } => format!("unset {variable}, or write it in UTF-8"),
            Self::NotSections { name, .. } => {
                format!("write [[{name}]], in two brackets, on a line of its own")
            }
            Self::MissingSetting { key, example, .. } => format!("write {key} = {example}"),
            Self::UnknownSetting { near, all, .. } => {
                format!("{}The keys are {all}", question(*near))
            }
            Self::Syntax { .. } => {
                "write `key = \"value\"` lines; the keys are the long flags' names".into()
            }
            Self::UnknownKey { key, .. } => {
                let known = keys::names().into_iter().chain(SECTIONS);
                let near = question(nearest(key, known));
                let (all, sections) = (keys::names().join(", "), SECTIONS.join(" and "));
                format!("{near}The keys are {all}; the sections {sections}")
            }
            Self::Unreadable { .. } => "name a readable TOML file with --config".into(),
        }
    }
}

/// Asks what was meant, if anything looks like it.
fn question(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}
