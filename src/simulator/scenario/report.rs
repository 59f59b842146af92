//! `Report`: what one or many outcomes of a scenario measured, merged.

use std::{hash::Hasher, time::Duration};

use siphasher::sip::SipHasher13;

use super::Outcome;
use crate::simulator::{Distribution, Outage, Percentiles, Series, Traffic};

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
    /// `failed` told of a process that had left, or announced its restart and is not back.
    pub departed_failed: u64,
    /// What happened to crashes.
    pub crashes: Crashes,
    /// How often a node took back that a member is suspect or failed, though it was the same
    /// process: the number for each node that faults struck.
    pub flaps: Distribution,
    /// The same of all nodes that no fault struck, summed up.
    pub flaps_of_others: u64,
    /// What each node sent.
    pub traffic: Traffic,
    /// From each crash until each of the others told `failed`.
    pub learned: Distribution,
    /// The same from the first of them on.
    pub spread: Distribution,
    /// From each word about an application until each of the others told it who ran then.
    pub app_news: Distribution,
    /// From each user event until each of those who were there told it.
    pub user_events: Distribution,
    /// Different views at the end of each second.
    pub views: Distribution,
    /// Second by second.
    pub series: Series,
    first: Distribution,
    all: Distribution,
    convergence: Distribution,
    false_positives: (u64, u64),
    false_of_paused: u64,
    messages: u64,
    bytes: u64,
    node_time: Duration,
    hash: Option<u64>,
}

/// Crashes, restarts included, and who told of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crashes {
    /// How many there were.
    pub total: u64,
    /// Those whose process was started again before all had told.
    pub cut_short: u64,
    /// How often one of the others told `failed` of one.
    pub told: u64,
    /// How often one of the others, that ran from then to the end, had not told it by then.
    pub missing: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            runs: 0,
            converged: true,
            simulated: Duration::ZERO,
            events: 0,
            renewals: 0,
            departed_failed: 0,
            crashes: Crashes::default(),
            flaps: Distribution::default(),
            flaps_of_others: 0,
            traffic: Traffic::default(),
            learned: Distribution::default(),
            spread: Distribution::default(),
            app_news: Distribution::default(),
            user_events: Distribution::default(),
            views: Distribution::default(),
            series: Series::default(),
            first: Distribution::default(),
            all: Distribution::default(),
            convergence: Distribution::default(),
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
        self.departed_failed += measures.departed_failed;
        run.outages
            .iter()
            .for_each(|outage| self.add_outage(outage));
        self.learned.merge(&run.learned);
        self.spread.merge(&run.spread);
        self.app_news.merge(&run.app_news);
        self.user_events.merge(&run.user_events);
        if let Some(after) = run.converged_after {
            self.convergence.record_time(after);
        }
        let healthy = measures.false_failures_of_healthy;
        self.false_positives.0 += healthy;
        self.false_positives.1 += measures.false_failures_at_healthy;
        self.false_of_paused += measures.false_failures - healthy;
        self.add_flaps(outcome);
        self.messages += measures.datagrams;
        self.bytes += measures.bytes + measures.stream_bytes;
        self.node_time += run.node_time;
        self.traffic.merge(&run.traffic);
        for second in &run.seconds {
            self.views.record(second.views.into());
        }
        self.series.add(&run.seconds);
        self.add_hash(run.trace_hash);
    }

    fn add_outage(&mut self, outage: &Outage) {
        self.crashes.total += 1;
        self.crashes.cut_short += u64::from(outage.cut_short);
        self.crashes.told += outage.told as u64;
        self.crashes.missing += outage.missing as u64;
        if let Some(after) = outage.first {
            self.first.record_time(after);
        }
        if let Some(after) = outage.all {
            self.all.record_time(after);
        }
    }

    fn add_flaps(&mut self, outcome: &Outcome) {
        let all: u64 = outcome.run.flaps.iter().copied().map(u64::from).sum();
        let mut of_struck = 0;
        for slot in &outcome.run.struck {
            let flaps = outcome.run.flaps[slot.index()].into();
            of_struck += flaps;
            self.flaps.record(flaps);
        }
        self.flaps_of_others += all - of_struck;
    }

    fn add_hash(&mut self, hash: u64) {
        self.hash = Some(match self.hash {
            None => hash,
            Some(before) => {
                let mut hasher = SipHasher13::new_with_keys(before, 0);
                hasher.write_u64(hash);
                hasher.finish()
            }
        });
    }

    /// From a crash until the first node told `failed`, in milliseconds.
    pub fn first_detection(&self) -> Percentiles {
        self.first.thousandths()
    }

    /// From a crash until the last node told `failed`, in milliseconds.
    pub fn full_dissemination(&self) -> Percentiles {
        self.all.thousandths()
    }

    /// From the end of all faults until all views were equal, in milliseconds.
    pub fn convergence(&self) -> Percentiles {
        self.convergence.thousandths()
    }

    /// From each crash until the first node told `failed`.
    pub const fn first_detections(&self) -> &Distribution {
        &self.first
    }

    /// From each crash until the last node told `failed`.
    pub const fn full_disseminations(&self) -> &Distribution {
        &self.all
    }

    /// `failed` told of a process that ran and had been healthy for a minute (not paused, not
    /// slow, not singled out by a rule): all of them, and those told by one that was healthy, too.
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
