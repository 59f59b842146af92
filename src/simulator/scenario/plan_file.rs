//! A plan as a file: nothing is left to draw, every node has its name and every event its time.
//!
//! A scenario with `[[node]]` entries is one. The shrinker writes them, people may too.

use std::{convert::Infallible, mem, ops::Not, time::Duration};

use serde::{Deserialize, Serialize};
use toml::ser::ValueSerializer;

use super::{
    super::{CONVERGENCE_MAX, Conditions, Fault, Plan, RuleId, Shrunk, Slot, Spec, time_text},
    CONVERGE_WITHIN, File, Profiled, Scenario, ScenarioError,
    expect::Expect,
    settings::Overrides,
    values::Time,
};
use crate::nearest::nearest;
use crate::swim::{Profile, Tags, Tuning, check_cluster, check_name, check_tags};

/// The cluster of a node that names none.
const CLUSTER: &str = "sim";
/// A plan is written out, node by node: more than this is a scenario's work.
const NODES_MAX: usize = 1_000;

/// What a plan's file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    seed: Option<u64>,
    duration: Time,
    #[serde(default)]
    separate_directories: bool,
    #[serde(default)]
    profile: Profiled,
    node: Vec<Node>,
    #[serde(default)]
    event: Vec<Event>,
    #[serde(default)]
    settings: Overrides,
    #[serde(default)]
    network: Conditions,
    #[serde(default)]
    expect: Expect,
}

/// One `[[node]]`: a machine, on which nothing runs until an event starts it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joins: Vec<String>,
    /// It binds to 0.0.0.0 and must be told its address by the first peer.
    #[serde(default, skip_serializing_if = "Not::not")]
    learns_address: bool,
    tags: Option<Tags>,
    /// Started again, unless it runs, when everything is healed.
    #[serde(default, skip_serializing_if = "Not::not")]
    revived: bool,
}

/// One `[[event]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    #[serde(with = "time_text")]
    at: Duration,
    #[serde(rename = "do")]
    fault: Fault<String>,
}

/// The keys above the nodes.
#[derive(Serialize)]
struct Head {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(with = "time_text")]
    duration: Duration,
    #[serde(skip_serializing_if = "Not::not")]
    separate_directories: bool,
    profile: &'static str,
}

/// The tables below the events.
#[derive(Serialize)]
struct Tail<'a> {
    settings: Option<Overrides>,
    network: &'a Conditions,
    expect: Bound,
}

/// The one bound that is part of a plan.
#[derive(Serialize)]
struct Bound {
    #[serde(with = "time_text")]
    converge_within: Duration,
}

impl File {
    /// A file that names its nodes is a plan; any other leaves something to the seed.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let wrong = |error| ScenarioError::parser(name, text, &error);
        let table: toml::Table = toml::from_str(text).map_err(wrong)?;
        if table.contains_key("node") {
            let plan: PlanFile = toml::from_str(text).map_err(wrong)?;
            return plan.into_file().map_err(|problem| problem.in_file(name));
        }
        toml::from_str(text).map_err(wrong)
    }
}

impl Scenario {
    /// What will happen with `seed`, if that is a plan: one that the file says, or a swarm's.
    /// Seed 1 of a file's plan is the seed that the file names, and the others go on from there.
    pub fn plan(&self, seed: u64) -> Option<Plan> {
        if let Some(mut plan) = self.file.plan.clone() {
            plan.seed = plan.seed.wrapping_add(seed).wrapping_sub(1);
            return Some(plan);
        }
        self.swarm_plan(seed)
    }

    /// What a swarm's `seed` draws; `None` when this is no swarm.
    pub fn swarm_plan(&self, seed: u64) -> Option<Plan> {
        let within = self.file.expect.converge_within;
        self.file.swarm.then(|| Plan {
            converge_within: within.map_or(CONVERGENCE_MAX, |time| time.0),
            ..Plan::draw(seed)
        })
    }
}

