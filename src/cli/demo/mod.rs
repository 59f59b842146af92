//! `headcount demo`: a real cluster on this machine, and what happens when its agents die.

mod steps;

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::{Failure, Output, cluster::Cluster};
use crate::swim::Profile;
use steps::Steps;

/// The whole demo takes less, even on a slow machine, or something is wrong.
const DEMO_MAX: Duration = Duration::from_secs(38);

/// Show a real cluster of five agents on this machine live, in less than 40 s
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Starts the agents and shows what one of them tells while another is killed \
    and started again, and a\nthird leaves. Then it stops everything and removes all files."
)]
pub(super) struct Args {
    /// Leave the cluster running at the end and say how to look at it and how to stop it
    #[arg(long)]
    keep: bool,
}

/// Whatever ends this, a panic included, drops the cluster, which ends its processes and removes
/// its files.
pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let mut cluster = Cluster::new(Profile::Local, args.keep)?;
    let played = tokio::select! {
        signal = interruption() => Err(signal?),
        played = timeout(DEMO_MAX, Steps::play(&mut cluster, output)) => {
            let late = || Err(Failure::no(format!("not done after {} s", DEMO_MAX.as_secs())));
            played.unwrap_or_else(|_| late())
        }
    };
    match played {
        Ok(()) if args.keep => kept(cluster, output),
        Ok(()) => {
            drop(cluster);
            output.data("Done. The agents are stopped and their files removed.")
        }
        Err(failure) => Err(failure),
    }
}

/// Waits until somebody wants us to end.
async fn interruption() -> Result<Failure, Failure> {
    let cannot = |error| Failure::trouble(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(Failure::no(
        "interrupted; the agents are stopped and their files removed",
    ))
}

/// Says how to look at what is left running.
fn kept(cluster: Cluster, output: &mut Output) -> Result<(), Failure> {
    let kept = cluster.keep();
    output.data("Done. The cluster keeps running. To look at it:")?;
    output.data("")?;
    for command in ["members", "watch", "status"] {
        output.data(format_args!(
            "  {} {command} --socket {}",
            kept.program, kept.sockets[0]
        ))?;
    }
    output.data("")?;
    output.data(format_args!(
        "The other sockets: {}",
        kept.sockets[1..].join(" ")
    ))?;
    output.data("To stop it and remove its files:")?;
    output.data("")?;
    let (pids, dir) = (kept.pids.join(" "), kept.dir);
    output.data(format_args!("  kill {pids}; sleep 1; rm -r {dir}"))
}
