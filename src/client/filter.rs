//! `Filter`: which members to speak of, and `Query`, how a request says so.

use std::{fmt, str::FromStr, time::Duration};

use super::Member;

/// What ends a key where a tag is written out. No key holds one.
const SEPARATORS: [char; 2] = ['=', ':'];

/// Which members to speak of: those that have one of the names, if any is given, and all of the
/// tags. The default is everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    names: Vec<String>,
    tags: Vec<(String, String)>,
}

/// How sure the agent must be before a stream tells of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Tell everything, first suspicions included; what a stream does unless told otherwise.
    Suspect,
    /// Tell confirmed failures only: a suspect still counts as alive.
    Failed,
    /// Tell only what has lasted so long.
    Stable(Duration),
}

impl Filter {
    /// Lets the member called `name` through, beside those named before.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Lets only members with this tag through. With a key that no tag can have, as no key holds a
    /// `=` or a `:`, that is nobody.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Whether it lets `member` through.
    pub fn admits(&self, member: &Member) -> bool {
        let has = |(key, value): &(String, String)| member.tags.get(key) == Some(value);
        (self.names.is_empty() || self.names.contains(&member.name)) && self.tags.iter().all(has)
    }

    /// The query that says so.
    pub(super) fn query(&self) -> Query {
        let mut query = Query::default();
        for (key, value) in &self.tags {
            // Written out it would be another tag; with an empty key there is none either.
            let key = if key.contains(SEPARATORS) { "" } else { key };
            query.add("tag", &format!("{key}:{value}"));
        }
        for name in &self.names {
            query.add("name", name);
        }
        query
    }
}

impl fmt::Display for Confidence {
    /// As the query has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspect => formatter.write_str("suspect"),
            Self::Failed => formatter.write_str("failed"),
            Self::Stable(time) => write!(formatter, "stable:{}", time_text(*time)),
        }
    }
}

/// The text is no confidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not suspect, failed or stable:TIME, such as stable:10s")]
pub struct InvalidConfidence(String);

impl FromStr for Confidence {
    type Err = InvalidConfidence;

    fn from_str(text: &str) -> Result<Self, InvalidConfidence> {
        let stable = || humantime::parse_duration(text.strip_prefix("stable:")?).ok();
        match text {
            "suspect" => Ok(Self::Suspect),
            "failed" => Ok(Self::Failed),
            _ => stable()
                .map(Self::Stable)
                .ok_or_else(|| InvalidConfidence(text.into())),
        }
    }
}

/// A time as the agent reads it. It writes without spaces, which need no escape.
pub(super) fn time_text(time: Duration) -> String {
    humantime::format_duration(time)
        .to_string()
        .replace(' ', "")
}

/// A query string in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds `key=value`.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        let separator = if self.0.is_empty() { '?' } else { '&' };
        self.0 += &format!("{separator}{key}={}", escaped(value));
    }

    /// `path` and this.
    pub(super) fn of(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// Text as it may stand in a path or a query.
pub(super) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_is_read_as_it_is_written() {
        for text in ["suspect", "failed", "stable:10s"] {
            let confidence: Confidence = text.parse().unwrap();
            assert_eq!(confidence.to_string(), text);
        }
        for text in ["", "Failed", "stable", "stable:soon"] {
            let error = text.parse::<Confidence>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{text:?} is not suspect"))
            );
        }
    }

    #[test]
    fn a_key_that_no_tag_has_asks_for_nobody_and_not_for_another_tag() {
        for key in ["a:b", "a=b", ":", ""] {
            let query = Filter::default().tag(key, "c").query();
            assert_eq!(query.of("/v1/members"), "/v1/members?tag=:c", "{key:?}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(Filter::default().query().of("/v1/members"), "/v1/members");
        let filter = Filter::default().tag("a", "b c&d=é").name("n1").name("n2");
        let mut query = filter.query();
        query.add(
            "confidence",
            &Confidence::Stable(Duration::from_millis(90_500)).to_string(),
        );
        assert_eq!(
            query.of("/v1/watch"),
            "/v1/watch?tag=a:b%20c%26d%3D%C3%A9&name=n1&name=n2\
             &confidence=stable:1m30s500ms"
        );
    }
}
