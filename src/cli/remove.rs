//! `headcount remove`: makes the whole cluster forget a member.

use super::{Failure, Output, Target};
use crate::{client::Removed, names::some_of, swim::check_name};

/// Make the whole cluster forget a failed or departed member
///
/// Waits up to 3 s until every living member has, and names those that did not say so; they hear of
/// it later.
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
    check_name(&args.name).map_err(|error| {
        Failure::trouble(error.to_string()).hint("`headcount members` lists everyone")
    })?;
    let removed = args.target.client()?.remove(&args.name).await;
    let answer = removed.map_err(|error| match Failure::from(error) {
        failure if failure.advice().is_some() => failure,
        failure => failure.hint("`headcount members` lists everyone and their states"),
    })?;
    if args.json {
        return output.data(answer.json());
    }
    let Removed {
        name,
        applied_by,
        members,
        missing,
        ..
    } = &*answer;
    output.data(format_args!(
        "{name} is removed by {applied_by}/{members} members"
    ))?;
    if !missing.is_empty() {
        let missing = some_of(missing);
        output.talk(format_args!(
            "no word from {missing} yet: they hear of it later"
        ));
    }
    Ok(())
}
