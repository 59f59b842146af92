//! `Site`: where the agents of a repetition run, and what passes between them.
//!
//! As root that are two network namespaces of our own with a cable between them, one for each half
//! of the agents, so that their traffic can be counted and cut; otherwise it is loopback.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command},
    sync::Arc,
};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::namespace::Namespace;
use crate::cli::Failure;

/// The ends of the cable.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)];
/// Ports of agents begin here, in pairs: below those that systems give to whoever asks for any.
const PORT_FIRST: u16 = 20_000;
const PORT_LAST: u16 = 32_000;
/// So often other ports are tried when somebody has one of ours.
const TRIES: u32 = 100;

/// One agent's place.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) name: String,
    /// 0 or 1.
    pub(super) half: usize,
    pub(super) host: Arc<Host>,
    /// Where it gossips.
    pub(super) gossip: SocketAddr,
    /// Where it takes requests, if it does so by TCP.
    pub(super) api: SocketAddr,
}

/// Where processes run.
#[derive(Debug)]
pub(super) struct Host {
    address: Ipv4Addr,
    namespace: Option<Namespace>,
}

/// Where the agents are.
#[derive(Debug)]
pub(super) struct Site {
    halves: [Arc<Host>; 2],
    port: u16,
}

/// What passed on all interfaces, headers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) bytes: u64,
    pub(super) packets: u64,
}

impl Host {
    /// Starts a process on it.
    pub(super) fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.within(move || command.spawn())
    }

    /// Connects from it.
    pub(super) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.within(move || TcpStream::connect(to))
    }

    fn within<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        match &self.namespace {
            Some(namespace) => namespace.within(job),
            None => job(),
        }
    }
}

impl Site {
    /// Two namespaces.
    ///
    /// # Errors
    /// Why this machine, or this user, cannot have them.
    pub(super) fn namespaces() -> Result<Self, String> {
        let make = || Namespace::new().map_err(|error| format!("a network namespace: {error}"));
        let [left, right] = [make()?, make()?];
        let end = right.path().display();
        left.run(&format!(
            "ip link add eth0 type veth peer name eth0 netns {end}"
        ))?;
        for (namespace, address) in [(&left, ENDS[0]), (&right, ENDS[1])] {
            // What IPv6 says by itself would be counted.
            let quiet = || fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
            // Where there is no IPv6 nothing is to be quiet.
            let _ = namespace.within(quiet);
            namespace.run(&format!("ip address add {address}/24 dev eth0"))?;
            namespace.run("ip link set lo up")?;
            namespace.run("ip link set eth0 up")?;
            namespace.run("iptables -w -L INPUT -n")?;
        }
        let host = |address, namespace| {
            let namespace = Some(namespace);
            Arc::new(Host { address, namespace })
        };
        Ok(Self {
            halves: [host(ENDS[0], left), host(ENDS[1], right)],
            port: PORT_FIRST,
        })
    }

    /// This machine's loopback, with free ports for so many agents.
    pub(super) fn loopback(agents: u16) -> Result<Self, Failure> {
        let host = Arc::new(Host {
            address: Ipv4Addr::LOCALHOST,
            namespace: None,
        });
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(std::process::id().into());
        let ports = 2 * agents;
        let mut tried = (0..TRIES).map(|_| dice.random_range(PORT_FIRST..PORT_LAST - ports));
        let port = tried.find(|port| (*port..port + ports).all(is_free));
        let port =
            port.ok_or_else(|| Failure::trouble(format!("no {ports} free ports in a row")))?;
        let halves = [Arc::clone(&host), host];
        Ok(Self { halves, port })
    }

    /// The place of agent `number`, from 0.
    pub(super) fn agent(&self, number: u16) -> Agent {
        let half = usize::from(number % 2);
        let host = Arc::clone(&self.halves[half]);
        let at = |port| SocketAddr::from((host.address, port));
        let port = self.port + 2 * number;
        Agent {
            name: format!("n{}", number + 1),
            half,
            gossip: at(port),
            api: at(port + 1),
            host,
        }
    }

    /// What passed between the agents so far; `None` where that is not told from other traffic.
    pub(super) fn traffic(&self) -> Option<Traffic> {
        let read = |host: &Arc<Host>| {
            let namespace = host.namespace.as_ref()?;
            let text = namespace.within(|| fs::read_to_string("/proc/thread-self/net/dev"));
            Some(received(&text.ok()?))
        };
        let [left, right] = &self.halves;
        let (left, right) = (read(left)?, read(right)?);
        Some(Traffic {
            bytes: left.bytes + right.bytes,
            packets: left.packets + right.packets,
        })
    }

    /// Lets nothing pass between the halves, refusing nothing. `false` where that cannot be done.
    pub(super) fn cut(&self) -> Result<bool, Failure> {
        self.filter("-A INPUT -i eth0 -j DROP")
    }

    /// Lets everything pass again.
    pub(super) fn heal(&self) -> Result<bool, Failure> {
        self.filter("-F INPUT")
    }

    fn filter(&self, rule: &str) -> Result<bool, Failure> {
        for host in &self.halves {
            let Some(namespace) = &host.namespace else {
                return Ok(false);
            };
            let filtered = namespace.run(&format!("iptables -w {rule}"));
            filtered.map_err(Failure::trouble)?;
        }
        Ok(true)
    }
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}

/// The sum over all interfaces of a `/proc/net/dev`. What one sends another receives.
fn received(text: &str) -> Traffic {
    let interfaces = text.lines().filter_map(|line| line.split_once(':'));
    let counts = interfaces.filter_map(|(_, numbers)| {
        let mut numbers = numbers.split_whitespace().map(str::parse);
        let (bytes, packets) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Traffic { bytes, packets })
    });
    counts.fold(Traffic::default(), |sum, one| Traffic {
        bytes: sum.bytes + one.bytes,
        packets: sum.packets + one.packets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_summed_up() {
        let text = "Inter-|   Receive                |  Transmit\n \
            face |bytes packets errs|bytes\n    lo: 100 2 0 100\n  eth0:30 1 0 7\n";
        let (bytes, packets) = (130, 3);
        assert_eq!(received(text), Traffic { bytes, packets });
    }

    #[test]
    fn agents_stand_apart() {
        let site = Site::loopback(3).unwrap();
        let agents = [0, 1, 2].map(|number| site.agent(number));
        let mut places: Vec<_> = agents.iter().flat_map(|a| [a.gossip, a.api]).collect();
        places.dedup();
        assert_eq!(places.len(), 6);
        assert_eq!(agents.map(|agent| agent.half), [0, 1, 0]);
        assert_eq!((site.traffic(), site.cut().unwrap()), (None, false));
    }
}
