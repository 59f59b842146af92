//! The three sources of values, and the merge of them: flags over variables over the file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    ConfigError, Origin, Outputs, Surroundings,
    keys::{self, CONFIG_VARIABLE, KEYS, Key, Refusal, refusal},
    outputs::SECTIONS,
    section::Source,
    text::Reading,
};
use crate::swim::TAG_SEPARATORS;

/// What was typed on the command line: key to values. An absent key was not given.
#[derive(Clone, Debug, Default)]
pub struct Flags(BTreeMap<&'static str, Vec<String>>);

impl Flags {
    /// Records `values` for the flag `--key`; none means that it was not given.
    pub fn set(&mut self, key: &'static str, values: impl IntoIterator<Item = String>) {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.0.insert(key, values);
        }
    }
}

/// What somebody gave for one key.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) values: Vec<String>,
    pub(super) origin: Origin,
}

/// For each key the strongest source that gave it, and what only a file can give.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    given: BTreeMap<&'static str, Given>,
    pub(super) outputs: Outputs,
    /// Where each of their files says its path.
    pub(super) paths: Vec<Origin>,
    /// The file that was read, if any.
    pub(super) path: Option<PathBuf>,
    /// How the files are read that it names.
    pub(super) reading: Reading,
}

impl Values {
    /// All three sources; the file is the one that `--config` or `HEADCOUNT_CONFIG` names.
    pub(super) fn merge(
        flags: Flags,
        around: &Surroundings,
        reading: Reading,
    ) -> Result<Self, ConfigError> {
        let flag = flags.0.get("config").and_then(|paths| paths.last());
        let file = match (flag, around.variable(CONFIG_VARIABLE)?) {
            (Some(path), _) => read(path.into(), Origin::Flag("config"), reading)?,
            (None, Some(path)) => read(
                path.into(),
                Origin::Variable(CONFIG_VARIABLE.into()),
                reading,
            )?,
            (None, None) => Self::default(),
        };
        let file = Self { reading, ..file };
        file.overlaid(flags, around)
    }

    /// Flags and variables.
    pub(super) fn without_file(flags: Flags, around: &Surroundings) -> Result<Self, ConfigError> {
        Self::default().overlaid(flags, around)
    }

    /// What was given for `key`.
    pub(super) fn given(&self, key: &str) -> Option<&Given> {
        self.given.get(key)
    }

    fn overlaid(mut self, mut flags: Flags, around: &Surroundings) -> Result<Self, ConfigError> {
        for key in &KEYS {
            let name = keys::variable(key.name);
            let listed = around.variable(&name)?.map(|text| split(key, text));
            // A list of nothing is like an empty variable, which is none.
            let listed = listed.filter(|values| !values.is_empty());
            let strongest = match (flags.0.remove(key.name), listed) {
                (Some(values), _) => Given {
                    values,
                    origin: Origin::Flag(key.name),
                },
                (None, Some(values)) => Given {
                    values,
                    origin: Origin::Variable(name),
                },
                (None, None) => continue,
            };
            self.given.insert(key.name, strongest);
        }
        Ok(self)
    }
}

/// A variable holds a list with commas between the values.
fn split(key: &Key, text: &str) -> Vec<String> {
    if !key.many {
        return vec![text.into()];
    }
    let values = text.split(',').map(str::trim);
    values.filter(|v| !v.is_empty()).map(Into::into).collect()
}

fn read(path: PathBuf, origin: Origin, reading: Reading) -> Result<Values, ConfigError> {
    match reading.text(&path) {
        Ok(text) => parse(&text, &path),
        Err(error) => Err(ConfigError::Unreadable {
            path,
            origin,
            why: error.to_string(),
        }),
    }
}

/// Reads a whole TOML file. Every key must be one of [`KEYS`] or begin a section.
pub(super) fn parse(text: &str, path: &Path) -> Result<Values, ConfigError> {
    let source = Source { path, text };
    let refused = |error: toml::de::Error| ConfigError::Syntax {
        path: path.into(),
        line: source.line(error.span().map_or(0, |span| span.start)),
        message: error.message().into(),
    };
    let table: BTreeMap<toml::Spanned<String>, toml::Value> =
        toml::from_str(text).map_err(refused)?;
    let mut values = Values::default();
    for (name, value) in table {
        let line = source.line(name.span().start);
        if SECTIONS.contains(&name.get_ref().as_str()) {
            are_sections(name.get_ref(), &value, &source.origin(line))?;
            continue;
        }
        let Some(key) = keys::find(name.get_ref()) else {
            return Err(ConfigError::UnknownKey {
                key: name.into_inner(),
                path: path.into(),
                line,
            });
        };
        let origin = Origin::File(path.into(), line);
        let texts = texts(key, &value);
        let texts = texts.map_err(|why| key.refuse(&value.to_string(), &origin, why))?;
        let given = Given {
            values: texts,
            origin,
        };
        values.given.insert(key.name, given);
    }
    let entries = toml::from_str(text).map_err(refused)?;
    (values.outputs, values.paths) = Outputs::read(entries, source)?;
    values.path = Some(path.into());
    Ok(values)
}

fn are_sections(name: &str, value: &toml::Value, origin: &Origin) -> Result<(), ConfigError> {
    let list = value.as_array();
    if list.is_some_and(|list| list.iter().all(toml::Value::is_table)) {
        return Ok(());
    }
    Err(ConfigError::NotSections {
        name: name.into(),
        origin: origin.clone(),
    })
}

/// A TOML value as the texts that flags would have given.
fn texts(key: &Key, value: &toml::Value) -> Result<Vec<String>, Refusal> {
    use toml::Value::{Array, Boolean, Integer, String, Table};
    match value {
        String(text) => Ok(vec![text.clone()]),
        Boolean(yes) if key.name == "insecure" => Ok(vec![yes.to_string()]),
        Integer(number) if key.name == "max-members" => Ok(vec![number.to_string()]),
        Array(items) if key.many => items.iter().map(|item| text(key, item)).collect(),
        Table(pairs) if key.name == "tag" => {
            let pair = |(k, v): (&std::string::String, _)| match k.contains(TAG_SEPARATORS) {
                true => Err(refusal(
                    format!("has the key {k:?}"),
                    "keys hold no = and no :",
                )),
                false => Ok(format!("{k}={}", text(key, v)?)),
            };
            pairs.iter().map(pair).collect()
        }
        _ => Err(wrong_type(key)),
    }
}

fn text(key: &Key, value: &toml::Value) -> Result<String, Refusal> {
    let text = value.as_str().ok_or_else(|| wrong_type(key))?;
    Ok(text.into())
}

fn wrong_type(key: &Key) -> Refusal {
    let example = match key.name {
        "insecure" => "insecure = true".into(),
        "forget-after" | "restart-eta" => format!("{} = \"30s\"", key.name),
        "max-members" => "max-members = 1000".into(),
        "join" => "join = [\"10.0.0.1:7946\"]".into(),
        "tag" => "tag = { role = \"web\" }".into(),
        name => format!("{name} = \"…\""),
    };
    refusal("has the wrong type", format!("write {example}"))
}
