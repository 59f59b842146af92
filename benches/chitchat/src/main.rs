//! chitchat through the schedule of `headcount bench`, as far as it has one: `run` does both.
//!
//! `chitchat-peer measure NODES REPETITIONS` starts NODES processes of `chitchat-peer node` on
//! loopback, with the defaults that Quickwit uses (a gossip round each second, phi accrual with
//! threshold 8), and prints when the last of them listed everybody, when the first and the last no
//! longer listed one that was killed, and what a minute of rest costs each.

mod measure;
mod node;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["node", name, address, seed] => node::run(name, address.parse()?, seed),
        ["measure", nodes, repetitions] => measure::run(
            nodes.parse().context("NODES is a number")?,
            repetitions.parse().context("REPETITIONS is a number")?,
        ),
        _ => bail!("usage: chitchat-peer measure NODES REPETITIONS"),
    }
}