impl PlanFile {
    /// The scenario it is, or what is wrong with it.
    pub(super) fn into_file(mut self) -> Result<File, Problem> {
        if self.node.len() > NODES_MAX {
            let count = self.node.len();
            return Err(format!("{count} nodes: takes at most {NODES_MAX}").into());
        }
        let names = Names(self.node.iter().map(|node| node.name.clone()).collect());
        let events = mem::take(&mut self.event);
        let mut plan = self.plan_without_events(&names)?;
        plan.faults = faults(events, &names, plan.safety)?;
        check_faults(&plan)?;
        Ok(File {
            duration: Some(self.duration),
            profile: self.profile,
            settings: self.settings,
            expect: self.expect,
            plan: Some(plan),
            ..File::default()
        })
    }

    fn plan_without_events(&self, names: &Names) -> Result<Plan, Problem> {
        let tuning = self.settings.over(self.profile.into());
        let machines = self.node.iter().map(|node| node.spec(names, &tuning));
        let slots = (0..).map(Slot);
        let revived = slots.zip(&self.node).filter(|(_, node)| node.revived);
        Ok(Plan {
            seed: self.seed.unwrap_or(1),
            machines: machines.collect::<Result<_, _>>()?,
            separate_directories: self.separate_directories,
            conditions: self.network.clone(),
            faults: Vec::new(),
            safety: self.duration.0,
            revived: revived.map(|(slot, _)| slot).collect(),
            converge_within: self.expect.converge_within.map_or(CONVERGE_WITHIN, |t| t.0),
        })
    }
}

/// What strikes when, in order of time.
fn faults(
    events: Vec<Event>,
    names: &Names,
    duration: Duration,
) -> Result<Vec<(Duration, Fault)>, Problem> {
    let mut faults = Vec::new();
    for (number, event) in (1..).zip(events) {
        let in_event = |problem: Problem| Problem {
            text: format!("event {number}: {}", problem.text),
            ..problem
        };
        faults.push(event.checked(names, duration).map_err(in_event)?);
    }
    faults.sort_by_key(|(at, _)| *at);
    Ok(faults)
}

/// Says what only all events together show to be wrong.
fn check_faults(plan: &Plan) -> Result<(), Problem> {
    let mut lifted = plan.faults.iter().filter_map(|(_, fault)| fault.lifted());
    if let Some(RuleId(id)) = lifted.find(|id| !plan.imposes(*id)) {
        return Err(format!("lift: no event imposes rule {id}").into());
    }
    match plan.runs_somebody() {
        true => Ok(()),
        false => Err("no event starts any node".to_owned().into()),
    }
}

impl Node {
    fn of(plan: &Plan, slot: Slot, names: &Names) -> Self {
        let spec = &plan.machines[slot.index()];
        Self {
            name: spec.name.clone(),
            cluster: (spec.cluster != CLUSTER).then(|| spec.cluster.clone()),
            joins: spec.seeds.iter().map(|seed| names.label(*seed)).collect(),
            learns_address: !spec.knows_address,
            tags: (spec.tags.size() > 0).then(|| spec.tags.clone()),
            revived: plan.revived.contains(&slot),
        }
    }

    fn spec(&self, names: &Names, tuning: &Tuning) -> Result<Spec, Problem> {
        let cluster = self.cluster.as_deref().unwrap_or(CLUSTER);
        let tags = self.tags.clone().unwrap_or_default();
        let refused = |what: &str, why: &dyn std::fmt::Display| {
            Problem::from(format!("node {}: {what}: {why}", self.name))
        };
        check_name(&self.name).map_err(|why| refused("name", &why))?;
        check_cluster(cluster).map_err(|why| refused("cluster", &why))?;
        check_tags(&tags).map_err(|why| refused("tags", &why))?;
        let seeds = self.joins.iter().map(|name| names.slot(name));
        Ok(Spec {
            name: self.name.clone(),
            cluster: cluster.into(),
            seeds: seeds.collect::<Result<_, _>>()?,
            knows_address: !self.learns_address,
            tags,
            tuning: tuning.clone(),
        })
    }
}

