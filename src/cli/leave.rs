//! `headcount leave`: makes a running agent say goodbye and end.

use std::time::Duration;

use super::{Failure, Output, Target};
use crate::config::{RESTART_ETA, restart_eta};

/// Make the agent say goodbye to the cluster and end
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Why, for the others to read; at most 256 bytes are told [default: leave]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Announce that the agent will be started again: others are told of one restart then
    #[arg(long)]
    restarting: bool,
    /// How soon, from 1s to 1h; when it is over, others are told of a failure [default: 30s]
    #[arg(long, value_name = "TIME", requires = "restarting", value_parser = restart_eta)]
    eta: Option<Duration>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.client()?;
    let reason = args.reason.as_deref();
    let answer = match args.restarting {
        false => client.leave(reason).await?,
        true => {
            client
                .leave_to_restart(reason, args.eta.unwrap_or(RESTART_ETA))
                .await?
        }
    };
    if args.json {
        output.data(answer.json())?;
    } else if answer.left {
        output.data(if args.restarting {
            "restarting"
        } else {
            "left"
        })?;
    }
    match answer.left {
        true => Ok(()),
        false => {
            Err(Failure::no("the agent is still leaving").hint("its log says why it takes long"))
        }
    }
}
