//! `Network`: hosts in network namespaces of their own, on one bridge, cut by iptables.
//!
//! Needs root, iproute2 and iptables, which `.ci/run` installs; skipped with a line elsewhere.

use std::{
    fs::{self, File},
    net::UdpSocket,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Agent, Lab, Launch, await_members, skipped};

/// Set by `.ci/run` where there are namespaces: a test that is skipped there has failed.
const REQUIRED: &str = "HEADCOUNT_REQUIRE_NAMESPACES";

/// Hosts 10.77.0.1, 10.77.0.2, … in namespaces of their own, on a bridge in one more. Nothing of
/// it is visible outside, and all of it is gone when dropped.
pub(crate) struct Network {
    prefix: String,
    hosts: usize,
}

impl Network {
    /// `None`, after saying so, where this machine cannot have one.
    pub(crate) fn new(hosts: usize) -> Option<Self> {
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            prefix: format!("hc{}-{number}", std::process::id()),
            hosts,
        };
        match network.build() {
            Ok(()) => Some(network),
            Err(why) => {
                no_namespaces("namespaces need root and iproute2+iptables", &why);
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        let bridge = self.bridge();
        ip(&format!("netns add {bridge}"))?;
        ip(&format!("-n {bridge} link add bridge type bridge"))?;
        ip(&format!("-n {bridge} link set bridge up"))?;
        for host in 1..=self.hosts {
            let name = self.host(host);
            ip(&format!("netns add {name}"))?;
            let peer = format!("peer name eth0 netns {name}");
            ip(&format!("-n {bridge} link add port{host} type veth {peer}"))?;
            ip(&format!("-n {bridge} link set port{host} master bridge up"))?;
            ip(&format!("-n {name} address add 10.77.0.{host}/24 dev eth0"))?;
            let six = format!("address add fd77::{host}/64 dev eth0 nodad");
            ip(&format!("-n {name} {six}"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            self.iptables(host, "-L")?;
        }
        Ok(())
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.prefix)
    }

    fn host(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    fn iptables(&self, host: usize, args: &str) -> Result<(), String> {
        let name = self.host(host);
        ip(&format!("netns exec {name} iptables -w {args}"))
    }

    /// A UDP socket on a host.
    pub(crate) fn bind_udp(&self, host: usize, address: &str) -> UdpSocket {
        let namespace = format!("/run/netns/{}", self.host(host));
        let namespace = File::open(namespace).expect("its namespace");
        // A thread's own namespace decides where its sockets are, for ever.
        let bind = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may");
            UdpSocket::bind(address).expect("a free address")
        };
        thread::scope(|scope| scope.spawn(bind).join().expect("a socket"))
    }

    /// The host is at 10.77.0.`number` from now on, and nobody where it was.
    pub(crate) fn readdress(&self, host: usize, number: usize) {
        let name = self.host(host);
        for change in [
            format!("delete 10.77.0.{host}/24"),
            format!("add 10.77.0.{number}/24"),
        ] {
            ip(&format!("-n {name} address {change} dev eth0")).expect("root may");
        }
    }

    /// From now on, programs that start on the hosts ask this server for names.
    pub(crate) fn resolve_at(&self, server: &str) {
        for host in 1..=self.hosts {
            let dir = self.resolver_dir(host);
            fs::create_dir_all(&dir).expect("root may");
            let text = format!("nameserver {server}\noptions timeout:1 attempts:1\n");
            fs::write(dir.join("resolv.conf"), text).expect("root may");
        }
    }

    /// Where `ip netns exec` finds what the programs find in `/etc`.
    fn resolver_dir(&self, host: usize) -> PathBuf {
        Path::new("/etc/netns").join(self.host(host))
    }

    /// From now on nothing passes between `one` side and the `other`.
    pub(crate) fn cut(&self, one: &[usize], other: &[usize]) {
        self.drop_between(one, other, "");
    }

    /// From now on no datagram passes between `one` side and the `other`.
    pub(crate) fn cut_datagrams(&self, one: &[usize], other: &[usize]) {
        self.drop_between(one, other, "-p udp ");
    }

    fn drop_between(&self, one: &[usize], other: &[usize], what: &str) {
        for (hosts, foreign) in [(one, other), (other, one)] {
            // All in one call, so that a host is cut from everybody at one moment.
            let foreign: Vec<_> = foreign
                .iter()
                .map(|host| format!("10.77.0.{host}"))
                .collect();
            let rule = format!("-A INPUT -s {} {what}-j DROP", foreign.join(","));
            for host in hosts {
                self.iptables(*host, &rule).expect("a rule");
            }
        }
    }

    pub(crate) fn heal(&self) {
        for host in 1..=self.hosts {
            self.iptables(host, "-F INPUT").expect("no rules");
        }
    }

    /// An agent on a host, called after it.
    pub(crate) fn agent(&self, lab: &Lab, host: usize) -> Launch {
        let agent = lab.agent(&format!("n{host}"));
        let agent = agent.bind(format!("10.77.0.{host}:7946"));
        agent.args(["--insecure"]).within(&self.host(host))
    }

    /// An agent `n1`, `n2`, … on each host, joined through the first.
    pub(crate) fn cluster(&self, lab: &Lab) -> Vec<Agent> {
        let mut agents = vec![self.agent(lab, 1).start()];
        let seed = agents[0].address();
        agents.extend((2..=self.hosts).map(|host| self.agent(lab, host).join(seed).start()));
        await_members(&agents, "alive", self.hosts);
        agents
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (1..=self.hosts)
            .map(|host| self.host(host))
            .chain([self.bridge()])
        {
            // Not there when building it stopped half-way.
            let _ = ip(&format!("netns delete {name}"));
        }
        for host in 1..=self.hosts {
            // Most networks have no names.
            let _ = fs::remove_dir_all(self.resolver_dir(host));
        }
    }
}

/// Says that a test did not test, unless it must here.
pub(super) fn no_namespaces(needs: &str, why: &str) {
    let is_required = std::env::vars_os().any(|(name, _)| name == REQUIRED);
    assert!(!is_required, "{REQUIRED} is set, but: {why}");
    skipped(format_args!("{needs} ({why})"));
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "ip {args}: {}",
                said.lines().next().unwrap_or_default()
            ))
        }
    }
}
