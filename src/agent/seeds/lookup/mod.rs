//! Looking a seed up. A and AAAA records, `/etc/hosts` and whatever else the host knows names by
//! are the system's resolver's; SRV records, which that cannot ask for, are asked of the servers in
//! `/etc/resolv.conf`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use domain::{
    base::{
        Name,
        iana::{Rcode, Rtype},
    },
    rdata::Srv,
    resolv::stub::{StubResolver, conf::ResolvConf},
};
use tokio::{task::JoinSet, time::timeout};

use crate::config::Seed;

/// How long one question to DNS may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Hosts of one service that are looked up.
const HOSTS_MAX: usize = 64;

/// A host of a service, and its port.
type Target = (String, u16);

/// What each target of a service led to when it was resolved last.
pub(super) type Known = BTreeMap<Target, BTreeSet<SocketAddr>>;

/// Every address behind a seed. Takes 5 s at most, 10 s for a service.
///
/// # Errors
/// What the resolver said; also when it knows the name but no address, and for a file.
pub(in crate::agent) async fn resolve(seed: &Seed) -> io::Result<BTreeSet<SocketAddr>> {
    resolve_again(seed, &mut Known::new()).await
}

/// As [`resolve`]. A target of a service that cannot be resolved now leads where it did.
pub(super) async fn resolve_again(
    seed: &Seed,
    known: &mut Known,
) -> io::Result<BTreeSet<SocketAddr>> {
    let found = look_up(seed, ResolvConf::default, known).await?;
    match found.is_empty() {
        true => Err(io::Error::other("the name has no address")),
        false => Ok(found),
    }
}

async fn look_up(
    seed: &Seed,
    servers: impl FnOnce() -> ResolvConf,
    known: &mut Known,
) -> io::Result<BTreeSet<SocketAddr>> {
    match seed {
        Seed::Address(address) => Ok([*address].into()),
        Seed::Host { name, port } => host(name, *port).await,
        Seed::Service(name) => service(name, servers(), known).await,
        Seed::File(_) => Err(io::Error::other("only the configuration may name a file")),
    }
}

async fn host(name: &str, port: u16) -> io::Result<BTreeSet<SocketAddr>> {
    let found = timeout(PATIENCE, tokio::net::lookup_host((name, port))).await??;
    Ok(found.collect())
}

/// Priorities and weights say nothing here: to find a cluster every host of it is good.
async fn service(
    name: &str,
    servers: ResolvConf,
    known: &mut Known,
) -> io::Result<BTreeSet<SocketAddr>> {
    let targets = timeout(PATIENCE, targets(name, servers)).await??;
    // All at once: one that is not answered for holds up no other.
    let look_ups = targets.into_iter().map(|target| async move {
        let found = host(&target.0, target.1).await;
        (target, found)
    });
    learn(known, look_ups.collect::<JoinSet<_>>().join_all().await)
}

/// Every address behind the targets that were looked up.
fn learn(
    known: &mut Known,
    looked_up: Vec<(Target, io::Result<BTreeSet<SocketAddr>>)>,
) -> io::Result<BTreeSet<SocketAddr>> {
    let (mut now, mut failed) = (Known::new(), Vec::new());
    for (target, found) in looked_up {
        match found {
            Ok(found) => drop(now.insert(target, found)),
            Err(error) => failed.push((target, error)),
        }
    }
    if now.is_empty()
        && let Some((_, error)) = failed.pop()
    {
        return Err(error);
    }
    now.extend(
        failed
            .iter()
            .filter_map(|(target, _)| known.remove_entry(target)),
    );
    *known = now;
    Ok(known.values().flatten().copied().collect())
}

/// The hosts and ports that are listed under a name.
async fn targets(name: &str, servers: ResolvConf) -> io::Result<Vec<Target>> {
    let malformed =
        |error: &dyn std::error::Error| io::Error::new(ErrorKind::InvalidData, error.to_string());
    let name: Name<Vec<u8>> = name.parse().map_err(|error| malformed(&error))?;
    let resolver = StubResolver::from_conf(servers);
    let answer = resolver.query((name, Rtype::SRV)).await?;
    match answer.header().rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Err(io::Error::new(ErrorKind::NotFound, "no such name")),
        other => return Err(io::Error::other(format!("the DNS server says {other}"))),
    }
    let records = answer.answer().map_err(|error| malformed(&error))?;
    let mut targets = Vec::new();
    for record in records.limit_to::<Srv<_>>().take(HOSTS_MAX) {
        let record = record.map_err(|error| malformed(&error))?;
        let (host, port) = (record.data().target().to_string(), record.data().port());
        // A lone dot says that there is decidedly no such service.
        if host != "." && port != 0 {
            targets.push((host, port));
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests;
