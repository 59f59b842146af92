//! `headcount event`: raises an event that every consumer of every member hears.

use std::io::{self, Read};

use super::{Failure, Output, Target};
use crate::swim::EVENT_PAYLOAD_BYTES_MAX;

/// Raise an event that every consumer of every member hears
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What it is called: 1 to 64 bytes without spaces
    name: String,
    /// What it says, at most 1,024 bytes; - reads it from standard input [default: nothing]
    payload: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.client()?;
    let payload = match args.payload.as_deref() {
        Some("-") => read_payload()?,
        payload => payload.unwrap_or_default().to_owned(),
    };
    let raised = client.send_event(&args.name, &payload).await?;
    if args.json {
        return output.data(raised.json());
    }
    output.data(format_args!(
        "raised {}: number {} of {}, generation {}",
        args.name, raised.number, raised.from, raised.generation
    ))
}

/// As it is, a last line break included.
fn read_payload() -> Result<String, Failure> {
    let limit = EVENT_PAYLOAD_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Failure::trouble(format!("cannot read standard input: {error}")))?;
    if bytes.len() > EVENT_PAYLOAD_BYTES_MAX {
        let text = format!("more than {EVENT_PAYLOAD_BYTES_MAX} bytes on standard input");
        return Err(Failure::trouble(text).hint("pass a reference to where the rest is"));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::trouble("standard input is not UTF-8").hint("encode it, for example by base64")
    })
}
