//! `Section`: one `[[hook]]` or `[[file]]`, whose settings are read one by one, each with its line
//! for whoever has to mend it.

use std::{
    collections::BTreeMap, fmt::Display, ops::RangeInclusive, path::Path, slice, time::Duration,
};

use toml::{Spanned, Value};

use super::{
    ConfigError, Origin,
    keys::{Key, one, refusal},
};
use crate::nearest::nearest;

/// A section as the parser gives it.
pub(super) type Entry = Spanned<BTreeMap<Spanned<String>, Value>>;

/// The file that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A setting of a section.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: Key,
    /// A value as it is written.
    pub(super) example: &'static str,
}

/// What a section is called, and all of its settings.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) settings: &'static [Setting],
}

/// See the module.
#[derive(Debug)]
pub(super) struct Section<'a> {
    kind: &'static Kind,
    source: Source<'a>,
    line: usize,
    given: BTreeMap<String, (usize, Value)>,
}

impl Source<'_> {
    /// The line, counted from one, of the byte at `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    pub(super) fn origin(&self, line: usize) -> Origin {
        Origin::File(self.path.into(), line)
    }
}

/// `key = value` of a section, which takes `allowed`.
pub(super) const fn setting(
    name: &'static str,
    allowed: &'static str,
    example: &'static str,
) -> Setting {
    Setting {
        key: one(name, allowed),
        example,
    }
}

impl<'a> Section<'a> {
    /// # Errors
    /// [`ConfigError::UnknownSetting`].
    pub(super) fn new(
        kind: &'static Kind,
        source: Source<'a>,
        entry: Entry,
    ) -> Result<Self, ConfigError> {
        let line = source.line(entry.span().start);
        let lined = |(key, value): (Spanned<String>, Value)| {
            let line = source.line(key.span().start);
            (key.into_inner(), (line, value))
        };
        let given: BTreeMap<_, _> = entry.into_inner().into_iter().map(lined).collect();
        let names = || kind.settings.iter().map(|setting| setting.key.name);
        let unknown = given
            .iter()
            .find(|(key, _)| names().all(|name| name != *key));
        if let Some((key, (line, _))) = unknown {
            let near = nearest(key, names());
            return Err(ConfigError::UnknownSetting {
                section: kind.name,
                key: key.clone(),
                origin: source.origin(*line),
                near,
                all: names().collect::<Vec<_>>().join(", "),
            });
        }
        Ok(Self {
            kind,
            source,
            line,
            given,
        })
    }

    /// The setting called `name`, if it is given; `parse` says what is wrong with it.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub(super) fn read<T, W: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, W>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((line, value)) = self.given.get(name) else {
            return Ok(None);
        };
        let setting = self.setting(name);
        let refused = |why: W| {
            let hint = format!("write {name} = {}", setting.example);
            let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
            let origin = self.source.origin(*line);
            let why = refusal(why.to_string(), hint);
            setting.key.refuse(&value, &origin, why)
        };
        parse(value).map(Some).map_err(refused)
    }

    /// The same of one that must be given.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] and [`ConfigError::MissingSetting`].
    pub(super) fn need<T, W: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, W>,
    ) -> Result<T, ConfigError> {
        let given = self.read(name, parse)?;
        given.ok_or_else(|| self.lacks(name))
    }

    /// Where it says the setting called `name`; where it begins, if it does not.
    pub(super) fn origin_of(&self, name: &str) -> Origin {
        let line = self.given.get(name).map_or(self.line, |(line, _)| *line);
        self.source.origin(line)
    }

    /// Where it begins.
    pub(super) fn origin(&self) -> Origin {
        self.source.origin(self.line)
    }

    /// The error that the section has no such setting.
    pub(super) fn lacks(&self, name: &str) -> ConfigError {
        let setting = self.setting(name);
        ConfigError::MissingSetting {
            section: self.kind.name,
            key: setting.key.name,
            origin: self.origin(),
            example: setting.example,
        }
    }

    fn setting(&self, name: &str) -> &'static Setting {
        let mut settings = self.kind.settings.iter();
        let found = settings.find(|setting| setting.key.name == name);
        found.expect("a section is read by its own settings")
    }
}

pub(super) fn text(value: &Value) -> Result<String, &'static str> {
    let text = value.as_str().ok_or("is not a text in quotes")?;
    match text.is_empty() {
        true => Err("is empty"),
        false => Ok(text.into()),
    }
}

