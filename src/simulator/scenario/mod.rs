//! `Scenario`: what happens to a cluster, in a file that people write.
//!
//! A scenario names the nodes, the network, the settings and the faults; one seed decides what it
//! leaves open. It runs a safety phase with the faults, then a liveness phase in which everything
//! is healed and all views must become and stay equal. `simulations/README.md` is its manual.

mod beat;
mod built_in;
mod census;
mod check;
mod entry;
mod error;
mod expect;
mod plan_file;
mod play;
mod report;
mod rules;
mod script;
mod settings;
mod summary;
mod telling;
mod values;
mod view;
mod zones;

use std::{num::NonZeroUsize, time::Duration};

use serde::Deserialize;

pub use error::ScenarioError;
pub use play::Outcome;
pub use report::{Crashes, Report};
pub use telling::Telling;

use super::{Conditions, Plan, Slot, Spec, Zones, time_text::TIME_MAX};
use crate::swim::{Profile, Tuning};
use built_in::BUILT_IN;
use census::Census;
use entry::{Entry, Kind};
use expect::Expect;
use rules::RuleEntry;
use settings::Overrides;
use values::{MemberCost, Time, deserialize_nodes};
use zones::{Between, ZoneEntry};

/// The most nodes of a scenario: addresses in the simulated network, rounded down.
pub const NODES_MAX: u32 = 10_000_000;
/// Unless a scenario says otherwise, views must be equal so long after everything was healed.
const CONVERGE_WITHIN: Duration = Duration::from_secs(120);
/// How long a safety phase may be.
const DURATIONS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=TIME_MAX;
/// So many nodes are the addresses that every node is told to join.
const SEEDS: u32 = 3;
/// Up to here everybody's changes are held against every promise, beyond only those of a sample.
const EVERYBODY_MAX: u32 = 64;
/// The size of that sample.
const OBSERVERS: usize = 16;

/// A scenario that was read and can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    sentence: String,
    file: File,
    threads: NonZeroUsize,
}

/// What a scenario's file may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, deserialize_with = "deserialize_nodes")]
    nodes: Option<u32>,
    #[serde(default)]
    duration: Option<Time>,
    #[serde(default)]
    view: Option<u32>,
    #[serde(default)]
    start: Start,
    #[serde(default)]
    swarm: bool,
    #[serde(default)]
    profile: Profiled,
    #[serde(default)]
    settings: Overrides,
    /// How long each change of a member keeps a node busy.
    #[serde(default)]
    member_cost: Option<MemberCost>,
    #[serde(default)]
    network: Conditions,
    #[serde(default)]
    zone: Vec<ZoneEntry>,
    #[serde(default)]
    between: Vec<Between>,
    #[serde(default)]
    rule: Vec<RuleEntry>,
    #[serde(default)]
    fault: Vec<Entry>,
    #[serde(default)]
    expect: Expect,
    /// Everything, when the file says it node by node and event by event.
    #[serde(skip)]
    plan: Option<Plan>,
}

/// Whether the cluster stands when the scenario begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Start {
    AtOnce,
    Cold,
    #[default]
    Warm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Profiled {
    #[default]
    Lan,
    Local,
    Wan,
}

impl File {
    /// Whether it sets anything that a swarm's seed decides: it would be ignored.
    fn says_what_a_swarm_draws(&self) -> bool {
        let sized = self.nodes.is_some() || self.duration.is_some() || self.view.is_some();
        let begun = self.start != Start::default() || self.profile != Profiled::default();
        let tuned = self.settings != Overrides::default() || self.member_cost.is_some();
        let laid = self.network != Conditions::LAN
            || !(self.zone.is_empty() && self.between.is_empty() && self.rule.is_empty());
        sized || begun || tuned || laid || !self.fault.is_empty()
    }
}

