//! Seeds: from what an operator typed to addresses the node can contact, for ever.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::shared::Command;

/// The gossip port when none is given.
pub const DEFAULT_PORT: u16 = 7946;
/// How long one resolution may take before it counts as failed.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Names are resolved again after this time: what is behind them moves.
const REFRESH: Duration = Duration::from_secs(60);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A name that does not resolve is logged once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Where to find a cluster, as typed: `host:port`, `host`, an address, or an address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seed {
    typed: String,
    host: String,
    port: u16,
}

/// The text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST, HOST:PORT, IP or IP:PORT (IPv6 with a port as [IP]:PORT)")]
pub(super) struct InvalidSeed(String);

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.typed)
    }
}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(typed: &str) -> Result<Self, InvalidSeed> {
        let (host, port) = parse(typed.trim()).ok_or_else(|| InvalidSeed(typed.into()))?;
        Ok(Self {
            typed: typed.trim().into(),
            host,
            port,
        })
    }
}

fn parse(text: &str) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (address.ip().to_string(), address.port()));
    }
    let unbracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(ip) = unbracketed.unwrap_or(text).parse::<IpAddr>() {
        return Some((ip.to_string(), DEFAULT_PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (text, DEFAULT_PORT),
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    // What looks like an IPv4 address but is none, such as 10.0.0.256, is a slip of the finger
    // and not a name to ask a resolver for.
    let looks_numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_host = (1..=253).contains(&host.len()) && host.chars().all(is_name) && !looks_numeric;
    is_host.then(|| (host.into(), port))
}

impl Seed {
    /// Every address behind it. Takes 5 s at most.
    ///
    /// # Errors
    /// What the resolver said; also when it knows the name but no address.
    pub(super) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let found: BTreeSet<_> = timeout(RESOLVE_TIMEOUT, lookup).await??.collect();
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        Ok(found.into_iter().collect())
    }

    fn is_literal(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// Hands every address behind the seed to the protocol, and new ones as they appear. Ends
    /// with the protocol or, when there is nothing to look up again, at once.
    pub(super) async fn follow(self, commands: mpsc::Sender<Command>) {
        let mut known = BTreeSet::new();
        let mut retry = RETRY_MIN;
        let mut silent = Duration::ZERO;
        loop {
            let pause = match self.resolve().await {
                Ok(found) => {
                    retry = RETRY_MIN;
                    silent = Duration::ZERO;
                    let new: Vec<_> = found.into_iter().filter(|at| known.insert(*at)).collect();
                    if !self.contact(new, &commands).await || self.is_literal() {
                        return;
                    }
                    REFRESH
                }
                Err(error) => {
                    if silent.is_zero() {
                        warn!(seed = %self, %error, "cannot resolve a seed, still trying");
                        silent = WARN_EVERY;
                    }
                    let next = (retry * 2).min(RETRY_MAX);
                    std::mem::replace(&mut retry, next)
                }
            };
            silent = silent.saturating_sub(pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives whether the protocol still listens.
    async fn contact(&self, new: Vec<SocketAddr>, commands: &mpsc::Sender<Command>) -> bool {
        if new.is_empty() {
            return !commands.is_closed();
        }
        if !self.is_literal() {
            info!(seed = %self, addresses = ?new, "resolved a seed");
        }
        commands.send(Command::Contact(new)).await.is_ok()
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
        ];
        for typed in wrong {
            let error = typed.parse::<Seed>().unwrap_err();
            assert!(error.to_string().contains(&format!("{typed:?}")), "{typed}");
        }
    }

    #[tokio::test]
    async fn a_literal_is_handed_over_once() {
        let (sender, mut commands) = mpsc::channel(1);
        let seed: Seed = "127.0.0.1:80".parse().unwrap();
        seed.follow(sender).await;
        let Some(Command::Contact(addresses)) = commands.recv().await else {
            panic!("an address needs no resolver");
        };
        assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
        assert!(commands.recv().await.is_none());
    }
}
