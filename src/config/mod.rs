//! `Config`: what an agent runs with, validated. Flags, environment and file are merged here,
//! and nothing else reads the environment.
//!
//! Every key can be given as a flag (`--log-level`), as a variable (`HEADCOUNT_LOG_LEVEL`) and in
//! a TOML file (`log-level`). A flag beats a variable, a variable beats the file, and a list is
//! taken whole from the strongest of them. Whatever cannot be used is refused with the key, the
//! value, what is allowed and where it came from; nothing is ever corrected in silence.

mod access;
mod advertise;
mod effective;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod kept;
mod key_file;
mod keys;
mod outputs;
mod secret;
mod section;
mod seed;
mod sources;
mod supervisor;
mod surroundings;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod values;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub use access::{Access, Token, Who};
pub use advertise::Advertise;
pub use effective::{Setting, effective};
pub use error::{ConfigError, InvalidValue, Origin};
pub use kept::lock_of;
pub use key_file::{
    InvalidKeyFile, generate_key, parse_key, read_key, read_keys, reread_keys, rewrite_keys,
};
pub use outputs::{BuiltIn, CommandLine, Hook, OutputFile, Outputs, Template};
pub use seed::{InvalidSeed, Seed};
pub use sources::Flags;
pub use supervisor::Supervisor;
pub use surroundings::Surroundings;
pub use text::read_text;
pub use times::{RESTART_ETA, restart_eta};

use crate::swim::{Keys, Profile, Tags, Tuning};
use sources::Values;
use text::Reading;

/// The gossip port, unless an address names another.
pub const PORT_DEFAULT: u16 = 7946;

/// So many members there may be, unless somebody says otherwise.
pub const MAX_MEMBERS_DEFAULT: usize = 16_384;

/// Longest path of a Unix socket, in bytes: `sun_path` holds 108 with the closing zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What one agent runs with. Every field has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Our name, unique in the cluster.
    pub name: String,
    /// The gossip port, UDP and TCP. Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Where others reach us, when that is not `bind`.
    pub advertise: Option<Advertise>,
    /// Where to find the cluster.
    pub join: Vec<Seed>,
    /// The cluster's name.
    pub cluster: String,
    /// Which set of protocol numbers.
    pub profile: Profile,
    /// The local API's Unix socket.
    pub socket: PathBuf,
    /// The local API on TCP, off unless given.
    pub http: Option<SocketAddr>,
    /// Who may use the local API.
    pub access: Access,
    /// Where identity and generation are kept.
    pub data_dir: PathBuf,
    /// Our tags.
    pub tags: Tags,
    /// What gossip is sealed with. None: it is plain text.
    pub keys: Keys,
    /// Where the keys came from, and are kept.
    pub key_file: Option<PathBuf>,
    /// So many members there may be, failed and departed ones until they are forgotten included.
    pub max_members: usize,
    /// The operator accepts plaintext off loopback.
    pub insecure: bool,
    /// A failed or departed member is listed so long; `None` for a day.
    pub forget_after: Option<Duration>,
    /// A signal to end announces a restart, due so soon.
    pub restart_eta: Option<Duration>,
    /// Who wants to hear how we are.
    pub supervisor: Option<Supervisor>,
    /// Commands and files that follow the members.
    pub outputs: Outputs,
}

impl Config {
    /// The numbers of its profile, but for those that it says itself.
    pub fn tuning(&self) -> Tuning {
        let numbers = Tuning::new(self.profile);
        Tuning {
            forget_after: self.forget_after.unwrap_or(numbers.forget_after),
            ..numbers
        }
    }
}

/// How the agent logs on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The least severe lines that are still written.
    pub level: tracing::Level,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// A whole agent start: what to run, how to log, and what to warn of.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// What to run.
    pub config: Config,
    /// How to log.
    pub logging: Logging,
    /// Not wrong, but probably not meant. One line each.
    pub warnings: Vec<String>,
}

/// Merges flags, variables and the file, and checks the result.
///
/// # Errors
/// The first value that cannot be used.
pub fn load(flags: Flags, around: &Surroundings) -> Result<Launch, ConfigError> {
    launch(&Values::merge(flags, around, Reading::First)?, around)
}

/// The same for an agent that runs: what cannot be read a second time, as a pipe, is refused.
///
/// # Errors
/// As [`load`].
pub fn reload(flags: Flags, around: &Surroundings) -> Result<Launch, ConfigError> {
    launch(&Values::merge(flags, around, Reading::Again)?, around)
}

fn launch(values: &Values, around: &Surroundings) -> Result<Launch, ConfigError> {
    let config = values.config(around)?;
    let mut warnings = around.unknown_variables();
    warnings.extend(doubts(&config));
    Ok(Launch {
        logging: values.logging()?,
        config,
        warnings,
    })
}

/// The local API's socket for a command that talks to an agent: the flag, else
/// `HEADCOUNT_SOCKET`, else where an agent of this user puts it.
///
/// # Errors
/// When the path is too long, or none was given and the user has no directory for one.
pub fn socket(flag: Option<String>, around: &Surroundings) -> Result<PathBuf, ConfigError> {
    let mut flags = Flags::default();
    flags.set("socket", flag);
    Values::without_file(flags, around)?.socket(around)
}

/// Whether only this host reaches the address, an IPv4 one written as IPv6 included.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// What an operator who wrote this probably did not want.
fn doubts(config: &Config) -> Vec<String> {
    let bind = config.bind;
    let elsewhere = |advertise: &&Advertise| match advertise {
        Advertise::Address(address) => !is_loopback(address.ip()),
        Advertise::Interface(_) => false,
    };
    let advertised = config.advertise.as_ref().filter(elsewhere);
    let unreached = advertised.filter(|_| is_loopback(bind.ip()));
    let doubt = |advertise| {
        format!("advertise says {advertise}, but bind {bind} is reached from this host only")
    };
    let elsewhere =
        |seed: &&Seed| matches!(seed, Seed::Address(address) if !is_loopback(address.ip()));
    let unreachable = config.join.iter().filter(elsewhere);
    let unreachable = unreachable.filter(|_| is_loopback(bind.ip()));
    let far = |seed| format!("join names {seed}, but bind {bind} reaches this host only: set bind");
    unreached
        .into_iter()
        .map(doubt)
        .chain(unreachable.map(far))
        .collect()
}
