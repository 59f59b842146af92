//! `headcount join`: makes a running agent join a cluster.

use serde::Deserialize;
use serde_json::json;

use super::{Failure, Output, Target};

/// Make the agent join the cluster of other agents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Any members of the cluster: HOST:PORT or HOST, a name or an IP [default port: 7946]
    #[arg(required = true, value_name = "HOST[:PORT]")]
    addresses: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    joined: Vec<String>,
    pending: Vec<String>,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.client()?;
    let body = json!({"addresses": args.addresses});
    let said = client.post("/v1/join", &body).await?;
    let answer: Answer = said.read()?;
    if args.json {
        output.data(said)?;
    } else {
        for address in &answer.joined {
            output.data(format_args!("joined {address}"))?;
        }
    }
    verdict(&answer, output)
}

/// One answer makes us a member; who is silent is tried on.
fn verdict(answer: &Answer, output: &mut Output) -> Result<(), Failure> {
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