impl Scenario {
    /// The built-in scenario called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn built_in(name: &str) -> Result<Self, ScenarioError> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (name, text) = found.ok_or_else(|| ScenarioError::unknown(name))?;
        Self::parse(name, text)
    }

    /// Names of all built-in scenarios, in order.
    pub fn built_ins() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a scenario. `name` is what errors and reports call it: a path, or a built-in's name.
    ///
    /// # Errors
    /// Names the line, what is wrong with it, and the nearest key when the key is unknown.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let file = File::read(name, text)?;
        let comment = text.lines().map_while(|line| line.strip_prefix('#'));
        let sentence: Vec<_> = comment.map(str::trim).collect();
        let scenario = Self {
            name: name.into(),
            sentence: sentence.join(" "),
            file,
            threads: NonZeroUsize::MIN,
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// The same with another number of nodes.
    ///
    /// # Errors
    /// When its faults do not fit so few nodes, or it draws its own number.
    pub fn with_nodes(mut self, nodes: u32) -> Result<Self, ScenarioError> {
        if self.file.swarm {
            return Err(self.refuse(format!("nodes = {nodes}: a swarm's seed draws the nodes")));
        }
        if self.file.plan.is_some() {
            return Err(self.refuse(format!("nodes = {nodes}: a plan names its nodes")));
        }
        self.file.nodes = Some(nodes);
        self.check()?;
        Ok(self)
    }

    /// The same with a safety phase of this length.
    ///
    /// # Errors
    /// When its faults do not fit, when it draws its own or is a plan, or when that is not between
    /// a millisecond and 31 days.
    pub fn with_duration(mut self, duration: Duration) -> Result<Self, ScenarioError> {
        let text = humantime::format_duration(duration);
        if self.file.swarm || self.file.plan.is_some() {
            return Err(self.refuse(format!(
                "duration = {text}: a swarm's seed or a plan says it"
            )));
        }
        if !DURATIONS.contains(&duration) {
            return Err(self.refuse(format!("duration = {text}: takes 1ms to 31d")));
        }
        self.file.duration = Some(Time(duration));
        self.check()?;
        Ok(self)
    }

    /// What errors and reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many nodes there are in the end, those included that join late; `None` when the seed
    /// draws it.
    pub fn nodes(&self) -> Option<u32> {
        if let Some(plan) = &self.file.plan {
            return u32::try_from(plan.machines.len()).ok();
        }
        let nodes = self.file.nodes?;
        let late = self
            .file
            .fault
            .iter()
            .filter(|entry| entry.kind == Kind::Join);
        let late = late.map(|entry| entry.struck(&self.census()));
        Some(late.fold(nodes, u32::saturating_add))
    }

    fn check(&self) -> Result<(), ScenarioError> {
        if self.file.swarm {
            return self.check_swarm();
        }
        if self.file.plan.is_some() {
            return self.check_settings();
        }
        let Some(nodes) = self.file.nodes else {
            return Err(self.refuse("`nodes` is not given"));
        };
        if !(2..=NODES_MAX).contains(&nodes) {
            let problem = format!("nodes = {nodes}: takes 2 to {NODES_MAX}");
            return Err(self.refuse(problem));
        }
        if self.file.duration.is_none() {
            return Err(self.refuse("`duration` is not given"));
        }
        self.check_view()?;
        self.check_settings()?;
        self.check_events()?;
        self.check_newcomers()
    }

    /// Those that join late have addresses, too.
    fn check_newcomers(&self) -> Result<(), ScenarioError> {
        match self.nodes() {
            Some(all) if all > NODES_MAX => Err(self.refuse(format!(
                "{all} nodes with those that join: takes up to {NODES_MAX}"
            ))),
            _ => Ok(()),
        }
    }

    fn check_swarm(&self) -> Result<(), ScenarioError> {
        match self.file.says_what_a_swarm_draws() {
            false => Ok(()),
            true => Err(self
                .refuse("swarm = true: the seed draws nodes, duration and faults")
                .hint("only [expect] may stand beside it")),
        }
    }

    fn check_settings(&self) -> Result<(), ScenarioError> {
        let checked = self.file.settings.check();
        checked.map_err(|problem| self.refuse(problem))?;
        let Tuning {
            probe_interval,
            probe_timeout,
            ..
        } = self.tuning();
        match probe_timeout < probe_interval {
            true => Ok(()),
            false => {
                let [timeout, interval] =
                    [probe_timeout, probe_interval].map(humantime::format_duration);
                let text = format!("settings.probe_timeout = {timeout}: takes less than the ");
                Err(self.refuse(format!("{text}probe_interval, {interval}")))
            }
        }
    }

    fn refuse(&self, problem: impl Into<String>) -> ScenarioError {
        ScenarioError::new(&self.name, problem)
    }

    fn census(&self) -> Census<'_> {
        Census {
            nodes: self.file.nodes.unwrap_or_default(),
            zones: &self.file.zone,
        }
    }

    fn zones(&self) -> Option<Zones> {
        zones::lay_out(
            &self.census(),
            &self.file.between,
            self.file.network.latency,
        )
    }

    fn duration(&self) -> Duration {
        self.file.duration.map_or(Duration::ZERO, |time| time.0)
    }

    fn converge_within(&self) -> Duration {
        let given = self.file.expect.converge_within;
        given.map_or(CONVERGE_WITHIN, |time| time.0)
    }

    fn profile(&self) -> Profile {
        self.file.profile.into()
    }

    fn tuning(&self) -> Tuning {
        self.file.settings.over(self.profile())
    }

    /// Machines in slot order, those that join late last.
    fn specs(&self) -> Vec<Spec> {
        let all = self.nodes().unwrap_or_default();
        let seeds: Vec<_> = (0..all.min(SEEDS)).map(Slot).collect();
        let spec = |number| Spec {
            tuning: self.tuning(),
            ..Spec::new(format!("n{number}"), &seeds)
        };
        (0..all).map(spec).collect()
    }
}
