//! `Failure`: why a command did not do what it was asked, and with which code it ends.

use std::{error::Error, fmt, io};

use crate::{agent, client, config::ConfigError, simulator::ScenarioError};

/// The end of a command that did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The application ended so, and has said itself what there was to say.
    Passed(u8),
    /// Nobody reads what we print any more, which is no failure at all.
    Unread,
    /// The question was understood, and the answer is no.
    No,
    /// The command line, the configuration or the system is in the way.
    Trouble,
}

impl Failure {
    /// The answer is no.
    pub(super) fn no(message: impl Into<String>) -> Self {
        Self::new(Kind::No, message)
    }

    /// The command line, the configuration or the system is in the way.
    pub(super) fn trouble(message: impl Into<String>) -> Self {
        Self::new(Kind::Trouble, message)
    }

    /// The application's end is ours.
    pub(super) fn passed(code: u8) -> Self {
        Self::new(Kind::Passed(code), "the application ended")
    }

    /// Nobody reads what we print any more.
    pub(super) fn unread() -> Self {
        Self::new(Kind::Unread, "nobody reads")
    }

    /// Says what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The process's exit code.
    pub(super) const fn code(&self) -> u8 {
        match self.kind {
            Kind::Passed(code) => code,
            Kind::Unread => 0,
            Kind::No => 1,
            Kind::Trouble => 2,
        }
    }

    /// Whether something is in the way that stays there.
    pub(super) fn is_trouble(&self) -> bool {
        self.kind == Kind::Trouble
    }

    /// Whether there is anything to say.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.kind, Kind::Passed(_) | Kind::Unread)
    }

    /// What to do about it, if anything is known to help.
    pub(super) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// An error and, after colons, what it was caused by.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::trouble(error.to_string()).hint(error.hint())
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        let failure = Self::trouble(error.to_string());
        match error.advice() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<agent::Error> for Failure {
    fn from(error: agent::Error) -> Self {
        let failure = Self::trouble(chain(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What an agent said no to: the caller's request is trouble, the members' state a no.
impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let failure = match &error {
            client::Error::Refused {
                status: 404 | 409, ..
            } => Self::no(chain(&error)),
            _ => Self::trouble(chain(&error)),
        };
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Errors of standard output; everything else says what it touched.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::unread(),
            _ => Self::trouble(format!("cannot write to standard output: {error}")),
        }
    }
}
