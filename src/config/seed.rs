//! `Seed`: where to find a cluster, read from what an operator typed. The one place that knows
//! how such a place is written; looking it up is the agent's.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use super::PORT_DEFAULT;

/// Where to find a cluster, as typed: `host:port`, `host`, an address, or an address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    typed: String,
    host: String,
    port: u16,
}

/// The text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{typed:?} {why}: write HOST, HOST:PORT, IP or IP:PORT (IPv6 with a port as [IP]:PORT)")]
pub struct InvalidSeed {
    /// As typed.
    pub typed: String,
    /// What is wrong with it, as a predicate.
    pub why: &'static str,
}

impl Seed {
    /// A name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.typed)
    }
}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(text: &str) -> Result<Self, InvalidSeed> {
        let typed = text.trim().to_owned();
        match parse(&typed) {
            Ok((host, port)) => Ok(Self { typed, host, port }),
            Err(why) => Err(InvalidSeed {
                typed: text.into(),
                why,
            }),
        }
    }
}

/// Host and port, or what is wrong.
fn parse(text: &str) -> Result<(String, u16), &'static str> {
    let no_port = "has no port from 1 to 65535";
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err(no_port),
            port => Ok((address.ip().to_string(), port)),
        };
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok((ip.to_string(), PORT_DEFAULT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (host, port.ok_or(no_port)?)
        }
        None => (text, PORT_DEFAULT),
    };
    let legal = |c: char| c.is_alphanumeric() || "-._".contains(c);
    // What is all digits and dots, such as 10.0.0.256, is a mistyped address and no name.
    let is_numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_sized = (1..=253).contains(&host.len());
    match is_sized && !is_numeric && host.chars().all(legal) {
        true => Ok((host.into(), port)),
        false => Err("is neither a host name nor an IP address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_they_are_usually_typed() {
        for (typed, host, port) in [
            ("n1", "n1", 7946),
            ("n1.example:80", "n1.example", 80),
            ("10.0.0.1", "10.0.0.1", 7946),
            ("10.0.0.1:80", "10.0.0.1", 80),
            ("::1", "::1", 7946),
            ("[::1]", "::1", 7946),
            ("[::1]:80", "::1", 80),
        ] {
            let seed: Seed = typed.parse().unwrap();
            assert_eq!((seed.host.as_str(), seed.port), (host, port), "{typed}");
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
        ];
        for typed in wrong {
            let error = typed.parse::<Seed>().unwrap_err();
            assert!(error.to_string().contains(&format!("{typed:?}")), "{typed}");
        }
    }
}
