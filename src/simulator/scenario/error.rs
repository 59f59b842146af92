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
        let likely = likely(name, &names);
        Self::new(name, "is neither a file nor a built-in scenario")
            .hint(format!("{likely}Built in: {}", names.join(", ")))
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
                let likely = likely(given, allowed);
                Self::new(place, format!("unknown {kind} `{given}`"))
                    .hint(format!("{likely}Allowed: {}", allowed.join(", ")))
            }
            _ => Self::new(place, format!("{line}: {}", plainly(message))),
        }
    }
}

/// The question what was meant, if anything looks like it.
fn likely(given: &str, known: &[&str]) -> String {
    let likely = nearest(given, known.iter().copied());
    likely.map_or_else(String::new, |likely| format!("did you mean {likely}? "))
}

/// What the parser says, in words for whoever wrote the scenario.
fn plainly(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("lacks {key}");
    }
    if let Some(wanted) = of_an_event(message) {
        return wanted;
    }
    let wanted = match message.rsplit_once("expected ") {
        Some((_, "u8")) => "a whole number from 0 to 255",
        Some((_, "u16")) => "a whole number from 0 to 65535",
        Some((_, "u32")) => "a whole number from 0 to 4294967295",
        Some((_, "u64" | "usize")) => "a whole number that is not negative",
        Some((_, "i64")) => "a whole number",
        Some((_, "f32" | "f64")) => "a number",
        Some((_, "a boolean")) => "true or false",
        Some((_, "a string")) => "a text in quotes",
        Some((_, "a sequence")) => "a list, or sections such as [[fault]]",
        Some((_, wanted)) if wanted.starts_with("struct ") => "a section such as [network]",
        _ if message == "wanted string or table" => "a word in quotes",
        _ => return message.replace('\n', " "),
    };
    format!("takes {wanted}")
}

/// The same of what only an event of a plan can have.
fn of_an_event(message: &str) -> Option<String> {
    if let Some(length) = message.strip_prefix("expected tuple with length ") {
        return Some(format!("takes a list of {length}"));
    }
    let said = match message {
        _ if message.starts_with("wanted exactly 1 element") => {
            "takes one thing that happens in each event"
        }
        _ if message.starts_with("expected table, found ") => {
            "takes a list there, or stands alone in quotes"
        }
        "invalid type: unit variant, expected newtype variant" => {
            "takes whom it happens to, as in { start = \"n0\" }"
        }
        _ => return None,
    };
    Some(said.into())
}

#[cfg(test)]
mod tests {
    use crate::simulator::Scenario;

    #[test]
    fn the_parsers_words_are_not_shown() {
        let event = |event| {
            let node = "duration = '9s'\nnode = [{ name = 'a' }]";
            format!("{node}\nevent = [{{ {event} }}]")
        };
        let cases = [
            ("nodes = '8'", "F:1: nodes = '8': takes a whole number"),
            (
                "nodes = -1",
                "F:1: nodes = -1: takes a whole number, 2 to 10000000",
            ),
            ("nodes = 99999999999", "takes a whole number, 2 to 10000000"),
            (
                "nodes = 5\nview = 99999999999",
                "F:2: view = 99999999999: takes a whole number from 0 to 4294967295",
            ),
            (
                "[settings]\nconfirmations = 300",
                "takes a whole number from 0 to 255",
            ),
            (
                "[expect]\nrenewals = -1",
                "takes a whole number that is not negative",
            ),
            (
                "nodes = 5\nnetwork = 3",
                "F:2: network = 3: takes a section",
            ),
            (
                "nodes = 5\nfault = 3",
                "takes a list, or sections such as [[fault]]",
            ),
            ("nodes = 5\n[expect]\nfalse_positives = 'none'", "F:3"),
            (
                "nodes = 5\n[[fault]]\nat = '1s'",
                "F:2: [[fault]]: lacks `kind`",
            ),
            (
                "nodes = 5\n[[fault]]\nkind = 7\nat = '1s'",
                "takes a word in quotes",
            ),
            (
                "nodes = 5\n[[fault]]\nkind = 'crash'",
                "F:2: [[fault]]: lacks `at`",
            ),
            ("node = [{ name = 'a' }]", "lacks `duration`"),
            (
                "nodes = 5\n[[fault]]\nkind = 'crash'\nat = 4",
                "at = 4: takes a time such as",
            ),
            (
                &event("at = '1s', do = { pause = ['a', '3s', 4] }"),
                "takes a list of 2",
            ),
            (
                &event("at = '1s', do = { pause = 'a' }"),
                "takes a list there",
            ),
            (&event("at = '1s', do = {}"), "takes one thing"),
            (&event("at = '1s', do = 'start'"), "takes whom"),
            (&event("do = 'heal'"), "lacks `at`"),
        ];
        for (text, said) in cases {
            let error = Scenario::parse("F", text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
            let foreign = [
                "u32", "u64", "struct", "sequence", "invalid", "missing", "tuple", "variant",
            ];
            assert!(!foreign.iter().any(|word| error.contains(word)), "{error}");
        }
    }
}
