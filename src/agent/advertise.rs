//! Where others are told to reach us.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
};

use nix::ifaddrs::getifaddrs;

use super::Error;
use crate::config::Advertise;

/// An interface and one of its addresses.
type Entry = (String, IpAddr);

/// The address to advertise, of an agent that is bound at `bound`. Without an order it is that one,
/// and what is unspecified of it the first peer tells us.
///
/// # Errors
/// [`Error::Interface`].
pub(super) fn address(
    advertise: Option<&Advertise>,
    bound: SocketAddr,
) -> Result<SocketAddr, Error> {
    match advertise {
        None => Ok(bound),
        Some(Advertise::Address(address)) if address.port() == 0 => {
            Ok(SocketAddr::new(address.ip(), bound.port()))
        }
        Some(Advertise::Address(address)) => Ok(*address),
        Some(Advertise::Interface(name)) => {
            let failed = |why: String| Error::Interface {
                name: name.clone(),
                why,
            };
            let entries = interfaces().map_err(|error| failed(error.to_string()))?;
            let ip = choose(&entries, name, bound.ip()).map_err(failed)?;
            Ok(SocketAddr::new(ip, bound.port()))
        }
    }
}

fn interfaces() -> io::Result<Vec<Entry>> {
    let entry = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
        let v6 = || address.as_sockaddr_in6().map(|v6| v6.ip().into());
        Some((interface.interface_name, v4.or_else(v6)?))
    };
    Ok(getifaddrs()?.filter_map(entry).collect())
}

/// The address of `name` that who is bound at `bound` can be reached at: where both kinds can be,
/// IPv4. Link-local ones say nothing without their interface.
fn choose(entries: &[Entry], name: &str, bound: IpAddr) -> Result<IpAddr, String> {
    let is_reached = |ip: &IpAddr| match bound {
        IpAddr::V4(bound) => ip.is_ipv4() && (bound.is_unspecified() || *ip == bound),
        IpAddr::V6(bound) => bound.is_unspecified() || *ip == bound,
    };
    let is_global = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    let own: Vec<_> = entries.iter().filter(|(held, _)| held == name).collect();
    let ips = own.iter().map(|(_, ip)| *ip);
    let usable = ips.filter(is_reached).filter(is_global);
    usable.min_by_key(IpAddr::is_ipv6).ok_or_else(|| {
        if own.is_empty() {
            let names: BTreeSet<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
            let names = Vec::from_iter(names).join(", ");
            return format!("there is no such interface with an address; there are {names}");
        }
        let ips: Vec<_> = own.iter().map(|(_, ip)| ip.to_string()).collect();
        format!(
            "of its addresses {} none is where bind {bound} is reached",
            ips.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str, bound: &str) -> Result<String, String> {
        let entries = [
            ("lo", "127.0.0.1"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::1"),
            ("eth0", "169.254.0.1"),
            ("eth0", "192.0.2.1"),
            ("eth0", "192.0.2.2"),
            ("wg0", "fe80::2"),
        ];
        let entries = entries.map(|(name, ip)| (name.to_owned(), ip.parse().unwrap()));
        choose(&entries, name, bound.parse().unwrap()).map(|ip| ip.to_string())
    }

    #[test]
    fn an_interface_has_the_address_that_bind_is_reached_at() {
        assert_eq!(chosen("eth0", "0.0.0.0").unwrap(), "192.0.2.1");
        assert_eq!(chosen("eth0", "::").unwrap(), "192.0.2.1");
        assert_eq!(chosen("eth0", "192.0.2.2").unwrap(), "192.0.2.2");
        assert_eq!(chosen("eth0", "2001:db8::1").unwrap(), "2001:db8::1");
        let error = chosen("eth1", "0.0.0.0").unwrap_err();
        assert!(error.ends_with("there are eth0, lo, wg0"), "{error}");
        let error = chosen("wg0", "::").unwrap_err();
        assert!(error.contains("fe80::2 none is where"), "{error}");
        let error = chosen("lo", "192.0.2.1").unwrap_err();
        assert!(error.contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let found = interfaces().unwrap();
        assert!(found.iter().any(|(_, ip)| ip.is_loopback()), "{found:?}");
    }
}
