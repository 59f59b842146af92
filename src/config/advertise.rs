//! `Advertise`: where others are told to reach an agent, as an operator says it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    keys::{Refusal, refusal},
    values::parse_address,
};

/// Longest name of a network interface, in bytes, as Linux has it.
const INTERFACE_BYTES_MAX: usize = 15;
const HINT: &str = "write the address at which other hosts reach this one, or the network \
                    interface that has it, for example 192.0.2.1 or eth0";

/// Where others reach an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertise {
    /// There.
    Address(SocketAddr),
    /// At the address that this network interface has when the agent starts, at the gossip port.
    Interface(String),
}

impl fmt::Display for Advertise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Interface(name) => formatter.write_str(name),
        }
    }
}

/// `IP:PORT`, `IP`, or an interface as `eth0` or `if:eth0`.
pub(super) fn parse(text: &str, bind: SocketAddr) -> Result<Advertise, Refusal> {
    if let Some(name) = text.strip_prefix("if:") {
        return match is_interface(name) {
            true => Ok(Advertise::Interface(name.into())),
            false => Err(refusal("names no network interface", HINT)),
        };
    }
    // What is all digits and dots is a mistyped address.
    let is_numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_interface(text) && !is_numeric && text.parse::<IpAddr>().is_err() {
        return Ok(Advertise::Interface(text.into()));
    }
    address(text, bind).map(Advertise::Address)
}

fn is_interface(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_graphic() && !"/:[]".contains(c);
    (1..=INTERFACE_BYTES_MAX).contains(&text.len()) && text.chars().all(is_legal)
}

fn address(text: &str, bind: SocketAddr) -> Result<SocketAddr, Refusal> {
    let port_alone = text.strip_prefix(':');
    if port_alone.is_some_and(|rest| !rest.contains(':')) {
        return Err(refusal("has no IP", HINT));
    }
    let address = parse_address(text, bind.ip(), bind.port());
    let address = address.map_err(|error| refusal(error.why, HINT))?;
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err(refusal("is nowhere to reach us at", HINT));
    }
    if address.is_ipv4() != bind.is_ipv4() && bind.ip() != IpAddr::from([0_u16; 8]) {
        let why = format!("is of another IP version than bind {bind}");
        return Err(refusal(why, "use IPv4 for both, or IPv6 for both"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, bind: &str) -> Result<String, String> {
        let parsed = parse(text, bind.parse().unwrap());
        let shown = |advertise| match advertise {
            Advertise::Address(address) => address.to_string(),
            Advertise::Interface(name) => format!("interface {name}"),
        };
        parsed.map(shown).map_err(|refused| refused.why)
    }

    #[test]
    fn addresses_and_interfaces_are_told_apart() {
        for (text, bind, meant) in [
            ("192.0.2.1", "0.0.0.0:9", "192.0.2.1:9"),
            ("192.0.2.1:80", "0.0.0.0:9", "192.0.2.1:80"),
            ("2001:db8::1", "[::]:9", "[2001:db8::1]:9"),
            ("::2", "[::]:9", "[::2]:9"),
            ("192.0.2.1", "[::]:9", "192.0.2.1:9"),
            ("eth0", "0.0.0.0:9", "interface eth0"),
            ("if:eth0", "[::]:9", "interface eth0"),
            ("if:10", "[::]:9", "interface 10"),
            ("wg-mesh.100", "[::]:9", "interface wg-mesh.100"),
        ] {
            assert_eq!(parsed(text, bind).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for (text, why) in [
            ("192.0.2", "is not an IP address"),
            ("192.0.2.256", "is not an IP address"),
            ("node7.rack12.example", "is not an IP address"),
            ("eth0:80", "is not an IP address"),
            ("if:", "names no network interface"),
            ("if:a/b", "names no network interface"),
            (":80", "has no IP"),
            ("", "is not an IP address"),
            ("::", "is nowhere to reach us at"),
            ("224.0.0.1", "is nowhere to reach us at"),
            ("::1", "is of another IP version than bind 0.0.0.0:9"),
        ] {
            assert_eq!(parsed(text, "0.0.0.0:9"), Err(why.into()), "{text}");
        }
    }
}
