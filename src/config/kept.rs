//! Where files of members are kept: not where the agent has one of its own, which would be lost.

use std::{
    collections::BTreeMap,
    fs,
    path::{self, Component, Path, PathBuf},
};

use super::{
    ConfigError, Seed, Template,
    keys::{Key, one, refusal},
    sources::Values,
};

/// The setting that says where.
pub(super) const PATH: Key = one("path", "the path of a file");

/// The agent's own files that only the whole configuration tells.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) join: &'a [Seed],
    pub(super) socket: &'a Path,
}

impl Values {
    /// # Errors
    /// When a `[[file]]` would take the place of a file of the agent's own.
    pub(super) fn check_kept(&self, own: &Own<'_>) -> Result<(), ConfigError> {
        let taken = self.taken(own);
        let data_dir = resolved(own.data_dir);
        for (file, origin) in self.outputs.files.iter().zip(&self.paths) {
            let at = resolved(&file.path);
            let why = match taken.get(&at) {
                Some(what) => format!("is {what}, which would be lost"),
                None if at.starts_with(&data_dir) => "is in the agent's data-dir".into(),
                None => continue,
            };
            let why = refusal(why, "write a path where nothing else is kept");
            return Err(PATH.refuse(&file.path.display().to_string(), origin, why));
        }
        Ok(())
    }

    /// What is where.
    fn taken(&self, own: &Own<'_>) -> BTreeMap<PathBuf, String> {
        let given = |key: &'static str| {
            let paths = self.given(key).map(|given| given.values.as_slice());
            let paths = paths.unwrap_or_default().iter();
            paths.map(move |path| (PathBuf::from(path), format!("the agent's {key}")))
        };
        let lock = lock_of(own.socket);
        let sockets = [own.socket.to_path_buf(), lock].map(|path| (path, "the agent's socket"));
        let seeds = own.join.iter().filter_map(|seed| match seed {
            Seed::File(path) => Some((path.clone(), "a list of seeds")),
            _ => None,
        });
        let templates = self.outputs.files.iter();
        let templates = templates.filter_map(|file| match &file.template {
            Template::File(path) => Some((path.clone(), "a template-file")),
            Template::BuiltIn(_) => None,
        });
        let configuration = self.path.clone().map(|path| (path, "the configuration"));
        let others = sockets.into_iter().chain(seeds).chain(templates);
        let others = others.chain(configuration);
        let others = others.map(|(path, what)| (path, what.to_owned()));
        let all = given("key-file")
            .chain(given("http-token-file"))
            .chain(others);
        all.map(|(path, what)| (resolved(&path), what)).collect()
    }
}

/// The file beside a socket that keeps its path for one agent.
pub fn lock_of(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// The same for whatever leads to the same file, as far as that can be seen by now.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let whole = path::absolute(path).unwrap_or_else(|_| path.into());
    let mut resolved = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
        // What is not there is no link.
        resolved = fs::canonicalize(&resolved).unwrap_or(resolved);
    }
    resolved
}
