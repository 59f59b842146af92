//! `headcount leave`: makes a running agent say goodbye and end.

use super::{Failure, Output, Target};

/// Make the agent say goodbye to the cluster and end
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Why, for the others to read; at most 256 bytes are told [default: leave]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let answer = args.target.client()?.leave(args.reason.as_deref()).await?;
    if args.json {
        output.data(answer.json())?;
    } else if answer.left {
        output.data("left")?;
    }
    match answer.left {
        true => Ok(()),
        false => {
            Err(Failure::no("the agent is still leaving").hint("its log says why it takes long"))
        }
    }
}
