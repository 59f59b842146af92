//! `Report`: what one or many outcomes of a scenario measured, merged.

use std::{hash::Hasher, time::Duration};

use hdrhistogram::Histogram;
use siphasher::sip::SipHasher13;

use super::{Outage, Outcome};

/// Times to three digits.
const DIGITS: u8 = 3;

/// Percentiles of times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// How many times there are.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// 99 of 100 are shorter.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Outcomes, merged in the order they were added.
#[derive(Clone, Debug)]
pub struct Report {
    /// Outcomes merged.
    pub runs: u64,
    /// Whether every one converged.
    pub converged: bool,
    /// Virtual time, summed up.
    pub simulated: Duration,
    /// Inputs handled by all nodes.
    pub events: u64,
    /// New lives that processes took to outlive a false failure.
    pub renewals: u64,
    /// Crashes, and how many of them ended before everybody had told of them.
    pub crashes: (u64, u64),
    first: Histogram<u64>,
    all: Histogram<u64>,
    convergence: Histogram<u64>,
    false_positives: (u64, u64),
    false_of_paused: u64,
    messages: u64,
    bytes: u64,
    node_time: Duration,
    hash: Option<u64>,
}

impl Default for Report {
    fn default() -> Self {
        let histogram = || Histogram::new(DIGITS).expect("three digits are allowed");
        Self {
            runs: 0,
            converged: true,
            simulated: Duration::ZERO,
            events: 0,
            renewals: 0,
            crashes: (0, 0),
            first: histogram(),
            all: histogram(),
            convergence: histogram(),
            false_positives: (0, 0),
            false_of_paused: 0,
            messages: 0,
            bytes: 0,
            node_time: Duration::ZERO,
            hash: None,
        }
    }
}

impl Report {
    /// The report of one outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let mut report = Self::default();
        report.add(outcome);
        report
    }

    /// Merges one more outcome in.
    pub fn add(&mut self, outcome: &Outcome) {
        let (run, measures) = (&outcome.run, &outcome.run.measures);
        self.runs += 1;
        self.converged &= outcome.converged;
        self.simulated += run.simulated;
        self.events += measures.events;
        self.renewals += measures.renewals;
        for outage in &run.outages {
            self.add_outage(outage);
        }
        record(&mut self.convergence, run.converged_after);
        let healthy = measures.false_failures_of_healthy;
        self.false_positives.0 += healthy;
        self.false_positives.1 += measures.false_failures_at_healthy;
        self.false_of_paused += measures.false_failures - healthy;
        self.messages += measures.datagrams;
        self.bytes += measures.bytes + measures.stream_bytes;
        self.node_time += run.node_time;
        self.hash = Some(match self.hash {
            None => run.trace_hash,
            Some(hash) => {
                let mut hasher = SipHasher13::new_with_keys(hash, 0);
                hasher.write_u64(run.trace_hash);
                hasher.finish()
            }
        });
    }

    fn add_outage(&mut self, outage: &Outage) {
        self.crashes.0 += 1;
        self.crashes.1 += u64::from(outage.cut_short);
        record(&mut self.first, outage.first);
        record(&mut self.all, outage.all);
    }

    /// From a crash until the first node told `failed`.
    pub fn first_detection(&self) -> Percentiles {
        percentiles(&self.first)
    }

    /// From a crash until the last node told `failed`.
    pub fn full_dissemination(&self) -> Percentiles {
        percentiles(&self.all)
    }

    /// From the end of all faults until all views were equal.
    pub fn convergence(&self) -> Percentiles {
        percentiles(&self.convergence)
    }

    /// `failed` told of a process that ran and had not been paused for a minute: all of them, and
    /// those told by a process that had not been paused for a minute either.
    pub const fn false_positives(&self) -> (u64, u64) {
        self.false_positives
    }

    /// `failed` told of a process that is, or was within a minute, paused.
    pub const fn false_of_paused(&self) -> u64 {
        self.false_of_paused
    }

    /// Datagrams sent.
    pub fn messages_per_node_per_s(&self) -> f64 {
        self.per_node_per_s(self.messages)
    }

    /// Bytes sent, in datagrams and on streams, without headers of UDP and TCP.
    pub fn bytes_per_node_per_s(&self) -> f64 {
        self.per_node_per_s(self.bytes)
    }

    /// Equal for equal runs, on any machine. Of many, it covers all in the order they were added.
    pub fn trace_hash(&self) -> u64 {
        self.hash.unwrap_or_default()
    }

    fn per_node_per_s(&self, count: u64) -> f64 {
        let seconds = self.node_time.as_secs_f64();
        if seconds > 0.0 {
            count as f64 / seconds
        } else {
            0.0
        }
    }
}

fn record(histogram: &mut Histogram<u64>, time: Option<Duration>) {
    if let Some(time) = time {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        histogram.record(micros).expect("it grows as needed");
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let at = |share| histogram.value_at_quantile(share) as f64 / 1000.0;
    let max = histogram.max() as f64 / 1000.0;
    Percentiles {
        count: histogram.len(),
        p50_ms: at(0.5).min(max),
        p99_ms: at(0.99).min(max),
        max_ms: max,
    }
}