/// One text or a list of them, any of which may be empty.
pub(super) fn words(value: &Value) -> Result<Vec<String>, &'static str> {
    let items = match value {
        Value::Array(items) => items,
        one => slice::from_ref(one),
    };
    let words = items.iter().map(|item| item.as_str().map(Into::into));
    let words: Option<_> = words.collect();
    words.ok_or("is neither a text in quotes nor a list of such")
}

/// One text or a list of at least one, none of which is empty.
pub(super) fn texts(value: &Value) -> Result<Vec<String>, &'static str> {
    let words = words(value)?;
    match words.iter().any(String::is_empty) {
        _ if words.is_empty() => Err("is an empty list"),
        true => Err("has an empty text"),
        false => Ok(words),
    }
}

/// Keys and their values, at least one.
pub(super) fn pairs(value: &Value) -> Result<Vec<(String, String)>, &'static str> {
    let wrong = "is not a table of texts in quotes";
    let table = value.as_table().ok_or(wrong)?;
    if table.is_empty() {
        return Err("is an empty table");
    }
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.into()));
    table.iter().map(|it| pair(it).ok_or(wrong)).collect()
}

pub(super) fn truth(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("is neither true nor false")
}

/// A number in `range`.
pub(super) fn number<T: TryFrom<i64> + PartialOrd>(
    range: RangeInclusive<T>,
) -> impl FnOnce(&Value) -> Result<T, &'static str> {
    move |value| {
        let whole = value.as_integer().ok_or("is not a whole number")?;
        let number = T::try_from(whole).ok();
        number
            .filter(|number| range.contains(number))
            .ok_or("is out of range")
    }
}

