//! `headcount status`: how the agent itself is doing.

use serde_json::Value;

use super::{
    Failure, Output, Target,
    moment::span,
    output::{shown, style},
    table::{self, Cell},
};

/// Show how the agent itself is doing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let status = args.target.client()?.get("/v1/status").await?;
    if args.json {
        return output.data(status);
    }
    for line in table::lines(&rows(&status.read()?)) {
        output.data(line)?;
    }
    Ok(())
}

/// What people ask first comes first. What an agent does not say is left out.
fn rows(status: &Value) -> Vec<Vec<Cell>> {
    let health = match status["health"].as_str() {
        Some("ok") => Cell::styled("ok", style("alive")),
        Some(other) => Cell::styled(shown(other), style("suspect")),
        None => "".into(),
    };
    let rows = [
        ("name", text(&status["name"])),
        ("health", health),
        ("members", counts(&status["counts"])),
        ("cluster", text(&status["cluster"])),
        ("address", text(&status["address"])),
        ("tags", tags(&status["tags"])),
        ("app", app(status)),
        ("id", text(&status["id"])),
        ("generation", text(&status["generation"])),
        ("incarnation", text(&status["incarnation"])),
        ("profile", text(&status["profile"])),
        ("uptime", uptime(&status["uptime_s"])),
        ("socket", text(&status["socket"])),
        ("http", text(&status["http"])),
        ("subscribers", text(&status["subscribers"])),
        ("epoch:seq", position(status)),
        ("version", text(&status["version"])),
        ("pid", text(&status["pid"])),
    ];
    let told = rows.into_iter().filter(|(_, cell)| !cell.is_empty());
    told.map(|(label, cell)| vec![label.into(), cell]).collect()
}

fn text(value: &Value) -> Cell {
    match value {
        Value::Null => "".into(),
        Value::String(text) => shown(text).into(),
        other => other.to_string().into(),
    }
}

fn counts(counts: &Value) -> Cell {
    let states = ["alive", "suspect", "failed", "left"];
    let count = |state: &str| Some(format!("{} {state}", counts[state].as_u64()?));
    let counts: Vec<_> = states.into_iter().filter_map(count).collect();
    counts.join(", ").into()
}

fn tags(tags: &Value) -> Cell {
    let pairs = tags.as_object().into_iter().flatten();
    let pair = |(key, value): (&String, &Value)| {
        shown(&format!("{key}={}", value.as_str().unwrap_or_default()))
    };
    pairs.map(pair).collect::<Vec<_>>().join(" ").into()
}

fn app(status: &Value) -> Cell {
    let (Some(app), reason) = (status["app"].as_str(), &status["app_reason"]) else {
        return "".into();
    };
    let style = style(if app == "up" { "alive" } else { "failed" });
    match reason.as_str() {
        Some(reason) => Cell::styled(shown(&format!("{app}: {reason}")), style),
        None => Cell::styled(shown(app), style),
    }
}

fn uptime(seconds: &Value) -> Cell {
    seconds.as_u64().map(span).unwrap_or_default().into()
}

fn position(status: &Value) -> Cell {
    match (status["epoch"].as_str(), status["seq"].as_u64()) {
        (Some(epoch), Some(seq)) => shown(&format!("{epoch}:{seq}")).into(),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_shows_what_is_there() {
        let status = json!({
            "name": "n1", "health": "isolated", "uptime_s": 192, "http": null,
            "epoch": "5f", "seq": 4,
            "app": "down", "app_reason": "killed by signal 9",
            "counts": {"alive": 1, "suspect": 0, "failed": 2, "left": 0}, "tags": {"role": "web"},
        });
        let lines = table::lines(&rows(&status));
        let plain: Vec<_> = lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(
            plain,
            [
                "name       n1",
                "health     isolated",
                "members    1 alive, 0 suspect, 2 failed, 0 left",
                "tags       role=web",
                "app        down: killed by signal 9",
                "uptime     3m12s",
                "epoch:seq  5f:4",
            ]
        );
    }
}
