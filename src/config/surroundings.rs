//! What the process finds around itself: environment, host name, user.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use super::{
    ConfigError,
    keys::{self, CONFIG_VARIABLE, KEYS, VARIABLE_PREFIX},
};

/// The environment, read once. Everything that depends on it takes it as an argument.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// By name; `None` where the value is not UTF-8.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// `None` where it is not UTF-8.
    pub(super) host_name: Option<String>,
    pub(super) root: bool,
    /// Our number.
    pub(super) process: u32,
}

impl Surroundings {
    /// Reads the environment, the host's name and who we are. An empty variable counts as unset.
    pub fn look() -> Self {
        let name = |os: OsString| os.to_string_lossy().into_owned();
        let variables = std::env::vars_os().filter(|(_, value)| !value.is_empty());
        let variables = variables.map(|(key, value)| (name(key), value.into_string().ok()));
        Self {
            variables: variables.collect(),
            host_name: gethostname::gethostname().into_string().ok(),
            root: rustix::process::geteuid().is_root(),
            process: std::process::id(),
        }
    }

    /// The names of all variables that are ours or look so.
    pub fn own_variables(&self) -> Vec<String> {
        let names = self.variables.keys();
        let own = names.filter(|name| name.starts_with(VARIABLE_PREFIX));
        own.cloned().collect()
    }

    /// The value of the variable called `name`.
    ///
    /// # Errors
    /// [`ConfigError::NotText`].
    pub(super) fn variable(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.variables.get(name) {
            Some(None) => Err(ConfigError::NotText {
                variable: name.into(),
            }),
            held => Ok(held.and_then(Option::as_deref)),
        }
    }

    /// The same of a variable that is not ours: one that is not UTF-8 counts as unset, too.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.variable(name).ok().flatten()
    }

    /// `$XDG_STATE_HOME/headcount`, as root `/var/lib/headcount`.
    pub(super) fn state_dir(&self) -> Option<PathBuf> {
        if self.root {
            return Some("/var/lib/headcount".into());
        }
        let home = || Some(self.directory("HOME")?.join(".local/state"));
        let state = self.directory("XDG_STATE_HOME").or_else(home)?;
        Some(state.join("headcount"))
    }

    /// `$XDG_RUNTIME_DIR/headcount.sock`, as root `/run/headcount.sock`.
    ///
    /// The state directory stands in where nobody made a run-time directory: it is the user's
    /// alone too, which `/tmp` would not be.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        let runtime = || self.directory("XDG_RUNTIME_DIR");
        let dir = match self.root {
            true => Some("/run".into()),
            false => runtime().or_else(|| self.state_dir()),
        };
        Some(dir?.join("headcount.sock"))
    }

    /// A warning for each variable that looks like ours and is not.
    pub(super) fn unknown_variables(&self) -> Vec<String> {
        let known: Vec<_> = KEYS.iter().map(|key| keys::variable(key.name)).collect();
        let mut unknown = Vec::new();
        for name in self.variables.keys() {
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
                continue;
            };
            if name != CONFIG_VARIABLE && !known.contains(name) {
                let near = keys::nearest(rest).map(keys::variable);
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                unknown.push(format!("ignored unknown variable {name}{near}"));
            }
        }
        unknown
    }

    /// The XDG rules ignore relative paths.
    fn directory(&self, variable: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(variable)?);
        path.is_absolute().then_some(path)
    }
}
