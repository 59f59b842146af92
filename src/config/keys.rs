//! The keys: what can be configured, and what each takes.

use super::{ConfigError, InvalidValue, Origin};

/// Something that a configuration can set.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file; the flag is `--name`, the variable `HEADCOUNT_NAME`.
    pub(super) name: &'static str,
    /// What it takes, for people.
    pub(super) allowed: &'static str,
    /// Whether it takes more than one value.
    pub(super) many: bool,
}

/// Every key, by name.
pub(super) const KEYS: [Key; 23] = [
    one(
        "advertise",
        "IP:PORT, IP or the name of a network interface",
    ),
    many("allow", "USER, @GROUP or their numbers"),
    many("allow-read", "USER, @GROUP or their numbers"),
    one("bind", "IP:PORT, IP or :PORT"),
    one("cluster", "1 to 64 bytes of printable text without spaces"),
    one("data-dir", "the path of a directory"),
    one("forget-after", "a time from 1m to 30d, as 24h"),
    one("http", "IP:PORT or :PORT"),
    one(
        "http-token-file",
        "the path of a file that only its owner can read",
    ),
    one("insecure", "true or false"),
    many(
        "join",
        "HOST:PORT or HOST, where HOST is a name or an IP; srv:NAME or file:PATH",
    ),
    one(
        "key-file",
        "the path of a file that only its owner can read",
    ),
    one("log-format", "text or json"),
    one("log-level", "error, warn, info, debug or trace"),
    one("max-members", "a whole number, 2 to 1000000"),
    one("name", "1 to 128 bytes of printable text without spaces"),
    one("profile", "lan, wan or local"),
    one("restart-eta", "a time from 1s to 1h, as 30s"),
    one("socket", "a path of at most 107 bytes"),
    one("socket-group", "a group of this host, or its number"),
    one("socket-mode", "an octal number, 0600 to 0777"),
    one("socket-owner", "a user of this host, or its number"),
    many("tag", "KEY=VALUE, 16 KiB for all tags together"),
];

/// What every variable of ours begins with.
pub(super) const VARIABLE_PREFIX: &str = "HEADCOUNT_";
/// The variable that names the file. It has no key, because a file cannot name itself.
pub(super) const CONFIG_VARIABLE: &str = "HEADCOUNT_CONFIG";

/// A key with one value.
pub(super) const fn one(name: &'static str, allowed: &'static str) -> Key {
    Key {
        name,
        allowed,
        many: false,
    }
}

const fn many(name: &'static str, allowed: &'static str) -> Key {
    Key {
        name,
        allowed,
        many: true,
    }
}

impl Key {
    /// The error that `value` is not what this key takes.
    pub(super) fn refuse(&self, value: &str, origin: &Origin, why: Refusal) -> ConfigError {
        ConfigError::Invalid(Box::new(InvalidValue {
            key: self.name,
            value: value.into(),
            origin: origin.clone(),
            why: why.why,
            allowed: self.allowed,
            hint: why.hint,
        }))
    }
}

/// Why a value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// A predicate: "is not an address".
    pub(super) why: String,
    /// What to do instead.
    pub(super) hint: String,
}

/// A [`Refusal`].
pub(super) fn refusal(why: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal {
        why: why.into(),
        hint: hint.into(),
    }
}

/// The key called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// All names.
pub(super) fn names() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}

/// The name that looks most like `text`, if any does.
pub(super) fn nearest(text: &str) -> Option<&'static str> {
    crate::nearest::nearest(text, names())
}

/// The variable of the key called `name`.
pub(super) fn variable(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.to_uppercase().replace('-', "_"))
}