/// A time in `range`.
pub(super) fn time(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(&Value) -> Result<Duration, &'static str> {
    move |value| {
        let time = value
            .as_str()
            .and_then(|text| humantime::parse_duration(text).ok());
        let time = time.ok_or("is not a time with its unit")?;
        range
            .contains(&time)
            .then_some(time)
            .ok_or("is out of range")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sources::parse, *};

    /// What is written, what is said of it, and what is advised.
    type Case = (&'static str, &'static str, &'static str);

    const HOOKS: [Case; 24] = [
        ("", "has no command", "write command = ["),
        (
            "command = [1]",
            r#"command "[1]" (F:2) is neither a text"#,
            "write command = [",
        ),
        (
            "command = []",
            r#"command "[]" (F:2) names no program"#,
            "[",
        ),
        ("command = ''", r#"command "" (F:2) names no program"#, "["),
        ("command = [' ', 'x']", "names no program", "["),
        (
            "command = 'x'\nname = ''",
            r#"name "" (F:3) has an empty text"#,
            "n1",
        ),
        (
            "command = 'x'\nname = []",
            r#"name "[]" (F:3) is an empty list"#,
            "n1",
        ),
        (
            "command = 'x'\nname = ['n1', 'a b']",
            "(F:3) cannot be: ",
            "n1",
        ),
        (
            "command = 'x'\ntypes = []",
            r#"types "[]" (F:3) is an empty list"#,
            "failed",
        ),
        (
            "command = 'x'\ntag = {}",
            r#"(F:3) is an empty table"#,
            "{ role = ",
        ),
        (
            "command = 'x'\ntag = { '' = 'web' }",
            "(F:3) cannot be: ",
            "{ role = ",
        ),
        (
            "command = 'x'\ntag = { 'a:b' = 'web' }",
            "which no key has",
            "{ role = ",
        ),
        (
            "command = 'x'\ncomand = 3",
            r#"unknown key "comand" in [[hook]] (F:3)"#,
            "did you mean `command`? The keys are command, types, name",
        ),
        (
            "command = 'x'\nretries = 11",
            r#"retries "11" (F:3) is out of range; allowed: a whole number, 0 to 10"#,
            "write retries = 3",
        ),
        (
            "command = 'x'\nretries = -1",
            r#"retries "-1" (F:3) is out of range"#,
            "3",
        ),
        (
            "command = 'x'\nretries = '3'",
            r#"retries "3" (F:3) is not a whole number"#,
            "3",
        ),
        (
            "command = 'x'\nconcurrency = 0",
            "out of range; allowed: a whole number, 1 to 64",
            "8",
        ),
        (
            "command = 'x'\ntimeout = 10",
            r#"timeout "10" (F:3) is not a time with its unit"#,
            "10s",
        ),
        (
            "command = 'x'\ntimeout = '1ms'",
            r#"timeout "1ms" (F:3) is out of range"#,
            r#""10s""#,
        ),
        (
            "command = 'x'\ntypes = 3",
            r#"types "3" (F:3) is neither a text in quotes nor a list"#,
            "[",
        ),
        (
            "command = 'x'\ntypes = ['faild']",
            r#"type "faild" is not one of conflict"#,
            r#"["failed""#,
        ),
        (
            "command = 'x'\ntag = 'role=web'",
            r#"tag "role=web" (F:3) is not a table"#,
            "{ role = ",
        ),
        (
            "command = 'x'\ntag = { role = 3 }",
            "is not a table of texts",
            "{ role = ",
        ),
        (
            "command = 'x'\nconfidence = 'sure'",
            r#"confidence "sure" (F:3) cannot be"#,
            "stable:10s",
        ),
    ];

    const FILES: [Case; 15] = [
        (
            "path = '/x'\ntemplate = 'hosts'\nport = 0",
            r#"port "0" (F:4) is out of range; allowed: a whole number, 1 to 65535"#,
            "8080",
        ),
        ("path = '/tmp'", r#"path "/tmp" (F:2) is a folder"#, "hosts"),
        ("path = 'x/..'", "is a folder", "hosts"),
        (
            "path = '/dev/null'",
            r#"path "/dev/null" (F:2) is no plain file"#,
            "hosts",
        ),
        (
            "path = '/no/../x'\ntemplate = 'hosts'\n[[file]]\npath = '//./x'\n\
             template = 'json'",
            r#"path "//./x" (F:5) is that of the [[file]] in F:1, too"#,
            "hosts",
        ),
        (
            "path = '/proc/self/x'\ntemplate = 'hosts'\n[[file]]\n\
             path = '/proc/self/task/../x'\ntemplate = 'json'",
            "in F:1, too",
            "hosts",
        ),
        ("", "has no path", "write path = "),
        (
            "path = '/x'",
            "[[file]] (F:1) has no template",
            r#"template = "hosts""#,
        ),
        (
            "path = '/x'\ntemplate = 'host'",
            r#"template "host" (F:3) is none of ours, the nearest is hosts; allowed: haproxy-map"#,
            "hosts",
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\ntemplate-file = '/x'",
            r#"template-file "/x" (F:4) stands beside template"#,
            "write",
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\nport = 70000",
            r#"port "70000" (F:4) is out of range"#,
            "write port = 8080",
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\nwith-app-down = 'no'",
            "is neither true nor false",
            "= true",
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\nmin_interval = '1s'",
            r#"unknown key "min_interval""#,
            "did you mean `min-interval`?",
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\nsettle = '2h'",
            r#"settle "2h" (F:4) is out of range"#,
            r#""2s""#,
        ),
        (
            "path = '/x'\ntemplate = 'hosts'\nupstream = 'a; b'",
            r#"upstream "a; b" (F:4) is not a word"#,
            r#""web""#,
        ),
    ];

    const WHOLE: [Case; 5] = [
        ("[hook]", "hook (F:1) is not a section", "write [[hook]]"),
        (
            "\nfile = 3",
            "file (F:2) is not a section",
            "write [[file]]",
        ),
        (
            "hook = [3]",
            "hook (F:1) is not a section",
            "write [[hook]]",
        ),
        (
            "[hooks]",
            r#"unknown key "hooks" (F:1)"#,
            "did you mean `hook`?",
        ),
        (
            "restart-eta = 30",
            "has the wrong type",
            r#"restart-eta = "30s""#,
        ),
    ];

    fn check(begin: &str, cases: &[Case]) {
        for (rest, said, advised) in cases {
            let error = parse(&format!("{begin}{rest}\n"), Path::new("F"));
            let error = error.expect_err(rest);
            assert!(error.to_string().contains(said), "{rest}: {error}");
            assert!(error.hint().contains(advised), "{rest}: {}", error.hint());
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_line_key_value_and_what_is_allowed() {
        check("[[hook]]\n", &HOOKS);
        check("[[file]]\n", &FILES);
        check("", &WHOLE);
    }

    #[test]
    fn a_program_may_have_empty_arguments() {
        let text = "[[hook]]\ncommand = ['grep', '-c', '']";
        parse(text, Path::new("F")).unwrap();
    }

    #[test]
    fn a_command_of_several_lines_is_shown_in_one() {
        let text = "[[hook]]\ncommand = \"echo a\\n\\techo b\"";
        let outputs = parse(text, Path::new("F")).unwrap().outputs;
        let command = &outputs.hooks[0].command;
        assert_eq!(command.to_string(), r"/bin/sh -c echo a\n\techo b");
        assert_eq!(command.parts().1[1], "echo a\n\techo b");
    }

    #[test]
    fn a_number_may_stand_without_quotes() {
        parse("max-members = 10", Path::new("F")).unwrap();
    }
}
