//! What a scenario sets, as rows of label and value for people.

use std::time::Duration;

use super::{EVERYBODY_MAX, OBSERVERS, Scenario, Start, zones};

impl Scenario {
    /// Every effective setting, as label and value, for people.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("scenario", format!("{}: {}", self.name, self.sentence))];
        if self.file.swarm {
            rows.push(("nodes", "2 to 24, like all else drawn by the seed".into()));
        } else if let Some(plan) = &self.file.plan {
            rows.extend(plan.settings());
        } else {
            rows.extend(self.cluster());
            rows.extend(self.protocol());
            rows.extend(self.network());
            rows.push(("audited", self.audited()));
            rows.extend(self.events());
        }
        rows
    }

    fn cluster(&self) -> [(&'static str, String); 4] {
        let view = self.view();
        let start = match self.file.start {
            Start::AtOnce => "cold, everybody starts at once",
            Start::Cold => "cold, everybody starts within 1s",
            Start::Warm => "warm, everybody knows everybody",
        };
        let [duration, within] = [self.duration(), self.converge_within()].map(text);
        [
            ("nodes", self.nodes().unwrap_or_default().to_string()),
            (
                "view",
                view.map_or_else(|| "full".into(), |view| format!("{view} neighbours each")),
            ),
            ("start", start.into()),
            (
                "duration",
                format!("{duration}, then healed for {within} at most"),
            ),
        ]
    }

    fn protocol(&self) -> [(&'static str, String); 7] {
        let tuning = self.tuning();
        let [timeout, interval] = [tuning.probe_timeout, tuning.probe_interval].map(text);
        let (suspicion, transmit) = (tuning.suspicion_multiplier, tuning.transmit_multiplier);
        [
            ("profile", self.profile().as_str().into()),
            ("probe", format!("{timeout} every {interval}")),
            ("gossip", self.gossip()),
            (
                "multipliers",
                format!("suspicion {suspicion}, transmit {transmit}"),
            ),
            ("exchange", text(tuning.exchange_interval)),
            ("reconnect", text(tuning.reconnect_interval)),
            ("forget", text(tuning.forget_after)),
        ]
    }

    fn network(&self) -> Vec<(&'static str, String)> {
        let network = &self.file.network;
        let mut rows = vec![
            ("latency", network.latency.to_string()),
            ("loss", network.loss.to_string()),
            ("duplicate", network.duplication.to_string()),
            ("reorder", network.reordering.to_string()),
            ("corrupt", network.corruption.to_string()),
        ];
        let cost = self.file.member_cost;
        rows.extend(cost.map(|cost| ("member cost", text(cost.0))));
        rows.extend(network.rare_vices());
        rows
    }

    fn audited(&self) -> String {
        match self.nodes() {
            Some(nodes) if nodes > EVERYBODY_MAX => format!("{OBSERVERS} nodes of {nodes}"),
            _ => "every node".into(),
        }
    }

    /// Zones, rules and faults, as label and value.
    fn events(&self) -> Vec<(&'static str, String)> {
        let mut rows = zones::rows(&self.census(), &self.file.between);
        let rules = self.file.rule.iter();
        rows.extend(rules.map(|rule| ("rule", rule.to_string())));
        let faults = self.file.fault.iter();
        rows.extend(faults.map(|entry| ("fault", entry.to_string())));
        rows
    }

    /// How news is told; what is sent at once only where the scenario says so itself.
    fn gossip(&self) -> String {
        let tuning = self.tuning();
        let interval = humantime::format_duration(tuning.gossip_interval);
        let rounds = format!("{} every {interval}", tuning.fanout);
        match self.file.settings.eager_sends {
            Some(sends) => format!("{rounds}, {sends} at once"),
            None => rounds,
        }
    }
}

fn text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