impl Event {
    fn checked(self, names: &Names, duration: Duration) -> Result<(Duration, Fault), Problem> {
        if self.at > duration {
            let [at, duration] = [self.at, duration].map(humantime::format_duration);
            return Err(format!("at = {at}: takes at most the duration, {duration}").into());
        }
        if let Fault::Partition(sides) = &self.fault
            && !sides.is_empty()
            && sides.len() != names.0.len()
        {
            let (sides, nodes) = (sides.len(), names.0.len());
            return Err(format!("partition: {sides} sides given for {nodes} nodes").into());
        }
        if let Fault::Remove(_, name) = &self.fault
            && !names.0.contains(name)
        {
            return Err(names.nobody(name));
        }
        if let Fault::Tags(name, tags) = &self.fault {
            check_tags(tags).map_err(|why| format!("tags of {name}: {why}"))?;
        }
        let fault = self.fault.try_map(|name| names.slot(&name))?;
        Ok((self.at, fault))
    }
}

/// What nodes are called in a file: by their names, and where several have one by name and
/// number, as in reports.
struct Names(Vec<String>);

impl Names {
    fn of(plan: &Plan) -> Self {
        Self(plan.machines.iter().map(|spec| spec.name.clone()).collect())
    }

    fn label(&self, slot: Slot) -> String {
        let name = &self.0[slot.index()];
        match self.0.iter().filter(|other| *other == name).count() {
            1 => name.clone(),
            _ => format!("{name}#{}", slot.index()),
        }
    }

    fn slot(&self, label: &str) -> Result<Slot, Problem> {
        let slots = || (0..).map(Slot).take(self.0.len());
        let numbered = |slot: &Slot| format!("{}#{}", self.0[slot.index()], slot.index());
        let is = |slot: &Slot| self.label(*slot) == label || numbered(slot) == label;
        slots().find(is).ok_or_else(|| self.nobody(label))
    }

    fn nobody(&self, label: &str) -> Problem {
        let slots = (0..).map(Slot).take(self.0.len());
        let labels: Vec<_> = slots.map(|slot| self.label(slot)).collect();
        let likely = nearest(label, labels.iter().map(String::as_str));
        Problem {
            text: format!("no node is called `{label}`"),
            hint: likely.map(|likely| format!("did you mean {likely}?")),
        }
    }
}

/// Why a plan cannot be run.
pub(super) struct Problem {
    text: String,
    hint: Option<String>,
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text, hint: None }
    }
}

impl Problem {
    pub(super) fn in_file(self, name: &str) -> ScenarioError {
        let error = ScenarioError::new(name, self.text);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl Plan {
    /// Everything it says, as label and value, for people.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let names = Names::of(self);
        let time = |time: Duration| humantime::format_duration(time).to_string();
        let events = self.written_events(&names);
        let within = time(self.converge_within);
        let duration = format!("{}, then healed for {within} at most", time(self.safety));
        let mut rows = vec![
            ("nodes", self.machines.len().to_string()),
            ("duration", duration),
            ("its own seed", format!("{}, as seed 1", self.seed)),
            ("network", inline(&self.conditions)),
        ];
        rows.extend(events.map(|event| ("event", event)));
        rows
    }

    fn written_events<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = String> + 'a {
        self.faults.iter().map(|(at, fault)| {
            let label = |slot| Ok::<_, Infallible>(names.label(slot));
            let Ok(fault) = fault.clone().try_map(label);
            inline(&Event { at: *at, fault })
        })
    }

