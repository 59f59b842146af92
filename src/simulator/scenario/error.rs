//! `ScenarioError`: why a scenario cannot be run.

use super::BUILT_IN;
use crate::nearest::nearest;

/// Why a scenario cannot be run. Nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ScenarioError {
    /// The file, with the line where one is to blame.
    place: String,
    problem: String,
    hint: Option<String>,
}

impl ScenarioError {
    pub(super) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, if anything is known to help.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// No built-in scenario has this name.
    pub(super) fn unknown(name: &str) -> Self {
        let names = BUILT_IN.map(|(name, _)| name);
        let likely = nearest(name, names.iter().copied()).unwrap_or(names[0]);
        Self::new(name, "is neither a file nor a built-in scenario").hint(format!(
            "did you mean {likely}? Built in: {}",
            names.join(", ")
        ))
    }

    /// What the parser has against `text`, with the line, the nearest key and the value.
    pub(super) fn parser(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let number = text[..at].matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        let place = format!("{file}:{}", number + 1);
        let message = error.message();
        let named: Vec<_> = message.split('`').skip(1).step_by(2).collect();
        match named.split_first() {
            Some((given, allowed)) if message.starts_with("unknown ") => {
                let kind = message.split(' ').nth(1).unwrap_or("key");
                let kind = if kind == "field" { "key" } else { "word" };
                let error = Self::new(place, format!("unknown {kind} `{given}`"));
                match nearest(given, allowed.iter().copied()) {
                    Some(likely) => error.hint(format!(
                        "did you mean {likely}? Allowed: {}",
                        allowed.join(", ")
                    )),
                    None => error,
                }
            }
            _ => Self::new(place, format!("{line}: {}", message.replace('\n', " "))),
        }
    }
}
