//! `headcount remove`: makes the whole cluster forget a member.

use super::{Failure, Output, Target, client::escaped};

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
    let client = args.target.client()?;
    let path = format!("/v1/members/{}", escaped(&args.name));
    let answered = client.delete(&path).await;
    let answer = answered.map_err(|failure| match failure.advice() {
        Some(_) => failure,
        None => failure.hint("`headcount members` lists everyone and their states"),
    })?;
    match args.json {
        true => output.data(answer),
        false => output.data(format_args!("removed {}", args.name)),
    }
}
