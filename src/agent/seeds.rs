//! Seeds: from what the configuration names to addresses the node can contact, for ever.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::shared::Command;
use crate::config::Seed;

/// How long one resolution may take before it counts as failed.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Names are resolved again after this time: what is behind them moves.
const REFRESH: Duration = Duration::from_secs(60);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A name that does not resolve is logged once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// A seed and what is done with it.
#[derive(Debug)]
pub(super) struct Lookup(pub(super) Seed);

impl Lookup {
    /// Every address behind it. Takes 5 s at most.
    ///
    /// # Errors
    /// What the resolver said; also when it knows the name but no address.
    pub(super) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let lookup = tokio::net::lookup_host((self.0.host(), self.0.port()));
        let found: BTreeSet<_> = timeout(RESOLVE_TIMEOUT, lookup).await??.collect();
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        Ok(found.into_iter().collect())
    }

    fn is_literal(&self) -> bool {
        self.0.host().parse::<IpAddr>().is_ok()
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
                        warn!(seed = %self.0, %error, "cannot resolve a seed, still trying");
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
            info!(seed = %self.0, addresses = ?new, "resolved a seed");
        }
        commands.send(Command::Contact(new)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_literal_is_handed_over_once() {
        let (sender, mut commands) = mpsc::channel(1);
        let seed = Lookup("127.0.0.1:80".parse().unwrap());
        seed.follow(sender).await;
        let Some(Command::Contact(addresses)) = commands.recv().await else {
            panic!("an address needs no resolver");
        };
        assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
        assert!(commands.recv().await.is_none());
    }
}