    /// The plan as a scenario's text, which begins with `sentence` as a comment; read and run
    /// again with seed 1 it is the same run to the byte. All nodes have the settings of the first.
    /// A seed of 2^63 and more, which TOML does not have, must be given on the command line.
    pub fn to_toml(&self, sentence: &str) -> String {
        let names = Names::of(self);
        let lan = Tuning::new(Profile::Lan);
        let tuning = self.machines.first().map_or(&lan, |spec| &spec.tuning);
        let (profile, settings) = Overrides::of(tuning);
        let head = Head {
            seed: i64::try_from(self.seed).ok(),
            duration: self.safety,
            separate_directories: self.separate_directories,
            profile: profile.as_str(),
        };
        let tail = Tail {
            settings: (settings != Overrides::default()).then_some(settings),
            network: &self.conditions,
            expect: Bound {
                converge_within: self.converge_within,
            },
        };
        let slots = (0..).map(Slot).take(self.machines.len());
        let nodes = slots.map(|slot| inline(&Node::of(self, slot, &names)));
        let events = self.written_events(&names);
        let (nodes, events) = (list("node", nodes), list("event", events));
        let (head, tail) = (table(&head), table(&tail));
        format!("# {sentence}\n{head}\n{nodes}\n{events}\n{tail}")
    }
}

impl Shrunk {
    /// The scenario that `headcount simulate` runs to see it fail.
    pub fn to_toml(&self) -> String {
        self.plan.to_toml(&self.sentence())
    }
}

fn list(key: &str, entries: impl Iterator<Item = String>) -> String {
    let lines: String = entries.map(|entry| format!("    {entry},\n")).collect();
    format!("{key} = [\n{lines}]\n")
}

fn inline(value: &impl Serialize) -> String {
    let mut text = String::new();
    value
        .serialize(ValueSerializer::new(&mut text))
        .expect("a plan is made of what TOML has");
    text
}

