//! `headcount bench`: real agents on this machine, and when their consumers hear what happens.

mod cost;
mod crowd;
mod harness;
mod html;
mod meter;
mod metric;
mod namespace;
mod ours;
mod peer;
mod phase;
mod plan;
mod report;
mod round;
mod samples;
mod serf;
mod site;

use std::{path::PathBuf, time::Duration};

use super::{
    Failure, Output,
    draft::{self, Draft},
    interrupts::Interrupts,
    number,
};
use crate::swim::Profile;
use meter::Meter;
use ours::Ours;
use phase::Phase;
use plan::{Plan, Side};
use report::Report;
use round::Turn;
use samples::Samples;
use serf::Serf;
use site::Site;

/// Measure how soon the consumers of real agents on this machine hear of what happens
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Phases: bootstrap (always), steady, event, crash, restart, leave, pause, \
    partition. In each repetition all agents start anew. Times are taken where consumers read, \
    and begin before a process is started, killed or asked; they are this machine's, with \
    whatever else it does. As root the agents run in network namespaces of their own, which \
    bytes, packets and the partition need."
)]
pub(super) struct Args {
    /// Number of agents, 3 to 200
    #[arg(long, value_name = "N", default_value = "5",
        allow_negative_numbers = true, value_parser = number::whole(3..=200_u16))]
    nodes: u16,
    /// How often everything is done, 1 to 1000
    #[arg(long, value_name = "K", default_value = "3",
        allow_negative_numbers = true, value_parser = number::whole(1..=1000_u16))]
    repetitions: u16,
    /// The agents' profile
    #[arg(long, value_name = "lan|wan|local", default_value = "lan")]
    profile: Profile,
    /// Only these phases [default: all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = phase::parse)]
    phases: Vec<Phase>,
    /// How long the steady phase goes on; crashes three times as long, restarts and goodbyes half
    /// as long, events a quarter, each at least once, 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = time)]
    time: Duration,
    /// Measure this program beside ours, in turn, if it is installed
    #[arg(long, value_name = "serf", hide_possible_values = true)]
    versus: Option<Rival>,
    /// Print one JSON object, metric to percentiles
    #[arg(long)]
    json: bool,
    /// Write a page with plots that needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What can be measured beside ours.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Rival {
    Serf,
}

fn time(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(3600);
    let time = number::time(text)?;
    let within = Some(time).filter(|time| range.contains(time));
    within.ok_or_else(|| "takes a time from 1s to 1h".into())
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    draft::refuse_dash("--html", args.html.as_deref())?;
    let ground = Ground::find(&args, output)?;
    let page = args.html.as_deref().map(Draft::begin).transpose()?;
    // From here on who interrupts gets a report.
    let mut interrupts = Interrupts::listen()?;
    let mut report = begin(&args, output);
    let measured = tokio::select! {
        () = interrupts.next() => Err(Failure::no(
            "interrupted; the report is about what was measured until then",
        )),
        measured = measure(ground, &mut report, output) => measured,
    };
    let printed = print(args.json, &report, output);
    if let Some(page) = page {
        page.finish(&html::page(&report))?;
    }
    // Whoever did not read to the end must not take a failure for a success.
    measured?;
    printed
}

fn print(json: bool, report: &Report, output: &mut Output) -> Result<(), Failure> {
    match json {
        true => output.data(report.json()),
        false => {
            let mut lines = report.lines().into_iter();
            lines.try_for_each(|line| output.data(line))
        }
    }
}

/// What is to be done, and what of it cannot be.
fn begin(args: &Args, output: &mut Output) -> Report {
    let serf = args.versus.and_then(|Rival::Serf| {
        let version = serf::version();
        if version.is_none() {
            output.talk("serf is not installed: its column is missing");
        }
        version
    });
    let phases = match args.phases.as_slice() {
        [] => Phase::ALL.into(),
        some => some.iter().copied().collect(),
    };
    let plan = Plan {
        nodes: args.nodes,
        repetitions: args.repetitions,
        profile: args.profile,
        phases,
        time: args.time,
    };
    Report {
        plan,
        serf,
        ours: Samples::default(),
        theirs: Samples::default(),
    }
}

