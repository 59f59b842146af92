//! Many of them, and when each said what.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::UdpSocket,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between what is measured, so that heartbeats have a history.
const SETTLE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_secs(20);

/// A node said how many it holds alive.
struct Said {
    node: usize,
    alive: usize,
    at: Instant,
}

/// Processes, that end with it.
struct Cluster {
    nodes: Vec<Child>,
    said: Receiver<Said>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

#[derive(Default)]
struct Times {
    bootstrap: Vec<f64>,
    crash_first: Vec<f64>,
    crash_last: Vec<f64>,
    cpu: Vec<f64>,
    rss: Vec<f64>,
}

pub(crate) fn run(nodes: usize, repetitions: usize) -> Result<()> {
    let mut times = Times::default();
    for _ in 0..repetitions {
        let begun = Instant::now();
        let mut cluster = Cluster::start(nodes)?;
        let (_, last) = cluster.all(nodes, nodes)?;
        times.bootstrap.push((last - begun).as_secs_f64() * 1e3);
        thread::sleep(SETTLE);
        let before = cluster.cpu()?;
        thread::sleep(REST);
        let cpu = (cluster.cpu()? - before).as_secs_f64() / nodes as f64;
        times.cpu.push(cpu * 60.0 / REST.as_secs_f64());
        times.rss.push(cluster.rss()? / nodes as f64);
        let killed = Instant::now();
        cluster.nodes[nodes - 1].kill()?;
        let (first, last) = cluster.all(nodes - 1, nodes - 1)?;
        times.crash_first.push((first - killed).as_secs_f64() * 1e3);
        times.crash_last.push((last - killed).as_secs_f64() * 1e3);
    }
    println!("{nodes} chitchat nodes, {repetitions} repetitions: min / median / max");
    print("every node lists everybody, ms", &mut times.bootstrap);
    print(
        "kill -9: first node no longer lists it, ms",
        &mut times.crash_first,
    );
    print(
        "kill -9: last node no longer lists it, ms",
        &mut times.crash_last,
    );
    print("CPU of a node at rest, s/min", &mut times.cpu);
    print("RSS of a node, MiB", &mut times.rss);
    Ok(())
}

fn print(what: &str, numbers: &mut [f64]) {
    numbers.sort_by(f64::total_cmp);
    let (min, median) = (numbers[0], numbers[numbers.len() / 2]);
    let max = numbers[numbers.len() - 1];
    println!("{what:44} {min:10.3} / {median:10.3} / {max:10.3}");
}

impl Cluster {
    fn start(nodes: usize) -> Result<Self> {
        let (sender, said) = mpsc::channel();
        let seed = free_address()?;
        let mut cluster = Self {
            nodes: Vec::new(),
            said,
        };
        for number in 0..nodes {
            let address = match number {
                0 => seed.clone(),
                _ => free_address()?,
            };
            let mut node = Command::new(std::env::current_exe()?)
                .args(["node", &format!("n{number}"), &address, &seed])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let output = node.stdout.take().context("a pipe")?;
            let sender = sender.clone();
            thread::spawn(move || listen(number, BufReader::new(output), &sender));
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Waits until the first `observers` nodes hold `alive` alive; when the first and the last did.
    fn all(&mut self, observers: usize, alive: usize) -> Result<(Instant, Instant)> {
        let mut when = vec![None; observers];
        let until = Instant::now() + PATIENCE;
        while when.contains(&None) {
            let left = until.saturating_duration_since(Instant::now());
            let said = self.said.recv_timeout(left).context("they never agree")?;
            if let Some(when) = when.get_mut(said.node) {
                *when = (said.alive == alive).then_some(said.at);
            }
        }
        let when = || when.iter().flatten().copied();
        Ok((
            when().min().context("a first")?,
            when().max().context("a last")?,
        ))
    }

    fn cpu(&self) -> Result<Duration> {
        let read = |node: &Child| -> Result<Duration> {
            let mut sum = 0;
            for thread in fs::read_dir(format!("/proc/{}/task", node.id()))? {
                let text = fs::read_to_string(thread?.path().join("schedstat"))?;
                sum += text.split(' ').next().context("a number")?.parse::<u64>()?;
            }
            Ok(Duration::from_nanos(sum))
        };
        self.nodes.iter().map(read).sum()
    }

    /// Of all together, in MiB.
    fn rss(&self) -> Result<f64> {
        let read = |node: &Child| -> Result<f64> {
            let text = fs::read_to_string(format!("/proc/{}/status", node.id()))?;
            let line = text.lines().find(|line| line.starts_with("VmRSS:"));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(kib.context("a number")?.parse::<f64>()? / 1024.0)
        };
        self.nodes.iter().map(read).sum()
    }
}

fn listen(node: usize, output: impl BufRead, sender: &Sender<Said>) {
    for line in output.lines().map_while(Result::ok) {
        let at = Instant::now();
        let alive = line.parse().unwrap_or_default();
        if sender.send(Said { node, alive, at }).is_err() {
            return;
        }
    }
}

fn free_address() -> Result<String> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