fn table(value: &impl Serialize) -> String {
    toml::to_string(value).expect("a plan is made of what TOML has")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# Two nodes.\nseed = 7\nduration = \"9s\"\n\
        node = [{ name = \"a\" }, { name = \"b\", joins = [\"a\"] }]\n";

    fn refused(text: &str) -> String {
        let error = Scenario::parse("mine.toml", text).expect_err(text);
        format!("{error}; {}", error.advice().unwrap_or_default())
    }

    #[test]
    fn a_plan_that_was_written_and_read_is_the_same_run() {
        for seed in 0..20 {
            let plan = Plan::draw(seed);
            let text = plan.to_toml("A swarm's plan.");
            let read = Scenario::parse("plan.toml", &text).expect(&text);
            let read = read.plan(1).expect("a plan");
            assert_eq!(format!("{read:?}"), format!("{plan:?}"), "{text}");
        }
    }

    #[test]
    fn the_plan_in_the_manual_keeps_its_promises() {
        let manual = include_str!("../../../simulations/README.md");
        let blocks = manual.split("```toml\n").skip(1);
        let texts = blocks.filter_map(|block| block.split("```").next());
        let mut plans = texts.filter(|text| text.contains("node = ["));
        let text = plans.next().expect("an example");
        let plan = Scenario::parse("README.md", text).expect("legal").plan(1);
        assert!(plan.expect("a plan").run().violations.is_empty());
    }

    #[test]
    fn every_fault_can_be_written_and_read() {
        let text = format!(
            "{TWO}event = [\n\
             {{ at = \"0s\", do = {{ start = \"a\" }} }},\n\
             {{ at = \"1s\", do = {{ start = \"b#1\" }} }},\n\
             {{ at = \"2s 500ms\", do = {{ pause = [\"a\", \"3s\"] }} }},\n\
             {{ at = \"3s\", do = {{ resume = \"a\" }} }},\n\
             {{ at = \"3s\", do = {{ block = {{ from = \"a\", to = \"b\" }} }} }},\n\
             {{ at = \"4s\", do = {{ partition = [0, 1] }} }},\n\
             {{ at = \"4s\", do = {{ conditions = {{ loss = 0.1 }} }} }},\n\
             {{ at = \"4s\", do = {{ slow = [\"a\", \"1s\"] }} }},\n\
             {{ at = \"4s\", do = {{ impose = [3, {{ from = [\"a\"], \
                effect = {{ loss = 0.5 }} }}] }} }},\n\
             {{ at = \"5s\", do = {{ lift = 3 }} }},\n\
             {{ at = \"5s\", do = \"heal\" }},\n\
             {{ at = \"5s\", do = {{ restart = [\"b\", \"away\", \"lost\"] }} }},\n\
             {{ at = \"6s\", do = {{ restart = [\"b\", {{ onto = \"a\" }}, \"kept\"] }} }},\n\
             {{ at = \"7s\", do = {{ leave = \"b\" }} }},\n\
             {{ at = \"8s\", do = {{ crash = \"a\" }} }},\n\
             {{ at = \"8s\", do = {{ kill = \"b\" }} }},\n\
             {{ at = \"8s\", do = {{ choke = [\"b\", \"1s\"] }} }},\n\
             {{ at = \"9s\", do = {{ remove = [\"b\", \"a\"] }} }},\n\
             {{ at = \"9s\", do = {{ event = \"a\" }} }},\n\
             {{ at = \"9s\", do = {{ tags = [\"a\", {{ role = \"web\" }}] }} }},\n\
             {{ at = \"9s\", do = {{ app = [\"a\", \"down\"] }} }},\n]\n"
        );
        let plan = Scenario::parse("x", &text).expect("legal").plan(1);
        let plan = plan.expect("a plan");
        assert_eq!(plan.faults.len(), 21);
        let again = Scenario::parse("x", &plan.to_toml("Again.")).expect("legal");
        let again = again.plan(1).expect("a plan");
        assert_eq!(again.faults, plan.faults);
    }

    #[test]
    fn what_a_plan_cannot_say_is_refused_with_what_to_change() {
        let event = |event: &str| refused(&format!("{TWO}event = [{{ {event} }}]\n"));
        for (text, words) in [
            (
                event("at = \"1s\", do = { start = \"c\" }"),
                ["`c`", "no node"],
            ),
            (
                event("at = \"1s\", do = { strat = \"a\" }"),
                ["`strat`", "mean start"],
            ),
            (
                event("at = \"1s\", do = { tags = [\"a\", { \"a b\" = \"\" }] }"),
                ["tags of a", "\"a b\""],
            ),
            (
                event("at = \"10s\", do = \"heal\""),
                ["event 1: at = 10s", "9s"],
            ),
            (event("at = \"-1s\", do = \"heal\""), ["-1s", "0s to 31d"]),
            (
                event("at = \"1s\", do = { partition = [0, 1, 1] }"),
                ["3 sides", "2 nodes"],
            ),
            (
                event("at = \"1s\", do = { partition = [0] }"),
                ["1 sides", "2 nodes"],
            ),
            (event("at = \"1s\", do = { lift = 4 }"), ["lift", "rule 4"]),
            (
                event("at = \"1s\", do = { remove = [\"a\", \"zz\"] }"),
                ["event 1", "no node is called `zz`"],
            ),
            (
                event("at = \"1s\", do = { start = \"b#11\" }"),
                ["`b#11`", "no node"],
            ),
            (
                refused(&format!("{TWO}[network]\nloss = 1.5\n")),
                ["loss = 1.5", "0.0 to 1.0"],
            ),
            (
                refused(&format!("{TWO}nodes = 2\n")),
                ["`nodes`", "mean node"],
            ),
            (
                refused("node = [{ name = \"a b\" }]\nduration = \"1s\"\n"),
                ["node a b", "name"],
            ),
        ] {
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn nodes_with_one_name_are_told_apart_by_their_numbers() {
        let names = Names(vec!["a".into(), "b".into(), "a".into()]);
        assert_eq!(names.label(Slot(2)), "a#2");
        assert_eq!(names.slot("a#0").ok(), Some(Slot(0)));
        assert_eq!(names.slot("b").ok(), Some(Slot(1)));
        assert!(names.slot("a").is_err());
    }
}
