//! `Seed`: where to find a cluster, read from what an operator typed. The one place that knows
//! how such a place is written; looking it up is the agent's.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use super::PORT_DEFAULT;

/// Where to find a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seed {
    /// `IP:PORT` or `IP`.
    Address(SocketAddr),
    /// `file:PATH`: a file with a seed on each line.
    File(PathBuf),
    /// `HOST:PORT` or `HOST`: every address of a name.
    Host {
        /// The name.
        name: String,
        /// Never 0.
        port: u16,
    },
    /// `srv:NAME`: the hosts and ports that DNS lists under this name as a service.
    Service(String),
}

/// The text names no place. Only the configuration may name a file, and says so itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{typed:?} {why}: write HOST, HOST:PORT, IP, IP:PORT (IPv6 with a port as [IP]:PORT) \
     or srv:NAME"
)]
pub struct InvalidSeed {
    /// As typed.
    pub typed: String,
    /// What is wrong with it, as a predicate.
    pub why: &'static str,
}

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Host { name, port } => write!(formatter, "{name}:{port}"),
            Self::Service(name) => write!(formatter, "srv:{name}"),
        }
    }
}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(text: &str) -> Result<Self, InvalidSeed> {
        parse(text.trim()).map_err(|why| InvalidSeed {
            typed: text.into(),
            why,
        })
    }
}

/// The place, or what is wrong.
fn parse(text: &str) -> Result<Seed, &'static str> {
    if let Some(path) = text.strip_prefix("file:") {
        return match path.is_empty() || path.contains('\0') {
            true => Err("names no file"),
            false => Ok(Seed::File(path.into())),
        };
    }
    match text.strip_prefix("srv:") {
        Some(name) if is_name(name) => Ok(Seed::Service(name.into())),
        Some(_) => Err("names no DNS service, such as srv:_headcount._udp.example.com"),
        None => parse_host(text),
    }
}

fn parse_host(text: &str) -> Result<Seed, &'static str> {
    let no_port = "has no port from 1 to 65535";
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err(no_port),
            _ => Ok(Seed::Address(address)),
        };
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(Seed::Address(SocketAddr::new(ip, PORT_DEFAULT)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (host, port.ok_or(no_port)?)
        }
        None => (text, PORT_DEFAULT),
    };
    match is_name(host) {
        true => Ok(Seed::Host {
            name: host.into(),
            port,
        }),
        false => Err("is neither a host name nor an IP address"),
    }
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || "-._".contains(c);
    // What is all digits and dots, such as 10.0.0.256, is a mistyped address and no name.
    let is_numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    (1..=253).contains(&text.len()) && !is_numeric && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_they_are_usually_typed() {
        for (typed, meant) in [
            ("n1", "n1:7946"),
            ("n1.example:80", "n1.example:80"),
            ("10.0.0.1", "10.0.0.1:7946"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("::1", "[::1]:7946"),
            ("[::1]", "[::1]:7946"),
            ("[::1]:80", "[::1]:80"),
            (" file:/etc/seeds ", "file:/etc/seeds"),
            ("srv:_headcount._udp.example", "srv:_headcount._udp.example"),
        ] {
            let seed: Seed = typed.parse().unwrap();
            assert_eq!(seed.to_string(), meant, "{typed}");
            assert_eq!(seed.to_string().parse(), Ok(seed), "{typed}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused_by_name() {
        let wrong = [
            "",
            "n1:",
            "n1:0",
            "n1:99999",
            ":80",
            "n 1",
            "http://n1",
            "10.0.0.256",
            "127.0.0.1:0",
            "]::1[",
            "[::1",
            "file:",
            "srv:",
            "srv:_headcount._udp.example:7946",
            "SRV:x",
        ];
        for typed in wrong {
            let error = typed.parse::<Seed>().unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&format!("{typed:?}")), "{said}");
            assert!(!said.contains("file:PATH"), "{said}");
        }
    }
}