/// Where the agents of a cluster are to run.
#[derive(Clone, Copy, Debug)]
enum Ground {
    Namespaces,
    Loopback { agents: u16 },
}

impl Ground {
    /// Namespaces where they can be had; says why not otherwise.
    ///
    /// # Errors
    /// When a phase that was asked for by its name needs them.
    fn find(args: &Args, output: &mut Output) -> Result<Self, Failure> {
        match Site::namespaces() {
            Ok(_) => Ok(Self::Namespaces),
            Err(why) => Self::without_namespaces(args, &why, output),
        }
    }

    fn without_namespaces(args: &Args, why: &str, output: &mut Output) -> Result<Self, Failure> {
        let need = "network namespaces, which need root, iproute2 and iptables";
        if args.phases.contains(&Phase::Partition) {
            return Err(Failure::trouble(format!(
                "--phases partition takes {need} ({why})"
            )));
        }
        if args.phases.is_empty() || args.phases.contains(&Phase::Steady) {
            output.talk(format_args!(
                "no {need}: bytes, packets and the partition are missing ({why})"
            ));
        }
        Ok(Self::Loopback { agents: args.nodes })
    }

    fn site(self) -> Result<Site, Failure> {
        match self {
            Self::Namespaces => Site::namespaces().map_err(Failure::trouble),
            Self::Loopback { agents } => Site::loopback(agents),
        }
    }
}

/// Fills the report. A turn that breaks off is told of and leaves what it measured.
async fn measure(ground: Ground, report: &mut Report, output: &mut Output) -> Result<(), Failure> {
    harness::measure(report.plan.nodes, &mut report.ours).await?;
    let plan = report.plan.clone();
    let turns = plan.turns(report.serf.is_some());
    let mut meter = Meter::new(&plan, &turns, output);
    let mut broken = 0;
    for (repetition, side) in turns {
        let turn = Turn {
            plan: &plan,
            repetition,
            samples: report.samples_of(side),
            begins: &mut |phase| meter.begins(&plan, (repetition, side), phase),
        };
        let site = || ground.site();
        let played = match side {
            Side::Ours => turn.play(site, || Ours::new(plan.profile)).await,
            Side::Serf => turn.play(site, || Serf::new(plan.profile)).await,
        };
        meter.ended(&plan, side);
        let Err(failure) = played else {
            continue;
        };
        if failure.is_trouble() {
            return Err(failure);
        }
        broken += u32::from(side == Side::Ours);
        let side = side.as_str();
        meter.talk(&format!(
            "repetition {repetition}, {side}, broke off: {failure}"
        ));
    }
    meter.end();
    match broken {
        0 => Ok(()),
        some => Err(Failure::no(format!("{some} of our repetitions broke off"))),
    }
}

#[cfg(test)]
mod tests {
    use anstream::ColorChoice;

    use super::*;

    #[test]
    fn a_phase_that_was_named_is_measured_or_refused() {
        let without = |phases: &[Phase]| {
            let args = Args {
                nodes: 3,
                repetitions: 1,
                profile: Profile::Lan,
                phases: phases.into(),
                time: Duration::from_secs(1),
                versus: None,
                json: false,
                html: None,
            };
            Ground::without_namespaces(&args, "no root", &mut Output::new(ColorChoice::Never))
        };
        let refused = without(&[Phase::Crash, Phase::Partition]).unwrap_err();
        assert!(refused.is_trouble() && refused.to_string().contains("no root"));
        assert!(without(&[]).is_ok());
        assert!(without(&[Phase::Crash, Phase::Steady]).is_ok());
    }
}
