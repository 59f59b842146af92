//! Looking a seed up. A and AAAA records, `/etc/hosts` and whatever else the host knows names by
//! are the system's resolver's; SRV records, which that cannot ask for, are asked of the servers in
//! `/etc/resolv.conf`.

use std::{
    collections::BTreeSet,
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
use tokio::time::timeout;

use crate::config::Seed;

/// How long one resolution may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Hosts of one service that are looked up.
const HOSTS_MAX: usize = 64;

/// Every address behind a seed. Takes 5 s at most.
///
/// # Errors
/// What the resolver said; also when it knows the name but no address, and for a file.
pub(in crate::agent) async fn resolve(seed: &Seed) -> io::Result<BTreeSet<SocketAddr>> {
    let found = timeout(PATIENCE, look_up(seed, ResolvConf::default)).await??;
    match found.is_empty() {
        true => Err(io::Error::other("the name has no address")),
        false => Ok(found),
    }
}

async fn look_up(
    seed: &Seed,
    servers: impl FnOnce() -> ResolvConf,
) -> io::Result<BTreeSet<SocketAddr>> {
    match seed {
        Seed::Address(address) => Ok([*address].into()),
        Seed::Host { name, port } => host(name, *port).await,
        Seed::Service(name) => service(name, servers()).await,
        Seed::File(_) => Err(io::Error::other("only the configuration may name a file")),
    }
}

async fn host(name: &str, port: u16) -> io::Result<BTreeSet<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

/// Priorities and weights say nothing here: to find a cluster every host of it is good.
async fn service(name: &str, servers: ResolvConf) -> io::Result<BTreeSet<SocketAddr>> {
    let mut found = BTreeSet::new();
    let mut failed = None;
    for (target, port) in targets(name, servers).await? {
        match host(&target, port).await {
            Ok(addresses) => found.extend(addresses),
            Err(error) => failed = Some(error),
        }
    }
    match failed.filter(|_| found.is_empty()) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

/// The hosts and ports that are listed under a name.
async fn targets(name: &str, servers: ResolvConf) -> io::Result<Vec<(String, u16)>> {
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
