//! Times as people write them, for `#[serde(with = "time_text")]`: `"1s 500ms"`; and ranges of
//! times: `"1ms..50ms"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// No time in a scenario is longer.
pub(super) const TIME_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What a text must be to be a time.
const EXPECTED: &str = "takes a time such as 200ms or 5s, from 0s to 31d";

pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text.trim()).ok();
    let time = parsed.filter(|time| *time <= TIME_MAX);
    time.ok_or_else(|| EXPECTED.to_owned())
}

/// Two times, or one twice: `1ms..50ms`, `200ms`.
pub(super) fn parse_range(text: &str) -> Result<(Duration, Duration), String> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let (min, max) = (parse(min)?, parse(max)?);
    match min <= max {
        true => Ok((min, max)),
        false => Err("a range begins with the shorter time".into()),
    }
}

pub(super) fn format_range(min: Duration, max: Duration) -> String {
    let [shortest, longest] = [min, max].map(humantime::format_duration);
    match min == max {
        true => shortest.to_string(),
        false => format!("{shortest}..{longest}"),
    }
}

pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = text(from, EXPECTED)?;
    parse(&text).map_err(de::Error::custom)
}

/// Reads a text. What is none is refused with what it should be; that the key lacks altogether is
/// said as of any other.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D, expected: &str) -> Result<String, D::Error> {
    String::deserialize(from).map_err(|error| match error.to_string() {
        said if said.contains("missing field `") => error,
        _ => de::Error::custom(expected),
    })
}

pub(super) fn deserialize_some<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    deserialize(from).map(Some)
}
