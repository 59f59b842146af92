//! What a configuration comes to, key by key, and where each value came from: for people who want
//! to see before they start.

use super::{
    Config, ConfigError, Flags, Launch, Surroundings, keys, sources::Values, text::Reading,
};
use crate::swim::Tuning;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As in the file.
    pub key: &'static str,
    /// What holds, lists with commas; empty where nothing does. Of files with secrets the path.
    pub value: String,
    /// The flag, the variable or the line that gave it, or `default`.
    pub origin: String,
}

/// Every key, by name, and what [`super::load`] makes of them. Reads the files that are named and
/// opens nothing.
///
/// # Errors
/// As [`super::load`].
pub fn effective(
    flags: Flags,
    around: &Surroundings,
) -> Result<(Launch, Vec<Setting>), ConfigError> {
    // Once: a pipe gives its text no second time.
    let values = Values::merge(flags, around, Reading::First)?;
    let launch = super::launch(&values, around)?;
    let setting = |key: &'static str| match values.given(key) {
        Some(given) => Setting {
            key,
            value: given.values.join(", "),
            origin: given.origin.to_string(),
        },
        None => Setting {
            key,
            value: default(&launch, key),
            origin: "default".into(),
        },
    };
    let settings = keys::names().into_iter().map(setting).collect();
    Ok((launch, settings))
}

/// What holds where nobody said anything.
fn default(launch: &Launch, key: &str) -> String {
    let Launch {
        config, logging, ..
    } = launch;
    let Config {
        name,
        bind,
        cluster,
        profile,
        ..
    } = config;
    match key {
        "bind" => bind.to_string(),
        "cluster" => cluster.clone(),
        "data-dir" => config.data_dir.display().to_string(),
        "forget-after" => {
            let tuning = Tuning::new(*profile);
            humantime::format_duration(tuning.forget_after).to_string()
        }
        "insecure" => config.insecure.to_string(),
        "log-format" => if logging.json { "json" } else { "text" }.into(),
        "log-level" => logging.level.to_string().to_lowercase(),
        "max-members" => config.max_members.to_string(),
        "name" => name.clone(),
        "profile" => profile.as_str().into(),
        "socket" => config.socket.display().to_string(),
        "socket-mode" => format!("{:04o}", config.access.mode),
        _ => String::new(),
    }
}
