//! `headcount join`: makes a running agent join a cluster.

use super::{Failure, Output, Target};
use crate::client::Joined;

/// Make the agent join the cluster of other agents
///
/// Who does not answer is tried until it does, or the agent ends.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Any members of the cluster: HOST:PORT or HOST, a name or an IP; srv:NAME for a DNS service
    /// [default port: 7946]
    #[arg(required = true, value_name = "HOST[:PORT]")]
    addresses: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let answer = args.target.client()?.join(&args.addresses).await?;
    if args.json {
        output.data(answer.json())?;
    } else {
        for address in &answer.joined {
            output.data(format_args!("joined {address}"))?;
        }
    }
    verdict(&answer, output)
}

/// One answer makes us a member; who is silent is tried on.
fn verdict(answer: &Joined, output: &mut Output) -> Result<(), Failure> {
    let pending = answer.pending.join(", ");
    let silence = format!("no answer from {pending} yet; the agent keeps trying");
    match (answer.joined.is_empty(), answer.pending.is_empty()) {
        (_, true) => Ok(()),
        (false, false) => {
            output.talk(silence);
            Ok(())
        }
        (true, false) => Err(Failure::no(silence).hint(
            "is an agent of the same --cluster running there, and does UDP and TCP reach it?",
        )),
    }
}
