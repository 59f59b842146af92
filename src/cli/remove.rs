//! `headcount remove`: makes the whole cluster forget a member.

use super::{Failure, Output, Target};

/// Make the whole cluster forget a failed or departed member
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The member's name
    name: String,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let removed = args.target.client()?.remove(&args.name).await;
    let answer = removed.map_err(|error| match Failure::from(error) {
        failure if failure.advice().is_some() => failure,
        failure => failure.hint("`headcount members` lists everyone and their states"),
    })?;
    match args.json {
        true => output.data(answer.json()),
        false => output.data(format_args!("removed {}", args.name)),
    }
}
