//! `Config`: what an agent runs with, validated. Flags, environment and file are merged here,
//! and nothing else reads the environment.

use std::{net::SocketAddr, path::PathBuf};

use crate::swim::{Profile, Tags};

/// What one agent runs with. Every field has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Our name, unique in the cluster.
    pub name: String,
    /// The gossip port, UDP and TCP. Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Where others reach us, when that is not `bind`.
    pub advertise: Option<SocketAddr>,
    /// Seeds as typed: `host:port`, `host` or an address; the port defaults to 7946.
    pub join: Vec<String>,
    /// The cluster's name.
    pub cluster: String,
    /// Which set of protocol numbers.
    pub profile: Profile,
    /// The local API's Unix socket.
    pub socket: PathBuf,
    /// The local API on TCP, off unless given.
    pub http: Option<SocketAddr>,
    /// Where identity and generation are kept.
    pub data_dir: PathBuf,
    /// Our tags.
    pub tags: Tags,
    /// The operator accepts plaintext off loopback.
    pub insecure: bool,
}
