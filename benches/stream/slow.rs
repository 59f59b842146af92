//! Serf's slow reader test: 20,000 events at 1,500 a second, one reader that stops and a fast one
//! beside it.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

use serde_json::Value;

use crate::{
    changes::{self, Pace},
    readers::Readers,
    serf,
    support::{Agent, Body, Lab, read_head},
};

const PACE: Pace = Pace {
    per_second: 1_500,
    changes: 20_000,
};

/// A subscriber that reads nothing after its snapshot until it wakes up.
pub(crate) struct Sleeper(BufReader<Body<BufReader<UnixStream>>>);

/// What it was told when it woke up.
struct Awakening {
    told: u64,
    missed: u64,
}

impl Sleeper {
    pub(crate) fn open(agent: &Agent) -> Self {
        let mut stream = agent.connect();
        let request = b"GET /v1/watch HTTP/1.1\r\nHost: headcount\r\n\r\n";
        stream.write_all(request).expect("written");
        let mut reader = BufReader::new(stream);
        let (status, headers) = read_head(&mut reader).expect("an answer");
        assert_eq!(status, 200);
        let mut lines = BufReader::new(Body::new(reader, &headers));
        lines.read_line(&mut String::new()).expect("a snapshot");
        Self(lines)
    }

    /// Reads up to number `last`.
    fn wake(self, last: u64) -> Awakening {
        let mut awakening = Awakening { told: 0, missed: 0 };
        for line in self.0.lines() {
            let record: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            let number = |key: &str| record[key].as_u64().expect("a number");
            match record["type"].as_str() {
                Some("gap") => {
                    awakening.missed += number("to") - number("from") + 1;
                    continue;
                }
                Some("snapshot" | "heartbeat") => {}
                _ => awakening.told += 1,
            }
            if number("seq") >= last {
                break;
            }
        }
        awakening
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
pub(crate) fn measure(_: u32) -> bool {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let seq = || agent.status()["seq"].as_u64().expect("a number");
    let sleeper = Sleeper::open(&agent);
    let fast = Readers::open(&agent.socket(), 1);
    let before = seq();
    let sent = changes::make(&agent, PACE);
    let all = seq() - before;
    let heard = fast.close(sent.len());
    let Awakening { told, missed } = sleeper.wake(before + all);
    let (lines, lost) = (heard.lines, heard.lost);
    let holds = told + missed == all && lines as u64 == all && lost == 0;
    let verdict = if holds { "OK" } else { "MISSED" };
    let rate = PACE.per_second;
    println!(
        "| {all} at {rate}/s: a fast reader beside one that stopped | {lines} | {} | told {told} \
         + announced as missed {missed} = {all} | {verdict} |",
        heard.times(&sent)
    );
    if let Some(serf) = serf::measure(PACE) {
        println!(
            "| the same with Serf | {} | – | the stopped one: {} | |",
            serf.fast, serf.slow
        );
    }
    holds
}
